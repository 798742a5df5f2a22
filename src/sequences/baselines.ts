import { checkCount } from './targets.js';

/** What a forecast has to beat: numbers that take no training. Each writes `[horizon, width]` for what follows `row`. */
export type Baseline = (data: ArrayLike<number>, width: number, row: number, out: Float64Array) => void;

/** The last row, again and again. */
export const repeatLast: Baseline = (data, width, row, out) => {
  for (let i = 0; i < out.length; i++) out[i] = data[row * width + (i % width)];
};

/** The last season, again and again; rows before the data's beginning are taken as the first. */
export function seasonalNaive(season: number): Baseline {
  checkCount('season', season);
  return (data, width, row, out) => {
    for (let i = 0; i < out.length; i++) {
      const ahead = Math.floor(i / width) % season;
      const from = Math.max(0, row + 1 + ahead - season);
      out[i] = data[from * width + (i % width)];
    }
  };
}
