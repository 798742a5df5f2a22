import type { AttributeValue, DataType } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import { floatTensor } from '../constants.js';
import { Axis, broadcastLengths, type Length, numberOf, pin, resolve, showLengths, unify } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';

/** Translations of the operators around the cells that compute with whole arrays: the shapes they make. */

/** A list of numbers of an attribute, or one number for each axis. */
function numbersOf(
  attributes: Record<string, AttributeValue>,
  name: string,
  count: number,
  fallback: number,
): number[] {
  const given = attributes[name];
  const list = Array.isArray(given) ? given.map(Number) : Array.from({ length: count }, () => fallback);
  return list.length === count ? list : Array.from({ length: count }, () => Number.NaN);
}

/** What a sliding window makes of the axes behind the channels. */
function slide(
  node: NodeContext,
  lengths: readonly Length[],
  kernel: readonly number[],
  all: Record<string, AttributeValue>,
): Length[] {
  const count = lengths.length;
  const strides = numbersOf(all, 'strides', count, 1);
  const dilations = numbersOf(all, 'dilations', count, 1);
  const pads = numbersOf(all, 'pads', 2 * count, 0);
  const same = String(all.auto_pad ?? '').startsWith('SAME');
  const padded = !same && all.auto_pad !== 'VALID';
  return lengths.map((length, i): Length => {
    const covered = (kernel[i] - 1) * dilations[i] + 1;
    const added = padded ? pads[i] + pads[i + count] : 0;
    // An axis that stays as long as it is needs no number.
    if (strides[i] === 1 && (same || added === covered - 1)) return resolve(length);
    const known = pin(length);
    if (known === undefined) {
      throw node.unsupported(
        'the number of steps changes',
        `stride 1, and ${covered - 1} zeros along an axis of unknown length`,
        `stride ${strides[i]}, ${added} zeros along ${showLengths(lengths)}`,
        'Export the model with this axis fixed, or pad it by what the window covers, less one',
      );
    }
    if (same) return Math.ceil(known / strides[i]);
    const room = (known + added - covered) / strides[i];
    let positions = (all.ceil_mode === 1 ? Math.ceil(room) : Math.floor(room)) + 1;
    if (all.ceil_mode === 1 && (positions - 1) * strides[i] >= known + pads[i]) positions--;
    return positions;
  });
}

/** Whether an image and the weights of its windows have channels, and axes behind them. */
const isWindowed = (image: readonly Length[], { shape }: Value): boolean =>
  image.length > 2 && shape?.length === image.length;

/** Conv. Zeros that a Pad puts around the image alone become its own. */
export function conv(node: NodeContext): void {
  const all = node.rest();
  const weight = node.input(1);
  let x = node.input(0);
  const kernel = weight.shape?.slice(2).map(numberOf);
  let { shape } = x;
  if (shape && isWindowed(shape, weight) && kernel?.every((length) => length !== undefined)) {
    const count = kernel.length;
    const around = x.padded;
    if (around?.before.slice(0, 2).every((one) => one === 0) && around.after.slice(0, 2).every((one) => one === 0)) {
      if (all.auto_pad === undefined || all.auto_pad === 'NOTSET' || all.auto_pad === 'VALID') {
        const own =
          all.auto_pad === 'VALID' ? numbersOf({}, 'pads', 2 * count, 0) : numbersOf(all, 'pads', 2 * count, 0);
        all.pads = own.map((one, i) => one + (i < count ? around.before[2 + i] : around.after[2 + i - count]));
        delete all.auto_pad;
        x = around.x;
        shape = x.shape!;
      }
    }
    pin(shape[1]);
    shape = [shape[0], weight.shape![0], ...slide(node, shape.slice(2), kernel as number[], all)];
  }
  node.emit('Conv', [x, ...node.inputs().slice(1)], [node.give(0, { type: x.type, shape })], all);
}

export function convTranspose(node: NodeContext): void {
  const all = node.rest();
  const [x, weight] = [node.input(0), node.input(1)];
  const kernel = weight.shape?.slice(2).map(numberOf);
  let shape: Length[] | undefined;
  if (x.shape && isWindowed(x.shape, weight) && kernel?.every((length) => length !== undefined)) {
    const count = kernel.length;
    const lengths = x.shape.slice(1).map((length) => pin(length) ?? Number.NaN);
    const strides = numbersOf(all, 'strides', count, 1);
    const dilations = numbersOf(all, 'dilations', count, 1);
    const pads = numbersOf(all, 'pads', 2 * count, 0);
    const extra = numbersOf(all, 'output_padding', count, 0);
    const wanted = Array.isArray(all.output_shape) ? all.output_shape.slice(-count).map(Number) : undefined;
    const same = String(all.auto_pad ?? '').startsWith('SAME');
    const images = kernel.map((size, i) => {
      const length = lengths[i + 1];
      if (wanted) return wanted[i];
      if (same) return length * strides[i];
      const cut = all.auto_pad === 'VALID' ? 0 : pads[i] + pads[i + count];
      return (length - 1) * strides[i] + extra[i] + (Number(size) - 1) * dilations[i] + 1 - cut;
    });
    const group = typeof all.group === 'number' ? all.group : 1;
    if (images.every(Number.isFinite)) shape = [x.shape[0], Number(numberOf(weight.shape![1])) * group, ...images];
  }
  node.emit('ConvTranspose', node.inputs(), [node.give(0, { type: x.type, shape })], all);
}

export function pool(node: NodeContext): void {
  const all = node.rest();
  const x = node.input(0);
  const kernel = Array.isArray(all.kernel_shape) ? all.kernel_shape.map(Number) : [];
  const { shape } = x;
  const to =
    shape && kernel.length === shape.length - 2
      ? [...shape.slice(0, 2), ...slide(node, shape.slice(2), kernel, all)]
      : undefined;
  const outputs = node.node.outputs.map((_, i) =>
    node.wants(i) ? node.give(i, { type: x.type, shape: to }) : undefined,
  );
  node.emit(node.node.op, [x], outputs, all);
}

export function globalPool(node: NodeContext): void {
  const x = node.input(0);
  const shape = x.shape?.map((length, axis): Length => (axis < 2 ? length : 1));
  node.emit(node.node.op, [x], [node.give(0, { type: x.type, shape })], node.rest());
}

/** Pad: its amounts are attributes before opset 11, inputs from then on. */
export function pad(node: NodeContext): void {
  const x = node.input(0);
  const mode = node.node.attributes.get('mode')?.value ?? 'constant';
  const attribute = node.opset < 11 ? node.integers('pads') : undefined;
  const value = node.opset < 11 ? (node.float('value') ?? 0) : 0;
  const given = attribute ?? (node.has(1) ? node.numbers(1) : undefined);
  const rank = x.shape?.length ?? 0;
  const axes = node.has(3) ? node.numbers(3) : Array.from({ length: rank }, (_, axis) => axis);
  const extra = { ...node.rest(), ...(attribute && { pads: attribute, value }) };
  const y: Omit<Value, 'name'> = { type: x.type };
  if (x.shape && given && axes && given.length === 2 * axes.length) {
    const before = x.shape.map(() => 0);
    const after = x.shape.map(() => 0);
    for (const [i, one] of axes.entries()) {
      const axis = node.axis(one, rank);
      before[axis] = given[i];
      after[axis] = given[i + axes.length];
    }
    const fill = node.has(2) ? node.input(2) : undefined;
    const zero = fill ? node.builder.isZero(fill) : value === 0;
    if (mode === 'constant' && zero && [...before, ...after].every((one) => one >= 0)) y.padded = { x, before, after };
    y.shape = x.shape.map((length, axis): Length => {
      if (before[axis] === 0 && after[axis] === 0) return length;
      // Of an axis that has no number, or is time, nothing can be said but that it is another.
      const known = resolve(length);
      if (typeof known !== 'number' && (known.fixed === undefined || known.role === 'T')) return new Axis('');
      return numberOf(known)! + before[axis] + after[axis];
    });
  }
  const inputs = attribute ? [x] : node.inputs();
  node.emit('Pad', inputs, [node.give(0, y)], extra);
}

/** Reductions: the axes are an attribute, and from opset 18 (13 for ReduceSum) on an input. */
export function reduce(node: NodeContext): void {
  const x = node.input(0);
  const given = node.integers('axes') ?? (node.has(1) ? (node.numbers(1) ?? null) : undefined);
  const keep = node.integer('keepdims', 1);
  const idle = node.integer('noop_with_empty_axes', 0);
  node.end();
  if (!x.shape || given === null) {
    node.emit(node.node.op, node.inputs(), [node.give(0, { type: x.type })], { keepdims: keep });
    return;
  }
  const { shape } = x;
  const some = given && given.length > 0 ? given.map((axis) => node.axis(axis, shape.length)) : undefined;
  const axes = some ?? (idle ? [] : shape.map((_, axis) => axis));
  if (axes.length === 0) {
    // Nothing to add up; what is done to each number remains.
    const each = { ReduceSumSquare: 'Mul', ReduceL1: 'Abs', ReduceL2: 'Abs', ReduceLogSum: 'Log' }[node.node.op];
    if (each) node.emit(each, each === 'Mul' ? [x, x] : [x], [node.give(0, { type: x.type, shape })]);
    else node.alias(0, x);
    return;
  }
  const to = shape.flatMap((length, axis): Length[] => (axes.includes(axis) ? (keep ? [1] : []) : [length]));
  node.emit(node.node.op, [x], [node.give(0, { type: x.type, shape: to })], { axes, keepdims: keep });
}

export function place(node: NodeContext): void {
  const x = node.input(0);
  const all = node.rest();
  const axis = typeof all.axis === 'number' ? all.axis : 0;
  const keep = all.keepdims !== 0;
  const at = x.shape && node.axis(axis, x.shape.length);
  if (x.shape) pin(x.shape[at!]);
  const shape = x.shape?.flatMap((length, a): Length[] => (a === at ? (keep ? [1] : []) : [length]));
  node.emit(node.node.op, [x], [node.give(0, { type: 'int64', shape })], all);
}

/** Functions of several values that are broadcast against each other; the first output is of `type`, or of the inputs'. */
export const broadcasting =
  (type?: DataType) =>
  (node: NodeContext): void => {
    // Of nothing there is no greatest.
    node.input(0);
    const inputs = node.inputs().map((_, i) => node.input(i));
    const shape = broadcastAll(node, inputs);
    node.emit(node.node.op, inputs, [node.give(0, { type: type ?? inputs.at(-1)!.type, shape })], node.rest());
  };

/** Sum and Mean of several values: one Add after the other, constants last, for they can't be added to each other. */
export function sum(node: NodeContext): void {
  node.end();
  const inputs = node.inputs().map((_, i) => node.input(i));
  const [first, ...others] = inputs.toSorted(
    (a, b) => Number(a.constant !== undefined) - Number(b.constant !== undefined),
  );
  if (others.length === 0) {
    node.alias(0, first ?? node.input(0));
    return;
  }
  const isMean = node.node.op === 'Mean';
  let total = first;
  for (const [i, other] of others.entries()) {
    const made = { type: first.type, shape: broadcastAll(node, [total, other]) };
    const isLast = i === others.length - 1 && !isMean;
    const y = isLast ? node.give(0, made) : { ...made, name: node.builder.fresh(`${node.name}.sum`) };
    node.emit('Add', [total, other], [y]);
    total = y;
  }
  if (!isMean) return;
  const count = floatTensor(node.builder.fresh(`${node.name}.count`), [inputs.length], []);
  const mean = node.give(0, { type: total.type, shape: total.shape });
  node.emit('Div', [total, node.builder.constant(count)], [mean]);
}

export function broadcastAll(node: NodeContext, values: readonly Value[]): Length[] | undefined {
  let shape: Length[] | undefined = [];
  for (const value of values) {
    const next: Length[] | undefined = shape && value.shape && broadcastLengths(shape, value.shape);
    if (shape && value.shape && !next) {
      throw node.error('INVALID_GRAPH', `${node.node.op}: the operands do not fit`, {
        found: values.map((one) => showLengths(one.shape ?? [])).join(' and '),
      });
    }
    shape = next;
  }
  return shape;
}

/** A function that leaves the shape as it is, and needs the lengths of some axes. */
export const shaped =
  (pinned: (rank: number) => number[], type?: DataType) =>
  (node: NodeContext): void => {
    const x = node.input(0);
    for (const length of x.shape ? pinned(x.shape.length).map((axis) => x.shape![axis]) : []) {
      // The planner says what rank the operator takes.
      if (length !== undefined) pin(length);
    }
    node.emit(node.node.op, node.inputs(), [node.give(0, { type: type ?? x.type, shape: x.shape })], node.rest());
  };

/** Normalisation over the axes from `axis` on. */
export function lastAxes(node: NodeContext): void {
  const x = node.input(0);
  const { axis = -1 } = node.rest();
  if (x.shape && typeof axis === 'number') {
    for (const length of x.shape.slice(node.axis(axis, x.shape.length))) pin(length);
  }
  const outputs = node.node.outputs.map((_, i) => node.give(i, { type: x.type, shape: i === 0 ? x.shape : undefined }));
  node.emit(node.node.op, node.inputs(), outputs, node.rest());
}

/** MatMul of any ranks. */
export function matMul(node: NodeContext): void {
  const [a, b] = [node.input(0), node.input(1)];
  node.emit('MatMul', [a, b], [node.give(0, { type: 'float32', shape: productShape(node, a, b) })], node.rest());
}

function productShape(node: NodeContext, { shape: left }: Value, { shape: right }: Value): Length[] | undefined {
  if (!left?.length || !right?.length) return undefined;
  const a = left.length === 1 ? [1, ...left] : left;
  const b = right.length === 1 ? [...right, 1] : right;
  pin(a.at(-1)!);
  pin(b.at(-2)!);
  if (unify(a.at(-1)!, b.at(-2)!) === undefined) {
    throw node.error('INVALID_GRAPH', 'MatMul: the factors do not fit', {
      expected: showLengths([b.at(-2)!]),
      found: showLengths([a.at(-1)!]),
    });
  }
  const batch = broadcastLengths(a.slice(0, -2), b.slice(0, -2));
  if (!batch) {
    throw node.error('INVALID_GRAPH', 'MatMul: the stacks do not fit', {
      found: `${showLengths(left)} and ${showLengths(right)}`,
    });
  }
  const columns = pin(b.at(-1)!) ?? b.at(-1)!;
  return [...batch, ...(left.length === 1 ? [] : [a.at(-2)!]), ...(right.length === 1 ? [] : [columns])];
}

/** Tile by constant repeats. */
export function tile(node: NodeContext): void {
  const x = node.input(0);
  const times = node.numbers(1);
  const shape =
    x.shape && times?.length === x.shape.length
      ? x.shape.map((length, axis): Length => (times[axis] === 1 ? length : (pin(length) ?? Number.NaN) * times[axis]))
      : undefined;
  const known = shape?.every((length) => !Number.isNaN(length)) ? shape : undefined;
  node.emit('Tile', node.inputs(), [node.give(0, { type: x.type, shape: known })], node.rest());
}

/** GatherElements: the shape of the indices. */
export function gatherElements(node: NodeContext): void {
  const [x, indices] = [node.input(0), node.input(1)];
  const all = node.rest();
  if (x.shape) pin(x.shape[node.axis(typeof all.axis === 'number' ? all.axis : 0, x.shape.length)]);
  node.emit('GatherElements', [x, indices], [node.give(0, { type: x.type, shape: indices.shape })], all);
}

/** OneHot: one more axis, of a constant depth. */
export function oneHot(node: NodeContext): void {
  const [indices, depth] = [node.input(0), node.input(1)];
  const { axis = -1 } = node.rest();
  const floats = depth.constant?.type === 'float32' ? toFloat32(depth.constant)[0] : undefined;
  const count = floats ?? node.numbers(1)?.[0];
  let shape: Length[] | undefined;
  if (indices.shape && count !== undefined) {
    const at = node.axis(Number(axis), indices.shape.length + 1);
    shape = [...indices.shape.slice(0, at), count, ...indices.shape.slice(at)];
  }
  node.emit('OneHot', node.inputs(), [node.give(0, { type: 'float32', shape })], node.rest());
}

/** DFT and STFT: the bins that they make of an axis of fixed length. */
export function dft(node: NodeContext): void {
  const x = node.input(0);
  const all = node.rest();
  const inputs = node.inputs();
  let shape: Length[] | undefined;
  if (x.shape) {
    const rank = x.shape.length;
    // Up to opset 19 the axis is an attribute that is 1 unless said otherwise, later an input that is -2.
    const axis =
      node.opset < 20
        ? node.axis(Number(all.axis ?? 1), rank)
        : node.axis(node.has(2) ? (node.numbers(2)?.[0] ?? -2) : -2, rank);
    if (node.opset < 20) all.axis = axis;
    const size = pin(x.shape[axis]);
    pin(x.shape[rank - 1]);
    const length = node.has(1) ? node.numbers(1)?.[0] : size;
    if (length !== undefined) {
      const bins = all.onesided === 1 ? Math.floor(length / 2) + 1 : length;
      shape = [...x.shape.slice(0, axis), bins, ...x.shape.slice(axis + 1, -1), 2];
      if (axis < rank - 2) {
        dftAlong(node, axis, shape, all);
        return;
      }
    }
  }
  node.emit('DFT', inputs, [node.give(0, { type: x.type, shape })], all);
}

/** A transform along an axis before the last but one, which the operator of the graph takes alone. */
function dftAlong(
  node: NodeContext,
  axis: number,
  shape: Length[],
  { axis: _, ...attributes }: Record<string, AttributeValue>,
): void {
  const x = node.input(0);
  const order = shape.map((_, a) => a).filter((a) => a !== axis);
  const perm = order.toSpliced(-1, 0, axis);
  const back = perm.map((_, a) => perm.indexOf(a));
  const part = (label: string, from: readonly Length[]): Value => ({
    name: node.builder.fresh(`${node.name}.${label}`),
    type: x.type,
    shape: perm.map((a) => from[a]),
  });
  const [turned, made] = [part('turned', x.shape!), part('bins', shape)];
  node.emit('Transpose', [x], [turned], { perm });
  node.emit('DFT', [turned, node.find(1)], [made], attributes);
  node.emit('Transpose', [made], [node.give(0, { type: x.type, shape })], { perm: back });
}

export function stft(node: NodeContext): void {
  const x = node.input(0);
  const all = node.rest();
  const step = node.numbers(1)?.[0];
  const window = node.find(2)?.shape;
  const length = node.has(3) ? node.numbers(3)?.[0] : window?.length === 1 ? pin(window[0]) : undefined;
  let shape: Length[] | undefined;
  if (x.shape?.length === 3 && step && length) {
    const size = pin(x.shape[1]);
    pin(x.shape[2]);
    const bins = all.onesided === 0 ? length : Math.floor(length / 2) + 1;
    if (size !== undefined) shape = [x.shape[0], Math.floor((size - length) / step) + 1, bins, 2];
  }
  node.emit('STFT', node.inputs(), [node.give(0, { type: x.type, shape })], all);
}

/** Einsum: the lengths that its letters have. */
export function einsum(node: NodeContext): void {
  const all = node.rest();
  const [left, right] = String(all.equation ?? '')
    .replaceAll(' ', '')
    .split('->');
  const letters = left.split(',');
  const inputs = node.inputs().map((_, i) => node.input(i));
  const lengths = new Map<string, Length>();
  const fits = inputs.length === letters.length && inputs.every(({ shape }, i) => shape?.length === letters[i].length);
  for (const [i, { shape }] of fits ? inputs.entries() : []) {
    for (const [axis, letter] of [...letters[i]].entries()) {
      const known = lengths.get(letter) ?? shape![axis];
      lengths.set(letter, unify(known, shape![axis]) ?? known);
      // What is summed over is a number.
      if (right !== undefined && !right.includes(letter)) pin(shape![axis]);
    }
  }
  const made = right === undefined ? [undefined] : [...right].map((letter) => lengths.get(letter));
  const shape = fits && made.every((length) => length !== undefined) ? made : undefined;
  node.emit('Einsum', inputs, [node.give(0, { type: 'float32', shape })], all);
}
