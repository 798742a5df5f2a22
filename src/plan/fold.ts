import { checkGraph } from '../graph/check.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { NodeReader } from '../ops/node.js';
import type { Operators } from '../ops/operator.js';
import { operatorOf } from './infer.js';

/** Nodes that only unfold constants become constants: weights stored as integers, and what reads them finds them so. */
export function fold(graph: Graph, operators: Operators): Graph {
  if (!graph.nodes.some(({ op }) => operators.get(op)?.fold)) return graph;
  const tensors = new Map(graph.tensors);
  const nodes: GraphNode[] = [];
  for (const node of checkGraph(graph)) {
    const constants = node.inputs.map((name) => tensors.get(name));
    const foldable = operators.get(node.op)?.fold && node.inputs.every((name, i) => name === '' || constants[i]);
    const folded = foldable && operatorOf(node, operators).fold?.(new NodeReader(node, constants, tensors));
    if (folded) tensors.set(folded.name, folded);
    else nodes.push(node);
  }
  return { ...graph, nodes, tensors };
}
