import { RivuletError } from '../../errors.js';
import type { Json, JsonObject } from '../json.js';
import { Attributes } from './attributes.js';
import { type NodeDef, type Nodes, type Ref, refOf } from './node-def.js';

/** Operators that do the work of several, and the first of them. */
const FUSED: Readonly<Record<string, string>> = {
  _FusedMatMul: 'MatMul',
  _FusedConv2D: 'Conv2D',
  FusedDepthwiseConv2dNative: 'DepthwiseConv2dNative',
  FusedConv2D: 'Conv2D',
};

/** What may follow, and whether it reads an input of its own. */
const FOLLOWING: Readonly<Record<string, boolean>> = {
  BiasAdd: true,
  Relu: false,
  Relu6: false,
  Elu: false,
  Sigmoid: false,
  Tanh: false,
  LeakyRelu: false,
};

const OWN = new Set(['fused_ops', 'num_args', 'epsilon', 'leakyrelu_alpha', 'TArgs', 'num_host_args', 'user_ops']);

/** The nodes with each that an optimiser made of several taken apart again; the last of them has its name. */
export function unfused(nodes: Nodes, file: string | undefined): Nodes {
  const result = new Map<string, NodeDef>();
  for (const node of nodes.values()) {
    for (const part of partsOf(node, file)) {
      if (part.name !== node.name && nodes.has(part.name)) {
        throw new RivuletError('INVALID_GRAPH', 'Two nodes have this name', { file, node: part.name });
      }
      result.set(part.name, part);
    }
  }
  return result;
}

function partsOf(node: NodeDef, file: string | undefined): NodeDef[] {
  const first = Object.hasOwn(FUSED, node.op) ? FUSED[node.op] : undefined;
  if (first === undefined) return [node];
  const attributes = new Attributes(node, file);
  const steps = attributes.texts('fused_ops');
  const alpha = attributes.float('leakyrelu_alpha', 0.2);
  const own = new Map([...node.attributes].filter(([key]) => !OWN.has(key)));
  const named = (i: number) => (i === steps.length ? node.name : `${node.name}#${i}`);
  const parts: NodeDef[] = [{ name: named(0), op: first, inputs: node.inputs.slice(0, 2), attributes: own }];
  const others = node.inputs.slice(2);
  for (const [i, op] of steps.entries()) {
    const reads = Object.hasOwn(FOLLOWING, op) ? FOLLOWING[op] : undefined;
    const other = reads ? others.shift() : undefined;
    if (reads === undefined || (reads && other === undefined)) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', `${node.op}: what follows the product`, {
        file,
        node: node.name,
        expected: Object.keys(FOLLOWING).join(', '),
        found: JSON.stringify(op.slice(0, 40)),
      });
    }
    const inputs: Ref[] = [refOf(named(i)), ...(other === undefined ? [] : [other])];
    parts.push({ name: named(i + 1), op, inputs, attributes: op === 'LeakyRelu' ? alphaOf(alpha) : new Map() });
  }
  return parts;
}

const alphaOf = (value: number): JsonObject =>
  new Map<string, Json>([['alpha', new Map<string, Json>([['f', value]])]]);
