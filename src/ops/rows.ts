/** A row's shape and the places in it: what operators that move or broadcast numbers share. */

import type { Dim } from '../graph/graph.js';

/** The axes of a row: T and N are the executor's. */
export const rowAxes = (shape: readonly Dim[]): number[] => shape.filter((dim) => typeof dim === 'number');

export const product = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1);

/** Numbers in a row of a value of `shape`. */
export const rowSize = (shape: readonly Dim[]): number => product(rowAxes(shape));

/** For each axis, numbers from one index to the next in a row; 0 for T and N, which have no place in it. */
export function rowStrides(shape: readonly Dim[]): number[] {
  return shape.map((dim, axis) => (typeof dim === 'number' ? rowSize(shape.slice(axis + 1)) : 0));
}

/** For each element of an array of `shape`, row-major, the sum of its indices times `strides`, plus `offset`. */
export function stridedList(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const list = new Int32Array(product(shape));
  const at = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < list.length; i++) {
    list[i] = from;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++at[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return list;
}

/** Strides of an operand of shape `from` along the axes of `shape`, which it is broadcast to; T and N are left out. */
export function broadcastStrides(from: readonly Dim[], shape: readonly Dim[]): number[] {
  const lead = shape.length - from.length;
  const strides = rowStrides(from);
  return shape.flatMap((dim, axis) => {
    if (typeof dim !== 'number') return [];
    return [axis < lead || from[axis - lead] === 1 ? 0 : strides[axis - lead]];
  });
}
