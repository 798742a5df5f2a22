import { checkGraph } from '../../graph/check.js';
import {
  type AttributeValue,
  BATCH,
  type DataType,
  type Dim,
  type Graph,
  type GraphNode,
  type Tensor,
  TIME,
} from '../../graph/graph.js';
import { floatTensor, integerTensor, joined, transposed } from '../constants.js';
import type { CellType, CellWeights, Matrix, Recurrent, Step, Vector } from './layers.js';

/** ONNX's gates in the order in which it stacks them, as indices into PyTorch's: i f g o -> i o f c, r z n -> z r h. */
const ORDERS: Readonly<Record<CellType, readonly number[]>> = { LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0] };

const OUTPUT = 'y';

/**
 * The Graph of a chain of layers: `tokens` int64 [T, N] or `x` [T, N, I] in, `y` out: [T, N, O], or [N, O] after a state.
 * Sequences are time-major, whatever the module's `batch_first` was: its weights are the same.
 *
 * @throws RivuletError as `checkGraph` does.
 */
export function buildGraph(
  steps: readonly Step[],
  name: string,
  metadata: Record<string, string>,
  file: string | undefined,
): Graph {
  return new Builder().build(steps, name, metadata, file);
}

/** A value on its way through the chain. */
interface Running {
  value: string;
  shape: Dim[];
}

class Builder {
  private readonly nodes: GraphNode[] = [];
  private readonly tensors = new Map<string, Tensor>();
  /** What the first layer with weights is given. */
  private given = '';
  /** Steps that have begun. */
  private count = 0;

  build(steps: readonly Step[], name: string, metadata: Record<string, string>, file: string | undefined): Graph {
    const first = firstLayer(steps)!;
    const tokens = first.op === 'Embedding';
    const input = tokens ? 'tokens' : 'x';
    this.given = input;
    const { shape } = this.run(steps, { value: input, shape: [TIME, BATCH] }, first);
    this.nodes.at(-1)!.outputs = [OUTPUT];
    const graph: Graph = {
      name,
      inputs: [
        tokens
          ? { name: input, type: 'int64', shape: [TIME, BATCH] }
          : { name: input, type: 'float32', shape: [TIME, BATCH, inputsOf(first)] },
      ],
      outputs: [{ name: OUTPUT, type: 'float32', shape }],
      states: [],
      nodes: this.nodes,
      tensors: this.tensors,
      metadata,
    };
    graph.nodes = checkGraph(graph, file);
    return graph;
  }

  /** The steps one after the other, from a value on. */
  private run(steps: readonly Step[], from: Running, first: LayerStep): Running {
    let { value, shape } = from;
    for (const step of steps) {
      const at = this.count++;
      if (step === first) this.given = value;
      if (step.op === 'residual') {
        const through = this.run(step.steps, { value, shape }, first);
        const past = this.run(step.shortcut, { value, shape }, first);
        value = this.node('Add', [through.value, past.value], `residual${at}`);
        shape = through.shape;
      } else if (step.op === 'skip') value = this.skip(value, this.given, step.inputs, inputsOf(first));
      else value = this.add(step, value, at, shape);
      if (!('layer' in step)) continue;
      const state = step.op === 'cell' && step.output === 'state';
      shape = [...(state ? [BATCH] : shape.filter((dim) => typeof dim === 'string')), widthOf(step)];
    }
    return { value, shape };
  }

  private add(step: Exclude<Step, { op: 'skip' | 'residual' }>, x: string, at: number, shape: readonly Dim[]): string {
    switch (step.op) {
      case 'Embedding':
        return this.embedding(step.layer, x);
      case 'Linear':
        return this.linear(step.layer, x);
      case 'LayerNorm':
        return this.layerNorm(step.layer, x, step.eps);
      case 'GroupNorm':
        return this.groupNorm(step, x, shape);
      case 'activation': {
        const softmax = step.name.endsWith('Softmax');
        return this.node(step.name, [x], `${step.name.toLowerCase()}${at}`, softmax ? { axis: -1 } : {});
      }
      case 'cell':
        return this.recurrent(step.layer, x, step.output, step.nonlinearity);
      case 'Conv1d':
        return this.convolution(step, x);
      case 'affine':
        return this.affine(step, x);
      case 'PReLU':
        return this.prelu(step, x);
    }
  }

  /** ONNX has the channels before the steps: [T, N, C] -> [N, C, T] and back. */
  private convolution({ layer, dilation, groups, padding }: Extract<Step, { op: 'Conv1d' }>, x: string): string {
    const { weight, bias } = layer;
    const name = layer.prefix || 'conv';
    const [, , size] = weight.shape;
    const reach = (size - 1) * dilation;
    const before = padding === 'causal' ? reach : Math.floor(reach / 2);
    const inputs = [
      this.node('Transpose', [x], `${name}.channels_first`, { perm: [1, 2, 0] }),
      this.keep(`${name}.weight`, weight),
      ...(bias ? [this.keep(`${name}.bias`, bias)] : []),
    ];
    const attributes = {
      ...(dilation > 1 && { dilations: [dilation] }),
      ...(groups > 1 && { group: groups }),
      kernel_shape: [size],
      ...(reach > 0 && { pads: [before, reach - before] }),
    };
    const y = this.node('Conv', inputs, `${name}.conv`, attributes);
    return this.node('Transpose', [y], `${name}.channels_last`, { perm: [2, 0, 1] });
  }

  private affine({ name, scale, shift }: Extract<Step, { op: 'affine' }>, x: string): string {
    const scaled = this.node('Mul', [x, this.keep(`${name}.scale`, scale)], `${name}.mul`);
    return shift ? this.node('Add', [scaled, this.keep(`${name}.shift`, shift)], `${name}.add`) : scaled;
  }

  /** max(x, 0) + slope * (x - max(x, 0)): exact, for one of the terms is zero. */
  private prelu({ name, slope }: Extract<Step, { op: 'PReLU' }>, x: string): string {
    const above = this.node('Relu', [x], `${name}.above`);
    const below = this.node('Sub', [x, above], `${name}.below`);
    const sloped = this.node('Mul', [below, this.keep(`${name}.slope`, slope)], `${name}.sloped`);
    return this.node('Add', [above, sloped], `${name}.sum`);
  }

  private skip(x: string, given: string, count: number, width: number): string {
    const bounds = { starts: 0, ends: count, axes: -1 };
    const inputs = () => Object.entries(bounds).map(([role, value]) => this.integers(`skip.${role}`, [value]));
    const part = count === width ? given : this.node('Slice', [given, ...inputs()], 'skip.part');
    return this.node('Add', [x, part], 'skip');
  }

  private embedding({ prefix, weight }: Matrix, x: string): string {
    const name = prefix || 'embedding';
    return this.node('Gather', [this.keep(`${name}.weight`, weight), x], `${name}.gather`, { axis: 0 });
  }

  /** The weight is stored [O, I]; MatMul reads [I, O]. */
  private linear({ prefix, weight, bias }: Matrix, x: string): string {
    const name = prefix || 'linear';
    const product = this.node('MatMul', [x, this.keep(`${name}.weight`, transposed(weight))], `${name}.matmul`);
    return bias ? this.node('Add', [product, this.keep(`${name}.bias`, bias)], `${name}.add`) : product;
  }

  private layerNorm({ prefix, weight, bias }: Vector, x: string, epsilon: number): string {
    const name = prefix || 'layernorm';
    const inputs = [x, this.keep(`${name}.weight`, weight), ...(bias ? [this.keep(`${name}.bias`, bias)] : [])];
    return this.node('LayerNormalization', inputs, `${name}.norm`, { axis: -1, epsilon });
  }

  /** A LayerNorm of each group, and what each number has learned behind it. */
  private groupNorm(
    { layer: { prefix, weight, bias }, groups, eps }: Extract<Step, { op: 'GroupNorm' }>,
    x: string,
    shape: readonly Dim[],
  ): string {
    const name = prefix || 'groupnorm';
    const [width] = weight.shape;
    const free = shape.filter((dim) => typeof dim === 'string').map(() => 0);
    const size = width / groups;
    const reshaped = (y: string, label: string, lengths: number[]) =>
      this.node('Reshape', [y, this.integers(`${name}.${label}.shape`, [...free, ...lengths])], `${name}.${label}`);
    const ones = this.keep(`${name}.ones`, floatTensor('ones', new Array<number>(size).fill(1), [size]));
    const attributes = { axis: -1, epsilon: eps };
    const normed = this.node(
      'LayerNormalization',
      [reshaped(x, 'groups', [groups, size]), ones],
      `${name}.norm`,
      attributes,
    );
    const affine = { op: 'affine', name, scale: weight, ...(bias && { shift: bias }) } as const;
    return this.affine(affine, reshaped(normed, 'joined', [width]));
  }

  private recurrent(layer: Recurrent, x: string, output: 'sequence' | 'state', nonlinearity: string): string {
    const last = layer.layers.length - 1;
    let value = x;
    for (const [k, directions] of layer.layers.entries()) {
      const name = `${layer.prefix || layer.type.toLowerCase()}.l${k}`;
      const final = output === 'state' && k === last;
      const y = this.cell(layer, directions, value, name, final ? 'Y_h' : 'Y', nonlinearity);
      value = this.merge(layer, y, name, final);
    }
    return value;
  }

  /** One layer: `Y` [T, directions, N, P], or `Y_h` [directions, N, P]. */
  private cell(
    { type, hidden, projected }: Recurrent,
    directions: readonly CellWeights[],
    x: string,
    name: string,
    result: 'Y' | 'Y_h',
    nonlinearity: string,
  ): string {
    const order = ORDERS[type];
    const stack = (role: string, select: (weights: CellWeights) => Uint8Array[], shape: number[]): string =>
      this.keep(`${name}.${role}`, {
        type: directions[0].weightIh.type,
        shape: [directions.length, ...shape],
        bytes: joined(directions.flatMap(select)),
      });
    const rows = order.length * hidden;
    const [{ weightIh, biasIh, weightHr }] = directions;
    const inputs = [
      x,
      stack('W', (weights) => reordered(weights.weightIh, order), [rows, weightIh.shape[1]]),
      stack('R', (weights) => reordered(weights.weightHh, order), [rows, projected]),
    ];
    if (biasIh) {
      const both = (weights: CellWeights) => [
        ...reordered(weights.biasIh!, order),
        ...reordered(weights.biasHh!, order),
      ];
      inputs.push(stack('B', both, [2 * rows]));
    }
    if (directions[0].initialH) {
      while (inputs.length < 5) inputs.push('');
      inputs.push(stack('initial_h', (weights) => [weights.initialH!.bytes], [1, hidden]));
      if (type === 'LSTM') inputs.push(stack('initial_c', (weights) => [weights.initialC!.bytes], [1, hidden]));
    }
    if (weightHr) {
      // ONNX has no projection: LSTMP takes W_hr [directions, P, H] after ONNX's eight inputs.
      while (inputs.length < 8) inputs.push('');
      inputs.push(stack('W_hr', (weights) => [weights.weightHr!.bytes], [projected, hidden]));
    }
    // By name, as a native file has them: what is converted keeps its fingerprint.
    const attributes: Record<string, AttributeValue> = {};
    if (type === 'RNN') attributes.activations = directions.map(() => (nonlinearity === 'relu' ? 'Relu' : 'Tanh'));
    if (directions.length > 1) attributes.direction = 'bidirectional';
    attributes.hidden_size = hidden;
    if (type === 'GRU') attributes.linear_before_reset = 1;
    const value = `${name}.${result}`;
    const outputs = result === 'Y' ? [value] : ['', value];
    this.nodes.push({ name, op: weightHr ? 'LSTMP' : type, inputs, outputs, attributes });
    return value;
  }

  /** Takes the axis of directions away: [T, N, directions * P], or [N, directions * P] of a state. */
  private merge({ directions, projected }: Recurrent, y: string, name: string, state: boolean): string {
    const axis = state ? 0 : 1;
    if (directions === 1) return this.node('Squeeze', [y, this.integers(`axis${axis}`, [axis])], `${name}.squeeze`);
    const perm = state ? [1, 0, 2] : [0, 2, 1, 3];
    const side = this.node('Transpose', [y], `${name}.transpose`, { perm });
    const shape = [...(state ? [0] : [0, 0]), directions * projected];
    return this.node('Reshape', [side, this.integers(`${name}.shape`, shape)], `${name}.reshape`);
  }

  /** A node of one output, which has its name. */
  private node(op: string, inputs: string[], name: string, attributes: Record<string, AttributeValue> = {}): string {
    this.nodes.push({ name, op, inputs, outputs: [name], attributes });
    return name;
  }

  private keep(name: string, { type, shape, bytes }: { type: DataType; shape: number[]; bytes: Uint8Array }): string {
    this.tensors.set(name, { name, type, shape, bytes });
    return name;
  }

  private integers(name: string, values: readonly number[]): string {
    return this.keep(name, integerTensor(name, values));
  }
}

type LayerStep = Extract<Step, { layer: unknown }>;

function firstLayer(steps: readonly Step[]): LayerStep | undefined {
  for (const step of steps) {
    const found = step.op === 'residual' ? firstLayer(step.steps) : 'layer' in step ? step : undefined;
    if (found) return found;
  }
  return undefined;
}

function inputsOf(step: LayerStep): number {
  if (step.op === 'cell') return step.layer.inputs;
  if (step.op === 'Conv1d') return step.layer.weight.shape[1] * step.groups;
  return step.layer.weight.shape[step.op === 'Linear' ? 1 : 0];
}

function widthOf(step: LayerStep): number {
  if (step.op === 'cell') return step.layer.directions * step.layer.projected;
  return step.layer.weight.shape[step.op === 'Embedding' ? 1 : 0];
}

/** Equal blocks of a weight's first axis in another order. */
function reordered({ bytes }: Tensor, order: readonly number[]): Uint8Array[] {
  const block = bytes.length / order.length;
  return order.map((from) => bytes.subarray(from * block, (from + 1) * block));
}
