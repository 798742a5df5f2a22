import { checkOptions } from '../options.js';
import { checkArray, checkCount, Rows, TARGET_OPTIONS, type TargetOptions } from './targets.js';

export interface WindowOptions extends TargetOptions {
  /** Rows that a window shows. */
  length: number;
  /** Rows from one window's beginning to the next one's (default: 1). */
  stride?: number | undefined;
}

const OPTIONS = ['length', 'stride', ...TARGET_OPTIONS] as const satisfies readonly (keyof WindowOptions)[];

/** A stretch of one series, and the rows that came after it. */
export interface SeriesWindow {
  /** Index of the series. */
  series: number;
  /** Its row with which the window begins. */
  start: number;
  /** [length, width] */
  inputs: Float64Array;
  /** [horizon, target columns]: the rows after the window's last. */
  targets: Float64Array;
}

/**
 * Every window over several series, each window within one of them. A series too short for a window and its targets has
 * none. This is how papers score a forecast: a window is read from a fresh state, and what follows is predicted once.
 *
 * @param series each `[rows, width]`
 * @throws RivuletError `INVALID_OPTION`, `INVALID_INPUT` (no array of series, a series of no whole rows)
 */
export function windows(
  series: readonly ArrayLike<number>[],
  options: WindowOptions,
): Generator<SeriesWindow, void, void> {
  checkOptions(options, OPTIONS, 'windows');
  const length = checkCount('length', options.length);
  const stride = checkCount('stride', options.stride ?? 1);
  checkArray('Series', series, 'series');
  const all = Array.from(series, (data) => new Rows(data, options));
  return cut();

  function* cut(): Generator<SeriesWindow, void, void> {
    for (const [index, rows] of all.entries()) {
      for (let start = 0; start + length + rows.horizon <= rows.count; start += stride) {
        const inputs = new Float64Array(length * rows.width);
        const targets = new Float64Array(rows.targetSize);
        rows.copyRows(start, length, inputs, 0);
        rows.copyTargets(start + length - 1, 1, targets, 0);
        yield { series: index, start, inputs, targets };
      }
    }
  }
}
