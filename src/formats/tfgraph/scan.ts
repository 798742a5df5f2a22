import { floatTensor } from '../constants.js';
import type { OnnxGraph, OnnxValueInfo } from '../onnx/model.js';
import { type Cell, cellOf } from './cells.js';
import type { Loop, Scanned } from './loops.js';
import type { Ref } from './node-def.js';
import { type Place, samePlace } from './scope.js';
import { type Sequence, type TimeLoop, timeAxis, timeLoop, type Written } from './time-loop.js';
import { GraphWriter, type NodeWriter } from './writer.js';

/**
 * Writes a loop over time: the cell that it is, or a Scan of its body.
 * @param node the node that asks for what the loop gives; it stands in the graph around the loop.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` where the loop is none over time
 */
export function writeLoop(loop: Loop, node: NodeWriter): Scanned {
  const time = timeLoop(loop, () => node.graph.shared.visit());
  for (const { whole } of time.sequences) {
    const { ref, axis } = timeAxis(whole) ?? {};
    if (ref !== undefined && axis !== undefined) node.graph.shared.times.set(ref, axis);
  }
  const cell = cellOf(time, node.graph.shared.linear);
  return cell ? writeCell(time, cell, node) : writeScan(time, node);
}

/** A sequence, as far as the loop goes. */
function bounded({ whole }: Sequence, { bounds, name }: TimeLoop, node: NodeWriter): string {
  return bounds.reduce((x, bound) => upTo(x, bound, node), node.graph.value(whole, name));
}

/** `x[:bound]`, which is x itself where the bound is the number of its steps. Whether it is, who follows lengths decides. */
export function upTo(x: string, bound: Place, node: NodeWriter): string {
  const end = node.step('Reshape', [node.graph.value(bound, node.name), node.list([1], 'one')]);
  const [zero, one] = [node.list([0], 'start'), node.list([1], 'step')];
  return node.step('Slice', [x, zero, end, zero, one]);
}

function writeCell(time: TimeLoop, cell: Cell, node: NodeWriter): Scanned {
  const { graph } = node;
  const { shared } = graph;
  const [sequence] = time.sequences;
  const { op, hidden, inputs, attributes, states } = cell;
  const label = (what: string) => shared.fresh(`${time.name}/${what}`);
  const weights = (what: string, data: Float32Array, shape: number[]) =>
    shared.constant(floatTensor(label(what), data, shape));
  const gates = cell.r.length / hidden / hidden;
  const initial = states.map((state) => node.step('Unsqueeze', [graph.value(state.initial, time.name)], { axes: [0] }));
  const [y, ...finals] = ['Y', 'Y_h', 'Y_c'].slice(0, states.length + 1).map(label);
  graph.add(
    op,
    label(op),
    [
      bounded(sequence, time, node),
      weights('W', cell.w, [1, gates * hidden, inputs]),
      weights('R', cell.r, [1, gates * hidden, hidden]),
      weights('B', cell.b, [1, 2 * gates * hidden]),
      '',
      ...initial,
    ],
    [y, ...finals],
    { hidden_size: hidden, ...attributes, ...(sequence.backwards ? { direction: 'reverse' } : {}) },
  );
  const last = states.map(({ variable }, i): [number, string] => [
    variable,
    node.step('Squeeze', [finals[i]], { axes: [0] }),
  ]);
  const all = node.step('Squeeze', [y], { axes: [1] });
  const each = (value: string, wanted: (written: Written) => boolean) =>
    new Map(
      [...time.written].flatMap(([variable, one]): [number, string][] => (wanted(one) ? [[variable, value]] : [])),
    );
  return {
    last: new Map(last),
    lastStep: each(last[0][1], () => true),
    steps: each(all, isWhole),
    backwards: sequence.backwards,
  };
}

const isWhole = ({ lastOnly }: Written) => !lastOnly;

function writeScan(time: TimeLoop, node: NodeWriter): Scanned {
  const { graph } = node;
  const { shared } = graph;
  if (time.sequences.some(({ backwards }) => backwards)) {
    throw node.unsupported('a loop that runs backwards around what is no LSTM, GRU or RNN', 'forwards', time.name);
  }
  const label = (what: string) => shared.fresh(`${time.name}/${what}`);
  const states = time.states.map((state) => ({ ...state, name: label('state'), after: label('next') }));
  const sequences = time.sequences.map((sequence) => ({ ...sequence, name: label('step') }));
  const given = new Map<Ref, string>([
    ...states.map(({ input, name }): [Ref, string] => [input, name]),
    ...sequences.map(({ step, name }): [Ref, string] => [step, name]),
  ]);
  const body = new GraphWriter(shared, time.body, given, graph);
  // What ONNX's graphs give is made by their own nodes.
  const out = (place: Place, what: string): string => {
    const name = label(what);
    body.add('Identity', name, [body.value(place, time.name)], [name]);
    return name;
  };
  const nexts = states.map(({ next }) => out(next, 'after'));
  const writes = [...time.written].map(([variable, { value }]) => ({
    variable,
    value,
    name: out(value, 'written'),
    steps: label('steps'),
  }));
  body.finish();
  const info = (name: string): OnnxValueInfo => ({ name, type: 1 });
  const inner: OnnxGraph = {
    name: time.name,
    nodes: body.nodes,
    initializers: [],
    inputs: [...states, ...sequences].map(({ name }) => info(name)),
    outputs: [...nexts, ...writes.map(({ name }) => name)].map(info),
    sparse: [],
  };
  graph.add(
    'Scan',
    label('Scan'),
    [
      ...states.map(({ initial }) => graph.value(initial, time.name)),
      ...sequences.map((sequence) => bounded(sequence, time, node)),
    ],
    [...states.map(({ after }) => after), ...writes.map(({ steps }) => steps)],
    { body: { graph: inner }, num_scan_inputs: sequences.length },
  );
  const lastStep = writes.flatMap(({ variable, value }): [number, string][] => {
    const state = states.find(({ next }) => samePlace(next, value));
    return state ? [[variable, state.after]] : [];
  });
  const whole = writes.filter(({ variable }) => isWhole(time.written.get(variable)!));
  return {
    last: new Map(states.map(({ variable, after }) => [variable, after])),
    steps: new Map(whole.map(({ variable, steps }) => [variable, steps])),
    backwards: false,
    lastStep: new Map(lastStep),
  };
}
