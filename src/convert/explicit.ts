import { BATCH, type Graph, type GraphNode, type StatePair, type Tensor } from '../graph/graph.js';

/** Rows of a cell's weights for each unit. */
const GATES: Readonly<Record<string, number>> = { LSTM: 4, LSTMP: 4, GRU: 3, RNN: 1 };

/** Where a cell has its states: which input begins it, which output is it after the last step. */
const PLACES = [
  { role: 'h', input: 5, output: 1 },
  { role: 'c', input: 6, output: 2 },
] as const;

/**
 * The same graph with the states that cells keep by themselves as pairs of values: run one step at a time, it goes on where
 * it was. Cells of one direction alone.
 */
export function withExplicitStates(graph: Graph): Graph {
  const states: StatePair[] = [...graph.states];
  const nodes = graph.nodes.map((node): GraphNode => {
    if (!Object.hasOwn(GATES, node.op)) return node;
    const inputs = [...node.inputs];
    const outputs = [...node.outputs];
    for (const { role, input, output } of PLACES) {
      const begins = inputs[input] ?? '';
      const initial = graph.tensors.get(begins);
      if ((role === 'c' && !node.op.startsWith('LSTM')) || (begins !== '' && !initial)) continue;
      while (inputs.length <= input) inputs.push('');
      while (outputs.length <= output) outputs.push('');
      inputs[input] = `${node.name}.${role}.before`;
      outputs[output] ||= `${node.name}.${role}.after`;
      const shape = [1, BATCH, sizeOf(node, role, graph.tensors)];
      states.push({
        input: inputs[input],
        output: outputs[output],
        type: 'float32',
        shape,
        ...(initial && { initial: begins }),
      });
    }
    return { ...node, inputs, outputs };
  });
  return { ...graph, nodes, states };
}

/** Numbers of a state: what a cell hands on, or its units. */
function sizeOf({ op, inputs }: GraphNode, role: 'h' | 'c', tensors: ReadonlyMap<string, Tensor>): number {
  const [, rows, handed] = tensors.get(inputs[2])!.shape;
  return role === 'h' ? handed : rows / GATES[op];
}
