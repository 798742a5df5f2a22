import type { Model } from '../../src/index.js';

export interface Show {
  observations: Int32Array;
  answer: 0 | 1;
}
export function shows(between: number, count: number, seed: number): Show[];
export function accuracy(model: Model, shows: readonly Show[]): number;
