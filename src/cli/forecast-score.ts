import { RivuletError } from '../errors.js';
import type { Stream } from '../index.js';
import { type Baseline, repeatLast, seasonalNaive } from '../sequences/index.js';
import type { Context } from './host.js';
import { figure, table } from './output.js';
import type { RangeOf } from './range.js';
import { type Forecasting, forecastingOf, type Readings } from './readings.js';
import { SeriesScore } from './scores.js';
import { runSeries } from './series.js';

/** One way to forecast, and how far it was off. */
export interface Contender {
  name: string;
  all: SeriesScore;
  /** By target. */
  each: SeriesScore[];
}

export interface Comparison {
  contenders: Contender[];
  /** Forecasts made, each of `horizon` steps of all targets. */
  forecasts: number;
}

/**
 * Scores every forecast all of whose steps lie in the range, in scaled units. The stream reads all rows before the range
 * too: a meter has been running for long when it is asked.
 * @throws RivuletError `INVALID_INPUT` where the range is shorter than a forecast
 */
export async function compareForecasts(
  stream: Stream,
  { data, rows, file, lines }: Readings,
  rangeOf: RangeOf,
  context: Context,
): Promise<Comparison> {
  const { task, input, output }: Forecasting = forecastingOf(stream.model);
  const { columns, targets, horizon, season } = task;
  const width = targets.length;
  const { start, end } = rangeOf(rows);
  // The first forecast is made one row before its first target, the last one a horizon before the end.
  const first = Math.max(0, start - 1);
  const last = end - 1 - horizon;
  if (last < first) {
    throw new RivuletError('INVALID_INPUT', 'Nothing to score', {
      expected: `more than ${horizon} rows`,
      found: String(end - start),
    });
  }
  const scaled = input?.transform(data) ?? data;
  const series = { data: scaled, steps: rows, width: columns.length, columns: undefined, file, lines };
  const outputs = await runSeries(stream, series, context);
  const picked = targets.map((name) => columns.indexOf(name));
  const wanted = Float64Array.from({ length: rows * width }, (_, i) => {
    return data[Math.floor(i / width) * columns.length + picked[i % width]];
  });
  output?.transform(wanted, wanted);

  const size = horizon * width;
  const modelled: Baseline = (_data, _width, row, out) => out.set(outputs.subarray(row * size, (row + 1) * size));
  const methods: [string, Baseline][] = [
    [stream.model.name, modelled],
    ['repeat the last row', repeatLast],
    ...(season ? [[`repeat the last ${season} rows`, seasonalNaive(season)] as [string, Baseline]] : []),
  ];
  const values = new Float64Array(size);
  const contenders = methods.map(([name, method]): Contender => {
    const all = new SeriesScore(size);
    const each = targets.map(() => new SeriesScore(horizon));
    for (let row = first; row <= last; row++) {
      method(wanted, width, row, values);
      const came = wanted.subarray((row + 1) * width, (row + 1) * width + size);
      all.add(values, came);
      for (const [target, score] of each.entries()) {
        const ofTarget = (_: number, i: number) => i % width === target;
        score.add(values.filter(ofTarget), came.filter(ofTarget));
      }
    }
    return { name, all, each };
  });
  return { contenders, forecasts: last - first + 1 };
}

/** A table of all targets together, and of each where there are several. */
export function comparisonTable({ contenders }: Comparison, targets: readonly string[]): string {
  const row = (name: string, { meanSquaredError, meanAbsoluteError }: SeriesScore) => [
    name,
    figure(meanSquaredError, 4),
    figure(meanAbsoluteError, 4),
  ];
  const head = ['', 'MSE', 'MAE'];
  const overall = table([head, ...contenders.map(({ name, all }) => row(name, all))]);
  if (targets.length === 1) return overall;
  const each = targets.flatMap((target, i) => [
    [target, '', ''],
    ...contenders.map(({ name, each }) => row(`  ${name}`, each[i])),
  ]);
  return `${overall}\n${table([head, ...each])}`;
}

/** The same as data. */
export function comparisonJson({ contenders, forecasts }: Comparison, targets: readonly string[]): object {
  const errors = ({ meanSquaredError, meanAbsoluteError }: SeriesScore) => ({ meanSquaredError, meanAbsoluteError });
  return {
    forecasts,
    scores: contenders.map(({ name, all, each }) => ({
      name,
      ...errors(all),
      targets: Object.fromEntries(targets.map((target, i) => [target, errors(each[i])])),
    })),
  };
}
