/** Operators that put a row's numbers in another order: one kernel, `move`, and a list of where each comes from. */

import { type Dim, TIME } from '../graph/graph.js';
import { arrayOf, broadcastOf, elementAt, fromFront, listOf } from './array.js';
import { copyPart, slice as coreSlice } from './copy.js';
import { broadcastShapes } from './elementwise.js';
import type { NodeReader } from './node.js';
import type { Argument, Lowering, Operand, Operator, Reference, ValueType } from './operator.js';
import { broadcastStrides, rowAxes, rowSize, rowStrides, stridedList } from './rows.js';
import { transpose as coreTranspose, permutation } from './shape.js';

/** In a list, a number that comes from nowhere: it is the call's `fill`. */
export const NOWHERE = -1;

/**
 * Calls `move`: number i of a row of `y` is number `from[i]` of the row of `x`, or `fill`. Neighbours that stay
 * neighbours move as one piece. `label` tells several lists of one node apart.
 */
export function lowerMove(
  node: Lowering,
  x: Operand,
  y: Operand,
  from: Int32Array,
  { fill = 0, label = 'list' }: { fill?: Argument; label?: string } = {},
): void {
  const length = pieceLength(from);
  const pieces = from.length / length;
  node.call('move', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    list: node.weights(label, pieces, (target) => {
      const words = new Int32Array(target.buffer, target.byteOffset, pieces);
      for (let i = 0; i < pieces; i++) words[i] = from[i * length] < 0 ? NOWHERE : from[i * length] * 4;
    }),
    pieces,
    bytes: length * 4,
    fill,
  });
}

/** The longest length that cuts the list into pieces of neighbours. */
function pieceLength(from: Int32Array): number {
  let length = from.length;
  let run = 1;
  for (let i = 1; i <= from.length; i++) {
    const goes = i < from.length && (from[i - 1] < 0 ? from[i] < 0 : from[i] === from[i - 1] + 1);
    if (goes) run++;
    else {
      length = gcd(length, run);
      run = 1;
    }
  }
  return length;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Input i, broadcast to the row of `shape` where it is smaller. */
export function broadcastOperand(node: Lowering, i: number, shape: readonly Dim[]): Operand {
  if (node.constant(i)) return node.constantRow(i, shape);
  const x = node.input(i);
  const size = rowSize(shape);
  if (node.width(i) === size) return x;
  const expanded = node.temporary(`expanded${i}`, size);
  const list = stridedList(rowAxes(shape), broadcastStrides(node.shape(i), shape));
  lowerMove(node, x, expanded, list, { label: `expand${i}` });
  return expanded;
}

/** A row of `shape` with its axes in another order. `perm` counts the row's axes alone. */
export function lowerTranspose(
  node: Lowering,
  x: Operand,
  y: Operand,
  shape: readonly number[],
  perm: readonly number[],
  label = 'list',
): void {
  const strides = rowStrides(shape);
  const list = stridedList(
    perm.map((axis) => shape[axis]),
    perm.map((axis) => strides[axis]),
  );
  lowerMove(node, x, y, list, { label });
}

/** ONNX's Transpose: free where only T, N and axes of one element move, else a `move` inside the step. */
export const transpose: Operator = {
  ...coreTranspose,
  lower(node) {
    const shape = node.shape(0);
    const numeric = shape.flatMap((dim, axis) => (typeof dim === 'number' ? [axis] : []));
    const perm = permutation(node, shape.length).filter((axis) => numeric.includes(axis));
    const long = perm.filter((axis) => shape[axis] !== 1);
    if (long.every((axis, i) => i === 0 || axis > long[i - 1])) coreTranspose.lower(node);
    else {
      const order = perm.map((axis) => numeric.indexOf(axis));
      lowerTranspose(node, node.input(0), node.output(0), rowAxes(shape), order);
    }
  },
};

/** Whether Slice turns all steps round, last first, and does nothing else. */
function reversesTime(node: NodeReader): boolean {
  const [starts, ends] = [node.integers(1), node.integers(2)];
  const [axis, step] = [node.has(3) ? node.integers(3) : [0], node.has(4) ? node.integers(4) : [1]];
  if ([starts, ends, axis, step].some(({ length }) => length !== 1)) return false;
  const shape = node.shape(0);
  return (
    shape[node.axis(axis[0], shape.length)] === TIME && starts[0] === -1 && ends[0] <= -(2 ** 31) && step[0] === -1
  );
}

/** One axis of a slice: `length` elements from `start` on, `step` apart. */
interface Cut {
  start: number;
  step: number;
  length: number;
}

/** The axes that Slice cuts, by axis. */
function cutsOf(node: NodeReader): Map<number, Cut> {
  const shape = node.shape(0);
  const [starts, ends] = [node.integers(1), node.integers(2)];
  const axes = node.has(3) ? node.integers(3) : starts.map((_, i) => i);
  const steps = node.has(4) ? node.integers(4) : starts.map(() => 1);
  if ([ends, axes, steps].some(({ length }) => length !== starts.length) || steps.includes(0)) {
    throw node.malformed('the bounds do not belong together', `${starts.length} of each`, `[${axes.join(', ')}]`);
  }
  const cuts = axes.map((given, i): [number, Cut] => {
    const axis = node.axis(given, shape.length);
    const length = shape[axis];
    if (typeof length !== 'number') {
      throw node.unsupported('a slice along T or N', 'an axis of fixed length', `axis ${axis}`);
    }
    const step = steps[i];
    const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
    const bound = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, low), high);
    const [start, end] = [Math.max(bound(starts[i]), 0), bound(ends[i])];
    const count = Math.ceil((end - start) / step);
    if (count < 1) throw node.malformed('the slice is empty', 'at least one element', `${starts[i]}..${ends[i]}`);
    return [axis, { start, step, length: count }];
  });
  return new Map(cuts);
}

/** ONNX's Slice with constant bounds: any axes inside the step, any steps; along T only to turn it round. */
export const slice: Operator = {
  ...coreSlice,
  infer(node) {
    if (reversesTime(node)) return [node.typeOf(0)];
    const cuts = cutsOf(node);
    const { type, shape } = node.typeOf(0);
    return [{ type, shape: shape.map((dim, axis) => cuts.get(axis)?.length ?? dim) }];
  },
  lower(node) {
    if (reversesTime(node)) {
      node.needsWholeSequence('it begins with the last step');
      const [x, y] = [node.input(0), node.output(0)];
      node.call('reverseTime', {
        x: x.address,
        xStride: x.stride,
        y: y.address,
        yStride: y.stride,
        bytes: 4 * node.width(0),
      });
      return;
    }
    const cuts = cutsOf(node);
    if (cuts.size === 1 && [...cuts.values()][0].step === 1) {
      coreSlice.lower(node);
      return;
    }
    const strides = rowStrides(node.shape(0));
    const kept = node.shape(0).flatMap((dim, axis) => (typeof dim === 'number' ? [{ dim, axis }] : []));
    let offset = 0;
    for (const [axis, { start }] of cuts) offset += start * strides[axis];
    const list = stridedList(
      kept.map(({ dim, axis }) => cuts.get(axis)?.length ?? dim),
      kept.map(({ axis }) => strides[axis] * (cuts.get(axis)?.step ?? 1)),
      offset,
    );
    lowerMove(node, node.input(0), node.output(0), list);
  },
};

/** ONNX's Split along an axis inside the step, into equal parts or the lengths given. */
export const split: Operator = {
  op: 'Split',
  anyType: true,
  attributes: ['axis', 'num_outputs', 'split'],
  inputs: [1, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const { axis, sizes } = partsOf(node);
    return sizes.map((size) => ({ type, shape: shape.map((dim, a) => (a === axis ? size : dim)) }));
  },
  lower(node) {
    const { axis, sizes } = partsOf(node);
    let start = 0;
    for (const [i, size] of sizes.entries()) {
      if (node.wanted(i)) copyPart(node, i, axis, start, size);
      start += size;
    }
  },
};

function partsOf(node: NodeReader): { axis: number; sizes: number[] } {
  const shape = node.shape(0);
  const axis = node.axis(node.integer('axis', 0), shape.length);
  const length = shape[axis];
  if (typeof length !== 'number') throw node.unsupported('a split of T or N', 'a fixed length', `axis ${axis}`);
  const count = node.node.outputs.length;
  if (node.integer('num_outputs', count) !== count) throw node.wrongAttribute('num_outputs', `${count}`);
  const part = Math.ceil(length / count);
  const equal = Array.from({ length: count }, (_, i) => Math.min(part, length - i * part));
  const sizes = (node.has(1) ? node.integers(1) : node.list('split', 'number')) ?? equal;
  const fits = sizes.length === count && sizes.every((size) => size > 0);
  if (fits && sizes.reduce((sum, size) => sum + size, 0) === length) return { axis, sizes };
  throw node.malformed('the parts do not make the whole', `${count} parts of ${length}`, `[${sizes.join(', ')}]`);
}

/** ONNX's Expand to a constant shape. */
export const expand: Operator = {
  op: 'Expand',
  anyType: true,
  attributes: [],
  inputs: [2, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    return [{ type, shape: broadcastShapes(node, shape, node.integers(1)) }];
  },
  lower(node) {
    const shape = broadcastShapes(node, node.shape(0), node.integers(1));
    if (node.width(0) === rowSize(shape)) {
      node.alias(0, node.node.inputs[0]);
      return;
    }
    const list = stridedList(rowAxes(shape), broadcastStrides(node.shape(0), shape));
    lowerMove(node, node.input(0), node.output(0), list);
  },
};

/** ONNX's Tile, a constant number of times along axes inside the step. */
export const tile: Operator = {
  op: 'Tile',
  anyType: true,
  attributes: [],
  inputs: [2, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const times = node.integers(1);
    if (times.length !== shape.length) {
      throw node.malformed('repeats', `${shape.length} numbers`, `[${times.join(', ')}]`, 1);
    }
    const along = times.findIndex((count, axis) => count !== 1 && typeof shape[axis] !== 'number');
    if (along >= 0) throw node.unsupported('repetition along T or N', '1 there', `[${times.join(', ')}]`);
    return [{ type, shape: shape.map((dim, axis) => (typeof dim === 'number' ? dim * times[axis] : dim)) }];
  },
  lower(node) {
    const shape = node.shape(0);
    const times = node.integers(1);
    const strides = rowStrides(shape);
    // Each axis as two: the copies, which stand still, and the elements.
    const axes = shape.flatMap((dim, axis) =>
      typeof dim === 'number'
        ? [
            { length: times[axis], stride: 0 },
            { length: dim, stride: strides[axis] },
          ]
        : [],
    );
    const list = stridedList(
      axes.map(({ length }) => length),
      axes.map(({ stride }) => stride),
    );
    lowerMove(node, node.input(0), node.output(0), list);
  },
};

const PAD_MODES = ['constant', 'reflect', 'edge', 'wrap'];

/** Elements before and behind each axis. Negative ones take away. */
function padsOf(node: NodeReader): { before: number[]; after: number[] } {
  const { shape } = node.typeOf(0);
  const given = node.has(1) ? node.integers(1) : (node.list('pads', 'number') ?? []);
  const axes = node.has(3) ? node.integers(3).map((axis) => node.axis(axis, shape.length)) : shape.map((_, i) => i);
  if (given.length !== 2 * axes.length) {
    throw node.malformed('pads', `${2 * axes.length} numbers`, `[${given.join(', ')}]`);
  }
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  for (const [i, axis] of axes.entries()) {
    before[axis] = given[i];
    after[axis] = given[i + axes.length];
  }
  const along = shape.findIndex((dim, axis) => typeof dim === 'string' && (before[axis] !== 0 || after[axis] !== 0));
  if (along >= 0) {
    throw node.unsupported(
      'padding of T or N',
      'none there',
      `${before[along]} and ${after[along]}`,
      'Zeros before a convolution alone become its own padding',
    );
  }
  return { before, after };
}

/** ONNX's Pad with constant amounts, along axes inside the step. */
export const pad: Operator = {
  op: 'Pad',
  anyType: true,
  attributes: ['mode', 'pads', 'value'],
  inputs: [1, 4],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const { before, after } = padsOf(node);
    node.text('mode', 'constant', PAD_MODES);
    const padded = shape.map((dim, axis) => (typeof dim === 'number' ? dim + before[axis] + after[axis] : dim));
    return [{ type, shape: padded }];
  },
  lower(node) {
    const shape = node.shape(0);
    const { before, after } = padsOf(node);
    const mode = node.text('mode', 'constant', PAD_MODES);
    const whole = node.typeOf(0).type !== 'float32';
    const value = node.has(2) ? (whole ? node.integers(2) : node.floats(2))[0] : node.number('value', 0);
    const fill: Argument = whole ? value : { float: value };
    const strides = rowStrides(shape);
    let list = Int32Array.of(0);
    for (const [axis, dim] of shape.entries()) {
      if (typeof dim !== 'number') continue;
      const places = Array.from({ length: before[axis] + dim + after[axis] }, (_, i) =>
        padPlace(i - before[axis], dim, mode),
      );
      const from = list;
      list = new Int32Array(from.length * places.length);
      let at = 0;
      for (const base of from) {
        for (const place of places) list[at++] = base < 0 || place < 0 ? NOWHERE : base + place * strides[axis];
      }
    }
    lowerMove(node, node.input(0), node.output(0), list, { fill });
  },
};

/** The element that stands at `place` of an axis continued beyond its ends; NOWHERE for the constant. */
function padPlace(place: number, length: number, mode: string): number {
  if (place >= 0 && place < length) return place;
  if (mode === 'constant') return NOWHERE;
  if (mode === 'edge' || length === 1) return place < 0 ? 0 : length - 1;
  if (mode === 'wrap') return ((place % length) + length) % length;
  const period = 2 * (length - 1);
  const inside = ((place % period) + period) % period;
  return inside < length ? inside : period - inside;
}

/** ONNX's Trilu with a constant diagonal, over the last two axes. */
export const trilu: Operator = {
  op: 'Trilu',
  anyType: true,
  attributes: ['upper'],
  inputs: [1, 2],
  infer(node): ValueType[] {
    if (
      node
        .shape(0)
        .slice(-2)
        .some((dim) => typeof dim !== 'number') ||
      node.shape(0).length < 2
    ) {
      throw node.unsupported('a matrix along T or N', 'two axes of fixed length', `[${node.shape(0).join(', ')}]`);
    }
    if (node.has(1)) node.expectConstant(1);
    return [node.typeOf(0)];
  },
  lower(node) {
    const [rows, columns] = node.shape(0).slice(-2).map(Number);
    const diagonal = node.has(1) ? node.integers(1)[0] : 0;
    const upper = node.integer('upper', 1) !== 0;
    const list = Int32Array.from({ length: node.width(0) }, (_, i) => {
      const [row, column] = [Math.floor(i / columns) % rows, i % columns];
      return (upper ? column - row >= diagonal : column - row <= diagonal) ? i : NOWHERE;
    });
    lowerMove(node, node.input(0), node.output(0), list);
  },
};

// ---- float64 references -------------------------------------------------------------------------------------------

export const sliceReference: Reference = (_, [x, starts, ends, axes, steps]) => {
  const rank = x!.shape.length;
  const cuts = x!.shape.map((length) => ({ start: 0, step: 1, length }));
  for (const [i, start] of starts!.data.entries()) {
    const axis = fromFront(axes?.data[i] ?? i, rank);
    const length = x!.shape[axis];
    const step = steps?.data[i] ?? 1;
    const bound = (at: number) => fromFront(at, length);
    const clamp = (at: number, low: number, high: number) => Math.max(low, Math.min(at, high));
    const from = clamp(bound(start), 0, step > 0 ? length : length - 1);
    const to = clamp(bound(ends!.data[i]), step > 0 ? 0 : -1, length);
    cuts[axis] = { start: from, step, length: Math.max(0, Math.ceil((to - from) / step)) };
  }
  const shape = cuts.map(({ length }) => length);
  return [
    arrayOf(shape, (index) =>
      elementAt(
        x!,
        index.map((at, axis) => cuts[axis].start + at * cuts[axis].step),
      ),
    ),
  ];
};

export const splitReference: Reference = (node, [x, given]) => {
  const axis = fromFront((node.attributes.axis as number | undefined) ?? 0, x!.shape.length);
  const count = node.outputs.length;
  const part = Math.ceil(x!.shape[axis] / count);
  const sizes =
    listOf(given, node.attributes.split) ?? node.outputs.map((_, i) => Math.min(part, x!.shape[axis] - i * part));
  let start = 0;
  return sizes.map((size) => {
    const first = start;
    start += size;
    return arrayOf(x!.shape.with(axis, size), (index) => elementAt(x!, index.with(axis, first + index[axis])));
  });
};

export const expandReference: Reference = (_, [x, wanted]) => [
  arrayOf(broadcastOf([x!.shape, [...wanted!.data]]), (index) => elementAt(x!, index)),
];

export const tileReference: Reference = (_, [x, times]) => {
  const { shape } = x!;
  const tiled = shape.map((dim, axis) => dim * times!.data[axis]);
  return [
    arrayOf(tiled, (index) =>
      elementAt(
        x!,
        index.map((at, axis) => at % shape[axis]),
      ),
    ),
  ];
};

export const padReference: Reference = (node, [x, given, value, only]) => {
  const { shape } = x!;
  const pads = listOf(given, node.attributes.pads) ?? [];
  const axes = only ? [...only.data].map((axis) => fromFront(axis, shape.length)) : shape.map((_, axis) => axis);
  const before = shape.map((_, axis) => (axes.includes(axis) ? pads[axes.indexOf(axis)] : 0));
  const after = shape.map((_, axis) => (axes.includes(axis) ? pads[axes.indexOf(axis) + axes.length] : 0));
  const fill = value?.data[0] ?? (node.attributes.value as number | undefined) ?? 0;
  const padded = shape.map((dim, axis) => before[axis] + dim + after[axis]);
  const reflect = (at: number, length: number): number => {
    if (length === 1) return 0;
    if (at < 0) return reflect(-at, length);
    return at < length ? at : reflect(2 * (length - 1) - at, length);
  };
  const place = (at: number, length: number): number => {
    if (node.attributes.mode === 'edge') return Math.min(Math.max(at, 0), length - 1);
    if (node.attributes.mode === 'wrap') return ((at % length) + length) % length;
    return node.attributes.mode === 'reflect' ? reflect(at, length) : at;
  };
  const y = arrayOf(padded, (index) => {
    const from = index.map((at, axis) => place(at - before[axis], shape[axis]));
    return from.some((at, axis) => at < 0 || at >= shape[axis]) ? fill : elementAt(x!, from);
  });
  return [y];
};

export const triluReference: Reference = ({ attributes }, [x, k]) => {
  const diagonal = k?.data[0] ?? 0;
  const y = arrayOf(x!.shape, (index) => {
    const [row, column] = index.slice(-2);
    const kept = attributes.upper === 0 ? column <= row + diagonal : column >= row + diagonal;
    return kept ? elementAt(x!, index) : 0;
  });
  return [y];
};
