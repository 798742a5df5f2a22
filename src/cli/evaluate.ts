import { RivuletError } from '../errors.js';
import type { Model } from '../index.js';
import { sequenceBatches, type TargetOptions } from '../sequences/index.js';
import { Pacer } from '../text/pause.js';
import { logitsWidth } from '../text/stream.js';
import { encodeText, UNKNOWN, vocabularyOf } from './characters.js';
import { type Context, throwIfInterrupted, type Verb } from './host.js';
import { MODEL_NOTE, openModel, readBytes, STATE } from './model.js';
import { type Arguments, HELD, JSON_OUTPUT, KERNELS, UsageError } from './options.js';
import { count, figure } from './output.js';
import { Progress } from './progress.js';
import { RANGE, type RangeOf, readRange } from './range.js';
import { READER_OPTIONS } from './reader-options.js';
import { COLUMNS, forecastingOf, isForecaster, namesIn, readReadings, tableOptions } from './readings.js';
import { type Measures, type Score, SeriesScore, TextScore } from './scores.js';
import { decodeText, portsOf, readSeries } from './series.js';
import { oneAhead, openCompany, WORKERS } from './side-by-side.js';

/** Rows in, and what should come out: what `sequenceBatches` cuts. */
interface Sample {
  data: ArrayLike<number>;
  options: TargetOptions;
  /** What a row is called. */
  unit: string;
  score: Score;
}

export const evaluateVerb: Verb = {
  name: 'evaluate',
  summary: 'Measures how well a model predicts a text or a series',
  positionals: ['MODEL', 'FILE'],
  notes: [
    MODEL_NOTE,
    'FILE is a series (.npy, .csv or .tsv, read as by "run") or else a text, which is scored by the next character.',
    'A series is scored against TARGETS; without them against its own next step. A model that says what it forecasts',
    'reads its columns as "forecast" does, scaled, and is scored in scaled units on all steps that it looks ahead.',
    'With B, FILE is cut into B sequences of equal length, which are read side by side, each from the beginning state.',
  ],
  options: {
    targets: { value: 'TARGETS', help: '.npy or .csv with the right output for each step of the series' },
    'batch-size': { short: 'b', value: 'B', help: 'Sequences to read side by side (default: 1)' },
    'sequence-length': {
      value: 'T',
      help: 'Steps of each sequence in one call (default: 64); changes no figure but by rounding',
    },
    ...WORKERS,
    ...COLUMNS,
    ...RANGE,
    ...UNKNOWN,
    state: STATE.state,
    ...JSON_OUTPUT,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: [
    'rivulet evaluate models/shakespeare input.txt --from 0.9',
    'rivulet evaluate models/shakespeare input.txt --from 0.9 --batch-size 32',
    'rivulet evaluate model.safetensors inputs.npy --targets targets.npy --json',
  ],

  async run(args, context) {
    const [, path] = args.positionals;
    const isSeries = /\.(npy|csv|tsv)$/i.test(path);
    for (const name of isSeries ? ['unknown'] : ['targets']) {
      if (args.text(name) !== undefined) {
        throw new UsageError(
          `--${name} is for a ${isSeries ? 'text' : 'series'}, and ${path} is a ${isSeries ? 'series' : 'text'}`,
        );
      }
    }
    const batchSize = args.number('batch-size', { min: 1, integer: true }) ?? 1;
    const sequenceLength = args.number('sequence-length', { min: 1, integer: true }) ?? 64;
    const rangeOf = readRange(args);
    const model = await openModel(args, context);
    const content = await readBytes(path, context);
    const sample = isSeries
      ? await readSample(model, content, path, rangeOf, args, context)
      : readText(model, content, path, rangeOf, args);
    const measures = await measure(model, sample, { batchSize, sequenceLength }, args, context).catch((error) => {
      throw error instanceof RivuletError && error.code === 'INVALID_INPUT' ? error.inFile(path) : error;
    });
    const figures = Object.entries(measures);
    await context.stdout.write(
      args.flag('json')
        ? `${JSON.stringify(Object.fromEntries(figures.map(([name, { value }]) => [name, value])), null, 2)}\n`
        : figures
            .map(([name, { value, unit }]) => `${label(name).padEnd(20)}${show(value)} ${unit}`.trimEnd())
            .join('\n')
            .concat('\n'),
    );
  },
};

function label(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function show(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 1000 ? count(value) : figure(value, 6);
}

/** Runs the sequences side by side, a stream for each, the state kept from batch to batch. */
async function measure(
  model: Model,
  { data, options, unit, score }: Sample,
  { batchSize, sequenceLength }: { batchSize: number; sequenceLength: number },
  args: Arguments,
  context: Context,
): Promise<Measures> {
  const batches = sequenceBatches(data, { ...options, batchSize, sequenceLength });
  const total = data.length / (options.width ?? 1);
  const started = performance.now();
  const company = await openCompany(model, batchSize, total, args, context);
  const steps = await Progress.during(context.stderr, 'Evaluating', async (progress) => {
    const pacer = new Pacer();
    const outputs = oneAhead(batches, ({ inputs, steps }) => company.run(inputs, steps));
    let done = 0;
    // Here and in order, so that the sums are the same by any number of threads.
    for await (const { item, result } of outputs) {
      score.add(result, item.targets);
      done += batchSize * item.steps;
      if (!pacer.isDue()) continue;
      progress.update(done, total);
      await pacer.pause();
      throwIfInterrupted(context.signal);
    }
    return done;
  }).finally(() => company.dispose());
  const seconds = (performance.now() - started) / 1000;
  return { ...score.measures, perSecond: { value: steps / seconds, unit: `${unit}/s` } };
}

function readText(model: Model, content: Uint8Array, path: string, rangeOf: RangeOf, args: Arguments): Sample {
  const vocabulary = vocabularyOf(model, args);
  const width = logitsWidth({ model }, vocabulary.size);
  const ids = encodeText(vocabulary, decodeText(content, path), path);
  const { start, end } = rangeOf(ids.length);
  return { data: ids.subarray(start, end), options: {}, unit: 'characters', score: new TextScore(width) };
}

async function readSample(
  model: Model,
  content: Uint8Array,
  path: string,
  rangeOf: RangeOf,
  args: Arguments,
  context: Context,
): Promise<Sample> {
  const { input, output } = portsOf(model);
  const score = new SeriesScore(output.size);
  const targetsPath = args.text('targets');
  const cut = (data: Float64Array, width: number) => {
    const { start, end } = rangeOf(data.length / width);
    return data.subarray(start * width, end * width);
  };
  const sample = (data: Float64Array, options: TargetOptions): Sample => {
    return { data: cut(data, input.size), options: { ...options, width: input.size }, unit: 'steps', score };
  };
  if (isForecaster(model) && targetsPath === undefined) {
    const { task, input } = forecastingOf(model);
    const { data } = readReadings(content, namesIn(args, task.columns), tableOptions(args, model, path));
    const targetColumns = task.targets.map((name) => task.columns.indexOf(name));
    return sample(input?.transform(data) ?? data, { horizon: task.horizon, targetColumns });
  }
  const series = readSeries(content, path, input.size);
  const data = Float64Array.from(series.data);
  if (targetsPath !== undefined) {
    const targets = readSeries(await readBytes(targetsPath, context), targetsPath, output.size);
    if (targets.steps !== series.steps) {
      throw new RivuletError('INVALID_INPUT', 'Targets and inputs have different lengths', {
        file: targetsPath,
        expected: `${series.steps} steps`,
        found: String(targets.steps),
      });
    }
    return sample(data, { targets: cut(Float64Array.from(targets.data), output.size) });
  }
  if (input.size !== output.size) {
    throw new RivuletError(
      'INVALID_INPUT',
      `A step of ${input.size} values can't be the target of ${output.size} outputs`,
      { hint: 'Pass the right outputs with --targets' },
    );
  }
  return sample(data, {});
}
