import type { DataType, Tensor } from '../../graph/graph.js';
import { bytesPerElement, elementCount, MAX_FLOAT32, toFloat32 } from '../../graph/tensor.js';
import { broadcastLengths, pinAll } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import { integersOf, storeNumber } from './tensors.js';

/** Operators of constants, computed while the file is read: what exporters build shapes, masks and conditions of. */

/** Numbers that are known. */
interface Numbers {
  type: DataType;
  shape: number[];
  data: ArrayLike<number>;
}

const isFloating = (type: DataType) => type.startsWith('float') || type === 'bfloat16';

/** The numbers of a value that is a constant, or whose lengths are known; undefined where it is neither. */
export function numbersOf({ builder }: NodeContext, value: Value): Numbers | undefined {
  const { constant, items, fill, type } = value;
  const shape = value.shape && (constant || items || fill !== undefined) ? pinAll(value.shape) : undefined;
  if (!shape) return undefined;
  builder.spend(elementCount(shape));
  if (constant) {
    const data = isFloating(constant.type) ? toFloat32(constant) : integersOf(constant);
    // "To the end" and the like are no numbers to compute with.
    const exact = data && Array.prototype.every.call(data, (n: number) => Math.abs(n) !== Number.MAX_SAFE_INTEGER);
    return exact ? { type: constant.type, shape, data } : undefined;
  }
  const data = items ? pinAll(items) : new Array<number>(elementCount(shape)).fill(fill!);
  return data && { type, shape, data };
}

/** A tensor of numbers, floating-point ones as float32. */
export function tensorOf(name: string, type: DataType, data: ArrayLike<number>, shape: number[]): Tensor {
  const stored = isFloating(type) ? 'float32' : type;
  const size = bytesPerElement(stored);
  const bytes = new Uint8Array(size * data.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) storeNumber(view, i * size, stored, data[i]);
  return { name, type: stored, shape, bytes };
}

type Binary = (a: number, b: number) => number;

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  Abs: Math.abs,
  Ceil: Math.ceil,
  Cos: Math.cos,
  Exp: Math.exp,
  Floor: Math.floor,
  Log: Math.log,
  Neg: (x) => -x,
  Not: (x) => Number(x === 0),
  Reciprocal: (x) => 1 / x,
  Relu: (x) => (x < 0 ? 0 : x),
  Round: roundHalfEven,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Sign: Math.sign,
  Sin: Math.sin,
  Sqrt: Math.sqrt,
  Tanh: Math.tanh,
};

const ARITHMETIC: Readonly<Record<string, Binary>> = {
  Add: (a, b) => a + b,
  Sum: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Max: (a, b) => Math.max(a, b),
  Min: (a, b) => Math.min(a, b),
};

const LOGIC: Readonly<Record<string, Binary>> = {
  Equal: (a, b) => Number(a === b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  And: (a, b) => a & b,
  Or: (a, b) => a | b,
  Xor: (a, b) => a ^ b,
};

const total = (numbers: number[]): number => numbers.reduce(ARITHMETIC.Add);

const REDUCTIONS: Readonly<Record<string, (numbers: number[]) => number>> = {
  ReduceL1: (numbers) => total(numbers.map(Math.abs)),
  ReduceL2: (numbers) => Math.sqrt(total(numbers.map((x) => x * x))),
  ReduceLogSum: (numbers) => Math.log(total(numbers)),
  ReduceLogSumExp(numbers) {
    const most = numbers.reduce(ARITHMETIC.Max);
    return Number.isFinite(most) ? most + Math.log(total(numbers.map((x) => Math.exp(x - most)))) : most;
  },
  ReduceMax: (numbers) => numbers.reduce(ARITHMETIC.Max),
  ReduceMean: (numbers) => total(numbers) / numbers.length,
  ReduceMin: (numbers) => numbers.reduce(ARITHMETIC.Min),
  ReduceProd: (numbers) => numbers.reduce(ARITHMETIC.Mul),
  ReduceSum: total,
  ReduceSumSquare: (numbers) => total(numbers.map((x) => x * x)),
};

/** To the nearest integer, from the middle to the even one, as ONNX rounds. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const middle = x - below;
  if (middle !== 0.5) return middle < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** Computes a node whose inputs are all known, if it is of a kind that is computed here; says whether it did. */
export function fold(node: NodeContext): boolean {
  const { op } = node.node;
  const inputs = node.inputs();
  if (op === 'Size' && inputs[0]?.shape) return give(node, size(node, inputs[0]));
  const known =
    op in UNARY ||
    op in ARITHMETIC ||
    op in LOGIC ||
    op in REDUCTIONS ||
    ['Where', 'Range', 'Clip', 'Mean'].includes(op);
  const isGiven = (input: Value | undefined, i: number) => (input ? isKnown(input, op) : op === 'Clip' && i > 0);
  if (!known || inputs.length === 0 || !inputs.every(isGiven)) return false;
  const numbers = op === 'Clip' ? clipNumbers(node, inputs) : inputs.map((input) => numbersOf(node, input!));
  if (!numbers.every((one) => one !== undefined)) return false;
  return give(node, compute(node, op, numbers));
}

/** What Clip bounds and its bounds: inputs, before opset 11 attributes, and where there is none what float32 ends at. */
function clipNumbers(node: NodeContext, [x, ...bounds]: (Value | undefined)[]): (Numbers | undefined)[] {
  const missing = [['min', -MAX_FLOAT32] as const, ['max', MAX_FLOAT32] as const].map(([name, end]): Numbers => {
    const attribute = node.opset < 11 ? node.float(name) : undefined;
    return { type: 'float32', shape: [], data: [attribute ?? end] };
  });
  return [numbersOf(node, x!), ...missing.map((own, i) => (bounds[i] ? numbersOf(node, bounds[i]) : own))];
}

/** Lists of lengths stay what they are where that is all that is asked; see `binary`, `equal` and `where`. */
function isKnown({ constant, items, fill }: Value, op: string): boolean {
  if (constant) return true;
  if (items) return !['Add', 'Sub', 'Mul', 'Div', 'Equal', 'Where'].includes(op);
  return fill !== undefined && op !== 'Where' && op !== 'Mul';
}

function give(node: NodeContext, result: Numbers | undefined): boolean {
  if (!result) return false;
  // A function of reals, asked of integers: the planner says so.
  if (!isFloating(result.type) && !Array.prototype.every.call(result.data, Number.isSafeInteger)) return false;
  node.end();
  if (!node.wants(0)) return true;
  const name = node.node.outputs[0];
  node.builder.define(name, node.builder.constant(tensorOf(name, result.type, result.data, result.shape)));
  return true;
}

function size(node: NodeContext, { shape }: Value): Numbers | undefined {
  const lengths = pinAll(shape!);
  node.builder.spend(1);
  return lengths && { type: 'int64', shape: [], data: [elementCount(lengths)] };
}

function compute(node: NodeContext, op: string, inputs: Numbers[]): Numbers | undefined {
  const [first] = inputs;
  if (op in UNARY) return { ...first, data: Array.from(first.data, UNARY[op]) };
  if (op === 'Range') return range(node, inputs);
  if (op in REDUCTIONS) return reduce(node, REDUCTIONS[op], inputs);
  if (op === 'Where') {
    const [condition, yes, no] = inputs;
    return each(node, yes.type, [condition, yes, no], ([c, a, b]) => (c !== 0 ? a : b));
  }
  if (op === 'Clip') return each(node, first.type, inputs, ([x, low, high]) => Math.min(Math.max(x, low), high));
  if (op === 'Mean') return each(node, first.type, inputs, REDUCTIONS.ReduceMean);
  if (op in LOGIC) return each(node, 'bool', inputs, ([a, b]) => LOGIC[op](a, b));
  // Integers divide towards zero.
  const whole = op === 'Div' && !isFloating(first.type);
  const rounded = (value: number) => (whole ? Math.trunc(value) : isFloating(first.type) ? Math.fround(value) : value);
  return each(node, first.type, inputs, (numbers) => numbers.reduce((a, b) => rounded(ARITHMETIC[op](a, b))));
}

/** Element by element, with ONNX's broadcasting. */
function each(
  node: NodeContext,
  type: DataType,
  inputs: readonly Numbers[],
  of: (numbers: number[]) => number,
): Numbers | undefined {
  const shape = inputs
    .map((input): number[] | undefined => input.shape)
    .reduce((a, b) => (a && b ? (broadcastLengths(a, b) as number[] | undefined) : undefined));
  if (!shape) return undefined;
  const count = elementCount(shape);
  // Each costs about as much as four that are only moved.
  node.builder.spend(4 * count * inputs.length);
  // Per input and axis: how far it is to the next element, 0 where the input has one for all.
  const strides = inputs.map((input) =>
    shape.map((_, axis) => {
      const own = axis - (shape.length - input.shape.length);
      return own < 0 || input.shape[own] === 1 ? 0 : elementCount(input.shape.slice(own + 1));
    }),
  );
  const index = shape.map(() => 0);
  const data = new Array<number>(count);
  for (let i = 0; i < count; i++) {
    data[i] = of(inputs.map((input, k) => input.data[index.reduce((sum, at, axis) => sum + at * strides[k][axis], 0)]));
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return { type, shape, data };
}

function range(node: NodeContext, [start, limit, delta]: Numbers[]): Numbers | undefined {
  const step = delta?.data[0];
  if (!step || start.data.length !== 1 || limit.data.length !== 1) return undefined;
  const count = Math.max(0, Math.ceil((limit.data[0] - start.data[0]) / step));
  node.builder.spend(count);
  return { type: start.type, shape: [count], data: Array.from({ length: count }, (_, i) => start.data[0] + i * step) };
}

/** Over axes given as an attribute or an input, or over all. */
function reduce(node: NodeContext, of: (numbers: number[]) => number, [x, given]: Numbers[]): Numbers | undefined {
  const rank = x.shape.length;
  const keep = node.integer('keepdims', 1) !== 0;
  const none = node.integer('noop_with_empty_axes', 0) !== 0;
  const axes = (node.integers('axes') ?? Array.from(given?.data ?? [])).map((axis) => node.axis(axis, rank));
  const over = (axis: number) => (axes.length === 0 ? !none : axes.includes(axis));
  const groups = new Map<number, number[]>();
  const kept = x.shape.map((length, axis) => (over(axis) ? 1 : length));
  const index = x.shape.map(() => 0);
  for (let i = 0; i < x.data.length; i++) {
    const at = kept.reduce((sum, length, axis) => sum * length + (over(axis) ? 0 : index[axis]), 0);
    const group = groups.get(at);
    if (group) group.push(x.data[i]);
    else groups.set(at, [x.data[i]]);
    for (let axis = rank - 1; axis >= 0 && ++index[axis] === x.shape[axis]; axis--) index[axis] = 0;
  }
  if (groups.size !== elementCount(kept)) return undefined;
  const whole = isFloating(x.type) ? (value: number) => value : Math.trunc;
  const data = Array.from({ length: groups.size }, (_, at) => whole(of(groups.get(at)!)));
  return { type: x.type, shape: keep ? kept : kept.filter((_, axis) => !over(axis)), data };
}
