import { RivuletError } from '../../errors.js';
import { isIntegral, toIntegers } from '../../graph/tensor.js';
import { type NodeDef, type Nodes, outputOf, type Ref, refOf } from './node-def.js';
import type { Scope } from './scope.js';

/** Operators that compute each row by itself, from a row and constants: how many axes the constants have at most. */
const ROWWISE: Readonly<Record<string, number>> = {
  MatMul: 2,
  BiasAdd: 1,
  ...Object.fromEntries(['Add', 'AddV2', 'Sub', 'Mul', 'Maximum', 'Minimum'].map((op) => [op, 1])),
  ...Object.fromEntries(
    ['Relu', 'Relu6', 'Elu', 'Selu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Softplus'].map((op) => [op, 0]),
  ),
};

/** What lies between two changes of shape, at most. */
const MOST = 16;

/**
 * TensorFlow puts the rows of [N, T, C] one below the other for a product with a matrix, and takes them apart again after it.
 * Here the same is computed without: the nodes between two such Reshapes are there a second time, on rows that stay in their
 * place. Who reads lengths can follow N and T then, and not their product.
 * @throws RivuletError `INVALID_GRAPH` where a node has a name that such a one would have; TensorFlow's have no `#`.
 */
export function withRowsInPlace(scope: Scope): Nodes {
  const result = new Map(scope.nodes);
  for (const node of scope.nodes.values()) {
    const chain = node.op === 'Reshape' ? chainOf(scope, node.inputs[0]) : undefined;
    if (!chain) continue;
    let value = chain.x;
    for (const [i, one] of chain.nodes.entries()) {
      const name = `${node.name}#${i}`;
      if (scope.nodes.has(name)) {
        throw new RivuletError('INVALID_GRAPH', 'Two nodes have this name', { file: scope.file, node: name });
      }
      const inputs = one.node.inputs.map((ref, k) => (k === one.input ? value : ref));
      result.set(name, { ...one.node, name, inputs });
      value = refOf(name);
    }
    result.set(node.name, { ...node, inputs: [value, node.inputs[1]] });
  }
  return result;
}

interface Chain {
  /** What is put one row below the other. */
  x: Ref;
  /** What is computed of the rows, and which input they are. */
  nodes: { node: NodeDef; input: number }[];
}

function chainOf(scope: Scope, end: Ref): Chain | undefined {
  const nodes: Chain['nodes'] = [];
  let at = scope.settle(end);
  for (let i = 0; i < MOST; i++) {
    const node = scope.find(at.ref);
    if (!node || outputOf(at.ref) !== 0) return undefined;
    if (node.op === 'Reshape') {
      const [first] = nodes;
      const length = first && lengthOf(scope, first.node, first.input);
      return length && keepsLast(scope, node.inputs[1], length) ? { x: node.inputs[0], nodes } : undefined;
    }
    const most = Object.hasOwn(ROWWISE, node.op) ? ROWWISE[node.op] : undefined;
    const computed = node.inputs.flatMap((ref, k) => (scope.constant(ref) ? [] : [k]));
    const fits =
      most !== undefined &&
      computed.length === 1 &&
      node.inputs.every((ref, k) => k === computed[0] || (scope.constant(ref)?.shape.length ?? 9) <= most);
    if (!fits || (node.op === 'MatMul' && (computed[0] !== 0 || scope.attributes(node).flag('transpose_a'))))
      return undefined;
    nodes.unshift({ node, input: computed[0] });
    at = scope.settle(node.inputs[computed[0]]);
  }
  return undefined;
}

/** How long rows must be for the first that is computed of them, which sees to it that they are; undefined where they need not. */
function lengthOf(scope: Scope, node: NodeDef, input: number): number | undefined {
  const other = scope.constant(node.inputs[1 - input])?.shape;
  if (node.op === 'MatMul') return other?.[scope.attributes(node).flag('transpose_b') ? 1 : 0];
  return other?.length === 1 && other[0] > 1 ? other[0] : undefined;
}

/** Whether a shape is of two axes, of which the last is as long as it was: a number, or a part of the shape before. */
function keepsLast(scope: Scope, shape: Ref, length: number): boolean {
  const constant = scope.constant(shape);
  if (constant) return isIntegral(constant.type) && toIntegers(constant).join() === `-1,${length}`;
  const pack = scope.find(scope.settle(shape).ref);
  if (pack?.op !== 'Pack' || pack.inputs.length !== 2) return false;
  const last = scope.settle(pack.inputs[1]).ref;
  // Lengths that are multiplied are those that the product sums over.
  return scope.integer(last) === length || scope.find(last)?.op === 'Prod';
}
