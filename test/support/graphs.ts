import type { Graph, GraphNode, StatePair, Tensor, ValueInfo } from '../../src/graph/graph.js';

/** Seeded numbers in [-0.5, 0.5): any will do, the same on every machine matters. */
export function numbers(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

export const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** A float32 tensor of the numbers given, or of seeded ones. */
export function floats(
  name: string,
  shape: number[],
  data: ArrayLike<number> | { seed: number; scale?: number },
): Tensor {
  const values =
    'seed' in data ? numbers(count(shape), data.seed).map((x) => x * (data.scale ?? 1)) : Float32Array.from(data);
  return { name, type: 'float32', shape, bytes: new Uint8Array(values.buffer) };
}

export function integers(name: string, values: readonly number[], shape = [values.length]): Tensor {
  return { name, type: 'int64', shape, bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) };
}

export const value = (name: string, shape: ValueInfo['shape'], type: ValueInfo['type'] = 'float32'): ValueInfo => ({
  name,
  type,
  shape,
});

/** A node whose name is its first output's. */
export function node(
  op: string,
  inputs: string[],
  outputs: string | string[],
  attributes: GraphNode['attributes'] = {},
): GraphNode {
  const all = Array.isArray(outputs) ? outputs : [outputs];
  return { name: all.find(Boolean)!, op, inputs, outputs: all, attributes };
}

interface Parts {
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  nodes: GraphNode[];
  tensors?: Tensor[];
  states?: StatePair[];
}

export function graphOf({ inputs, outputs, nodes, tensors = [], states = [] }: Parts): Graph {
  return {
    name: 'test',
    inputs,
    outputs,
    states,
    nodes,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: {},
  };
}

const GATES: Record<string, number> = { LSTM: 4, LSTMP: 4, GRU: 3, RNN: 1 };

export interface CellOptions {
  op: 'LSTM' | 'LSTMP' | 'GRU' | 'RNN';
  inputs: number;
  hidden: number;
  /** LSTMP's proj_size. */
  projected?: number;
  peepholes?: boolean;
  attributes?: GraphNode['attributes'];
  seed?: number;
  scale?: number;
}

/** One recurrent node with seeded weights: x [T, N, I] -> y [T, D, N, H]. */
export function cell({
  op,
  inputs,
  hidden,
  projected,
  peepholes,
  attributes = {},
  seed = 1,
  scale = 2,
}: CellOptions): Graph {
  const D = attributes.direction === 'bidirectional' ? 2 : 1;
  const gates = GATES[op];
  const P = projected ?? hidden;
  const tensor = (name: string, shape: number[], at: number) => floats(name, shape, { seed: 10 * seed + at, scale });
  return graphOf({
    inputs: [value('x', ['T', 'N', inputs])],
    outputs: [value('y', ['T', D, 'N', P])],
    nodes: [
      node(
        op,
        [
          'x',
          'W',
          'R',
          'B',
          ...(peepholes || projected ? ['', '', '', peepholes ? 'P' : ''] : []),
          ...(projected ? ['W_hr'] : []),
        ],
        'y',
        attributes,
      ),
    ],
    tensors: [
      tensor('W', [D, gates * hidden, inputs], 1),
      tensor('R', [D, gates * hidden, P], 2),
      tensor('B', [D, 2 * gates * hidden], 3),
      ...(peepholes ? [tensor('P', [D, 3 * hidden], 4)] : []),
      ...(projected ? [tensor('W_hr', [D, projected, hidden], 5)] : []),
    ],
  });
}

/** A leaky integrator (a state that no cell keeps) before a GRU whose state is a pair: x [T, N, 4] -> y [T, 1, N, 5]. */
export function filterWithStates(): Graph {
  return graphOf({
    inputs: [value('x', [1, 'N', 4])],
    outputs: [value('y', [1, 1, 'N', 5])],
    nodes: [
      node('Mul', ['memory', 'leak'], 'faded'),
      node('Add', ['x', 'faded'], 'memory+'),
      node('GRU', ['memory+', 'W', 'R', '', '', 'h'], ['all', 'h+'], { linear_before_reset: 1 }),
      node('Tanh', ['all'], 'y'),
    ],
    tensors: [
      floats('leak', [4], [0.5, 0.25, -0.5, 0.9]),
      floats('W', [1, 15, 4], { seed: 1, scale: 2 }),
      floats('R', [1, 15, 5], { seed: 2, scale: 2 }),
      floats('start', [1, 1, 5], { seed: 3 }),
    ],
    states: [
      { input: 'memory', output: 'memory+', type: 'float32', shape: [1, 'N', 4] },
      { input: 'h', output: 'h+', type: 'float32', shape: [1, 'N', 5], initial: 'start' },
    ],
  });
}

/** What stands around cells in models of sound: x [N, 6, T] through a causal convolution, images and products, to y [N, 4, T]. */
export function soundModel(): Graph {
  return graphOf({
    inputs: [value('x', ['N', 6, 'T'])],
    outputs: [value('y', ['N', 4, 'T'])],
    nodes: [
      node('Conv', ['x', 'w', 'b'], 'causal', { pads: [4, 0], dilations: [2], group: 2 }),
      node('Transpose', ['causal'], 'steps', { perm: [0, 2, 1] }),
      node('Reshape', ['steps', 'image'], 'square'),
      node('Pad', ['square', 'pads'], 'padded', { mode: 'reflect' }),
      node('Slice', ['padded', 'from', 'to', 'axis', 'step'], 'turned'),
      node('MatMul', ['turned', 'matrix'], 'product'),
      node('ReduceMean', ['product'], 'mean', { axes: [-1], keepdims: 1 }),
      node('Less', ['mean', 'product'], 'above'),
      node('Where', ['above', 'product', 'mean'], 'chosen'),
      node('Softmax', ['chosen'], 'shares', { axis: 2 }),
      node('Split', ['shares'], ['left', 'right'], { axis: 3 }),
      node('Pow', ['left', 'two'], 'squares'),
      node('Mul', ['squares', 'right'], 'products'),
      node('Reshape', ['products', 'flat'], 'row'),
      node('Transpose', ['row'], 'channels', { perm: [0, 2, 1] }),
      node('BatchNormalization', ['channels', 'scale', 'shift', 'shift', 'scale'], 'y', { epsilon: 0.1 }),
    ],
    tensors: [
      floats('w', [4, 3, 3], { seed: 1 }),
      floats('b', [4], { seed: 2 }),
      integers('image', [0, 0, 2, 2]),
      integers('pads', [0, 0, 0, 1, 0, 0, 0, 1]),
      integers('from', [-1]),
      integers('to', [-9]),
      integers('axis', [2]),
      integers('step', [-1]),
      floats('matrix', [4, 4], { seed: 3 }),
      floats('two', [], [2]),
      integers('flat', [0, 0, 4]),
      floats('scale', [4], [1, 2, 0.5, 3]),
      floats('shift', [4], { seed: 5 }),
    ],
  });
}
