import type { Tensor } from '../../graph/graph.js';
import { bytesPerElement } from '../../graph/tensor.js';
import { elementsOf, HOST_IS_LITTLE_ENDIAN } from '../../io/binary.js';

/**
 * Operators that move numbers without computing any, as one thing: where each element of the result comes from. The
 * same move is applied to constants while the file is read, to lists of lengths, and to the traces that tell which
 * numbers of an outer state become which cell's.
 */
export interface Move {
  /** The result's shape, from those of the inputs. */
  shape: number[];
  /** For each element of the result: which input, and which element of it. Absent where all stay in their order. */
  from?: { input: Uint16Array; element: Uint32Array };
}

const product = (shape: readonly number[]): number => shape.reduce((total, dim) => total * dim, 1);

const stridesOf = (shape: readonly number[]): number[] => shape.map((_, axis) => product(shape.slice(axis + 1)));

/** Walks an array of `shape`, giving the sum of index * stride of every element in order. */
function walk(shape: readonly number[], strides: readonly number[], offset: number, each: (at: number) => void): void {
  const count = product(shape);
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    each(at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

function strided(shape: number[], strides: readonly number[], offset: number): Move {
  const count = product(shape);
  const element = new Uint32Array(count);
  let i = 0;
  walk(shape, strides, offset, (at) => {
    element[i++] = at;
  });
  return { shape, from: { input: new Uint16Array(count), element } };
}

export function transposed(from: readonly number[], perm: readonly number[]): Move {
  const strides = stridesOf(from);
  return strided(
    perm.map((axis) => from[axis]),
    perm.map((axis) => strides[axis]),
    0,
  );
}

export function sliced(from: readonly number[], axis: number, start: number, length: number, step: number): Move {
  const strides = stridesOf(from);
  return strided(
    from.map((dim, a) => (a === axis ? length : dim)),
    strides.map((stride, a) => (a === axis ? stride * step : stride)),
    start * strides[axis],
  );
}

export function gathered(from: readonly number[], axis: number, indices: readonly number[], shape: number[]): Move {
  const inner = product(from.slice(axis + 1));
  const outer = product(from.slice(0, axis));
  const element = new Uint32Array(outer * indices.length * inner);
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices) {
      for (let k = 0; k < inner; k++) element[i++] = (o * from[axis] + index) * inner + k;
    }
  }
  return { shape, from: { input: new Uint16Array(element.length), element } };
}

export function concatenated(parts: readonly (readonly number[])[], axis: number): Move {
  const length = parts.reduce((sum, shape) => sum + shape[axis], 0);
  const shape = parts[0].map((dim, a) => (a === axis ? length : dim));
  const input = new Uint16Array(product(shape));
  const element = new Uint32Array(input.length);
  const outer = product(shape.slice(0, axis));
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const [part, from] of parts.entries()) {
      const size = product(from.slice(axis));
      for (let k = 0; k < size; k++, i++) {
        input[i] = part;
        element[i] = o * size + k;
      }
    }
  }
  return { shape, from: { input, element } };
}

/** A move of lists of anything. */
export function moveList<T>(move: Move, inputs: readonly ArrayLike<T>[]): T[] {
  const { from } = move;
  if (!from) return Array.from(inputs[0]);
  return Array.from(from.element, (element, i) => inputs[from.input[i]][element]);
}

/** A move of constants, which are of one type. */
export function moveTensors(move: Move, inputs: readonly Tensor[], name: string): Tensor {
  const { shape, from } = move;
  const { type } = inputs[0];
  if (!from) return { name, type, shape, bytes: inputs[0].bytes };
  const size = bytesPerElement(type);
  const bytes = new Uint8Array(from.element.length * size);
  if (size === 4) {
    // Almost every weight: whole words, whatever they mean.
    const words = new Uint32Array(bytes.buffer);
    const sources = inputs.map((input) => elementsOf(Uint32Array, input.bytes, HOST_IS_LITTLE_ENDIAN));
    for (let i = 0; i < words.length; i++) words[i] = sources[from.input[i]][from.element[i]];
    return { name, type, shape, bytes };
  }
  for (let i = 0; i < from.element.length; i++) {
    const source = inputs[from.input[i]].bytes;
    const at = from.element[i] * size;
    for (let b = 0; b < size; b++) bytes[i * size + b] = source[at + b];
  }
  return { name, type, shape, bytes };
}
