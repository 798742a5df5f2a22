import type { GraphNode } from '../graph/graph.js';
import { elementCount } from '../graph/tensor.js';
import { rowSize } from '../ops/rows.js';
import type { TypedGraph } from './infer.js';

/** Functions that a linear call applies on its way out, and the names of their parameters. */
const FUSED: Record<string, { alpha?: string; beta?: string }> = {
  Sigmoid: {},
  Tanh: {},
  Relu: {},
  LeakyRelu: { alpha: 'alpha' },
  Elu: { alpha: 'alpha' },
  HardSigmoid: { alpha: 'alpha', beta: 'beta' },
  Softplus: {},
  Softsign: {},
  HardSwish: {},
  Swish: { alpha: 'alpha' },
};

/** MatMul -> Add of a constant row -> activation, and Gemm -> activation, become one `Linear`; Conv -> activation one `FusedConv`. */
export function fuse(typed: TypedGraph): TypedGraph {
  const { graph, nodes, types } = typed;
  const readers = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    for (const name of node.inputs) {
      const known = readers.get(name);
      if (known) known.push(node);
      else readers.set(name, [node]);
    }
  }
  const kept = new Set([...graph.outputs.map(({ name }) => name), ...graph.states.map(({ output }) => output)]);
  const removed = new Set<GraphNode>();

  /** The only reader of a value that nobody else sees. */
  const soleReader = (value: string): GraphNode | undefined => {
    const all = readers.get(value) ?? [];
    return all.length === 1 && !kept.has(value) ? all[0] : undefined;
  };

  /** The constant of an Add that can be the bias of a product with `outputs` outputs. */
  const biasOf = (add: GraphNode, value: string, outputs: number): string | undefined => {
    const other = add.inputs[0] === value ? add.inputs[1] : add.inputs[0];
    const tensor = graph.tensors.get(other);
    if (!tensor || other === value) return undefined;
    const count = elementCount(tensor.shape);
    return count === 1 || (count === outputs && tensor.shape.at(-1) === outputs) ? other : undefined;
  };

  /** Takes the activation behind a node into it, where there is one. */
  const withActivation = (node: GraphNode): GraphNode => {
    const next = soleReader(node.outputs[0]);
    const parameters = next && FUSED[next.op];
    if (!next || !parameters) return node;
    const attributes: GraphNode['attributes'] = { ...node.attributes, activation: next.op };
    for (const [to, from] of Object.entries(parameters)) {
      const value = next.attributes[from];
      if (typeof value === 'number') attributes[to] = value;
    }
    removed.add(next);
    return { ...node, outputs: [...next.outputs], attributes };
  };

  /** Whether a product is of one vector and a constant matrix, plus at most a bias: what `Linear` takes. */
  const isPlain = ({ inputs, attributes, outputs }: GraphNode): boolean => {
    const matrix = graph.tensors.get(inputs[1])?.shape;
    const { alpha = 1, beta = 1, transA = 0, transB = 0 } = attributes;
    if (matrix?.length !== 2 || alpha !== 1 || beta !== 1 || transA !== 0) return false;
    const bias = inputs[2] ? graph.tensors.get(inputs[2])?.shape : [];
    const width = Number(types.get(outputs[0])!.shape.at(-1));
    const isRow =
      bias !== undefined && (elementCount(bias) === 1 || (elementCount(bias) === width && bias.at(-1) === width));
    const x = graph.tensors.has(inputs[0]) ? undefined : types.get(inputs[0])?.shape;
    return isRow && x !== undefined && rowSize(x) === matrix[transB ? 1 : 0];
  };

  const fused = nodes.map((node) => {
    if (node.op === 'Conv') {
      const whole = withActivation(node);
      return whole === node ? node : { ...whole, op: 'FusedConv' };
    }
    const gemm = node.op === 'Gemm';
    if ((node.op !== 'MatMul' && !gemm) || !isPlain(node)) return node;
    const linear: GraphNode = {
      name: node.name,
      op: 'Linear',
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      attributes: { transB: gemm ? (node.attributes.transB ?? 0) : 0 },
    };
    const outputs = Number(types.get(node.outputs[0])!.shape.at(-1));
    const next = soleReader(linear.outputs[0]);
    if (next?.op === 'Add' && linear.inputs.length < 3) {
      const bias = biasOf(next, linear.outputs[0], outputs);
      if (bias !== undefined) {
        linear.inputs[2] = bias;
        linear.outputs = [...next.outputs];
        removed.add(next);
      }
    }
    return withActivation(linear);
  });
  return { ...typed, nodes: fused.filter((node) => !removed.has(node)) };
}
