import { integerTensor } from '../formats/constants.js';
import { BATCH, type Graph, type GraphNode, type StatePair, type Tensor, TIME } from '../graph/graph.js';
import { ALL_OPERATORS } from '../ops/all.js';
import { readWindows } from '../ops/convolution.js';
import { inferTypes, readerOf, type TypedGraph } from '../plan/infer.js';

/** A node with its states as values, and what else it then needs. */
interface Explicit {
  nodes: GraphNode[];
  states: StatePair[];
  tensors?: Tensor[];
}

/**
 * The same graph with the states that its operators keep by themselves as pairs of values: run one step at a time, it goes on
 * where it was. Of cells of one direction and causal convolutions alone, which are all that stream.
 */
export function withExplicitStates(graph: Graph): Graph {
  const typed = inferTypes(graph, ALL_OPERATORS);
  const parts = graph.nodes.map((node): Explicit => {
    if (Object.hasOwn(GATES, node.op)) return cell(node, graph);
    return (node.op === 'Conv' && convolution(node, typed)) || { nodes: [node], states: [] };
  });
  const tensors = new Map(graph.tensors);
  for (const tensor of parts.flatMap((part) => part.tensors ?? [])) tensors.set(tensor.name, tensor);
  return {
    ...graph,
    tensors,
    nodes: parts.flatMap(({ nodes }) => nodes),
    states: [...graph.states, ...parts.flatMap(({ states }) => states)],
  };
}

/** Rows of a cell's weights for each unit. */
const GATES: Readonly<Record<string, number>> = { LSTM: 4, LSTMP: 4, GRU: 3, RNN: 1 };

/** Where a cell has its states: which input begins it, which output is it after the last step. */
const PLACES = [
  { role: 'h', input: 5, output: 1 },
  { role: 'c', input: 6, output: 2 },
] as const;

function cell(node: GraphNode, { tensors }: Graph): Explicit {
  const inputs = [...node.inputs];
  const outputs = [...node.outputs];
  const states: StatePair[] = [];
  for (const { role, input, output } of PLACES) {
    const begins = inputs[input] ?? '';
    const initial = tensors.get(begins);
    if ((role === 'c' && !node.op.startsWith('LSTM')) || (begins !== '' && !initial)) continue;
    while (inputs.length <= input) inputs.push('');
    while (outputs.length <= output) outputs.push('');
    inputs[input] = `${node.name}.${role}.before`;
    outputs[output] ||= `${node.name}.${role}.after`;
    const shape = [1, BATCH, sizeOf(node, role, tensors)];
    states.push({
      input: inputs[input],
      output: outputs[output],
      type: 'float32',
      shape,
      ...(initial && { initial: begins }),
    });
  }
  return { nodes: [{ ...node, inputs, outputs }], states };
}

/** Numbers of a state: what a cell hands on, or its units. */
function sizeOf({ op, inputs }: GraphNode, role: 'h' | 'c', tensors: ReadonlyMap<string, Tensor>): number {
  const [, rows, handed] = tensors.get(inputs[2])!.shape;
  return role === 'h' ? handed : rows / GATES[op];
}

/** A convolution along time: the steps before that its window sees are the state, in the place of zeros. */
function convolution(node: GraphNode, { graph, types }: TypedGraph): Explicit | undefined {
  const { name, inputs } = node;
  const { shape } = types.get(inputs[0])!;
  const time = shape.indexOf(TIME);
  if (time < 0) return undefined;
  const windows = readWindows(readerOf(node, types, graph), graph.tensors.get(inputs[1])!.shape.slice(2));
  const seen = windows[time - 2].before;
  if (seen === 0) return undefined;
  const [state, next, together] = ['before', 'after', 'together'].map((part) => `${name}.window.${part}`);
  const bound = (part: string, value: number) => integerTensor(`${next}.${part}`, [value], [1]);
  const tensors = [bound('start', 1), bound('end', 1 + seen), bound('axis', time)];
  const { auto_pad: _, ...attributes } = node.attributes;
  const pads = (side: 'before' | 'after') => windows.map((window, axis) => (axis === time - 2 ? 0 : window[side]));
  return {
    nodes: [
      { name: together, op: 'Concat', inputs: [state, inputs[0]], outputs: [together], attributes: { axis: time } },
      {
        ...node,
        inputs: [together, ...inputs.slice(1)],
        attributes: { ...attributes, pads: [...pads('before'), ...pads('after')] },
      },
      {
        name: next,
        op: 'Slice',
        inputs: [together, ...tensors.map((tensor) => tensor.name)],
        outputs: [next],
        attributes: {},
      },
    ],
    states: [{ input: state, output: next, type: 'float32', shape: shape.map((dim) => (dim === TIME ? seen : dim)) }],
    tensors,
  };
}
