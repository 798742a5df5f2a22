import { RivuletError } from '../../errors.js';
import { checkGraph } from '../../graph/check.js';
import { givenGraph } from '../../graph/given.js';
import type { AttributeValue, DataType, Graph, GraphNode, ValueInfo } from '../../graph/graph.js';
import type { Dtype, StoredTensor } from './container.js';
import { checkUse, FORMAT, FORMAT_KEY, GRAPH_KEY, GRAPH_VERSION, RESERVED, TYPE_OF } from './native.js';
import { writeSafetensors } from './write-container.js';

const DTYPE_OF = Object.fromEntries(Object.entries(TYPE_OF).map(([dtype, type]) => [type, dtype])) as Record<
  DataType,
  Dtype
>;

/**
 * Writes a graph as a native file. The same graph gives the same bytes; metadata are sorted by key.
 * @throws RivuletError as `checkGraph` does, and `INVALID_GRAPH` for what the file could not give back: a tensor that
 *   nothing uses, a metadata key of the format's own, an attribute that is not finite; `INVALID_INPUT` for what is no graph.
 */
export function writeNative(graph: Graph): Uint8Array {
  const nodes = checkGraph(givenGraph(graph));
  checkUse(graph);
  const metadata = new Map([
    [FORMAT_KEY, FORMAT],
    [GRAPH_KEY, writeGraph(graph, nodes)],
  ]);
  for (const key of Object.keys(graph.metadata).sort(compareUnits)) {
    if (key === FORMAT_KEY || key.startsWith(RESERVED)) {
      throw new RivuletError('INVALID_GRAPH', 'A metadata key of the file format itself', { found: `"${key}"` });
    }
    metadata.set(key, graph.metadata[key]);
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { type, shape, bytes }] of graph.tensors)
    tensors.set(name, { dtype: DTYPE_OF[type], shape, bytes });
  return writeSafetensors({ metadata, tensors });
}

function writeGraph(graph: Graph, nodes: readonly GraphNode[]): string {
  return JSON.stringify({
    version: GRAPH_VERSION,
    name: graph.name,
    inputs: graph.inputs.map(writeValueInfo),
    outputs: graph.outputs.map(writeValueInfo),
    states: graph.states.map(({ input, output, type, shape, initial }) => ({ input, output, type, shape, initial })),
    nodes: nodes.map(({ name, op, inputs, outputs, attributes }) => ({
      name,
      op,
      inputs,
      outputs,
      attributes: writeAttributes(name, attributes),
    })),
  });
}

function writeValueInfo({ name, type, shape }: ValueInfo): ValueInfo {
  return { name, type, shape };
}

function writeAttributes(node: string, attributes: Record<string, AttributeValue>): Record<string, AttributeValue> {
  for (const [key, value] of Object.entries(attributes)) {
    const numbers = [value].flat().filter((item) => typeof item === 'number');
    if (numbers.every(Number.isFinite)) continue;
    throw new RivuletError('INVALID_GRAPH', `The attribute "${key}" is not finite, which the file cannot say`, {
      node,
    });
  }
  return Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => compareUnits(a, b)));
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
