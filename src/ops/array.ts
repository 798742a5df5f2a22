/** Arrays of any rank, element by element: what the float64 references are written with. */

import type { ReferenceTensor } from './operator.js';
import { product } from './rows.js';

/** Every index of an array of `shape`, row-major. */
export function* indicesOf(shape: readonly number[]): Generator<readonly number[]> {
  const index = shape.map(() => 0);
  for (let i = product(shape); i > 0; i--) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
}

/** An array of `shape` whose elements are functions of their indices. */
export function arrayOf(shape: readonly number[], element: (index: readonly number[]) => number): ReferenceTensor {
  const data = new Float64Array(product(shape));
  let i = 0;
  for (const index of indicesOf(shape)) data[i++] = element(index);
  return { shape: [...shape], data };
}

/** The element at an index, as broadcasting sees it: axes in front are left out, those of one element stand still. */
export function elementAt({ shape, data }: ReferenceTensor, index: readonly number[]): number {
  const lead = index.length - shape.length;
  return data[shape.reduce((at, dim, axis) => at * dim + (dim === 1 ? 0 : index[lead + axis]), 0)];
}

/** The shape that arrays of these shapes are broadcast to. */
export function broadcastOf(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, i) =>
    shapes.reduce((longest, shape) => Math.max(longest, shape[i - rank + shape.length] ?? 1), 1),
  );
}

/** Whole numbers of an optional input, or of an attribute. */
export const listOf = (input: ReferenceTensor | undefined, attribute: unknown): number[] | undefined =>
  input ? [...input.data] : Array.isArray(attribute) ? (attribute as number[]) : undefined;

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
