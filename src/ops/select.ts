/** Operators that choose numbers by their place: constant places are a move, computed ones the kernel `take`. */

import { arrayOf, elementAt, fromFront } from './array.js';
import { gather as coreGather } from './gather.js';
import { lowerMove } from './move.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operand, Operator, Reference } from './operator.js';
import { isInteger, lowerPointwise } from './pointwise.js';
import { rowAxes, rowSize, rowStrides, stridedList } from './rows.js';

/** The axis that indices count along, of fixed length. */
function axisOf(node: NodeReader): number {
  const shape = node.shape(0);
  const axis = node.axis(node.integer('axis', 0), shape.length);
  if (typeof shape[axis] === 'number') return axis;
  throw node.unsupported('a choice along T or N', 'an axis of fixed length', `axis ${axis} of [${shape.join(', ')}]`);
}

/** Checks the indices of input 1, which count along axes of these lengths in turn. */
export function checkIndices(node: NodeReader, lengths: readonly number[]): void {
  if (!isInteger(node.typeOf(1).type)) throw node.malformed('indices', 'int64 or int32', node.typeOf(1).type, 1);
  for (const [i, index] of node.constant(1) ? node.integers(1).entries() : []) {
    const length = lengths[i % lengths.length];
    if (index >= -length && index < length) continue;
    throw node.malformed('an index is out of range', `-${length}..${length - 1}`, `${index}`, 1);
  }
}

/** Input 0 as a row, a constant too. */
export const dataOf = (node: Lowering): Operand =>
  node.constant(0) ? node.constantRow(0, node.shape(0)) : node.input(0);

/**
 * y[i] = data[base[i] + index * stride], the index being number `place[i]` of input 1.
 */
export function lowerTake(node: Lowering, base: Int32Array, place: Int32Array, stride: number, length: number): void {
  const y = node.output(0);
  const data = dataOf(node);
  if (node.constant(1)) {
    const indices = node.integers(1);
    const from = base.map((at, i) => at + fromFront(indices[place[i]], length) * stride);
    lowerMove(node, data, y, from);
    return;
  }
  const indices = node.input(1);
  const list = node.weights('places', 2 * base.length, (target) => {
    const words = new Int32Array(target.buffer, target.byteOffset, 2 * base.length);
    for (let i = 0; i < base.length; i++) words.set([base[i] * 4, place[i] * 4], 2 * i);
  });
  node.call('take', {
    x: data.address,
    xStride: data.stride,
    indices: indices.address,
    indicesStride: indices.stride,
    y: y.address,
    yStride: y.stride,
    list,
    count: base.length,
    stride: stride * 4,
    length,
  });
}

/** Whether it is an embedding: computed indices look rows of a constant matrix up. */
export const isLookUp = (node: NodeReader): boolean =>
  node.constant(0) !== undefined &&
  node.constant(1) === undefined &&
  node.shape(0).length === 2 &&
  node.typeOf(0).type === 'float32' &&
  axisOf(node) === 0;

/** ONNX's Gather along any axis of fixed length, of a constant or a computed value. */
export const gather: Operator = {
  ...coreGather,
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const axis = axisOf(node);
    checkIndices(node, [Number(shape[axis])]);
    return [{ type, shape: [...shape.slice(0, axis), ...node.shape(1), ...shape.slice(axis + 1)] }];
  },
  lower(node) {
    const shape = node.shape(0);
    const axis = axisOf(node);
    const length = Number(shape[axis]);
    if (isLookUp(node)) {
      coreGather.lower(node);
      return;
    }
    const [outer, inner, chosen] = [rowSize(shape.slice(0, axis)), rowSize(shape.slice(axis + 1)), node.width(1)];
    const all = [outer, chosen, inner];
    lowerTake(node, stridedList(all, [length * inner, 0, 1]), stridedList(all, [0, 1, 0]), inner, length);
  },
};

/** ONNX's GatherElements along an axis of fixed length. */
const gatherElements: Operator = {
  op: 'GatherElements',
  anyType: true,
  attributes: ['axis'],
  inputs: [2, 2],
  infer(node) {
    const [data, indices] = [node.shape(0), node.shape(1)];
    const axis = axisOf(node);
    checkIndices(node, [Number(data[axis])]);
    const fits =
      indices.length === data.length &&
      indices.every((dim, a) => {
        if (typeof dim !== 'number' || typeof data[a] !== 'number') return dim === data[a];
        return a === axis || dim <= Number(data[a]);
      });
    if (!fits) throw node.malformed('indices do not fit', `[${data.join(', ')}]`, `[${indices.join(', ')}]`, 1);
    return [{ type: node.typeOf(0).type, shape: indices }];
  },
  lower(node) {
    const axis = axisOf(node);
    const strides = rowStrides(node.shape(0)).map((stride, a) => (a === axis ? 0 : stride));
    const kept = strides.filter((_, a) => typeof node.shape(0)[a] === 'number');
    const shape = rowAxes(node.shape(1));
    const places = Int32Array.from({ length: node.width(1) }, (_, i) => i);
    lowerTake(node, stridedList(shape, kept), places, rowStrides(node.shape(0))[axis], Number(node.shape(0)[axis]));
  },
};

/** ONNX's OneHot with a constant depth and constant values. */
const oneHot: Operator = {
  op: 'OneHot',
  anyType: true,
  attributes: ['axis'],
  inputs: [3, 3],
  infer(node) {
    const { axis, depth } = readOneHot(node);
    const shape = node.shape(0);
    return [{ type: 'float32', shape: [...shape.slice(0, axis), depth, ...shape.slice(axis)] }];
  },
  lower(node) {
    const { axis, depth, off, on } = readOneHot(node);
    const shape = node.shape(0);
    const [outer, inner] = [rowSize(shape.slice(0, axis)), rowSize(shape.slice(axis))];
    const size = outer * depth * inner;
    const list = stridedList([outer, depth, inner], [inner, 0, 1]);
    const given = node.input(0);
    let indices = given;
    if (node.typeOf(0).type === 'float32') {
      indices = node.temporary('whole', node.width(0));
      lowerPointwise(node, 'ToInteger', given, given, indices, node.width(0));
    }
    const spread = node.temporary('spread', size);
    lowerMove(node, indices, spread, list);
    /** Whether an index is the place of an element, counted from `first` on. */
    const isPlace = (label: string, first: number): Operand => {
      const places = node.weights(label, size, (target) => {
        const words = new Int32Array(target.buffer, target.byteOffset, size);
        for (let i = 0; i < size; i++) words[i] = first + (Math.floor(i / inner) % depth);
      });
      const found = node.temporary(`${label}.found`, size);
      lowerPointwise(node, 'EqualInteger', spread, { address: places, stride: 0 }, found, size);
      return found;
    };
    const [front, back] = [isPlace('front', 0), isPlace('back', -depth)];
    lowerPointwise(node, 'Or', front, back, spread, size);
    const filled = (label: string, number: number) => node.weights(label, size, (target) => target.fill(number));
    const y = node.output(0);
    node.call('where', {
      condition: spread.address,
      conditionStride: spread.stride,
      a: filled('on', on),
      aStride: 0,
      b: filled('off', off),
      bStride: 0,
      y: y.address,
      yStride: y.stride,
      count: size,
    });
  },
};

function readOneHot(node: NodeReader): { axis: number; depth: number; off: number; on: number } {
  const depth = node.typeOf(1).type === 'float32' ? node.floats(1)[0] : node.integers(1)[0];
  if (!Number.isSafeInteger(depth) || depth < 1) throw node.malformed('depth', 'a count', String(depth), 1);
  const values = node.typeOf(2).type === 'float32' ? node.floats(2) : node.integers(2);
  if (values.length !== 2) throw node.malformed('values', 'two numbers', `${values.length}`, 2);
  return { axis: node.axis(node.integer('axis', -1), node.shape(0).length + 1), depth, off: values[0], on: values[1] };
}

/** ONNX's ReverseSequence with constant lengths, both axes inside the step. */
const reverseSequence: Operator = {
  op: 'ReverseSequence',
  anyType: true,
  attributes: ['batch_axis', 'time_axis'],
  inputs: [2, 2],
  infer(node) {
    readReverse(node);
    return [node.typeOf(0)];
  },
  lower(node) {
    const { time, batch, lengths } = readReverse(node);
    const shape = rowAxes(node.shape(0));
    const strides = rowStrides(shape);
    const list = Int32Array.from({ length: node.width(0) }, (_, i) => {
      const at = (axis: number) => Math.floor(i / strides[axis]) % shape[axis];
      const length = lengths[at(batch)];
      return at(time) < length ? i + (length - 1 - 2 * at(time)) * strides[time] : i;
    });
    lowerMove(node, node.input(0), node.output(0), list);
  },
};

function readReverse(node: NodeReader): { time: number; batch: number; lengths: number[] } {
  const shape = node.shape(0);
  if (shape.some((dim) => typeof dim !== 'number')) {
    throw node.unsupported('a sequence along T or N', 'axes of fixed length', `[${shape.join(', ')}]`);
  }
  const time = node.integer('time_axis', 0);
  const batch = node.integer('batch_axis', 1);
  if (time + batch !== 1 || time * batch !== 0 || shape.length < 2)
    throw node.wrongAttribute('time_axis', '0 or 1, and batch_axis the other');
  const lengths = node.integers(1);
  const fits = lengths.length === shape[batch] && lengths.every((one) => one >= 1 && one <= Number(shape[time]));
  if (!fits) throw node.malformed('lengths', `${shape[batch]} of 1 to ${shape[time]}`, `[${lengths.join(', ')}]`, 1);
  return { time, batch, lengths };
}

export const selectOperators: Operator[] = [gather, gatherElements, oneHot, reverseSequence];

// ---- float64 references -------------------------------------------------------------------------------------------

const gatherReference: Reference = ({ attributes }, [data, indices]) => {
  const axis = fromFront((attributes.axis as number | undefined) ?? 0, data!.shape.length);
  const { shape } = data!;
  const rank = indices!.shape.length;
  const y = arrayOf([...shape.slice(0, axis), ...indices!.shape, ...shape.slice(axis + 1)], (index) => {
    const chosen = elementAt(indices!, index.slice(axis, axis + rank));
    const at = fromFront(chosen, shape[axis]);
    // Token numbers out of range are checked where they come in; a kernel gives zeros for them.
    if (at < 0 || at >= shape[axis]) return 0;
    return elementAt(data!, [...index.slice(0, axis), at, ...index.slice(axis + rank)]);
  });
  return [y];
};

const gatherElementsReference: Reference = ({ attributes }, [data, indices]) => {
  const axis = fromFront((attributes.axis as number | undefined) ?? 0, data!.shape.length);
  const y = arrayOf(indices!.shape, (index) => {
    const at = fromFront(elementAt(indices!, index), data!.shape[axis]);
    return data!.data[index.with(axis, at).reduce((sum, one, a) => sum * data!.shape[a] + one, 0)];
  });
  return [y];
};

const oneHotReference: Reference = ({ attributes }, inputs) => {
  const [indices, depth, values] = inputs.map((input) => input!);
  const [count] = depth.data;
  const axis = fromFront((attributes.axis as number | undefined) ?? -1, indices.shape.length + 1);
  const shape = [...indices.shape.slice(0, axis), count, ...indices.shape.slice(axis)];
  const y = arrayOf(shape, (index) => {
    const chosen = fromFront(Math.trunc(elementAt(indices, index.toSpliced(axis, 1))), count);
    return values.data[chosen === index[axis] ? 1 : 0];
  });
  return [y];
};

const reverseSequenceReference: Reference = ({ attributes }, [x, lengths]) => {
  const time = (attributes.time_axis as number | undefined) ?? 0;
  const y = arrayOf(x!.shape, (index) => {
    const length = lengths!.data[index[1 - time]];
    return elementAt(x!, index[time] < length ? index.with(time, length - 1 - index[time]) : index);
  });
  return [y];
};

/** By operator, its reference. */
export const selectReferences = (): [string, Reference][] => [
  ['Gather', gatherReference],
  ['GatherElements', gatherElementsReference],
  ['OneHot', oneHotReference],
  ['ReverseSequence', reverseSequenceReference],
];
