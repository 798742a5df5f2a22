import { RivuletError } from '../../errors.js';
import { checkGraph } from '../../graph/check.js';
import type {
  AttributeValue,
  DataType,
  Dim,
  Graph,
  GraphNode,
  StatePair,
  Tensor,
  ValueInfo,
} from '../../graph/graph.js';
import { isDataType } from '../../graph/tensor.js';
import { Fields } from '../fields.js';
import { type Json, parseJson } from '../json.js';
import { type Dtype, parseSafetensors, type SafetensorsFile, type StoredTensor } from './container.js';

/** Rivulet's own file: a safetensors file whose metadata hold the graph. `docs/format.md` describes it. */

/** The version of the graph's JSON that is written, and the newest that is read. */
export const GRAPH_VERSION = 1;

export const FORMAT_KEY = 'format';
export const FORMAT = 'rivulet';
export const RESERVED = 'rivulet.';
export const GRAPH_KEY = `${RESERVED}graph`;

export const TYPE_OF: Partial<Record<Dtype, DataType>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F64: 'float64',
  I8: 'int8',
  U8: 'uint8',
  I16: 'int16',
  I32: 'int32',
  I64: 'int64',
  BOOL: 'bool',
};

/**
 * Reads a native file into a graph that `checkGraph` has passed, its nodes in an order in which they can run. The
 * tensors are views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT` (a safetensors file without a graph), `INVALID_FILE`, `INVALID_GRAPH`,
 *   `LIMIT_EXCEEDED`.
 */
export function readNative(bytes: Uint8Array, file?: string): Graph {
  return nativeGraph(parseSafetensors(bytes, file), file);
}

/** Whether a safetensors file holds a graph, and so is a native file. */
export const holdsGraph = (stored: SafetensorsFile): boolean => stored.metadata.has(GRAPH_KEY);

/** The same as {@link readNative} from the parsed file. */
export function nativeGraph(stored: SafetensorsFile, file?: string): Graph {
  const json = stored.metadata.get(GRAPH_KEY);
  if (json === undefined) {
    throw new RivuletError('UNKNOWN_FORMAT', 'A safetensors file without a graph', {
      file,
      expected: `"${GRAPH_KEY}" in __metadata__`,
      hint: 'Weights alone, as in a PyTorch state dict, are read by loadModel, not by loadModelSync',
    });
  }
  const format = stored.metadata.get(FORMAT_KEY);
  if (format !== FORMAT) {
    throw new RivuletError('INVALID_FILE', `__metadata__ has the wrong "${FORMAT_KEY}"`, {
      file,
      expected: `"${FORMAT}"`,
      found: format === undefined ? 'none' : `"${format.slice(0, 40)}"`,
    });
  }
  const metadata: [string, string][] = [];
  for (const [key, text] of stored.metadata) {
    if (key === FORMAT_KEY || key === GRAPH_KEY) continue;
    if (key.startsWith(RESERVED)) {
      throw new RivuletError('INVALID_FILE', '__metadata__ has a reserved key that nobody reads', {
        file,
        found: `"${key.slice(0, 100)}"`,
        hint: 'The file may have been written by a newer version',
      });
    }
    metadata.push([key, text]);
  }
  const graph: Graph = {
    ...readGraph(new Fields(parseJson(json, GRAPH_KEY, file), GRAPH_KEY, file)),
    tensors: new Map(Array.from(stored.tensors, ([name, tensor]) => [name, readTensor(name, tensor, file)])),
    metadata: Object.fromEntries(metadata),
  };
  graph.nodes = checkGraph(graph, file);
  checkUse(graph, file);
  return graph;
}

function readGraph(fields: Fields): Omit<Graph, 'tensors' | 'metadata'> {
  const version = fields.count('version');
  if (version !== GRAPH_VERSION) {
    throw fields.wrong('version', `${GRAPH_VERSION}`, version);
  }
  const graph = {
    name: fields.text('name'),
    inputs: fields.objects('inputs').map(readValueInfo),
    outputs: fields.objects('outputs').map(readValueInfo),
    states: fields.objects('states').map(readState),
    nodes: fields.objects('nodes').map(readNode),
  };
  fields.end();
  return graph;
}

function readValueInfo(fields: Fields): ValueInfo {
  const info = { name: fields.text('name'), type: readType(fields), shape: readDims(fields) };
  fields.end();
  return info;
}

function readState(fields: Fields): StatePair {
  const state: StatePair = {
    input: fields.text('input'),
    output: fields.text('output'),
    type: readType(fields),
    shape: readDims(fields),
  };
  if (fields.has('initial')) state.initial = fields.text('initial');
  fields.end();
  return state;
}

function readNode(fields: Fields): GraphNode {
  const node = {
    name: fields.text('name'),
    op: fields.text('op'),
    inputs: fields.texts('inputs'),
    outputs: fields.texts('outputs'),
    attributes: readAttributes(fields.fields('attributes')),
  };
  fields.end();
  return node;
}

function readAttributes(fields: Fields): Record<string, AttributeValue> {
  // From entries, which define a property even where its name is one that assignment would treat otherwise.
  return Object.fromEntries(Array.from(fields.keys(), (key) => [key, readAttribute(fields, key)]));
}

function readAttribute(fields: Fields, key: string): AttributeValue {
  const expected = 'a number, a string, or an array of either';
  const value = fields.get(key, expected);
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (Array.isArray(value)) {
    if (value.every((item): item is number => typeof item === 'number')) return value;
    if (value.every((item): item is string => typeof item === 'string')) return value;
  }
  throw fields.wrong(key, expected, value);
}

function readType(fields: Fields): DataType {
  const type = fields.text('type');
  if (!isDataType(type)) throw fields.wrong('type', 'an element type', type);
  return type;
}

function readDims(fields: Fields): Dim[] {
  return fields.list('shape').map((dim: Json, i) => {
    if (typeof dim !== 'number' && typeof dim !== 'string')
      throw fields.wrong(`shape[${i}]`, 'a number or a symbol', dim);
    return dim;
  });
}

/** A stored tensor as the graph has it. */
export function readTensor(name: string, { dtype, shape, bytes }: StoredTensor, file: string | undefined): Tensor {
  const type = TYPE_OF[dtype];
  if (type) return { name, type, shape, bytes };
  throw new RivuletError('INVALID_FILE', 'A type of element that graphs do not have', {
    file,
    tensor: name,
    expected: Object.keys(TYPE_OF).join(', '),
    found: dtype,
  });
}

/** Nothing lies in a file unread: every tensor feeds a node, a state or an output. */
export function checkUse(graph: Graph, file?: string): void {
  const used = new Set(graph.outputs.map(({ name }) => name));
  for (const { inputs } of graph.nodes) for (const input of inputs) used.add(input);
  for (const { initial } of graph.states) if (initial !== undefined) used.add(initial);
  const unused = [...graph.tensors.keys()].filter((name) => !used.has(name));
  if (unused.length === 0) return;
  throw new RivuletError('INVALID_GRAPH', 'Tensors that the graph does not use', {
    file,
    found: `${unused
      .slice(0, 8)
      .map((name) => `"${name}"`)
      .join(', ')}${unused.length > 8 ? ` and ${unused.length - 8} more` : ''}`,
  });
}
