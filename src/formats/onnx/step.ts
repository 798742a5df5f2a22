import { Axis, type Length, mark, numberOf, pin, resolve, showLengths } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';

/** The graph of one step, which the bodies of Scan and Loop are: what comes in, what is carried, what leaves. */

export interface Begun {
  input: Value;
  initial?: Value | undefined;
  output(next: Value, name: string): Value;
}

/** A state as the body reads it. */
export function beginState(node: NodeContext, initial: Value, batched: boolean): Begun {
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
export function stepOf(node: NodeContext, x: Value, given: number, batched: boolean): Value {
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

/** Carries a state from what a step reads to what it makes, under the name of the node's output `i`. */
export function carry(node: NodeContext, { input, initial, output }: Begun, next: Value, i: number): void {
  if (next.shape?.length === input.shape?.length) input.shape = next.shape;
  // Under a name of its own: the state after the last step is an output, or goes on to other nodes.
  const last = output(next, node.node.outputs[i] ?? '');
  const { builder } = node;
  // A constant of its own: the cell that keeps the state may want it in another shape.
  const begins = initial?.constant ? { ...initial, name: builder.fresh(`${node.name}.initial`) } : initial;
  builder.carried.push({ node: node.name, initial: begins, input, next, output: last });
}

/** What each step made, as a sequence. */
export function stacked(node: NodeContext, step: Value, given: number, name: string): Value {
  if (!step.shape) throw node.shapeless(step);
  const axis = node.axis(given, step.shape.length + 1);
  const time = new Axis('');
  time.role = 'T';
  const shape = [...step.shape.slice(0, axis), time, ...step.shape.slice(axis)];
  const value = node.builder.materialize(step, { node: node.name });
  const steps: Value = { name, type: 'float32', whole: step.whole, shape };
  node.emit('TimeStack', [value], [steps], { axis });
  return steps;
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
export function reshaped(node: NodeContext, x: Value, shape: Length[], name: string): Value {
  const y: Value = { ...x, name, shape };
  node.builder.values.set(name, y);
  node.emit('Reshape', [x], [y], {}, { reshapes: true });
  return y;
}
