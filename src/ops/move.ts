/** Operators that put a row's numbers in another order: one kernel, `move`, and a list of where each comes from. */

import type { Dim } from '../graph/graph.js';
import type { Lowering, Operand, Operator } from './operator.js';
import { transpose as coreTranspose, permutation } from './shape.js';

/** Where a number of the output comes from when it comes from nowhere: it is the call's `fill`. */
export const NOWHERE = -1;

/**
 * Calls `move`: number i of a row of `y` is number `from[i]` of the row of `x`, or `fill`. Neighbours that stay
 * neighbours move as one piece.
 */
export function lowerMove(node: Lowering, x: Operand, y: Operand, from: ArrayLike<number>, fill = 0): void {
  const length = pieceLength(from);
  const pieces = from.length / length;
  node.call('move', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    list: node.weights('list', pieces, (target) => {
      const words = new Int32Array(target.buffer, target.byteOffset, pieces);
      for (let i = 0; i < pieces; i++) words[i] = from[i * length] < 0 ? NOWHERE : from[i * length] * 4;
    }),
    pieces,
    bytes: length * 4,
    fill: { float: fill },
  });
}

/** The longest length that divides the list into pieces of neighbours, each from somewhere. */
function pieceLength(from: ArrayLike<number>): number {
  let length = from.length;
  let run = 1;
  for (let i = 1; i <= from.length; i++) {
    if (i < from.length && from[i - 1] >= 0 && from[i] === from[i - 1] + 1) {
      run++;
      continue;
    }
    length = gcd(length, run);
    run = 1;
  }
  return length;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** For each element of an array of `shape`, row-major, the sum of its indices times `strides`, plus `offset`. */
export function stridedList(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const list = new Int32Array(shape.reduce((product, dim) => product * dim, 1));
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

/** Elements from one index of each axis to the next, in a row: T and N have no place in it, and 0. */
export function rowStrides(shape: readonly Dim[]): number[] {
  let stride = 1;
  return shape
    .map((_, axis) => {
      const dim = shape[shape.length - 1 - axis];
      const mine = typeof dim === 'number' ? stride : 0;
      if (typeof dim === 'number') stride *= dim;
      return mine;
    })
    .reverse();
}

/** ONNX's Transpose: free where only T, N and axes of one element move, else a `move` inside the step. */
export const transpose: Operator = {
  ...coreTranspose,
  lower(node) {
    const shape = node.shape(0);
    const perm = permutation(node, shape.length);
    const kept = perm.filter((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1);
    if (kept.every((axis, i) => i === 0 || axis > kept[i - 1])) {
      coreTranspose.lower(node);
      return;
    }
    const strides = rowStrides(shape);
    const list = stridedList(
      kept.map((axis) => Number(shape[axis])),
      kept.map((axis) => strides[axis]),
    );
    lowerMove(node, node.input(0), node.output(0), list);
  },
};
