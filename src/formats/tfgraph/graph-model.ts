import type { RivuletError } from '../../errors.js';
import { type Dim, type Graph, type Tensor, TIME } from '../../graph/graph.js';
import { Fields } from '../fields.js';
import type { Json, JsonObject } from '../json.js';
import type { OnnxValueInfo } from '../onnx/model.js';
import type { OnnxOptions } from '../onnx/options.js';
import { toGraph } from '../onnx/to-graph.js';
import { isRefusal, type RefusalOptions } from '../refusals.js';
import { readGraphDef } from './graph-def.js';
import { type GraphDef, type NodeDef, nodeOf, type Ref, refOf } from './node-def.js';
import { OPERATORS } from './operators/registry.js';
import { withRowsInPlace } from './rows.js';
import { Scope } from './scope.js';
import { GraphWriter, type NodeWriter, onnxType, Translation } from './writer.js';

/** A value that enters or leaves, by the name that the model's signature gives it. */
interface Port {
  name: string;
  ref: Ref;
}

/** The operator set in whose words models are written. Axes stand in attributes, which the reader takes in every version. */
const OPSET = 17;

/**
 * Makes a graph of a TensorFlow graph: its nodes are written as an ONNX model, loops over time as the cells that they are or as
 * Scan, and what reads ONNX models does the rest.
 *
 * @param topology `modelTopology`: a GraphDef.
 * @param signature names of inputs and outputs; without it they are those of the nodes.
 * @throws RivuletError as `readOnnx` does. Operators that do not run are left to the planner, which names them.
 */
export function readGraphModel(
  topology: JsonObject,
  signature: Json | undefined,
  weights: ReadonlyMap<string, Tensor | undefined>,
  file: string | undefined,
  options: OnnxOptions & RefusalOptions,
): Graph {
  const stored = readGraphDef(topology, 'modelTopology', file);
  const graph = { ...stored, nodes: withRowsInPlace(new Scope(stored.nodes, weights, file)) };
  const fields = signature instanceof Map && signature.size > 0 ? new Fields(signature, 'signature', file) : undefined;
  const scope = new Scope(graph.nodes, weights, file);
  const inputs = inputsOf(graph, fields);
  const outputs = outputsOf(graph, fields);
  const taken = [...inputs, ...outputs].map(({ name }) => name);
  let refusal: RivuletError | undefined;
  const translation = new Translation(graph, file, taken, (node) => {
    try {
      (OPERATORS.get(node.node.op) ?? leave)(node);
    } catch (error) {
      if (!options.onRefusal || !isRefusal(error)) throw error;
      options.onRefusal(error, node.node.op);
      refusal ??= error;
      leave(node);
    }
  });
  const given = new Map(inputs.map(({ name, ref }): [Ref, string] => [ref, name]));
  const writer = new GraphWriter(translation, scope, given);
  for (const { name, ref } of outputs) writer.add('Identity', name, [writer.value({ scope, ref })], [name]);
  writer.finish();
  const infos = inputs.map(({ name, ref }) => inputInfo(name, scope.node(ref), scope));
  const model = {
    opsets: new Map([['', OPSET]]),
    metadata: new Map(),
    graph: {
      name: 'model',
      nodes: writer.nodes,
      initializers: translation.initializers,
      inputs: infos,
      outputs: outputs.map(({ name }): OnnxValueInfo => ({ name, type: onnxType('float32') })),
      sparse: [],
    },
  };
  try {
    return toGraph(model, file, {
      ...options,
      shapes: { ...timeShapes(inputs, infos, translation), ...options.shapes },
    });
  } catch (error) {
    // What was refused first is told first.
    throw refusal ?? error;
  }
}

/** The shapes of inputs of which a loop says which axis is time, so that it is known from the first node on. */
function timeShapes(
  inputs: readonly Port[],
  infos: readonly OnnxValueInfo[],
  { times }: Translation,
): Record<string, readonly Dim[]> {
  const entries = inputs.flatMap(({ name, ref }, i): [string, readonly Dim[]][] => {
    const { shape } = infos[i];
    const axis = times.get(ref);
    if (axis === undefined || !shape || axis >= shape.length) return [];
    // Of the other axes the file says what is known.
    return [[name, shape.map((_, a) => (a === axis ? TIME : undefined)) as Dim[]]];
  });
  return Object.fromEntries(entries);
}

/** An operator that nobody knows. What it reads is translated, so that all that does not run is known. */
function leave(node: NodeWriter): void {
  node.inputs();
  node.graph.leave(node);
}

/** Inputs in the order of the signature, and placeholders that it leaves out. */
function inputsOf({ nodes }: GraphDef, signature: Fields | undefined): Port[] {
  const named = portsOf(signature, 'inputs').filter(({ ref }) => nodes.get(nodeOf(ref))?.op === 'Placeholder');
  const known = new Set(named.map(({ ref }) => ref));
  const others = [...nodes.values()].filter(({ op, name }) => op === 'Placeholder' && !known.has(refOf(name)));
  return [...named, ...others.map(({ name }) => ({ name, ref: refOf(name) }))];
}

/** Outputs in the order of the signature; without one, whatever no node reads. */
function outputsOf({ nodes }: GraphDef, signature: Fields | undefined): Port[] {
  const named = portsOf(signature, 'outputs');
  if (named.length > 0) return named;
  const read = new Set([...nodes.values()].flatMap(({ inputs }) => inputs.map(nodeOf)));
  const ends = [...nodes.values()].filter(
    ({ name, op }) => !read.has(name) && !['Const', 'Placeholder', 'NoOp'].includes(op),
  );
  return ends.map(({ name }) => ({ name, ref: refOf(name) }));
}

/** `{ "x": { "name": "serving_default_x:0", ... } }`; where no name was given, the key is that of the tensor. */
function portsOf(signature: Fields | undefined, key: string): Port[] {
  if (!signature?.has(key)) return [];
  const ports = signature.fields(key);
  return Array.from(ports.keys(), (name) => {
    const tensor = ports.fields(name).text('name');
    return { name: name.replace(/:0$/, ''), ref: tensor.includes(':') ? tensor : refOf(tensor) };
  });
}

function inputInfo(name: string, node: NodeDef, scope: Scope): OnnxValueInfo {
  const attributes = scope.attributes(node);
  const type = attributes.type('dtype');
  const shape = attributes.shape('shape')?.map((length) => (length < 1 ? undefined : length));
  attributes.end();
  return { name, type: onnxType(type), ...(shape ? { shape } : {}) };
}
