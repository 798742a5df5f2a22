import { RivuletError } from '../errors.js';
import type { Model } from '../index.js';
import { Pacer } from '../text/pause.js';
import { encodeText, UNKNOWN, vocabularyOf } from './characters.js';
import { drawHeatMap } from './chart/heat-map.js';
import { writeFile } from './files.js';
import { type Context, throwIfInterrupted, type Verb } from './host.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE, saveState } from './model.js';
import { type Arguments, KERNELS, UsageError } from './options.js';
import { Progress } from './progress.js';
import { readRange } from './range.js';
import { READER_OPTIONS } from './reader-options.js';
import { COLUMNS, forecastingOf, isForecaster, namesIn, readReadings, tableOptions } from './readings.js';
import { decodeText, portsOf, readSeries } from './series.js';
import { TraceView } from './trace-view.js';

const FORMATS = ['csv', 'json', 'npy', 'svg'] as const;

/** Steps traced unless told: as many as a picture shows well. */
const LENGTH = 100;

/** What a model reads, step by step. */
interface Input {
  /** [steps, width] */
  data: ArrayLike<number>;
  width: number;
  /** What is read at each step, for people. */
  labelOf(step: number): string;
  /** What the axis of these is called. */
  axis: string;
}

export const traceVerb: Verb = {
  name: 'trace',
  summary: 'Shows what the gates of the recurrent layers do, step by step',
  positionals: ['MODEL', '[INPUT]'],
  notes: [
    MODEL_NOTE,
    'INPUT is a text for a model of characters, else a .npy or CSV as "run" and "forecast" read it.',
    'An LSTM has the gates forget, input, candidate, output; learn (input x candidate), remember (the new cell) and use',
    '(output x tanh of the cell); a GRU reset, update, candidate; all layers hidden, the state that they hand on.',
  ],
  options: {
    output: { short: 'o', value: 'FILE', help: 'Where to write: .csv, .json, .npy, .svg, or - (default: -)' },
    format: { value: 'FORMAT', help: 'csv, json, npy or svg (default: by the name of FILE, else csv)' },
    text: { value: 'TEXT', help: 'What a model of characters reads, instead of INPUT' },
    ...UNKNOWN,
    ...COLUMNS,
    layer: { value: 'NAME', help: 'This layer only (default: all)' },
    gate: { value: 'NAME', multiple: true, help: 'This gate only (default: all; in a picture, the telling ones)' },
    from: { value: 'SHARE', help: 'Read this share at the beginning without tracing it' },
    skip: { value: 'N', help: 'Read N characters or steps at the beginning without tracing them' },
    length: { short: 'n', value: 'N', help: `Trace N characters or steps at most (default: ${LENGTH})` },
    ...STATE,
    ...READER_OPTIONS,
    ...KERNELS,
  },
  examples: [
    'rivulet trace models/shakespeare --text "ROMEO:" -o gates.svg',
    'rivulet trace models/shakespeare input.txt --skip 1000 --length 50 --layer lstm1 --gate forget -o forget.npy',
    'rivulet trace models/energy ETTh1.csv --from 0.9 -o gates.svg',
  ],

  async run(args, context) {
    const { stderr, signal, stdout } = context;
    const path = args.text('output') ?? '-';
    const suffix = FORMATS.find((name) => path.endsWith(`.${name}`));
    const chosen = args.choice('format', FORMATS) ?? suffix;
    if (!chosen && /\.(png|jpe?g|gif|webp|pdf|html?)$/i.test(path)) {
      throw new UsageError(`--output ${path}: what can be drawn is an .svg`);
    }
    const format = chosen ?? 'csv';
    const rangeOf = readRange(args, LENGTH);
    if ((args.positionals[1] === undefined) === (args.text('text') === undefined)) {
      throw new UsageError('Either INPUT or --text says what is read');
    }
    const model = await openModel(args, context);
    const { data, width, labelOf, axis } = await readInput(model, args, context);
    const stream = await openStream(model, args, context);
    const { start, end } = rangeOf(data.length / width);
    if (end <= start) {
      throw new RivuletError('INVALID_INPUT', 'Nothing to trace', {
        file: args.positionals[1],
        expected: start > 0 ? `more than the ${start} steps left out` : 'a step at least',
        found: `${data.length / width} steps`,
      });
    }
    const view = new TraceView(model.name, args.text('layer'), args.list('gate'));
    await Progress.during(stderr, 'Tracing', async (progress) => {
      const pacer = new Pacer();
      for (let step = 0; step < end; step++) {
        const x = Array.from({ length: width }, (_, i) => data[step * width + i]);
        if (step < start) stream.step(x);
        else view.add(labelOf(step), stream.trace(x).layers);
        if (!pacer.isDue()) continue;
        progress.update(step, end);
        await pacer.pause();
        throwIfInterrupted(signal);
      }
    });
    const result = format === 'svg' ? drawHeatMap(view.heatMap(axis)) : view[format]();
    if (path === '-') await stdout.write(result);
    else await writeFile(path, result);
    await saveState(stream, args);
  },
};

async function readInput(model: Model, args: Arguments, context: Context): Promise<Input> {
  const { input } = portsOf(model);
  const [, path] = args.positionals;
  if (model.metadata.vocabulary !== undefined) {
    const text = args.text('text') ?? decodeText(await readBytes(path, context), path);
    const characters = [...text];
    return {
      data: encodeText(vocabularyOf(model, args), text, path),
      width: 1,
      labelOf: (step) => VISIBLE[characters[step]] ?? characters[step],
      axis: 'character read',
    };
  }
  if (path === undefined) throw new UsageError('--text is for a model of characters');
  const content = await readBytes(path, context);
  if (isForecaster(model)) {
    const { task, input: scaler } = forecastingOf(model);
    const { data, labels } = readReadings(content, namesIn(args, task.columns), tableOptions(args, model, path));
    return {
      data: scaler?.transform(data) ?? data,
      width: task.columns.length,
      labelOf: (step) => labels?.values[step] ?? String(step),
      axis: labels?.name ?? task.step ?? 'step',
    };
  }
  const { data } = readSeries(content, path, input.size);
  const isOne = input.size === 1;
  return {
    data,
    width: input.size,
    labelOf: (step) => String(isOne ? data[step] : step),
    axis: isOne ? (input.type === 'float32' ? 'value read' : 'token read') : 'step',
  };
}

/** Characters that would not be seen. */
const VISIBLE: Readonly<Record<string, string>> = { '\n': '⏎', '\t': '⇥', ' ': '␣' };
