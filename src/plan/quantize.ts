import { RivuletError } from '../errors.js';
import type { AttributeValue, Graph, GraphNode, Tensor } from '../graph/graph.js';
import { elementCount, toFloat32 } from '../graph/tensor.js';
import { littleEndianBytes } from '../io/binary.js';
import { float32ToBfloat16 } from '../io/narrow.js';
import { ALL_OPERATORS } from '../ops/all.js';
import { fold } from './fold.js';

/** In what a model's weights are held in memory. */
export const HELD_TYPES = ['float32', 'bfloat16', 'int8'] as const;

export type HeldType = (typeof HELD_TYPES)[number];

/** The inputs of an operator that are matrices, or an embedding's table: what its weights are, but for the biases. */
const MATRICES: Readonly<Record<string, readonly number[]>> = {
  LSTM: [1, 2],
  LSTMP: [1, 2, 8],
  GRU: [1, 2],
  RNN: [1, 2],
  MatMul: [1],
  Gemm: [1],
  Gather: [0],
};

/** The nodes whose weights can be held in fewer bits, by name. */
export function narrowableNodes(graph: Graph): string[] {
  const matrices = findMatrices(graph, []);
  return graph.nodes
    .filter(({ op, inputs }) => MATRICES[op]?.some((i) => matrices.has(inputs[i] ?? '')))
    .map(({ name }) => name);
}

/**
 * The nodes that `keep` names: by their names, or all of a layer, whose name theirs have before a dot (`head` of `head.matmul`).
 * @throws RivuletError `INVALID_OPTION` for a name that no node has
 */
export function keptNodes(graph: Graph, keep: readonly string[]): string[] {
  if (!Array.isArray(keep)) {
    throw new RivuletError('INVALID_OPTION', 'keep', { expected: 'a list of names', found: JSON.stringify(keep) });
  }
  return keep.flatMap((name) => {
    const named = graph.nodes.filter((node) => node.name === name || node.name.startsWith(`${name}.`));
    if (named.length > 0) return named.map((node) => node.name);
    throw new RivuletError('INVALID_OPTION', 'keep names no layer', {
      expected: narrowableNodes(graph).join(', '),
      found: name,
    });
  });
}

/**
 * The graph with its weights to be held as `type`, rounded to it: int8 by a scale for each output, its largest weight
 * being 127 (as ONNX's DequantizeLinear says it, in nodes before those that read them). Biases, initial states and
 * whatever a node named in `keep` reads stay as they are, and so do, for int8, weights that are int8 already and linear
 * layers of one output: nothing is gained by them, and a scale for one output alone may round most of its weights away.
 *
 * @throws RivuletError `INVALID_OPTION` for a name in `keep` that no node has; `INVALID_GRAPH` where a weight is not finite.
 */
export function holdWeights(graph: Graph, type: HeldType, keep: readonly string[] = []): Graph {
  const kept = keptNodes(graph, keep);
  if (type === 'int8') return asInt8(graph, withSeveralOutputs(graph, findMatrices(graph, kept)));
  const wide = fold(graph, ALL_OPERATORS);
  const tensors = new Map(wide.tensors);
  for (const [name, { narrow, ...tensor }] of wide.tensors) if (narrow) tensors.set(name, tensor);
  if (type === 'float32') return { ...wide, tensors };
  for (const name of findMatrices(wide, kept).keys()) tensors.set(name, asBfloat16(tensors.get(name)!));
  return { ...wide, tensors };
}

/** How the scales of a matrix lie: ONNX's attributes of DequantizeLinear. */
interface Axis {
  axis: number;
  /** Its length, where a scale belongs to a line along the axis and not to an index of it. */
  block_size?: number;
}

/** The tensors that only hold matrices, alike for all that read them, none of which is kept. */
function findMatrices(graph: Graph, keep: readonly string[]): Map<string, Axis> {
  const found = new Map<string, Axis>();
  const refused = new Set([
    ...graph.outputs.map(({ name }) => name),
    ...graph.states.map(({ initial }) => initial ?? ''),
  ]);
  for (const node of graph.nodes) {
    for (const [i, name] of node.inputs.entries()) {
      const tensor = graph.tensors.get(name);
      if (!tensor) continue;
      const axis = keep.includes(node.name) ? undefined : axisOf(node, i, tensor);
      const known = found.get(name);
      if (!axis || (known && JSON.stringify(known) !== JSON.stringify(axis))) refused.add(name);
      else found.set(name, axis);
    }
  }
  for (const name of refused) found.delete(name);
  return found;
}

function withSeveralOutputs(graph: Graph, matrices: ReadonlyMap<string, Axis>): Map<string, Axis> {
  const isSingle = (name: string, { axis, block_size }: Axis) =>
    block_size === undefined && graph.tensors.get(name)!.shape[axis] === 1;
  return new Map([...matrices].filter(([name, axis]) => !isSingle(name, axis)));
}

function axisOf({ op, attributes }: GraphNode, i: number, { type, shape }: Tensor): Axis | undefined {
  const floating = type.startsWith('float') || type === 'bfloat16';
  if (!floating || !MATRICES[op]?.includes(i) || elementCount(shape) === 0) return undefined;
  if (shape.length === 3 && op !== 'MatMul') return { axis: 2, block_size: shape[2] };
  if (shape.length !== 2) return undefined;
  const byRows = op === 'Gather' ? !attributes.axis : op === 'Gemm' && attributes.transB;
  return { axis: byRows ? 0 : 1 };
}

function asBfloat16(tensor: Tensor): Tensor {
  const values = float32ToBfloat16(finiteFloats(tensor));
  return { ...tensor, type: 'bfloat16', bytes: littleEndianBytes(values), narrow: { type: 'bfloat16', values } };
}

function finiteFloats(tensor: Tensor): Float32Array {
  const values = toFloat32(tensor);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return values;
  throw new RivuletError('INVALID_GRAPH', 'A weight is not finite', {
    tensor: tensor.name,
    found: `${values[wrong]} at element ${wrong}`,
    hint: 'Keep its layer in float32',
  });
}

function asInt8(graph: Graph, matrices: ReadonlyMap<string, Axis>): Graph {
  const taken = new Set([
    ...graph.tensors.keys(),
    ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ...graph.inputs.map(({ name }) => name),
    ...graph.states.map(({ input }) => input),
  ]);
  const fresh = (wanted: string) => {
    let name = wanted;
    while (taken.has(name)) name += '_';
    taken.add(name);
    return name;
  };
  const tensors = new Map(graph.tensors);
  const nodes: GraphNode[] = [];
  for (const [name, axis] of matrices) {
    const tensor = graph.tensors.get(name)!;
    const integers = fresh(`${name}.int8`);
    const scale = fresh(`${name}.scale`);
    const attributes: Record<string, AttributeValue> = { ...axis };
    nodes.push({
      name: fresh(`${name}.dequantize`),
      op: 'DequantizeLinear',
      inputs: [integers, scale],
      outputs: [name],
      attributes,
    });
    const { values, scales, shape } = quantize(tensor, axis);
    tensors.delete(name);
    tensors.set(integers, { name: integers, type: 'int8', shape: tensor.shape, bytes: littleEndianBytes(values) });
    tensors.set(scale, { name: scale, type: 'float32', shape, bytes: littleEndianBytes(scales) });
  }
  return { ...graph, tensors, nodes: [...nodes, ...graph.nodes] };
}

/** Each output's weights over its scale, to the nearest integer. */
function quantize(tensor: Tensor, { axis, block_size }: Axis) {
  const weights = finiteFloats(tensor);
  const { shape } = tensor;
  const last = shape.at(-1)!;
  const alongLine = block_size !== undefined || axis === 0;
  const count = alongLine ? weights.length / last : last;
  const scaleOf = (i: number) => (alongLine ? Math.floor(i / last) : i % last);
  const scales = new Float32Array(count);
  for (let i = 0; i < weights.length; i++)
    scales[scaleOf(i)] = Math.max(scales[scaleOf(i)], Math.abs(weights[i]) / 127);
  const values = new Int8Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    const scale = scales[scaleOf(i)];
    // A scale may have rounded down, to nothing where the weights are denormal.
    if (scale > 0) values[i] = Math.max(-127, Math.min(127, Math.round(weights[i] / scale)));
  }
  return { values, scales, shape: block_size === undefined ? [count] : [...shape.slice(0, -1), 1] };
}
