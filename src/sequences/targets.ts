import { RivuletError } from '../errors.js';
import { shown } from '../options.js';

/** What stands in a row of the data, and what is to be predicted from it. */
export interface TargetOptions {
  /** Numbers in a row: the columns of a table, or 1 (the default) for a text or a single series. */
  width?: number | undefined;
  /** How many rows ahead a target holds, from the next one on (default: 1; 0 where `targets` are given). */
  horizon?: number | undefined;
  /** Indices of the columns that a target holds (default: all, in order). */
  targetColumns?: readonly number[] | undefined;
  /** What to predict at each row, `[rows, any]`, where that is not a part of the rows that follow. */
  targets?: ArrayLike<number> | undefined;
}

export const TARGET_OPTIONS = [
  'width',
  'horizon',
  'targetColumns',
  'targets',
] as const satisfies readonly (keyof TargetOptions)[];

/** The rows of an array `[rows, width]`, and the target of each. */
export class Rows {
  readonly count: number;
  readonly width: number;
  /** Rows that a target reaches beyond its own. */
  readonly horizon: number;
  /** Numbers in a target: `[horizon, target columns]`, or what is given for each row. */
  readonly targetSize: number;
  private readonly columns: readonly number[];
  private readonly given: ArrayLike<number> | undefined;

  /** @throws RivuletError `INVALID_OPTION`, or `INVALID_INPUT` where the data are no whole number of rows */
  constructor(
    private readonly data: ArrayLike<number>,
    { width = 1, targets, horizon = targets ? 0 : 1, targetColumns }: TargetOptions,
  ) {
    this.width = checkCount('width', width);
    this.count = wholeRows('Data', data, width);
    this.given = targets;
    this.horizon = targets && horizon === 0 ? 0 : checkCount('horizon', horizon);
    if (targets && (horizon !== 0 || targetColumns)) {
      throw new RivuletError('INVALID_OPTION', 'Both targets and what to take as targets are given', {
        expected: 'targets, or horizon and targetColumns',
      });
    }
    this.columns = targetColumns ?? Array.from({ length: width }, (_, column) => column);
    const wrong = this.columns.find((column) => !(Number.isInteger(column) && column >= 0 && column < width));
    if (wrong !== undefined || this.columns.length === 0) {
      throw new RivuletError('INVALID_OPTION', 'Bad targetColumns', {
        expected: `indices from 0 to ${width - 1}`,
        found: String(wrong ?? 'none'),
      });
    }
    this.targetSize = targets ? wholeRows('Targets', targets, this.count) : horizon * this.columns.length;
  }

  /** Copies rows `from` to `from + count` into `out` at `at`. */
  copyRows(from: number, count: number, out: Float64Array, at: number): void {
    const { data, width } = this;
    const first = from * width;
    for (let i = 0; i < count * width; i++) out[at + i] = data[first + i];
  }

  /** Copies the targets of rows `from` to `from + count` into `out` at `at`: `[count, targetSize]`. */
  copyTargets(from: number, count: number, out: Float64Array, at: number): void {
    const { data, width, horizon, columns, given, targetSize } = this;
    if (given) for (let i = 0; i < count * targetSize; i++) out[at + i] = given[from * targetSize + i];
    for (let row = from; row < from + count; row++) {
      for (let ahead = 1; ahead <= horizon; ahead++) {
        for (const column of columns) out[at++] = data[(row + ahead) * width + column];
      }
    }
  }
}

/** How many times `unit` numbers stand in an array. */
function wholeRows(what: string, data: ArrayLike<number>, unit: number): number {
  checkArray(what, data);
  const { length } = data;
  if (Number.isInteger(length / unit)) return length / unit;
  throw new RivuletError('INVALID_INPUT', `${what} of no whole number of rows`, {
    expected: `a multiple of ${unit} numbers`,
    found: String(length),
  });
}

/** @throws RivuletError `INVALID_INPUT` for what is no array: a text has a length too */
export function checkArray(what: string, data: ArrayLike<unknown>, of = 'numbers'): void {
  if (typeof data === 'object' && data !== null) return;
  throw new RivuletError('INVALID_INPUT', `${what} are no array of ${of}`, { found: shown(data) });
}

/** @throws RivuletError `INVALID_INPUT` for another length than that of what is written to it */
export function checkOut(out: ArrayLike<number>, length: number): void {
  if (out.length === length) return;
  throw new RivuletError('INVALID_INPUT', 'out has the wrong length', {
    expected: `${length} numbers`,
    found: String(out.length),
  });
}

/** @throws RivuletError `INVALID_OPTION` for what is no integer of at least 1 */
export function checkCount(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RivuletError('INVALID_OPTION', `Bad ${name}`, {
    expected: 'an integer of at least 1',
    found: shown(value),
  });
}
