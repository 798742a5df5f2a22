import { RivuletError } from '../errors.js';
import type { Stream } from '../index.js';
import { Forecaster } from '../sequences/index.js';
import { Pacer } from '../text/pause.js';
import { drawLines } from './chart/line-chart.js';
import { CsvSink } from './csv-sink.js';
import { writeFile } from './files.js';
import { compareForecasts, comparisonJson, comparisonTable } from './forecast-score.js';
import { ForecastView, printed } from './forecast-view.js';
import { type Context, throwIfInterrupted, type Verb } from './host.js';
import { answerTo, liveReadings, type Reading, storedReadings } from './live.js';
import { MODEL_NOTE, openModel, openStream, readBytes, STATE, saveState } from './model.js';
import { type Arguments, HELD, JSON_OUTPUT, KERNELS, type Options, UsageError } from './options.js';
import { count } from './output.js';
import { Progress } from './progress.js';
import { type RangeOf, readRange } from './range.js';
import { READER_OPTIONS } from './reader-options.js';
import { COLUMNS, DATA_NOTE, namesIn, type Readings, readReadings, tableOptions } from './readings.js';
import { STDIN } from './records.js';

/** Which part of the rows is scored; the rows before it are read all the same. */
const SCORED: Options = {
  from: { value: 'SHARE', help: 'With --evaluate: leave out forecasts of this share of the rows at the beginning' },
  skip: { value: 'N', help: 'With --evaluate: leave out forecasts of the first N rows' },
  length: { short: 'n', value: 'N', help: 'With --evaluate: score forecasts of the N rows from there on' },
};

export const forecastVerb: Verb = {
  name: 'forecast',
  summary: 'Reads a table row by row, and forecasts the rows that follow',
  positionals: ['MODEL', '[DATA]'],
  notes: [
    MODEL_NOTE,
    ...DATA_NOTE,
    'The model says which columns it reads, how they are scaled and how far it looks ahead.',
    'From a file, the forecast after its last row is written; from standard input, one for each row as it arrives.',
  ],
  options: {
    output: { short: 'o', value: 'FILE', help: 'Where to write the CSV, or - for standard output (default: -)' },
    svg: { value: 'FILE', help: 'Draw the rows before, the forecast and, where DATA has it, what came' },
    at: { value: 'WHEN', help: 'Forecast after the row that is called so, or after N rows (default: after the last)' },
    history: {
      value: 'N',
      help: 'Rows before the forecast to draw (default: four times as many as it has, at least 48)',
    },
    ...COLUMNS,
    each: { help: 'Write a line for each row of a file too' },
    evaluate: { help: 'Score the forecasts after all rows, beside repeating the last row and the last season' },
    ...SCORED,
    ...STATE,
    ...JSON_OUTPUT,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: [
    'rivulet forecast models/energy ETTh1.csv --svg forecast.svg',
    'rivulet forecast models/energy ETTh1.csv --at "2018-02-20 00:00:00" --svg afterwards.svg',
    'rivulet forecast models/energy ETTh1.csv --evaluate --skip 11520 --length 2880',
    'tail -f meter.csv | rivulet forecast models/energy',
  ],

  async run(args, context) {
    const [, path = '-'] = args.positionals;
    const isScored = args.flag('evaluate');
    const isLive = path === '-' || args.flag('each');
    const rangeOf = readRange(args);
    refuse(args, isScored ? ['output', 'svg', 'at', 'history', 'each'] : ['from', 'skip', 'length', 'json'], {
      because: `${isScored ? 'does not go' : 'goes'} with --evaluate`,
    });
    if (isLive) refuse(args, ['svg', 'at', 'history', 'evaluate'], { because: 'is for one forecast from a file' });

    const model = await openModel(args, context);
    const stream = await openStream(model, args, context);
    const forecaster = new Forecaster(stream);
    const names = namesIn(args, forecaster.task.columns);
    if (path === '-') {
      await forecastEach(forecaster, liveReadings(context, names, tableOptions(args, model, STDIN)), args, context);
    } else {
      const readings = readReadings(await readBytes(path, context), names, tableOptions(args, model, path));
      if (isScored) await score(stream, readings, rangeOf, args, context);
      else if (isLive) await forecastEach(forecaster, storedReadings(readings), args, context);
      else await forecastOnce(forecaster, readings, args, context);
    }
    await saveState(stream, args);
  },
};

/** @throws UsageError for the first of these options that is given */
function refuse(args: Arguments, names: readonly string[], { because }: { because: string }): void {
  const given = names.find((name) => args.flag(name) || args.text(name) !== undefined);
  if (given !== undefined) throw new UsageError(`--${given} ${because}`);
}

/** Reads up to the row that `--at` means, and writes and draws what the model then expects. */
async function forecastOnce(
  forecaster: Forecaster,
  readings: Readings,
  args: Arguments,
  { stdout, stderr, signal }: Context,
): Promise<void> {
  const { task, stream } = forecaster;
  const history = args.number('history', { min: 1, integer: true }) ?? Math.max(48, 4 * task.horizon);
  const read = rowsBefore(args.text('at'), readings);
  const values = await Progress.during(stderr, 'Reading', async (progress) => {
    const pacer = new Pacer();
    const out = new Float64Array(task.horizon * task.targets.length);
    let done = 0;
    for (const reading of storedReadings(readings)) {
      answer(forecaster, reading, out);
      if (++done === read) break;
      if (!pacer.isDue()) continue;
      progress.update(done, read);
      await pacer.pause();
      throwIfInterrupted(signal);
    }
    return out;
  });
  const view = new ForecastView(task, readings, read, values);
  const path = args.text('output') ?? '-';
  if (path === '-') await stdout.write(view.csv());
  else await writeFile(path, view.csv());
  const svg = args.text('svg');
  if (svg !== undefined) await writeFile(svg, drawLines(view.chart(stream.model.name, history)));
}

/** What is forecast after a row. */
function answer(forecaster: Forecaster, reading: Reading, out?: Float64Array): Float64Array {
  return answerTo(
    reading,
    (values) => forecaster.push(values, out),
    (forecast) => forecast,
  );
}

/** How many rows are read before the forecast. */
function rowsBefore(at: string | undefined, { rows, labels, file }: Readings): number {
  const index = at === undefined ? rows - 1 : (labels?.values.indexOf(at) ?? -1);
  const read = index >= 0 ? index + 1 : /^\d+$/.test(at ?? '') ? Number(at) : 0;
  if (read >= 1 && read <= rows) return read;
  throw new RivuletError('INVALID_INPUT', 'No row to forecast after', {
    file,
    expected: rows > 0 ? `what a row is called, or a number from 1 to ${rows}` : 'at least one row',
    found: at ?? 'none',
  });
}

/** A line for each reading: its label, then the first step of each target, the second, and so on. */
async function forecastEach(
  forecaster: Forecaster,
  readings: AsyncIterable<Reading> | Iterable<Reading>,
  args: Arguments,
  { stdout }: Context,
): Promise<void> {
  const { targets, horizon } = forecaster.task;
  const sink = new CsvSink(args.text('output') ?? '-', stdout);
  const names = Array.from({ length: horizon }, (_, step) => targets.map((name) => `${name}+${step + 1}`)).flat();
  let isFirst = true;
  for await (const reading of readings) {
    const { label } = reading;
    const forecast = answer(forecaster, reading);
    if (isFirst) await sink.write([...(label ? [label.name] : []), ...names]);
    isFirst = false;
    await sink.write([...(label ? [label.value] : []), ...Array.from(forecast, printed)]);
  }
  await sink.end();
}

async function score(
  stream: Stream,
  readings: Readings,
  rangeOf: RangeOf,
  args: Arguments,
  context: Context,
): Promise<void> {
  const { targets, horizon } = new Forecaster(stream).task;
  const comparison = await compareForecasts(stream, readings, rangeOf, context).catch((error) => {
    throw error instanceof RivuletError ? error.inFile(readings.file) : error;
  });
  const steps = `${horizon} ${horizon === 1 ? 'step' : 'steps'}`;
  const scope = `${count(comparison.forecasts)} forecasts of ${steps} of ${targets.join(', ')}, in scaled units`;
  await context.stdout.write(
    args.flag('json')
      ? `${JSON.stringify(comparisonJson(comparison, targets), null, 2)}\n`
      : `${comparisonTable(comparison, targets)}\n${scope}\n`,
  );
}
