import type { AttributeValue, Tensor } from '../../../graph/graph.js';
import { bytesPerElement } from '../../../graph/tensor.js';
import { transposedBytes } from '../../constants.js';
import { type Length, mark } from '../../lengths.js';
import { cellActivations } from '../activations.js';
import type { Config } from '../config.js';
import { features, type ModelContext } from '../layer.js';
import type { WeightScope } from '../weights.js';
import type { Value } from '../writer.js';

/** LSTM, GRU and SimpleRNN cells: their weights and functions as ONNX's nodes have them. */

interface Kind {
  op: 'LSTM' | 'GRU' | 'RNN';
  /** ONNX's gates in its order, as indices into Keras's: i f c o -> i o f c; z r h as they are. */
  order: readonly number[];
  /** Keys of the functions, in ONNX's order, and ONNX's defaults. */
  functions: readonly string[];
  defaults: readonly string[];
  states: number;
}

const KINDS: Readonly<Record<string, Kind>> = {
  LSTM: {
    op: 'LSTM',
    order: [0, 3, 1, 2],
    functions: ['recurrent_activation', 'activation', 'activation'],
    defaults: ['Sigmoid', 'Tanh', 'Tanh'],
    states: 2,
  },
  GRU: {
    op: 'GRU',
    order: [0, 1, 2],
    functions: ['recurrent_activation', 'activation'],
    defaults: ['Sigmoid', 'Tanh'],
    states: 1,
  },
  SimpleRNN: { op: 'RNN', order: [0], functions: ['activation'], defaults: ['Tanh'], states: 1 },
};

/** Which cell a class has, and whether it is one of CuDNN's, whose functions are fixed. */
export function cellOf(className: string): { kind: string; cudnn: boolean } | undefined {
  const name = className.replace(/Cell$/, '');
  const cudnn = name.startsWith('CuDNN');
  const kind = name.replace(/^CuDNN/, '').replace(/V[12]$/, '');
  if (!Object.hasOwn(KINDS, kind) || (cudnn && kind === 'SimpleRNN')) return undefined;
  return { kind, cudnn };
}

/** A cell with its weights in the graph. */
export interface Cell {
  config: Config;
  op: Kind['op'];
  units: number;
  inputs: number;
  states: number;
  /** Names of W, R and, where there are biases, B. */
  weights: string[];
  attributes: Record<string, AttributeValue>;
}

/** Reads a cell's part of a config, and its weights. */
export function readCell(config: Config, scope: WeightScope, model: ModelContext): Cell {
  const { kind, cudnn } = cellOf(config.className)!;
  const { op, order, functions, defaults, states } = KINDS[kind];
  const units = config.count('units');
  const biased = config.boolean('use_bias', true);
  config.ignore('dropout', 'recurrent_dropout', 'seed', 'unit_forget_bias', 'implementation', 'input_dim');
  const attributes: Record<string, AttributeValue> = {};
  if (!cudnn) {
    for (const key of functions) if (!config.has(key)) throw config.wrong(key, 'the name of a function', undefined);
    Object.assign(attributes, cellActivations(config, functions, defaults, model.version));
  }
  attributes.hidden_size = units;

  const gates = order.length;
  const kernel = expectShape(scope.take('kernel'), [undefined, gates * units], config);
  const recurrent = expectShape(scope.take('recurrent_kernel'), [units, gates * units], config);
  const bias = biased ? scope.take('bias') : undefined;
  const wide = bias && (bias.shape.length === 1 ? bias.shape[0] : bias.shape[0] * bias.shape[1]) === 2 * gates * units;
  const both = cudnn || (op === 'GRU' && config.boolean('reset_after', Boolean(wide)));
  if (op === 'GRU') attributes.linear_before_reset = both ? 1 : 0;
  if (op !== 'GRU' || cudnn) config.ignore('reset_after');
  // One row of 2 G u is what CuDNN's layers have; a GRU that resets after the product has two rows of G u.
  const byCudnn = bias ? bias.shape.length === 1 && wide === true : cudnn;
  if (bias) {
    const allowed = both ? [[2, gates * units], [2 * gates * units]] : [[gates * units]];
    if (op === 'LSTM') allowed.push([gates * units], [2 * gates * units]);
    expectOneOf(bias, allowed, config);
  }
  const { graph } = model;
  const base = config.layer;
  const inputs = kernel.shape[0];
  const weights = [
    graph.tensor(`${base}.W`, stacked(kernel, order, units, byCudnn)),
    graph.tensor(`${base}.R`, stacked(recurrent, order, units, byCudnn)),
  ];
  if (bias) weights.push(graph.tensor(`${base}.B`, biases(bias, order, Boolean(wide))));
  return { config, op, units, inputs, states, weights, attributes };
}

export interface CellRun {
  base: string;
  /** Whether X has the batch before the time. */
  batchFirst: boolean;
  backwards: boolean;
  /** Whether each step's output is wanted, beside the states after the last. */
  sequence: boolean;
  /** Values of initial states, h and then c. */
  initial: Value[];
}

/** One node: the steps' outputs [N, T, u], and the final states [N, u], h and then c. */
export function runCell(cell: Cell, x: Value, run: CellRun, model: ModelContext): { sequence: Value; states: Value[] } {
  const { config, op, units, states } = cell;
  const { graph } = model;
  const { base, batchFirst } = run;
  features(x, config, cell.inputs);
  const [batch, time] = batchFirst ? x.shape : [x.shape[1], x.shape[0]];
  mark(time, 'T');
  mark(batch, 'N');
  const outputs = [run.sequence ? graph.fresh(`${base}.Y`) : ''];
  // Those that nobody reads are left out in the end.
  for (const label of ['Y_h', 'Y_c'].slice(0, states)) outputs.push(graph.fresh(`${base}.${label}`));
  const inputs = [x.name, ...cell.weights];
  if (run.initial.length > 0) while (inputs.length < 5) inputs.push('');
  for (const state of run.initial) inputs.push(initialState(state, config, model));
  graph.add({
    name: graph.label(base),
    op,
    inputs,
    outputs,
    attributes: {
      ...cell.attributes,
      ...(run.backwards && { direction: 'reverse' }),
      ...(batchFirst && { layout: 1 }),
    },
  });
  const without = (value: string, axis: number, shape: Length[]): Value => ({
    name:
      value === '' ? '' : graph.node('Squeeze', [value, graph.integers(`${base}.axis`, [axis])], `${value}.squeeze`),
    type: 'float32',
    shape,
    mask: shape.length === 3 ? x.mask : undefined,
  });
  const final = outputs.slice(1).map((value) => without(value, batchFirst ? 1 : 0, [batch, units]));
  for (const [i, input] of run.initial.entries()) {
    const shape = batchFirst ? [batch, 1, units] : [1, batch, units];
    model.addState({ layer: config.layer, input, raw: outputs[1 + i], final: final[i].name, shape });
  }
  const sequence = without(outputs[0], batchFirst ? 2 : 1, [...x.shape.slice(0, 2), units]);
  if (!run.backwards) model.lastSteps.set(sequence.name, final[0]);
  return { sequence, states: final };
}

/** The name of an initial state, which an input of the model must be. */
function initialState(state: Value, config: Config, model: ModelContext): string {
  if (model.isInput(state)) return state.name;
  throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: its initial state is computed`, {
    expected: 'zeros, or an input of the model whose next value is an output',
    found: `"${state.name}"`,
    hint: 'Split the model in two: an encoder that ends in the state, and a decoder that is given it as an input',
  });
}

/**
 * A kernel [I, G u] as ONNX's weight [1, G u, I], its gates in ONNX's order. CuDNN's layers keep each gate's block as
 * the transposed matrix in the memory of [I, u].
 */
function stacked(kernel: Tensor, order: readonly number[], units: number, cudnn: boolean): Omit<Tensor, 'name'> {
  const [inputs, columns] = kernel.shape;
  const size = bytesPerElement(kernel.type);
  const block = units * inputs * size;
  // [G u, I]
  const all = transposedBytes(kernel.bytes, kernel.type, inputs, columns);
  const bytes = new Uint8Array(all.length);
  for (const [to, from] of order.entries()) {
    let gate = all.subarray(from * block, (from + 1) * block);
    // Back to the memory of [I, u], which CuDNN reads as [u, I].
    if (cudnn) gate = transposedBytes(gate, kernel.type, units, inputs);
    bytes.set(gate, to * block);
  }
  return { type: kernel.type, shape: [1, columns, inputs], bytes };
}

/** ONNX's biases [1, 2 G u]: those of the input's product, then the recurrent ones, which are zero where there is one row. */
function biases(bias: Tensor, order: readonly number[], both: boolean): Omit<Tensor, 'name'> {
  const row = both ? bias.bytes.length / 2 : bias.bytes.length;
  const block = row / order.length;
  const bytes = new Uint8Array(2 * row);
  for (let start = 0; start < bias.bytes.length; start += row) {
    for (const [to, from] of order.entries()) {
      bytes.set(bias.bytes.subarray(start + from * block, start + (from + 1) * block), start + to * block);
    }
  }
  return { type: bias.type, shape: [1, (2 * row) / bytesPerElement(bias.type)], bytes };
}

/** A weight of the shape that its layer needs; undefined stands for any length. */
export function expectShape(tensor: Tensor, shape: readonly (number | undefined)[], config: Config): Tensor {
  const fits =
    tensor.shape.length === shape.length && shape.every((dim, i) => dim === undefined || dim === tensor.shape[i]);
  if (fits && tensor.shape.every((dim) => dim > 0)) return tensor;
  throw wrongShape(tensor, `[${shape.map((dim) => dim ?? '?').join(', ')}]`, config);
}

function expectOneOf(tensor: Tensor, shapes: readonly (readonly number[])[], config: Config): void {
  if (shapes.some((shape) => shape.join() === tensor.shape.join())) return;
  throw wrongShape(tensor, shapes.map((shape) => `[${shape.join(', ')}]`).join(' or '), config);
}

function wrongShape(tensor: Tensor, expected: string, config: Config) {
  const found = `[${tensor.shape.join(', ')}]`;
  return config.fail('INVALID_FILE', `${config.className}: a weight has the wrong shape`, {
    tensor: tensor.name,
    expected,
    found,
  });
}
