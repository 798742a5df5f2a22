import { Axis, type Length, mark, numberOf, pin, resolve, showLengths } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import type { OnnxGraph } from './model.js';

/** Operators whose attributes are graphs. */

/** Translates a subgraph where it stands, its inputs bound to values, and gives the values of its outputs. */
export type Inline = (graph: OnnxGraph, inputs: readonly Value[]) => Value[];

/** If: the branch that a condition chooses which is known by now; the other one is as if it were not there. */
export function ifElse(node: NodeContext, inline: Inline): void {
  const [yes, no] = [node.graph('then_branch'), node.graph('else_branch')];
  node.end();
  const condition = node.input(0);
  const [chosen] = node.numbers(0) ?? [];
  if (chosen === undefined) {
    throw node.unsupported(
      'its condition is computed at run time',
      'a condition that constants and shapes decide',
      condition.name,
      node.builder.fixable(),
    );
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

/**
 * Scan: its body once, for the step at hand. The axis that is scanned is time, the states are the graph's. Before opset 9 a
 * batch stood in front of everything, which must be of one here.
 */
export function scan(node: NodeContext, inline: Inline): void {
  const body = node.graph('body');
  const count = node.integer('num_scan_inputs', 0);
  const before9 = node.opset < 9;
  const first = before9 ? 1 : 0;
  const all = node.node.inputs.length - first;
  const states = all - count;
  const outputs = body.outputs.length - states;
  const given = node.node.outputs.length;
  if (count < 1 || states < 0 || outputs < 0 || body.inputs.length !== all || given > body.outputs.length) {
    throw node.error('INVALID_GRAPH', 'Scan: inputs and outputs are not those of its body', {
      expected: `${body.inputs.length} inputs, ${body.outputs.length} outputs`,
      found: `${all} inputs, ${given} outputs`,
    });
  }
  const list = (name: string, length: number) => node.integers(name) ?? new Array<number>(length).fill(0);
  const [inputAxes, outputAxes] = [list('scan_input_axes', count), list('scan_output_axes', outputs)];
  const directions = [...list('scan_input_directions', count), ...list('scan_output_directions', outputs)];
  node.end();
  if (inputAxes.length !== count || outputAxes.length !== outputs) {
    throw node.error('INVALID_GRAPH', 'Scan: an axis for each input and output that is scanned', {
      expected: `${count} and ${outputs}`,
      found: `${inputAxes.length} and ${outputAxes.length}`,
    });
  }
  if (before9 && node.has(0)) throw node.unsupported('lengths of sequences', 'none', node.input(0).name);
  if (directions.some((direction) => direction !== 0)) {
    throw node.unsupported('it runs backwards', 'forwards', `directions ${directions.join(', ')}`);
  }
  const begun = Array.from({ length: states }, (_, i) => beginState(node, node.input(first + i), before9));
  const steps = inputAxes.map((axis, i) => stepOf(node, node.input(first + states + i), axis, before9));
  const made = inline(body, [...begun.map(({ input }) => input), ...steps]);
  for (const [i, state] of begun.entries()) {
    // One state that all sequences begin with is each one's own from the first step on.
    if (made[i].shape?.length === state.input.shape?.length) state.input.shape = made[i].shape;
    // Under a name of its own: the state after the last step is an output, or goes on to other nodes.
    const output = state.output(made[i], node.node.outputs[i] ?? '');
    node.builder.carried.push({ node: node.name, initial: state.initial, input: state.input, output });
  }
  for (let i = 0; i < outputs; i++) {
    if (node.wants(states + i)) stack(node, states + i, made[states + i], outputAxes[i], before9);
  }
}

interface Begun {
  input: Value;
  initial?: Value | undefined;
  output(next: Value, name: string): Value;
}

/** A state as the body reads it. */
function beginState(node: NodeContext, initial: Value, batched: boolean): Begun {
  const { builder } = node;
  const shape = batched ? unbatched(node, initial.shape) : initial.shape;
  if (!shape) throw node.shapeless(initial);
  const zero = builder.isZero(initial);
  const input: Value = {
    name: builder.fresh(`${node.name}.state`),
    type: 'float32',
    shape,
    whole: wholeType(initial),
  };
  builder.values.set(input.name, input);
  return {
    input,
    initial: zero ? undefined : initial,
    output(next, name) {
      const own = name === '' || batched ? builder.fresh(name || `${node.name}.next`) : name;
      const last: Value = { name: own, type: 'float32', shape: next.shape, whole: next.whole };
      node.emit('TimeLast', [builder.materialize(next, { node: node.name })], [last]);
      if (name === '') return last;
      if (!batched) {
        builder.define(name, last);
        return last;
      }
      reshaped(node, last, [1, ...(last.shape ?? [])], name);
      return last;
    },
  };
}

/** Integers that the graph will hold as float32. */
const wholeType = ({ type, whole }: Value) => whole ?? (type === 'float32' ? undefined : type);

/** The step at hand of a sequence. */
function stepOf(node: NodeContext, x: Value, given: number, batched: boolean): Value {
  if (!x.shape) throw node.shapeless(x);
  if (x.constant) throw node.unsupported('a constant sequence', 'a computed one', x.name);
  const whole = batched ? reshaped(node, x, unbatched(node, x.shape)!, node.builder.fresh(`${x.name}.first`)) : x;
  const shape = whole.shape!;
  const axis = node.axis(given, shape.length);
  mark(shape[axis], 'T');
  const time = resolve(shape[axis]);
  if (typeof time === 'number' || time.role !== 'T') {
    throw node.unsupported('it does not scan time', 'an axis whose length is free', showLengths(shape));
  }
  const step: Value = {
    name: node.builder.fresh(`${x.name}.step`),
    type: x.type,
    whole: x.whole,
    shape: shape.filter((_, a) => a !== axis),
  };
  node.builder.values.set(step.name, step);
  node.emit('TimeStep', [whole], [step], { axis });
  return step;
}

/** A sequence of what each step made. */
function stack(node: NodeContext, i: number, step: Value, given: number, batched: boolean): void {
  if (!step.shape) throw node.shapeless(step);
  const axis = node.axis(given, step.shape.length + 1);
  const time = new Axis('');
  time.role = 'T';
  const shape = [...step.shape.slice(0, axis), time, ...step.shape.slice(axis)];
  const value = node.builder.materialize(step, { node: node.name });
  const name = batched ? node.builder.fresh(`${step.name}.steps`) : node.node.outputs[i];
  const steps: Value = { name, type: 'float32', whole: step.whole, shape };
  node.emit('TimeStack', [value], [steps], { axis });
  if (batched) reshaped(node, steps, [1, ...shape], node.node.outputs[i]);
  else node.builder.define(name, steps);
}

/** The shape behind a batch of one. */
function unbatched(node: NodeContext, shape: readonly Length[] | undefined): Length[] | undefined {
  if (!shape) return undefined;
  if (shape.length > 0 && numberOf(shape[0]) === 1) {
    pin(shape[0]);
    return shape.slice(1);
  }
  throw node.unsupported('a batch of several sequences before opset 9', 'one', showLengths(shape));
}

/** The value in another shape, under another name. */
function reshaped(node: NodeContext, x: Value, shape: Length[], name: string): Value {
  const y: Value = { ...x, name, shape };
  node.builder.values.set(name, y);
  node.emit('Reshape', [x], [y], {}, { reshapes: true });
  return y;
}

/** Loop: what it does depends on a number of turns, which no stream has. */
export function loop(node: NodeContext): void {
  throw node.unsupported(
    'a loop',
    'Scan, or the cell that the loop makes up',
    'Loop',
    'Export the model with LSTM, GRU or RNN nodes, or with Scan',
  );
}
