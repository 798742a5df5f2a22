import type { DataType } from '../../graph/graph.js';
import { floatTensor, integerTensor } from '../constants.js';
import { type Length, numberOf, pin, resolve } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import { numbersOf } from './fold.js';
import type { OnnxAttribute, OnnxNode } from './model.js';
import { typeOf } from './tensors.js';

/**
 * Quantised operators, written as the float ones that do the same. Integers are held as float32, which has them all up to
 * 2^24; so every rounding is where the file has it, and what is quantised for good becomes a constant.
 */

/** Translates a node as if it stood in the file, in the words of opset 13. */
export type Translate = (node: OnnxNode) => void;

/** Least and greatest of the integers that values are quantised to. */
const RANGES: Partial<Record<DataType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Writes float nodes in the place of one. */
class Writer {
  constructor(
    readonly node: NodeContext,
    private readonly translate: Translate,
  ) {}

  /** A node's only output; `output` is the name that it gets. */
  op(op: string, inputs: readonly string[], attributes: Record<string, OnnxAttribute> = {}, output?: string): string {
    const name = output ?? this.node.builder.fresh(`${this.node.name}.${op}`);
    this.write(op, inputs, [name], new Map(Object.entries(attributes)));
    return name;
  }

  write(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Map<string, OnnxAttribute>,
  ): void {
    this.translate({ name: this.node.name, op, domain: '', inputs: [...inputs], outputs: [...outputs], attributes });
  }

  number(label: string, value: number): string {
    return this.constant(label, [value], []);
  }

  constant(label: string, data: ArrayLike<number>, shape: number[]): string {
    const name = this.node.builder.fresh(`${this.node.name}.${label}`);
    this.node.builder.define(name, this.node.builder.constant(floatTensor(name, data, shape)));
    return name;
  }

  /** A value as float32: integers of the file are converted, those computed are held so already. */
  float(value: Value): string {
    const { constant } = value;
    const numbers = constant && constant.type !== 'float32' ? numbersOf(this.node, value) : undefined;
    return numbers ? this.constant('float', numbers.data, numbers.shape) : value.name;
  }

  /** Less a zero point, where there is one that changes anything. */
  centred(value: string, zero: string | undefined): string {
    return zero === undefined ? value : this.op('Sub', [value, zero]);
  }

  /** Rounded to integers of a type, about a zero point. */
  rounded(value: string, zero: string | undefined, type: DataType, output: string): void {
    const [low, high] = RANGES[type]!;
    const whole = this.op('Round', [value]);
    const moved = zero === undefined ? whole : this.op('Add', [whole, zero]);
    this.op('Clip', [moved, this.number('low', low), this.number('high', high)], {}, output);
    this.mark(output, type);
  }

  mark(name: string, type: DataType): void {
    const value = this.node.builder.values.get(name);
    if (value) value.whole = type;
  }
}

/** A scale or zero point as it meets the value: one number, or one for each position of an axis. */
function spread(w: Writer, i: number, rank: number, axis: number): string | undefined {
  const { node } = w;
  const value = node.find(i);
  if (!value) return undefined;
  const numbers = value.constant && numbersOf(node, value);
  // One for each step, as DynamicQuantizeLinear makes them.
  if (!numbers && value.whole) return value.name;
  if (!numbers) throw node.unsupported('a scale or zero point is computed', 'a constant', value.name);
  const { data, shape } = numbers;
  if (shape.length > 1) {
    throw node.unsupported(
      'scales of blocks',
      'one number, or one for each position of an axis',
      `[${shape.join(', ')}]`,
    );
  }
  if (Array.prototype.every.call(data, (zero: number) => zero === 0)) return undefined;
  if (data.length === 1) return w.number(`input${i}`, data[0]);
  return w.constant(`input${i}`, data, [data.length, ...new Array<number>(rank - 1 - axis).fill(1)]);
}

/** The type of a zero point, which is that of what is quantised. */
function quantizedType(node: NodeContext, i: number): DataType {
  const named = node.integer('output_dtype', 0);
  const type = node.find(i)?.type ?? (named === 0 ? 'uint8' : typeOf(named));
  if (type && RANGES[type]) return type;
  throw node.unsupported('integers of this type', Object.keys(RANGES).join(', '), type ?? `type ${named}`);
}

/** The axis that scales belong to, and the rank of the value. */
function scaled(node: NodeContext, x: Value): { rank: number; axis: number } {
  const rank = x.shape?.length;
  const several = (node.find(1)?.shape ?? []).some((length) => numberOf(length) !== 1);
  const axis = node.integer('axis', 1);
  if (!several) return { rank: rank ?? 1, axis: 0 };
  if (rank === undefined) throw node.shapeless(x);
  return { rank, axis: node.axis(axis, rank) };
}

function quantizeLinear(w: Writer): void {
  const { node } = w;
  const x = node.input(0);
  const { rank, axis } = scaled(node, x);
  const type = quantizedType(node, 2);
  const scale = spread(w, 1, rank, axis);
  node.ignore('saturate', 'precision');
  if (node.integer('block_size', 0) !== 0) throw node.unsupported('scales of blocks', 'block_size 0', 'blocks');
  node.end();
  if (scale === undefined) throw node.error('INVALID_GRAPH', 'QuantizeLinear: a scale of zero');
  w.rounded(w.op('Div', [w.float(x), scale]), spread(w, 2, rank, axis), type, node.node.outputs[0]);
}

function dequantizeLinear(w: Writer): void {
  const { node } = w;
  const x = node.input(0);
  const { rank, axis } = scaled(node, x);
  node.ignore('output_dtype');
  if (node.integer('block_size', 0) !== 0) throw node.unsupported('scales of blocks', 'block_size 0', 'blocks');
  node.end();
  const centred = w.centred(w.float(x), spread(w, 2, rank, axis));
  const scale = spread(w, 1, rank, axis) ?? w.number('scale', 0);
  w.op('Mul', [centred, scale], {}, node.node.outputs[0]);
}

/**
 * DynamicQuantizeLinear: the scale follows from the least and the greatest number of a step. (Of a whole sequence at once
 * ONNX takes one scale for all its steps; a stream cannot, and `model.run` gives what a stream gives.)
 */
function dynamicQuantizeLinear(w: Writer): void {
  const { node } = w;
  const x = node.input(0);
  node.end();
  if (!x.shape) throw node.shapeless(x);
  const axes = x.shape.flatMap((length, axis) => (pin(length) === undefined || isOpen(length) ? [] : [axis]));
  const over = {
    axes: { kind: 'ints', value: axes.map(BigInt) },
    keepdims: { kind: 'int', value: 1n },
  } as const;
  const zero = w.number('zero', 0);
  const most = w.op('Max', [w.op('ReduceMax', [x.name], over), zero]);
  const least = w.op('Min', [w.op('ReduceMin', [x.name], over), zero]);
  const step = w.op('Div', [w.op('Sub', [most, least]), w.number('steps', 255)]);
  // Where all is zero, any scale will do.
  const scale = w.op('Where', [w.op('Equal', [most, least]), w.number('one', 1), step]);
  const low = w.op('Round', [w.op('Sub', [zero, w.op('Div', [least, scale])])]);
  const point = w.op('Clip', [low, zero, w.number('high', 255)]);
  w.mark(point, 'uint8');
  const [y, yScale, yZero] = node.node.outputs;
  w.rounded(w.op('Div', [x.name, scale]), point, 'uint8', y);
  // One number, as the file has it, where the value is of one step alone.
  const whole = axes.length === x.shape.length;
  const shape = w.node.builder.fresh(`${node.name}.scalar`);
  node.builder.define(shape, node.builder.constant(integerTensor(shape, [], [0])));
  for (const [name, value] of [
    [yScale, scale],
    [yZero, point],
  ]) {
    if (!name) continue;
    if (whole) w.op('Reshape', [value, shape], {}, name);
    else node.builder.define(name, node.builder.values.get(value)!);
  }
  if (yZero) w.mark(yZero, 'uint8');
}

const isOpen = (length: Length) => typeof resolve(length) !== 'number';

/** Sums of products of integers: exact up to 2^24, as float32 goes. */
function matMulInteger(w: Writer): void {
  const { node } = w;
  const [a, b] = [node.input(0), node.input(1)];
  node.end();
  const product = w.op(
    'MatMul',
    [w.centred(w.float(a), spread(w, 2, 1, 0)), w.centred(w.float(b), spread(w, 3, 1, 0))],
    {},
    node.node.outputs[0],
  );
  w.mark(product, 'int32');
}

/** What the scales of two factors and of the result make together, in float32 as ONNX Runtime multiplies them. */
function rescale(w: Writer, a: number, b: number, y: number, rank: number): string {
  const { node } = w;
  const numbers = [a, b, y].map((i) => {
    const value = node.input(i);
    const known = value.constant && numbersOf(node, value);
    if (known && known.shape.length <= 1) return known.data;
    throw node.unsupported('a scale is computed, or of blocks', 'a constant', value.name);
  });
  const [first, second, last] = numbers;
  const count = Math.max(first.length, second.length);
  const at = (list: ArrayLike<number>, i: number) => list[list.length === 1 ? 0 : i];
  const data = Array.from({ length: count }, (_, i) =>
    Math.fround(Math.fround(at(first, i) * at(second, i)) / at(last, 0)),
  );
  return count === 1 ? w.number('scale', data[0]) : w.constant('scale', data, [count, ...new Array(rank).fill(1)]);
}

function qLinearMatMul(w: Writer): void {
  const { node } = w;
  const [a, b] = [node.input(0), node.input(3)];
  const type = quantizedType(node, 7);
  node.end();
  const product = w.op('MatMul', [
    w.centred(w.float(a), spread(w, 2, 1, 0)),
    w.centred(w.float(b), spread(w, 5, 1, 0)),
  ]);
  const scaledProduct = w.op('Mul', [product, rescale(w, 1, 4, 6, 0)]);
  w.rounded(scaledProduct, spread(w, 7, 1, 0), type, node.node.outputs[0]);
}

function qLinearConv(w: Writer): void {
  const { node } = w;
  const [x, weights] = [node.input(0), node.input(3)];
  const rank = weights.shape?.length;
  if (rank === undefined) throw node.shapeless(weights);
  const type = quantizedType(node, 7);
  const attributes = Object.fromEntries(node.node.attributes);
  const inputs = [w.centred(w.float(x), spread(w, 2, rank, 1)), w.centred(w.float(weights), spread(w, 5, rank, 0))];
  const bias = node.find(8);
  const sums = w.op('Conv', bias ? [...inputs, w.float(bias)] : inputs, attributes);
  w.rounded(w.op('Mul', [sums, rescale(w, 1, 4, 6, rank - 2)]), spread(w, 7, rank, 1), type, node.node.outputs[0]);
}

function convInteger(w: Writer): void {
  const { node } = w;
  const [x, weights] = [node.input(0), node.input(1)];
  const rank = weights.shape?.length;
  if (rank === undefined) throw node.shapeless(weights);
  const inputs = [w.centred(w.float(x), spread(w, 2, rank, 1)), w.centred(w.float(weights), spread(w, 3, rank, 0))];
  w.mark(w.op('Conv', inputs, Object.fromEntries(node.node.attributes), node.node.outputs[0]), 'int32');
}

/**
 * ONNX Runtime's LSTM with weights of eight bits, [D, I, 4H] each, by one scale or one for each gate of each unit. The signals
 * stay float32 here: what ONNX Runtime loses by rounding them too is not lost.
 */
function dynamicQuantizeLstm(w: Writer): void {
  const { node } = w;
  const weights = [1, 2].map((i) => {
    const [matrix, scale, zero] = [i, 6 + 2 * i, 7 + 2 * i].map((at) => {
      const value = node.input(at);
      const numbers = value.constant && numbersOf(node, value);
      if (!numbers) throw node.unsupported('a weight is computed', 'a constant', value.name);
      return numbers;
    });
    const [D, I, G] = matrix.shape;
    const fits = [1, D, D * G].includes(scale.data.length) && scale.data.length === zero.data.length;
    if (matrix.shape.length !== 3 || !fits) {
      throw node.error('INVALID_GRAPH', 'DynamicQuantizeLSTM: weights and scales do not fit', {
        expected: '[D, I, 4H], and one scale and zero point for each direction or each row',
        found: `[${matrix.shape.join(', ')}], ${scale.data.length} and ${zero.data.length}`,
      });
    }
    const data = new Float32Array(D * I * G);
    for (let d = 0; d < D; d++) {
      for (let g = 0; g < G; g++) {
        const at = scale.data.length === D * G ? d * G + g : scale.data.length === D ? d : 0;
        for (let k = 0; k < I; k++) {
          data[(d * G + g) * I + k] = (matrix.data[(d * I + k) * G + g] - zero.data[at]) * scale.data[at];
        }
      }
    }
    return w.constant(i === 1 ? 'W' : 'R', data, [D, G, I]);
  });
  const [x, , , ...others] = node.node.inputs;
  w.write('LSTM', [x, ...weights, ...others.slice(0, 5)], node.node.outputs, new Map(node.node.attributes));
}

const EXPANSIONS: ReadonlyMap<string, (w: Writer) => void> = new Map([
  ['QuantizeLinear', quantizeLinear],
  ['DequantizeLinear', dequantizeLinear],
  ['DynamicQuantizeLinear', dynamicQuantizeLinear],
  ['MatMulInteger', matMulInteger],
  ['QLinearMatMul', qLinearMatMul],
  ['QLinearConv', qLinearConv],
  ['ConvInteger', convInteger],
]);

/** Those of ONNX Runtime's own domain, of which two mean what ONNX's mean. */
const MICROSOFT: ReadonlyMap<string, (w: Writer) => void> = new Map([
  ['QuantizeLinear', quantizeLinear],
  ['DequantizeLinear', dequantizeLinear],
  ['DynamicQuantizeLSTM', dynamicQuantizeLstm],
]);

const expansionOf = ({ node: { op, domain } }: NodeContext) =>
  (domain === '' ? EXPANSIONS : domain === 'com.microsoft' ? MICROSOFT : undefined)?.get(op);

/** Inputs of the file of eight bits: held as float32 where quantised operators read them, and nobody else. */
export function readNarrow(node: NodeContext): void {
  const reader = expansionOf(node) ? 'quantised' : 'others';
  for (const input of node.inputs()) {
    if (!input?.narrow || input.narrow === reader) continue;
    if (input.narrow !== 'nobody') {
      throw node.unsupported('an input of eight bits', 'one that quantised operators alone read', input.name);
    }
    input.narrow = reader;
    if (reader === 'quantised') Object.assign(input, { type: 'float32', whole: input.type });
  }
}

/** Writes a quantised node as float ones, if it is one; says whether it did. */
export function expandQuantized(node: NodeContext, translate: Translate): boolean {
  const expand = expansionOf(node);
  expand?.(new Writer(node, translate));
  return expand !== undefined;
}
