import { RivuletError } from '../errors.js';
import { checkGraph } from '../graph/check.js';
import type { Graph } from '../graph/graph.js';
import type { Operators } from '../ops/operator.js';
import { givenTypes, inferNode, operatorOf } from './infer.js';
import { makePlan } from './plan.js';

/**
 * Every reason why a graph does not run, in the order of its nodes; none where it does. A node that reads what a refused one
 * makes is looked at as far as can be without that value's shape.
 */
export function surveyGraph(graph: Graph, operators: Operators): RivuletError[] {
  const whole = refusalOf(() => makePlan(graph, operators));
  if (!whole) return [];
  const problems: RivuletError[] = [];
  const first = refusalOf(() => {
    const types = givenTypes(graph);
    for (const node of checkGraph(graph)) {
      const isKnown = node.inputs.every((name) => name === '' || types.has(name));
      const problem = refusalOf(() => {
        if (isKnown) inferNode(node, types, graph, operators);
        else operatorOf(node, operators);
      });
      if (problem) problems.push(problem);
    }
  });
  // What the planner meets first may lie outside the nodes, or behind the finding of shapes.
  const seen = problems.some(({ message }) => message === whole.message);
  return seen || first ? [...(first ? [first] : []), ...problems] : [whole, ...problems];
}

function refusalOf(work: () => void): RivuletError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
}
