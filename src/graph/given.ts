import { RivuletError } from '../errors.js';
import { shown } from '../options.js';
import type { Graph } from './graph.js';

/**
 * What a caller gives as a graph, before anything is read of it. What it holds is for `checkGraph`.
 * @throws RivuletError `INVALID_INPUT` for what is none: a promise, a model, what `readGraph` gives with the graph in it
 */
export function givenGraph(graph: Graph): Graph {
  if (graph?.tensors instanceof Map && Array.isArray(graph.nodes)) return graph;
  throw new RivuletError('INVALID_INPUT', 'Not a graph', {
    expected: 'the graph of what readGraph gives, awaited',
    found: shown(graph),
  });
}
