import type { GraphNode } from '../graph/graph.js';
import { elementCount } from '../graph/tensor.js';
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

/** MatMul -> Add of a constant row -> activation, and Gemm -> activation, become one `Linear`. */
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

  const fused = nodes.map((node) => {
    const gemm = node.op === 'Gemm' && (node.attributes.alpha ?? 1) === 1 && (node.attributes.beta ?? 1) === 1;
    if (node.op !== 'MatMul' && !gemm) return node;
    const linear: GraphNode = {
      name: node.name,
      op: 'Linear',
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      attributes: { transB: gemm ? (node.attributes.transB ?? 0) : 0 },
    };
    const outputs = Number(types.get(node.outputs[0])!.shape.at(-1));
    let next = soleReader(linear.outputs[0]);
    if (next?.op === 'Add' && linear.inputs.length < 3) {
      const bias = biasOf(next, linear.outputs[0], outputs);
      if (bias !== undefined) {
        linear.inputs[2] = bias;
        linear.outputs = [...next.outputs];
        removed.add(next);
        next = soleReader(linear.outputs[0]);
      }
    }
    const parameters = next && FUSED[next.op];
    if (next && parameters) {
      linear.attributes.activation = next.op;
      for (const [to, from] of Object.entries(parameters)) {
        const value = next.attributes[from];
        if (typeof value === 'number') linear.attributes[to] = value;
      }
      linear.outputs = [...next.outputs];
      removed.add(next);
    }
    return linear;
  });
  return { ...typed, nodes: fused.filter((node) => !removed.has(node)) };
}
