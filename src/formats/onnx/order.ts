import type { OnnxGraph, OnnxNode } from './model.js';

/** What nodes read, in the graph and in those inside it, and what it gives. */
export function namesRead({ nodes, outputs }: OnnxGraph, into = new Set<string>()): Set<string> {
  for (const { name } of outputs) into.add(name);
  for (const node of nodes) readsOf(node, into);
  return into;
}

/** What one node reads, its subgraphs included. */
function readsOf({ inputs, attributes }: OnnxNode, into = new Set<string>()): Set<string> {
  for (const name of inputs) into.add(name);
  for (const attribute of attributes.values()) if (attribute.kind === 'graph') namesRead(attribute.value, into);
  return into;
}

/**
 * The nodes in an order in which each comes after those it reads from. ONNX asks writers for such an order, and not all give
 * it; where there is one already it stays. Nodes of a cycle stand last, where their translation finds what is missing.
 */
export function inOrder(nodes: readonly OnnxNode[]): readonly OnnxNode[] {
  const makers = new Map(nodes.flatMap(({ outputs }, i) => outputs.map((name): [string, number] => [name, i])));
  makers.delete('');
  const sources = nodes.map((node, i) => {
    const made = [...readsOf(node)].flatMap((name) => makers.get(name) ?? []);
    return new Set(made.filter((source) => source !== i));
  });
  if (sources.every((before, i) => [...before].every((source) => source < i))) return nodes;
  const missing = sources.map((before) => before.size);
  const readers = nodes.map((): number[] => []);
  for (const [i, before] of sources.entries()) for (const source of before) readers[source].push(i);
  const ready = missing.flatMap((count, i) => (count === 0 ? [i] : []));
  const sorted: number[] = [];
  // What is ready grows while it is walked.
  for (const i of ready) {
    sorted.push(i);
    for (const reader of readers[i]) if (--missing[reader] === 0) ready.push(reader);
  }
  const placed = new Set(sorted);
  return [...sorted, ...nodes.keys()].filter((i, at) => at < sorted.length || !placed.has(i)).map((i) => nodes[i]);
}
