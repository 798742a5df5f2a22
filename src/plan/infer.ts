import { RivuletError } from '../errors.js';
import { checkGraph } from '../graph/check.js';
import { BATCH, type Dim, type Graph, type GraphNode, TIME } from '../graph/graph.js';
import { NodeReader } from '../ops/node.js';
import type { Operator, ValueType } from '../ops/operator.js';
import { OPERATORS } from '../ops/registry.js';

/** Types and shapes of every value, and the nodes in an order in which they can run. */
export interface TypedGraph {
  graph: Graph;
  nodes: GraphNode[];
  types: Map<string, ValueType>;
}

/** Finds the type and shape of every value, checking each node against its operator on the way. */
export function inferTypes(graph: Graph): TypedGraph {
  const nodes = checkGraph(graph);
  const types = new Map<string, ValueType>();
  for (const tensor of graph.tensors.values()) types.set(tensor.name, { type: tensor.type, shape: tensor.shape });
  for (const input of graph.inputs) {
    const floating = input.type === 'float32';
    if (!floating && input.type !== 'int64' && input.type !== 'int32') {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'an input of this type', {
        tensor: input.name,
        expected: 'float32, int32 or int64',
        found: input.type,
      });
    }
    types.set(input.name, { type: input.type, shape: checkedShape(input.name, input.shape) });
  }
  for (const state of graph.states) {
    if (state.type !== 'float32') {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'a state of this type', {
        tensor: state.input,
        expected: 'float32',
        found: state.type,
      });
    }
    types.set(state.input, { type: state.type, shape: checkedShape(state.input, state.shape) });
  }
  for (const node of nodes) {
    const results = operatorOf(node).infer(readerOf(node, types, graph));
    for (const [i, name] of node.outputs.entries()) {
      if (name === '') continue;
      if (!results[i]) throw invalid(node, 'has more outputs than its operator', `${results.length}`, `${i + 1}`);
      types.set(name, results[i]);
    }
  }
  for (const { name, type, shape } of [
    ...graph.outputs,
    ...graph.states.map(({ output, type, shape }) => ({ name: output, type, shape })),
  ]) {
    const found = types.get(name)!;
    if (found.type !== type || found.shape.join() !== shape.join()) {
      throw new RivuletError('INVALID_GRAPH', 'an output is not what the graph computes', {
        tensor: name,
        expected: `${type} [${shape.join(', ')}], as declared`,
        found: `${found.type} [${found.shape.join(', ')}]`,
      });
    }
  }
  return { graph, nodes, types };
}

/** A node's operator, its attributes and number of inputs checked. */
export function operatorOf(node: GraphNode): Operator {
  const operator = OPERATORS.get(node.op);
  if (!operator) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', `operator ${node.op}`, {
      node: node.name,
      hint: `Those that run: ${[...OPERATORS.keys()].filter((op) => op !== 'Linear').join(', ')}`,
    });
  }
  for (const name of Object.keys(node.attributes)) {
    if (operator.attributes.includes(name)) continue;
    throw new RivuletError('UNSUPPORTED_ATTRIBUTE', `${node.op}: attribute "${name}"`, {
      node: node.name,
      expected: operator.attributes.length > 0 ? operator.attributes.join(', ') : 'none',
      found: `${name} = ${JSON.stringify(node.attributes[name])}`,
    });
  }
  const [least, most] = operator.inputs;
  if (node.inputs.length < least || node.inputs.length > most || node.inputs.slice(0, least).some((i, at) => i === '' && at < 3)) {
    throw invalid(node, 'has the wrong number of inputs', least === most ? `${least}` : `${least} to ${most}`, `${node.inputs.filter(Boolean).length}`);
  }
  return operator;
}

export function readerOf(node: GraphNode, types: ReadonlyMap<string, ValueType>, graph: Graph): NodeReader {
  return new NodeReader(
    node,
    node.inputs.map((name) => types.get(name)),
    graph.tensors,
  );
}

function checkedShape(name: string, shape: Dim[]): Dim[] {
  const symbols = shape.filter((dim) => typeof dim === 'string');
  const foreign = symbols.find((dim) => dim !== TIME && dim !== BATCH);
  if (foreign !== undefined || new Set(symbols).size < symbols.length) {
    throw new RivuletError('INVALID_GRAPH', 'a shape has a symbol that means nothing', {
      tensor: name,
      expected: `numbers, ${TIME} once (time) and ${BATCH} once (batch)`,
      found: `[${shape.join(', ')}]`,
    });
  }
  return shape;
}

function invalid(node: GraphNode, what: string, expected: string, found: string): RivuletError {
  return new RivuletError('INVALID_GRAPH', `${node.op}: ${what}`, { node: node.name, expected, found });
}
