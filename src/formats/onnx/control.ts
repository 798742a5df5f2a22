import type { NodeContext, Value } from './builder.js';
import type { OnnxGraph } from './model.js';

/** Operators whose attributes are graphs: If here, Scan and Loop beside. */

/** Translates a subgraph where it stands, its inputs bound to values, and gives the values of its outputs. */
export type Inline = (graph: OnnxGraph, inputs: readonly Value[]) => Value[];

/** If: the branch that a condition chooses which is known by now; the other one is as if it were not there. */
export function ifElse(node: NodeContext, inline: Inline): void {
  const [yes, no] = [node.graph('then_branch'), node.graph('else_branch')];
  node.end();
  const condition = node.input(0);
  const [chosen] = node.numbers(0) ?? [];
  if (chosen === undefined) {
    const expected = 'a condition that constants and shapes decide';
    throw node
      .unsupported('its condition is computed at run time', expected, condition.name)
      .with(node.builder.fixable());
  }
  const results = inline(chosen === 0 ? no : yes, []);
  if (results.length < node.node.outputs.length) {
    throw node.error('INVALID_GRAPH', 'If: a branch gives less than the node', {
      expected: `${node.node.outputs.length} outputs`,
      found: `${results.length}`,
    });
  }
  for (const i of node.node.outputs.keys()) node.alias(i, results[i]);
}
