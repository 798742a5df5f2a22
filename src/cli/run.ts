import { addAbortSignal } from 'node:stream';
import { RivuletError } from '../errors.js';
import type { Port, Stream } from '../index.js';
import { formatCsvLine, isHeader, parseCsvLine, parseCsvNumber, writeCsv } from '../io/csv.js';
import { writeNpy } from '../io/npy.js';
import { writeFile } from './files.js';
import type { Context, Verb } from './host.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE, saveState } from './model.js';
import { HELD, KERNELS, UsageError } from './options.js';
import { READER_OPTIONS } from './reader-options.js';
import { recordsOf, STDIN } from './records.js';
import { outputNamed, runArrays } from './run-arrays.js';
import { NPY_START, placed, portsOf, readSeries, runSeries, type Series, wrongWidth } from './series.js';

const FORMATS = ['csv', 'npy'] as const;

export const runVerb: Verb = {
  name: 'run',
  summary: 'Feeds a series through a model, step by step, and writes what comes out',
  positionals: ['MODEL', '[INPUT]'],
  notes: [
    MODEL_NOTE,
    'INPUT is a .npy of shape [T, inputs] or a CSV with a row for each step; without it, or with -, standard input.',
    'From standard input to standard output, each CSV line is answered as it arrives.',
    'A CSV that names its columns in the first line is answered by one that does.',
    'A model with several inputs or outputs takes them by name; a file is then a series, or .npy of the whole shape.',
  ],
  options: {
    input: { value: 'NAME=FILE', multiple: true, help: 'The numbers of one input' },
    output: {
      short: 'o',
      value: '[NAME=]FILE',
      multiple: true,
      help: 'Where to write: .npy, .csv, or - for standard output (default: -)',
    },
    steps: { value: 'N', help: 'Run at most N steps; an input of one row is given at each' },
    format: { value: 'FORMAT', help: 'csv or npy: what INPUT is (default: its content decides)' },
    'output-format': { value: 'FORMAT', help: 'csv or npy: what to write (default: by the name of FILE, else csv)' },
    ...STATE,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: [
    'rivulet run model.safetensors inputs.npy --output outputs.npy',
    'rivulet run silero_vad.onnx chunks.npy --constant sr=16000 --shape input=N,576 --output speech.csv',
    'rivulet run model.onnx --input a=a.npy --input b=b.csv --output y=y.npy',
    'tail -f sensor.csv | rivulet run model.safetensors',
  ],

  async run(args, context) {
    const { stdout } = context;
    const [, path = '-'] = args.positionals;
    const format = args.choice('format', FORMATS);
    const [outputPath = '-'] = args.list('output');
    const outputFormat = args.choice('output-format', FORMATS) ?? (outputPath.endsWith('.npy') ? 'npy' : 'csv');

    const steps = args.number('steps', { min: 0, integer: true });

    const model = await openModel(args, context);
    const isByName = args.list('input').length > 0 || args.list('output').some((value) => outputNamed(model, value));
    if (isByName || (!model.streamable && path !== '-')) return runArrays(model, args, context);
    if (args.list('output').length > 1) throw new UsageError('--output is given twice');
    const { input, output } = portsOf(model);
    const stream = await openStream(model, args, context);

    let content: Uint8Array;
    if (path === '-') {
      const pieces = addAbortSignal(context.signal, context.stdin)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      const first = await pieces.next();
      const isNpy = format === undefined ? !first.done && first.value[0] === NPY_START : format === 'npy';
      if (!isNpy && outputFormat === 'csv' && outputPath === '-') {
        await answerLines(resume(first, pieces), stream, { input, output, steps }, context);
        await saveState(stream, args);
        return;
      }
      content = await collect(resume(first, pieces));
    } else {
      content = await readBytes(path, context);
    }

    const series = limited(readSeries(content, path === '-' ? STDIN : path, input.size, format), steps);
    const data = await runSeries(stream, series, context);
    const shape = [series.steps, output.size];
    const result =
      outputFormat === 'npy' ? writeNpy(data, shape) : writeCsv(data, shape, series.columns && columnsOf(output));
    if (outputPath === '-') await stdout.write(result);
    else await writeFile(outputPath, result);
    await saveState(stream, args);
  },
};

/** At most `steps` steps of a series; one row alone is given at each. */
function limited(series: Series, steps: number | undefined): Series {
  const { data, width } = series;
  if (steps === undefined || (steps >= series.steps && series.steps !== 1)) return series;
  if (series.steps > 1) return { ...series, steps, data: data.subarray(0, steps * width) };
  return { ...series, steps, data: Float64Array.from({ length: steps * width }, (_, i) => data[i % width]) };
}

/** Names of an output's columns: the port's own, numbered where there are several. */
function columnsOf({ name, size }: Port): string[] {
  return size === 1 ? [name] : Array.from({ length: size }, (_, i) => `${name}_${i}`);
}

/** One CSV line in, one step, one CSV line out. */
async function answerLines(
  pieces: AsyncIterable<Uint8Array>,
  stream: Stream,
  { input, output, steps = Number.POSITIVE_INFINITY }: { input: Port; output: Port; steps: number | undefined },
  { stdout }: Context,
): Promise<void> {
  let left = steps;
  const x = new Float64Array(input.size);
  const y = new Float32Array(output.size);
  let isFirst = true;
  let blank: number | undefined;
  for await (const { text, line } of recordsOf(pieces)) {
    if (left === 0) break;
    if (text === '') {
      blank ??= line;
      continue;
    }
    if (blank !== undefined) {
      throw new RivuletError('INVALID_FILE', `Line ${blank} is blank`, {
        file: STDIN,
        expected: `${input.size} numbers`,
      });
    }
    const fields = parseCsvLine(text, { file: STDIN, line });
    if (fields.length !== input.size) {
      throw wrongWidth(`${STDIN}, line ${line}`, `${input.size} columns`, String(fields.length));
    }
    const isNames = isFirst && isHeader(fields);
    isFirst = false;
    if (isNames) {
      await stdout.write(`${formatCsvLine(columnsOf(output))}\n`);
      continue;
    }
    for (const [i, field] of fields.entries()) x[i] = parseCsvNumber(field, { file: STDIN, line, column: i + 1 });
    try {
      stream.step(x, y);
    } catch (error) {
      throw placed(error, STDIN, `line ${line}`);
    }
    left--;
    await stdout.write(`${formatCsvLine(y)}\n`);
  }
}

async function* resume(first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let result = first; !result.done; result = await rest.next()) yield result.value;
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
