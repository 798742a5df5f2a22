import type { DataType, Tensor } from '../../graph/graph.js';
import { elementCount, toFloat32 } from '../../graph/tensor.js';
import { floatTensor } from '../constants.js';
import { broadcastLengths, type Length, pin, resolve, showLengths, unify } from '../lengths.js';
import { MAX_ITEMS, type NodeContext, type Value } from './builder.js';
import { numbersOf, tensorOf } from './fold.js';
import { broadcastAll } from './tensor-operators.js';
import { integersOf, isZero as isZeroTensor, readTensor, typeName, typeOf } from './tensors.js';

/** Translations of the operators that compute, and of those whose result the shapes decide. */

/** One function of each element; all else is the operator's own affair. */
export function elementwise(node: NodeContext): void {
  const x = node.input(0);
  const outputs = node.node.outputs.map((_, i) => node.give(i, { type: x.type, shape: i === 0 ? x.shape : undefined }));
  node.emit(node.node.op, node.inputs(), outputs, node.rest());
}

/** Arithmetic: of lists of lengths now, of all else in the graph. */
export function binary(node: NodeContext): void {
  const [a, b] = heldAlike(node, node.input(0), node.input(1));
  const shape = a.shape && b.shape && broadcastLengths(a.shape, b.shape);
  if (a.shape && b.shape && !shape) {
    throw node.error('INVALID_GRAPH', `${node.node.op}: the operands do not fit`, {
      found: `${showLengths(a.shape)} and ${showLengths(b.shape)}`,
    });
  }
  const items = shape && shape.length <= 1 && itemwise(node.node.op, a, b);
  if (items) {
    node.give(0, { type: a.type, shape: a.shape!.length < b.shape!.length ? b.shape : a.shape!, items });
    return;
  }
  if (shape && simplified(node, a, b, shape)) return;
  const whole = node.node.op === 'Div' ? undefined : a.whole && b.whole;
  node.emit(node.node.op, [a, b], [node.give(0, { type: a.type, shape, whole })], node.rest());
}

/** Two operands of which one may be integers held as float32: a constant beside it is held so too. */
function heldAlike(node: NodeContext, a: Value, b: Value): [Value, Value] {
  const held = (value: Value, other: Value): Value => {
    const numbers = other.whole && value.constant && integersOf(value.constant) ? numbersOf(node, value) : undefined;
    if (!numbers) return value;
    const name = node.builder.fresh(`${value.name}.float`);
    return { ...node.builder.constant(floatTensor(name, numbers.data, numbers.shape)), whole: value.type };
  };
  return [held(a, b), held(b, a)];
}

/** Integers times zero, and a sum with zero: what exporters write so that an input is not left unused. */
function simplified(node: NodeContext, a: Value, b: Value, shape: Length[]): boolean {
  const { op } = node.node;
  const isZero = ({ constant, fill, items }: Value) =>
    constant ? items?.every((one) => one === 0) || isZeroScalar(constant) : fill === 0;
  if (op === 'Mul' && a.type !== 'float32' && (isZero(a) || isZero(b))) {
    node.give(0, { type: a.type, shape, fill: 0 });
    return true;
  }
  const same = (value: Value) => showLengths(value.shape!) === showLengths(shape);
  const other = (op === 'Add' || op === 'Sub') && isZero(b) ? a : op === 'Add' && isZero(a) ? b : undefined;
  if (!other || other.constant || !same(other)) return false;
  node.alias(0, other);
  return true;
}

const isZeroScalar = (constant: Tensor) => elementCount(constant.shape) === 1 && isZeroTensor(constant);

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => Math.trunc(a / b),
};

/** Lists of lengths, element by element; an unknown passes where the number beside it changes nothing. */
function itemwise(op: string, a: Value, b: Value): Length[] | undefined {
  if (!a.items || !b.items) return undefined;
  const [p, q] = [a.items, b.items];
  const count = Math.max(p.length, q.length);
  if (![p.length, q.length].every((length) => length === 1 || length === count)) return undefined;
  const results = Array.from({ length: count }, (_, i): Length | undefined => {
    const left = resolve(p[p.length === 1 ? 0 : i]);
    const right = resolve(q[q.length === 1 ? 0 : i]);
    const neutral = op === 'Mul' || op === 'Div' ? 1 : 0;
    if (right === neutral) return left;
    if (left === neutral && (op === 'Mul' || op === 'Add')) return right;
    const [m, n] = [pin(left), pin(right)];
    if (m === undefined || n === undefined) return undefined;
    const result = ARITHMETIC[op](m, n);
    return Number.isSafeInteger(result) ? result : undefined;
  });
  return results.every((result) => result !== undefined) ? results : undefined;
}

/** Equal and Where, of which exporters build shapes; elsewhere nodes. */
export function equal(node: NodeContext): void {
  const [a, b] = [node.input(0), node.input(1)];
  if (a.items && b.items && (a.items.length === b.items.length || b.items.length === 1)) {
    const right = b.items;
    const items = a.items.map((length, i): number | undefined => {
      const [mine, other] = [resolve(length), resolve(right[right.length === 1 ? 0 : i])];
      if (mine === other) return 1;
      // A length is never below 1, whatever it is.
      if (typeof mine !== typeof other && [mine, other].some((one) => typeof one === 'number' && one < 1)) return 0;
      const [m, n] = [pin(mine), pin(other)];
      return m === undefined || n === undefined ? undefined : Number(m === n);
    });
    if (items.every((item) => item !== undefined)) {
      node.give(0, { type: 'bool', shape: a.shape, items });
      return;
    }
  }
  node.emit('Equal', [a, b], [node.give(0, { type: 'bool', shape: broadcastAll(node, [a, b]) })], node.rest());
}

export function where(node: NodeContext): void {
  const [condition, a, b] = [node.input(0), node.input(1), node.input(2)];
  const list = (value: Value) => value.items ?? (value.fill === undefined ? undefined : [value.fill]);
  const [yes, no] = [list(a), list(b)];
  const count = condition.items?.length ?? 0;
  if (condition.items && yes && no && [yes, no].every(({ length }) => length === 1 || length === count)) {
    const items = condition.items.map((one, i) =>
      one === 0 ? no[no.length === 1 ? 0 : i] : yes[yes.length === 1 ? 0 : i],
    );
    node.give(0, { type: b.type, shape: condition.shape, items });
    return;
  }
  const shape = broadcastAll(node, [condition, a, b]);
  node.emit('Where', node.inputs(), [node.give(0, { type: a.type, shape })], node.rest());
}

export function gemm(node: NodeContext): void {
  const [a, b] = [node.input(0), node.input(1)];
  const { transA, transB } = Object.fromEntries(
    ['transA', 'transB'].map((name) => [name, node.node.attributes.has(name) && node.integer(name, 0) !== 0]),
  );
  const left = a.shape && (transA ? [...a.shape].reverse() : a.shape);
  const right = b.shape && (transB ? [...b.shape].reverse() : b.shape);
  let shape: Length[] | undefined;
  if (left?.length === 2 && right?.length === 2) {
    meet(node, left[1], right[0]);
    shape = [left[0], pin(right[1]) ?? right[1]];
  }
  node.emit('Gemm', node.inputs(), [node.give(0, { type: 'float32', shape })], {
    ...node.rest(),
    ...(transA ? { transA: 1 } : {}),
    ...(transB ? { transB: 1 } : {}),
  });
}

/** The axis that a product sums over: a number on both sides. */
function meet(node: NodeContext, a: Length, b: Length): void {
  pin(a);
  pin(b);
  if (unify(a, b) !== undefined) return;
  throw node.error('INVALID_GRAPH', `${node.node.op}: the factors do not fit`, {
    expected: showLengths([b]),
    found: showLengths([a]),
  });
}

/**
 * Softmax. Before opset 13 everything from `axis` on is one group, which is the same only where that is the last axis
 * (or all behind it are 1).
 */
export function softmax(node: NodeContext): void {
  const x = node.input(0);
  const axis = node.integer('axis', node.opset < 13 ? 1 : -1);
  const rank = x.shape?.length;
  let given = axis;
  if (node.opset < 13) {
    if (rank === undefined) throw node.shapeless(x);
    given = rank === 0 ? axis : node.axis(axis, rank);
    // Axes of 1 in front of the last one belong to the group and change nothing.
    if (rank > 0 && x.shape!.slice(given, -1).every((length) => resolve(length) === 1)) given = rank - 1;
    if (rank > 0 && given !== rank - 1) {
      throw node.error('UNSUPPORTED_ATTRIBUTE', `${node.node.op}: several axes are one group before opset 13`, {
        expected: `axis = ${rank - 1}, the last`,
        found: `axis = ${axis} of ${showLengths(x.shape!)}`,
        hint: 'Export it with opset 13 or later',
      });
    }
  }
  if (x.shape && x.shape.length > 0) pin(x.shape[node.axis(given, x.shape.length)]);
  node.emit(node.node.op, [x], [node.give(0, { type: x.type, shape: x.shape })], { ...node.rest(), axis: given });
}

/** Clip's bounds are attributes before opset 11. */
export function clip(node: NodeContext): void {
  const x = node.input(0);
  const inputs = node.inputs();
  if (node.opset < 11) {
    for (const [i, name] of [
      [1, 'min'],
      [2, 'max'],
    ] as const) {
      const bound = node.float(name);
      if (bound === undefined) continue;
      inputs[i] = node.builder.constant(floatTensor(node.builder.fresh(`${node.name}.${name}`), [bound], []));
    }
  }
  const all = Array.from(inputs, (input) => input);
  node.emit('Clip', all, [node.give(0, { type: x.type, shape: x.shape })], node.rest());
}

// ---- Constants and shapes -----------------------------------------------------------------------------------------

export function constant(node: NodeContext): void {
  const { attributes, outputs } = node.node;
  const name = outputs[0];
  const found = [...attributes];
  const [key, attribute] = found[0] ?? ['', undefined];
  const { builder } = node;
  if (found.length !== 1 || !attribute || !name) {
    throw node.error('INVALID_GRAPH', 'Constant: one attribute holds the value', { found: `${found.length}` });
  }
  const tensor = () => {
    if (key === 'value' && attribute.kind === 'tensor') return readTensor(attribute.value, name, builder.file);
    if (key === 'value_float' && attribute.kind === 'float') return floatTensor(name, [attribute.value], []);
    if (key === 'value_floats' && attribute.kind === 'floats') {
      return floatTensor(name, attribute.value, [attribute.value.length]);
    }
    const integers = attribute.kind === 'int' ? [attribute.value] : attribute.kind === 'ints' ? attribute.value : [];
    if ((key === 'value_int' && attribute.kind === 'int') || (key === 'value_ints' && attribute.kind === 'ints')) {
      const shape = key === 'value_int' ? [] : [integers.length];
      return readTensor({ name, type: 7, shape, floats: [], doubles: [], integers, strings: 0 }, name, builder.file);
    }
    throw node.error('UNSUPPORTED_ATTRIBUTE', `Constant: attribute "${key}"`, { found: attribute.kind });
  };
  builder.define(name, builder.constant(tensor()));
}

export function shapeOf(node: NodeContext): void {
  const { shape } = node.input(0);
  const [start, end] = [node.integer('start', 0), node.integer('end', Number.MAX_SAFE_INTEGER)];
  node.end();
  if (!shape) throw node.shapeless(node.input(0));
  const rank = shape.length;
  const bound = (at: number) => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const items = shape.slice(bound(start), bound(end));
  node.give(0, { type: 'int64', shape: [items.length], items });
}

/** One number, as many times as a shape says. */
export function constantOfShape(node: NodeContext): void {
  const { items } = node.input(0);
  const attribute = node.node.attributes.get('value');
  node.ignore('value');
  node.end();
  let [type, fill]: [DataType, number | undefined] = ['float32', 0];
  if (attribute) {
    if (attribute.kind !== 'tensor') {
      throw node.error('UNSUPPORTED_ATTRIBUTE', 'ConstantOfShape: attribute "value"', { found: attribute.kind });
    }
    const tensor = readTensor(attribute.value, node.builder.fresh(`${node.name}.value`), node.builder.file);
    const integers = integersOf(tensor);
    type = integers ? tensor.type : 'float32';
    fill = (integers ?? toFloat32(tensor))[0];
  }
  if (!items) throw node.shapeless(node.input(0));
  if (fill === undefined) throw node.error('INVALID_GRAPH', 'ConstantOfShape: no value');
  const wrong = items.find((length) => typeof length === 'number' && length < 0);
  if (wrong !== undefined)
    throw node.error('INVALID_GRAPH', 'ConstantOfShape: no shape', { found: showLengths(items) });
  const lengths = items.map(resolve);
  if (lengths.every((length) => typeof length === 'number') && elementCount(lengths) <= MAX_ITEMS) {
    // Small enough to be a list of lengths, or a part of one.
    const data = new Array<number>(elementCount(lengths)).fill(fill);
    const name = node.node.outputs[0];
    node.builder.define(name, node.builder.constant(tensorOf(name, type, data, lengths)));
    return;
  }
  node.give(0, { type, shape: items, fill });
}

/** Bits of integers, and whether they have a sign. */
const INTEGERS: Partial<Record<DataType, readonly [number, boolean]>> = {
  uint8: [8, false],
  int8: [8, true],
  int16: [16, true],
  int32: [32, true],
  int64: [64, true],
};

/** Whether a type has every integer of another. */
function holds(type: DataType, other: DataType): boolean {
  const [mine, theirs] = [INTEGERS[type], INTEGERS[other]];
  return mine !== undefined && theirs !== undefined && (type === other || (mine[1] && mine[0] > theirs[0]));
}

const WIDTH: Partial<Record<DataType, number>> = { bfloat16: 1, float16: 1, float32: 2, float64: 3 };

/** The least and the most that a float32 or float64 becomes as an integer. */
const BOUNDS: Partial<Record<DataType, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024],
};

/**
 * What a number becomes in another type: of a fraction its whole part; of what is too large the nearest where a float
 * becomes an int32 or int64, else the lowest bits.
 */
function castNumber(number: number, from: DataType, to: DataType): number {
  if (to === 'bool') return Number(number !== 0);
  if (WIDTH[to]) return to === 'float32' ? Math.fround(number) : number;
  const whole = Math.trunc(number) || 0;
  const bounds = WIDTH[from] && BOUNDS[to];
  if (bounds) return Math.min(Math.max(whole, bounds[0]), bounds[1]);
  const [bits, signed] = INTEGERS[to]!;
  return Number((signed ? BigInt.asIntN : BigInt.asUintN)(bits, BigInt(Number.isFinite(whole) ? whole : 0)));
}

/**
 * Cast, where it changes no number: to the same type; of weights to a wider one (they are float32 once loaded); of
 * tokens to other integers. A graph input that is only there to be cast is of the wider type from the start.
 */
export function cast(node: NodeContext, retype: (input: Value, type: DataType) => void): void {
  const x = node.input(0);
  const number = node.integer('to', 0);
  node.ignore('saturate', 'round_mode');
  node.end();
  const to = typeOf(number);
  const from = x.type;
  const [wide, narrow] = [to && WIDTH[to], WIDTH[from]];
  const integers = to !== undefined && !wide && !narrow && to !== 'bool' && from !== 'bool';
  if (to && to === from) {
    node.alias(0, x);
    return;
  }
  if (x.whole && to && (wide || (holds(to, x.whole) && !x.constant))) {
    node.alias(0, x);
    return;
  }
  if (x.items && to === 'bool') {
    // A length is never below 1, whatever it is.
    const items = x.items.map((length) => Number(pin(length) !== 0));
    node.give(0, { type: to, shape: x.shape, items });
    return;
  }
  const stays = (length: Length) => typeof length !== 'number' || castNumber(length, from, to!) === length;
  if ((to === 'int64' || to === 'int32') && x.items?.every(stays)) {
    node.give(0, { type: to, shape: x.shape, items: x.items });
    return;
  }
  if (to && x.fill !== undefined) {
    node.give(0, { type: to, shape: x.shape, fill: castNumber(x.fill, from, to) });
    return;
  }
  if (x.constant && wide && narrow && (wide > narrow || (from === 'float64' && to === 'float32'))) {
    node.alias(0, x);
    return;
  }
  const numbers = to && (x.constant || x.items) ? numbersOf(node, x) : undefined;
  if (numbers && to && (!wide || !narrow)) {
    const data = wide ? numbers.data : Array.from(numbers.data, (number) => castNumber(number, from, to));
    const name = node.node.outputs[0];
    node.builder.define(name, node.builder.constant(tensorOf(name, to, data, numbers.shape)));
    return;
  }
  // Signals are float32 whatever the file calls them; only an output that is narrower would be another number.
  if (wide && narrow && !x.constant && (wide >= narrow || !node.builder.isOutput(node.node.outputs[0]))) {
    node.alias(0, x);
    return;
  }
  if (integers && !x.constant && (to === 'int64' || to === 'int32')) {
    retype(x, to);
    node.alias(0, x);
    return;
  }
  node.emit('Cast', [x], [node.give(0, { type: to ?? 'float32', shape: x.shape })], { to: to ?? typeName(number) });
}
