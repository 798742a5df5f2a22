import { RivuletError } from '../errors.js';

/** What stands in a row of the data, and what is to be predicted from it. */
export interface TargetOptions {
  /** Numbers in a row: the columns of a table, or 1 (the default) for a text or a single series. */
  width?: number | undefined;
  /** How many rows ahead a target holds, from the next one on (default: 1). */
  horizon?: number | undefined;
  /** Indices of the columns that a target holds (default: all, in order). */
  targetColumns?: readonly number[] | undefined;
}

/** The rows of an array `[rows, width]`, and the targets that follow each. */
export class Rows {
  readonly count: number;
  readonly width: number;
  readonly horizon: number;
  /** Numbers in a target: `[horizon, target columns]`. */
  readonly targetSize: number;
  private readonly columns: readonly number[];

  /** @throws RivuletError `INVALID_OPTION`, or `INVALID_INPUT` where the data are no whole number of rows */
  constructor(
    private readonly data: ArrayLike<number>,
    { width = 1, horizon = 1, targetColumns }: TargetOptions,
  ) {
    this.width = checkCount('width', width);
    this.horizon = checkCount('horizon', horizon);
    this.columns = targetColumns ?? Array.from({ length: width }, (_, column) => column);
    this.targetSize = horizon * this.columns.length;
    this.count = data.length / width;
    const wrong = this.columns.find((column) => !(Number.isInteger(column) && column >= 0 && column < width));
    if (wrong !== undefined || this.columns.length === 0) {
      throw new RivuletError('INVALID_OPTION', 'Bad targetColumns', {
        expected: `indices from 0 to ${width - 1}`,
        found: String(wrong ?? 'none'),
      });
    }
    if (!Number.isInteger(this.count)) {
      throw new RivuletError('INVALID_INPUT', 'Data are no whole number of rows', {
        expected: `a multiple of ${width} numbers`,
        found: String(data.length),
      });
    }
  }

  /** Copies rows `from` to `from + count` into `out` at `at`. */
  copyRows(from: number, count: number, out: Float64Array, at: number): void {
    const { data, width } = this;
    const first = from * width;
    for (let i = 0; i < count * width; i++) out[at + i] = data[first + i];
  }

  /** Copies the targets of rows `from` to `from + count` into `out` at `at`: `[count, horizon, target columns]`. */
  copyTargets(from: number, count: number, out: Float64Array, at: number): void {
    const { data, width, horizon, columns } = this;
    for (let row = from; row < from + count; row++) {
      for (let ahead = 1; ahead <= horizon; ahead++) {
        for (const column of columns) out[at++] = data[(row + ahead) * width + column];
      }
    }
  }
}

/** @throws RivuletError `INVALID_OPTION` for what is no integer of at least 1 */
export function checkCount(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RivuletError('INVALID_OPTION', `Bad ${name}`, {
    expected: 'an integer of at least 1',
    found: String(value),
  });
}
