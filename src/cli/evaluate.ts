import { RivuletError } from '../errors.js';
import type { Model } from '../index.js';
import { evaluateText, Vocabulary } from '../text/index.js';
import type { Context, Verb } from './host.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE } from './model.js';
import { type Arguments, JSON_OUTPUT, KERNELS, UsageError } from './options.js';
import { count, figure } from './output.js';
import { Progress } from './progress.js';
import { decodeText, portsOf, readSeries, runSeries, type Series } from './series.js';

/** What was measured: by the name that JSON gives it, then the value, and its unit for people. */
type Measures = Record<string, { value: number; unit: string }>;

export const evaluateVerb: Verb = {
  name: 'evaluate',
  summary: 'Measures how well a model predicts a text or a series',
  positionals: ['MODEL', 'FILE'],
  notes: [
    MODEL_NOTE,
    'FILE is a series (.npy or .csv, read as by "run") or else a text, which is scored by the next character.',
    'A series is scored against TARGETS; without them against its own next step.',
  ],
  options: {
    targets: { value: 'TARGETS', help: '.npy or .csv with the right output for each step of the series' },
    from: { value: 'SHARE', help: 'Leave out this share at the beginning: 0.9 measures the last tenth' },
    skip: { value: 'N', help: 'Leave out N characters or steps at the beginning' },
    length: { short: 'n', value: 'N', help: 'Measure N characters or steps at most' },
    unknown: { value: 'CHARACTER', help: 'Stands in for characters that the model does not know (default: an error)' },
    state: STATE.state,
    ...JSON_OUTPUT,
    ...KERNELS,
  },
  examples: [
    'rivulet evaluate models/shakespeare input.txt --from 0.9',
    'rivulet evaluate model.safetensors inputs.npy --targets targets.npy --json',
  ],

  async run(args, context) {
    const [, path] = args.positionals;
    const isSeries = /\.(npy|csv)$/i.test(path);
    for (const name of isSeries ? ['unknown'] : ['targets']) {
      if (args.text(name) !== undefined) {
        throw new UsageError(
          `--${name} is for a ${isSeries ? 'text' : 'series'}, and ${path} is a ${isSeries ? 'series' : 'text'}`,
        );
      }
    }
    const rangeOf = readRange(args);
    const model = await openModel(args, context);
    const content = await readBytes(path, context);
    const measures = isSeries
      ? await measureSeries(model, content, path, rangeOf, args, context)
      : await measureText(model, content, path, rangeOf, args, context);
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

/** What of a file of `total` items is measured. */
type RangeOf = (total: number) => { start: number; end: number };

function readRange(args: Arguments): RangeOf {
  const share = args.number('from', { min: 0, max: 1 });
  const skip = args.number('skip', { min: 0, integer: true });
  const length = args.number('length', { min: 1, integer: true }) ?? Number.POSITIVE_INFINITY;
  if (share !== undefined && skip !== undefined) throw new UsageError('--from and --skip exclude each other');
  return (total) => {
    const start = Math.min(total, skip ?? Math.floor(total * (share ?? 0)));
    return { start, end: Math.min(total, start + length) };
  };
}

async function measureText(
  model: Model,
  content: Uint8Array,
  path: string,
  rangeOf: RangeOf,
  args: Arguments,
  context: Context,
): Promise<Measures> {
  const vocabulary = Vocabulary.of(model, { unknown: args.text('unknown') });
  const ids = vocabulary.encode(decodeText(content, path));
  const { start, end } = rangeOf(ids.length);
  const stream = await openStream(model, args, context);
  const started = performance.now();
  const result = await Progress.during(context.stderr, 'Evaluating', (progress) =>
    evaluateText(stream, ids.subarray(start, end), {
      signal: context.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  return {
    loss: { value: result.loss, unit: 'nats per character' },
    perplexity: { value: result.perplexity, unit: '' },
    bitsPerCharacter: { value: result.bitsPerCharacter, unit: '' },
    count: { value: result.count, unit: 'characters' },
    perSecond: { value: result.count / seconds, unit: 'characters/s' },
  };
}

async function measureSeries(
  model: Model,
  content: Uint8Array,
  path: string,
  rangeOf: RangeOf,
  args: Arguments,
  context: Context,
): Promise<Measures> {
  const { input, output } = portsOf(model);
  const whole = readSeries(content, path, input.size);
  const series = cut(whole, rangeOf(whole.steps));
  const targets = await targetsOf(whole, output.size, rangeOf, args, context);
  if (targets.steps < 1) {
    throw new RivuletError('INVALID_INPUT', 'Nothing to measure', { file: path, found: `${series.steps} steps` });
  }
  const stream = await openStream(model, args, context);
  const started = performance.now();
  const outputs = await runSeries(stream, series, context);
  const seconds = (performance.now() - started) / 1000;
  let squares = 0;
  let absolutes = 0;
  const values = targets.steps * output.size;
  for (let i = 0; i < values; i++) {
    const error = outputs[i] - targets.data[i];
    squares += error * error;
    absolutes += Math.abs(error);
  }
  return {
    meanSquaredError: { value: squares / values, unit: '' },
    meanAbsoluteError: { value: absolutes / values, unit: '' },
    count: { value: targets.steps, unit: 'steps' },
    perSecond: { value: series.steps / seconds, unit: 'steps/s' },
  };
}

async function targetsOf(
  whole: Series,
  width: number,
  rangeOf: RangeOf,
  args: Arguments,
  context: Context,
): Promise<Series> {
  const path = args.text('targets');
  const range = rangeOf(whole.steps);
  if (path !== undefined) {
    const targets = readSeries(await readBytes(path, context), path, width);
    if (targets.steps !== whole.steps) {
      throw new RivuletError('INVALID_INPUT', 'Targets and inputs have different lengths', {
        file: path,
        expected: `${whole.steps} steps`,
        found: String(targets.steps),
      });
    }
    return cut(targets, range);
  }
  if (whole.width !== width) {
    throw new RivuletError('INVALID_INPUT', `A step of ${whole.width} values can't be the target of ${width} outputs`, {
      hint: 'Pass the right outputs with --targets',
    });
  }
  return cut(whole, { start: range.start + 1, end: range.end });
}

function cut(series: Series, { start, end }: { start: number; end: number }): Series {
  const steps = Math.max(0, end - start);
  return { ...series, steps, data: series.data.subarray(start * series.width, (start + steps) * series.width) };
}
