import { type ErrorCode, RivuletError } from '../errors.js';
import { checkGraph } from '../graph/check.js';
import { BATCH, type DataType, type Dim, type Graph, type GraphNode, TIME } from '../graph/graph.js';
import { NodeReader } from '../ops/node.js';
import type { Operator, Operators, ValueType } from '../ops/operator.js';
import { CELLS } from '../ops/recurrent.js';

/** Types and shapes of every value, and the nodes in an order in which they can run. */
export interface TypedGraph {
  graph: Graph;
  operators: Operators;
  nodes: GraphNode[];
  types: Map<string, ValueType>;
}

/** Finds the type and shape of every value, checking each node against its operator on the way. */
export function inferTypes(graph: Graph, operators: Operators): TypedGraph {
  const nodes = checkGraph(graph);
  const types = givenTypes(graph);
  const lastStep = new Set<string>();
  for (const node of nodes) {
    inferNode(node, types, graph, operators);
    followLastStep(node, types, graph, lastStep);
  }
  for (const { name, type, shape } of [
    ...graph.outputs,
    ...graph.states.map(({ output, type, shape }) => ({ name: output, type, shape })),
  ]) {
    const found = types.get(name)!;
    if (type !== 'float32' && type !== 'int64' && type !== 'int32' && type !== 'bool') {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'an output of this type', {
        tensor: name,
        expected: 'float32, int32, int64 or bool',
        found: type,
      });
    }
    if (found.type !== type || found.shape.join() !== shape.join()) {
      throw new RivuletError('INVALID_GRAPH', 'an output is not what the graph computes', {
        tensor: name,
        expected: `${type} [${shape.join(', ')}], as declared`,
        found: `${found.type} [${found.shape.join(', ')}]`,
      });
    }
  }
  return { graph, operators, nodes, types };
}

/** Types and shapes of the values that no node makes. */
export function givenTypes(graph: Graph): Map<string, ValueType> {
  const types = new Map<string, ValueType>();
  for (const { name, type, shape } of graph.tensors.values()) types.set(name, { type: loadedType(type), shape });
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
  return types;
}

/** Checks one node against its operator, and adds the types and shapes of what it makes. */
export function inferNode(node: GraphNode, types: Map<string, ValueType>, graph: Graph, operators: Operators): void {
  if (operators.get(node.op)?.internal) throw unknownOperator(node, operators);
  const operator = operatorOf(node, operators);
  const results = operator.infer(readerOf(node, types, graph));
  for (const [i, name] of node.inputs.entries()) {
    const type = types.get(name)?.type ?? 'float32';
    // A constant is read as what the operator takes it for, or refused there.
    if (operator.anyType || operator.integers?.includes(i) || type === 'float32' || graph.tensors.has(name)) continue;
    throw invalid(node, `integers are not computed with, as "${name}"`, 'float32', type, 'UNSUPPORTED_OPERATOR');
  }
  for (const [i, name] of node.outputs.entries()) {
    if (name === '') continue;
    if (!results[i]) throw invalid(node, 'has more outputs than its operator', `${results.length}`, `${i + 1}`);
    types.set(name, { ...results[i], shape: checkedShape(name, results[i].shape, node) });
  }
}

/** A node's operator, its attributes and number of inputs checked. */
export function operatorOf(node: GraphNode, operators: Operators): Operator {
  const operator = operators.get(node.op);
  if (!operator) throw unknownOperator(node, operators);
  for (const name of Object.keys(node.attributes)) {
    if (operator.attributes.includes(name)) continue;
    throw new RivuletError('UNSUPPORTED_ATTRIBUTE', `${node.op}: attribute "${name}"`, {
      node: node.name,
      expected: operator.attributes.length > 0 ? operator.attributes.join(', ') : 'none',
      found: `${name} = ${JSON.stringify(node.attributes[name])}`,
    });
  }
  const [least, most] = operator.inputs;
  if (
    node.inputs.length < least ||
    node.inputs.length > most ||
    node.inputs.slice(0, least).some((i, at) => i === '' && at < 3)
  ) {
    throw invalid(
      node,
      'has the wrong number of inputs',
      least === most ? `${least}` : `${least} to ${most}`,
      `${node.inputs.filter(Boolean).length}`,
    );
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

/** Floating-point weights of any width are float32 once they are loaded. */
const loadedType = (type: DataType): DataType =>
  type === 'float16' || type === 'bfloat16' || type === 'float64' ? 'float32' : type;

const hasTime = (type: ValueType | undefined): boolean => type?.shape.includes(TIME) ?? false;

/**
 * A cell's Y_h and Y_c are the state after the last of T steps, and so is what is computed of them. A stream that gets one
 * step at a time has them as the state after each step, so whatever needs the last one beside, or before, other steps
 * would get another number: it is refused.
 */
function followLastStep(
  node: GraphNode,
  types: ReadonlyMap<string, ValueType>,
  graph: Graph,
  lastStep: Set<string>,
): void {
  const cell = CELLS.has(node.op);
  // What a Scan's body makes of it is that of each step, whose shape does not say so.
  const leavesStep = node.op === 'TimeStack' || node.op === 'TimeLast';
  const makesLast = (i: number) => node.op === 'TimeLast' || (cell && i > 0 && hasTime(types.get(node.inputs[0])));
  const values = node.inputs.filter((name) => name !== '' && !graph.tensors.has(name));
  const last = values.find((name) => lastStep.has(name));
  if (last !== undefined && (cell || leavesStep || values.some((name) => hasTime(types.get(name))))) {
    throw new RivuletError(
      'UNSUPPORTED_OPERATOR',
      `${node.op}: a state after the last step goes back into a sequence`,
      {
        node: node.name,
        tensor: last,
        expected: 'values of each step, or of the last step alone',
        found: node.inputs.filter(Boolean).join(', '),
        hint: 'Split the model in two: what makes the state, and what reads it',
      },
    );
  }
  for (const [i, name] of node.outputs.entries()) {
    if (last !== undefined || makesLast(i)) lastStep.add(name);
  }
}

/** Numbers that a value may have for one step of one stream: far above any vocabulary, and 4 MB. */
const ROW_LIMIT = 2 ** 20;

/** A shape whose axes are lengths, T and N, each symbol once, and whose rows are of a size that can be. */
function checkedShape(name: string, shape: Dim[], node?: GraphNode): Dim[] {
  const where = { tensor: name, ...(node && { node: node.name }) };
  const symbols = shape.filter((dim) => typeof dim === 'string');
  const lengths = shape.filter((dim) => typeof dim === 'number');
  const foreign = symbols.find((dim) => dim !== TIME && dim !== BATCH);
  const wrong = lengths.find((length) => !Number.isSafeInteger(length) || length < 1);
  const found = `[${shape.join(', ')}]`;
  if (foreign !== undefined || wrong !== undefined || new Set(symbols).size < symbols.length) {
    throw new RivuletError('INVALID_GRAPH', `${node ? `${node.op}: ` : ''}a shape that means nothing`, {
      ...where,
      expected: `lengths above 0, ${TIME} once (time) and ${BATCH} once (batch)`,
      found,
    });
  }
  if (lengths.reduce((product, length) => product * length, 1) > ROW_LIMIT) {
    throw new RivuletError('LIMIT_EXCEEDED', 'too many numbers for one step', {
      ...where,
      expected: `at most ${ROW_LIMIT}`,
      found,
    });
  }
  return shape;
}

function unknownOperator(node: GraphNode, operators: Operators): RivuletError {
  return new RivuletError('UNSUPPORTED_OPERATOR', `operator ${node.op}`, {
    node: node.name,
    hint: `Those that run: ${[...operators.values()].flatMap(({ op, internal }) => (internal ? [] : [op])).join(', ')}`,
  });
}

function invalid(
  node: GraphNode,
  what: string,
  expected: string,
  found: string,
  code: ErrorCode = 'INVALID_GRAPH',
): RivuletError {
  return new RivuletError(code, `${node.op}: ${what}`, { node: node.name, expected, found });
}
