import { elementCount, toFloat32 } from '../../graph/tensor.js';
import { integerTensor } from '../constants.js';
import {
  Axis,
  broadcastLengths,
  type Length,
  numberOf,
  pin,
  pinAll,
  reshapeLengths,
  resolve,
  showLengths,
  unify,
} from '../lengths.js';
import { refusedOperator } from '../refusals.js';
import { type MoveOf, type NodeContext, type Value, VIEW } from './builder.js';
import { concatenated, gathered, sliced, transposed } from './moves.js';
import { integersOf } from './tensors.js';

/** Translations of the operators that move numbers, and the shapes they make, over opsets 7 and on. */

/** What a node does to a value: done now where the content is known, otherwise by a node that `emit` writes. */
function move(
  node: NodeContext,
  output: number,
  inputs: Value[],
  shape: Length[] | undefined,
  how: MoveOf,
  emit: (result: Value) => void,
): void {
  if (!node.wants(output)) return;
  const name = node.node.outputs[output];
  const known = node.builder.move(name, inputs, shape, how);
  if (known) {
    node.builder.define(name, known);
    return;
  }
  emit(node.give(output, { type: inputs[0].type, shape, whole: inputs[0].whole, moved: { inputs, move: how } }));
}

/** A change of shape that leaves every number where it is. */
function reshapeTo(node: NodeContext, x: Value, shape: Length[], keepsLast = true): void {
  move(node, 0, [x], shape, VIEW, (y) => {
    if (x.last && keepsLast) y.last = x.last;
    node.emit('Reshape', [x], [y], {}, { reshapes: true });
  });
}

export function identity(node: NodeContext): void {
  node.end();
  node.alias(0, node.input(0));
}

/** Nothing in inference; the mask has no use there. */
export function dropout(node: NodeContext): void {
  node.ignore('ratio', 'seed');
  node.end();
  const training = node.has(2) ? node.numbers(2)?.[0] : 0;
  if (training !== 0) throw node.unsupported('training mode', 'inference', 'training_mode as input 2');
  if (node.wants(1)) throw node.unsupported('the mask as an output', 'one output', node.node.outputs[1]);
  node.alias(0, node.input(0));
}

export function transpose(node: NodeContext): void {
  const x = node.input(0);
  const rank = x.shape?.length;
  const perm =
    node.integers('perm') ?? (rank === undefined ? undefined : Array.from({ length: rank }, (_, i) => rank - 1 - i));
  node.end();
  const fits =
    perm && perm.length === (rank ?? perm.length) && [...perm].sort((a, b) => a - b).every((a, i) => a === i);
  if (perm && !fits) {
    throw node.error('INVALID_GRAPH', 'Transpose: perm is no permutation of the axes', {
      found: `[${perm.join(', ')}]`,
    });
  }
  const { shape } = x;
  const to = shape && perm?.map((axis) => shape[axis]);
  move(
    node,
    0,
    [x],
    to,
    ([from]) => transposed(from, perm!),
    (y) => {
      // The states of a sequence stay in their order unless axes of several numbers change places.
      const long = perm?.filter((axis) => shape && typeof resolve(shape[axis]) === 'number' && shape[axis] !== 1) ?? [];
      if (x.last && long.every((axis, i) => i === 0 || axis > long[i - 1])) y.last = x.last;
      node.emit('Transpose', [x], [y], perm ? { perm } : {});
    },
  );
}

/** Axes as an attribute (before opset 13) or as an input; null where they are computed. */
function axesOf(node: NodeContext): number[] | undefined | null {
  const given = node.integers('axes');
  node.end();
  if (given) return given;
  return node.has(1) ? (node.numbers(1) ?? null) : undefined;
}

export function squeeze(node: NodeContext): void {
  const x = node.input(0);
  const { shape } = x;
  const given = axesOf(node);
  if (!shape || given === null) {
    const y = node.give(0, { type: x.type });
    node.emit('Squeeze', node.inputs(), [y], given ? { axes: given } : {});
    return;
  }
  const axes = given
    ? given.map((axis) => node.axis(axis, shape.length))
    : shape.flatMap((length, axis) => (numberOf(length) === 1 ? [axis] : []));
  for (const axis of axes) {
    if (numberOf(shape[axis]) === 1) pin(shape[axis]);
    else throw node.unsupported(`axis ${axis} is not of length 1`, 'length 1', showLengths(shape));
  }
  reshapeTo(
    node,
    x,
    shape.filter((_, axis) => !axes.includes(axis)),
  );
}

export function unsqueeze(node: NodeContext): void {
  const x = node.input(0);
  const { shape } = x;
  const given = axesOf(node);
  if (!shape || !given) {
    const y = node.give(0, { type: x.type });
    node.emit('Unsqueeze', node.inputs(), [y], given ? { axes: given } : {});
    return;
  }
  const rank = shape.length + given.length;
  const axes = given.map((axis) => node.axis(axis, rank));
  if (new Set(axes).size < axes.length) {
    throw node.error('INVALID_GRAPH', 'Unsqueeze: an axis is given twice', { found: `[${given.join(', ')}]` });
  }
  const kept = [...shape];
  reshapeTo(
    node,
    x,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : kept.shift()!)),
  );
}

export function reshape(node: NodeContext): void {
  const x = node.input(0);
  const wanted = node.input(1).items;
  const allowZero = node.integer('allowzero', 0);
  node.end();
  const { shape } = x;
  const full = wanted?.map((length, i) =>
    length === 0 && !allowZero && shape && i < shape.length ? shape[i] : length,
  );
  const lengths = full?.filter((length) => typeof length === 'number') ?? [];
  if (lengths.some((length) => length < -1) || lengths.filter((length) => length === -1).length > 1) {
    throw node.error('INVALID_GRAPH', 'Reshape: no shape', { tensor: node.input(1).name, found: showLengths(full!) });
  }
  const to = shape && full && reshapeLengths(shape, full);
  if (to) {
    reshapeTo(node, x, to);
    return;
  }
  const y = node.give(0, { type: x.type });
  node.emit('Reshape', [x, node.input(1)], [y], allowZero ? { allowzero: allowZero } : {});
}

export function flatten(node: NodeContext): void {
  const x = node.input(0);
  const { shape } = x;
  const given = node.integer('axis', 1);
  node.end();
  if (!shape) throw node.shapeless(x);
  const axis = given === shape.length ? given : node.axis(given, shape.length);
  // What is in front of the axis becomes one length, and what is behind it another.
  const front = axis === 0 ? [1] : reshapeLengths(shape.slice(0, axis), [-1]);
  const back = axis === shape.length ? [1] : reshapeLengths(shape.slice(axis), [-1]);
  if (!front || !back)
    throw node.unsupported('time and batch would be mixed', 'at most one of them', showLengths(shape));
  reshapeTo(node, x, [...front, ...back]);
}

export function concat(node: NodeContext): void {
  const parts = node.inputs().map((_, i) => node.input(i));
  const given = node.integer('axis', Number.NaN);
  node.end();
  const shapes = parts.map(({ shape }) => shape);
  const rank = Math.max(...shapes.map((shape) => shape?.length ?? 0));
  let to: Length[] | undefined;
  if (shapes.length > 0 && shapes.every((shape) => shape?.length === rank)) {
    const axis = node.axis(given, rank);
    const known = shapes as Length[][];
    if (known.length === 1) to = known[0];
    else {
      const joined = pinAll(known.map((shape) => shape[axis]))?.reduce((sum, length) => sum + length, 0);
      to = known[0].flatMap((first, a): Length[] => {
        if (a === axis) return joined === undefined ? [] : [joined];
        const one = known.reduce<Length | undefined>((all, shape) => all && unify(all, shape[a]), first);
        if (one === undefined) {
          throw node.error('INVALID_GRAPH', 'Concat: the parts do not fit', {
            found: known.slice(0, 8).map(showLengths).join(', '),
          });
        }
        return [one];
      });
      if (to.length < rank) to = undefined;
    }
    if (to && known.length === 1) {
      node.alias(0, parts[0]);
      return;
    }
    move(
      node,
      0,
      parts,
      to,
      (from) => concatenated(from, axis),
      (y) => node.emit('Concat', parts, [y], { axis }),
    );
    return;
  }
  node.emit('Concat', parts, [node.give(0, { type: parts[0]?.type ?? 'float32' })], { axis: given });
}

/** One axis of a slice. */
interface Cut {
  axis: number;
  start: number;
  length: number;
  step: number;
}

/** Writes a Slice of one axis, which is all that the operator of the graph takes. */
export function cut(
  node: NodeContext,
  x: Value,
  { axis, start, length, step }: Cut,
  output: number | undefined,
): Value {
  const shape = x.shape!.map((dim, a) => (a === axis ? length : dim));
  const how: MoveOf = ([from]) => sliced(from, axis, start, length, step);
  const { builder } = node;
  const name = output === undefined ? builder.fresh(`${x.name}.slice`) : node.node.outputs[output];
  const known = builder.move(name, [x], shape, how);
  const y: Value = known ?? { name, type: x.type, shape, whole: x.whole, moved: { inputs: [x], move: how } };
  if (!known) {
    const end = endOf(start + step * length, Number(resolve(x.shape![axis])));
    const all = { start, end, axis, ...(step !== 1 && { step }) };
    node.emit('Slice', [x, ...boundsOf(node, name, all)], [y]);
  }
  if (output !== undefined) builder.define(name, y);
  return y;
}

/** Bounds of a Slice, as its inputs. */
const boundsOf = ({ builder }: NodeContext, name: string, bounds: Record<string, number>): Value[] =>
  Object.entries(bounds).map(([label, value]) =>
    builder.constant(integerTensor(builder.fresh(`${name}.${label}`), [value])),
  );

/** As far in front of any first element as exporters say, who may say it by numbers that are not exact. */
const FIRST = -(2 ** 31);

/** Before the first element, counted from the end: -1 would be the last one. */
const endOf = (end: number, length: number) => (end < 0 ? -length - 1 : end);

/** Slice's bounds: attributes before opset 10, inputs from then on. */
export function slice(node: NodeContext): void {
  const x = node.input(0);
  const { shape } = x;
  const list = (name: string, i: number) => node.integers(name) ?? (node.has(i) ? node.numbers(i) : undefined);
  const starts = list('starts', 1);
  const ends = node.opset < 10 ? node.integers('ends') : node.find(2)?.items;
  const axesGiven = list('axes', 3);
  const stepsGiven = node.has(4) ? node.numbers(4) : undefined;
  const computed = !starts || !ends || (node.has(3) && !axesGiven) || (node.has(4) && !stepsGiven);
  node.end();
  if (!shape || computed) {
    node.emit('Slice', node.inputs(), [node.give(0, { type: x.type })]);
    return;
  }
  const axes = (axesGiven ?? starts.map((_, i) => i)).map((axis) => node.axis(axis, shape.length));
  const steps = stepsGiven ?? starts.map(() => 1);
  if ([ends.length, axes.length, steps.length].some((length) => length !== starts.length) || steps.includes(0)) {
    throw node.error('INVALID_GRAPH', 'Slice: the bounds do not belong together', {
      found: `${starts.length} starts, ${ends.length} ends, ${axes.length} axes, steps [${steps.join(', ')}]`,
    });
  }
  const cuts: Cut[] = [];
  for (const [i, axis] of axes.entries()) {
    const length = resolve(shape[axis]);
    const end = resolve(ends[i]);
    const whole = numberOf(length) ?? Number.MAX_SAFE_INTEGER;
    const toEnd = sameLength(end, length) || (typeof end === 'number' && end >= whole);
    if (starts[i] === 0 && steps[i] === 1 && toEnd) continue;
    if (typeof length !== 'number' && axes.length === 1 && isTurned(starts[i], end, steps[i])) {
      // From the end to the beginning, however long that is.
      const y = node.give(0, { type: x.type, shape, whole: x.whole });
      node.emit('Slice', [x, ...boundsOf(node, y.name, { start: -1, end: FIRST, axis, step: -1 })], [y]);
      return;
    }
    if (typeof length !== 'number' && length.role === 'T') {
      const lastOnly = (starts[i] === -1 || starts[i] === whole - 1) && toEnd && steps[i] === 1;
      if (lastOnly && axes.length === 1 && x.last) {
        lastStep(node, x, axis, true);
        return;
      }
      if (axes.length > 1) throw timeCut(node, shape);
      const cut = typeof end === 'number' ? bounds(node, axis, whole, starts[i], end, steps[i]) : undefined;
      refuseTimeCut(
        node,
        x,
        shape.map((one, a) => (a === axis ? (cut?.length ?? new Axis('')) : one)),
      );
      return;
    }
    const known = pin(length);
    const until = pin(end);
    if (known === undefined || until === undefined) {
      throw node.unsupported('a part of an axis of unknown length', 'an axis of fixed length', showLengths(shape));
    }
    cuts.push(bounds(node, axis, known, starts[i], until, steps[i]));
  }
  if (cuts.length === 0) {
    node.alias(0, x);
    return;
  }
  let value = x;
  for (const [i, one] of cuts.entries()) value = cut(node, value, one, i === cuts.length - 1 ? 0 : undefined);
}

/** All that is time is as long. */
const sameLength = (a: Length, b: Length): boolean =>
  a === b || (typeof a !== 'number' && typeof b !== 'number' && a.role === 'T' && b.role === 'T');

const isTurned = (start: number, end: Length, step: number): boolean =>
  start === -1 && step === -1 && typeof end === 'number' && end <= FIRST;

function bounds(node: NodeContext, axis: number, length: number, start: number, end: number, step: number): Cut {
  const clampTo = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + length : at, low), high);
  const from = step > 0 ? clampTo(start, 0, length) : clampTo(start, 0, length - 1);
  const to = step > 0 ? clampTo(end, 0, length) : clampTo(end, -1, length - 1);
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (count === 0) {
    throw node.unsupported('the slice is empty', 'at least one element', `${start}..${end} of ${length}`);
  }
  return { axis, start: from, length: count, step };
}

/** Split into parts of equal or given lengths: one slice for each. */
export function split(node: NodeContext): void {
  const x = node.input(0);
  const given = node.integer('axis', 0);
  const sizesGiven = node.integers('split') ?? (node.has(1) ? (node.numbers(1) ?? null) : undefined);
  const count = node.node.outputs.length;
  if (node.integer('num_outputs', count) !== count) {
    throw node.error('INVALID_GRAPH', 'Split: num_outputs is not the number of outputs', { expected: `${count}` });
  }
  node.end();
  if (count === 1 && sizesGiven === undefined) {
    node.alias(0, x);
    return;
  }
  if (!x.shape) throw node.shapeless(x);
  if (sizesGiven === null) throw node.unsupported('lengths that are computed', 'constants', node.input(1).name);
  const axis = node.axis(given, x.shape.length);
  if (count === 1 && (!sizesGiven || sizesGiven[0] === numberOf(x.shape[axis]))) {
    node.alias(0, x);
    return;
  }
  const length = resolve(x.shape[axis]);
  if (typeof length !== 'number' && length.role === 'T') throw timeCut(node, x.shape);
  const known = pin(length);
  if (known === undefined) throw node.unsupported('an axis of unknown length', 'a number', showLengths(x.shape));
  // Equal parts, of which the last may be shorter.
  const part = Math.ceil(known / count);
  const sizes = sizesGiven ?? Array.from({ length: count }, (_, i) => Math.min(part, known - i * part));
  if (sizes.length !== count || sizes.some((size) => size < 1) || sizes.reduce((a, b) => a + b, 0) !== known) {
    throw node.error('INVALID_GRAPH', 'Split: the parts do not make the whole', {
      expected: `${count} parts of ${known}`,
      found: `[${sizes.slice(0, 16).join(', ')}]`,
    });
  }
  let start = 0;
  for (const [i, size] of sizes.entries()) {
    if (node.wants(i)) cut(node, x, { axis, start, length: size, step: 1 }, i);
    start += size;
  }
}

/** Gather: an embedding where the indices are computed; where they are constant, parts of a value. */
export function gather(node: NodeContext): void {
  const [x, index] = [node.input(0), node.input(1)];
  const given = node.integer('axis', 0);
  node.end();
  const { shape } = x;
  const indices = index.items && index.shape && index.shape.length <= 1 ? pinAll(index.items) : undefined;
  if (!shape) {
    node.emit('Gather', [x, index], [node.give(0, { type: x.type })], { axis: given });
    return;
  }
  const axis = node.axis(given, shape.length);
  if (!indices || indices.length === 0) {
    const to = index.shape && [...shape.slice(0, axis), ...index.shape, ...shape.slice(axis + 1)];
    if (x.constant) pinAll(shape);
    node.emit('Gather', [x, index], [node.give(0, { type: x.type, shape: to })], { axis });
    return;
  }
  const scalar = index.shape!.length === 0;
  const length = resolve(shape[axis]);
  if (typeof length !== 'number' && length.role === 'T') {
    const last = indices.length === 1 && (indices[0] === -1 || indices[0] === (length.fixed ?? 0) - 1);
    if (last && x.last) {
      lastStep(node, x, axis, !scalar);
      return;
    }
    refuseTimeCut(node, x, [...shape.slice(0, axis), ...(scalar ? [] : [indices.length]), ...shape.slice(axis + 1)]);
    return;
  }
  const known = pin(length);
  if (known === undefined) throw node.unsupported('an axis of unknown length', 'a number', showLengths(shape));
  const at = indices.map((one) => (one < 0 ? one + known : one));
  if (at.some((one) => one < 0 || one >= known)) {
    throw node.error('INVALID_GRAPH', 'Gather: an index is out of range', {
      expected: `-${known}..${known - 1}`,
      found: `[${indices.slice(0, 16).join(', ')}]`,
    });
  }
  const to: Length[] = [...shape.slice(0, axis), ...(scalar ? [] : [at.length]), ...shape.slice(axis + 1)];
  const how: MoveOf = ([from], result) => gathered(from, axis, at, result);
  move(node, 0, [x], to, how, (y) => {
    if (at.some((one, i) => one !== at[0] + i)) {
      node.emit('Gather', [x, index], [y], { axis });
      return;
    }
    const whole = at.length === known;
    const part = whole ? x : cut(node, x, { axis, start: at[0], length: at.length, step: 1 }, undefined);
    node.emit('Reshape', [part], [y], {}, { reshapes: true });
  });
}

/** The last step of a cell's sequence is its final state. */
function lastStep(node: NodeContext, x: Value, axis: number, keepAxis: boolean): void {
  const shape = x.shape!.flatMap((length, a): Length[] => (a === axis ? (keepAxis ? [1] : []) : [length]));
  reshapeTo(node, x.last!(), shape, false);
}

/** A selection of steps, of which no more than its shape can be known. */
function refuseTimeCut(node: NodeContext, x: Value, shape: Length[]): void {
  const part = node.give(0, { type: x.type, shape, whole: x.whole });
  node.emit(refusedOperator(node.node.op), [x], [part], {}, { refusal: timeCut(node, x.shape!) });
}

export function timeCut(node: NodeContext, shape: readonly Length[]) {
  return node.unsupported(
    'a part of the time axis',
    "every step, or the last of a forward cell's",
    showLengths(shape),
    'A stream gets one step at a time; leave the selection of steps out of the model',
  );
}

/** The number that a constant is, or all of its elements are, zeros. */
function equalElement(node: NodeContext, value: Value): number | undefined {
  if (node.builder.isZero(value)) return 0;
  const { constant } = value;
  if (!constant || elementCount(constant.shape) !== 1) return undefined;
  return integersOf(constant)?.[0] ?? toFloat32(constant)[0];
}

/** Expand: nothing where the shape is the input's already, a constant where the input is one number. */
export function expand(node: NodeContext): void {
  const x = node.input(0);
  node.end();
  const wanted = node.input(1).items;
  const { shape } = x;
  const one = x.fill ?? equalElement(node, x);
  if (shape && wanted && one !== undefined) {
    // Equal elements fill any shape, so nothing here needs an axis to be a number.
    const rank = Math.max(shape.length, wanted.length);
    const to = Array.from({ length: rank }, (_, i): Length => {
      const [mine, given] = [shape[i - rank + shape.length] ?? 1, wanted[i - rank + wanted.length] ?? 1];
      return numberOf(given) === 1 ? mine : given;
    });
    node.give(0, { type: x.type, shape: to, fill: one });
    return;
  }
  const to = shape && wanted && broadcastLengths(shape, wanted);
  if (to && to.length === shape.length && to.every((length, i) => length === resolve(shape[i]))) {
    node.alias(0, x);
    return;
  }
  node.emit('Expand', node.inputs(), [node.give(0, { type: x.type, shape: to })]);
}
