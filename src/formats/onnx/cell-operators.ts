import type { AttributeValue } from '../../graph/graph.js';
import { elementCount } from '../../graph/tensor.js';
import { type Length, mark, numberOf, pin, pinAll, resolve, showLengths, unify } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import { sliced } from './moves.js';
import { integersOf } from './tensors.js';

/** LSTM, GRU and RNN: they say which axes are time and batch, and which values are states. */

/** An initial state that comes from elsewhere in the graph, and the final one that would be its next value. */
export interface InitialState {
  node: string;
  value: Value;
  final: Value;
}

const GATES: Record<string, number> = { LSTM: 4, GRU: 3, RNN: 1 };

export function cell(node: NodeContext, initialStates: InitialState[]): void {
  const op = node.node.op;
  const attributes = node.rest();
  checkParameters(node, attributes);
  const batchFirst = attributes.layout === 1;
  const inputs = node.inputs();
  const [x, w, r] = [node.input(0), node.input(1), node.input(2)];
  const directions = attributes.direction === 'bidirectional' ? 2 : 1;
  const rows = w.shape?.[1];
  const hidden = numberOr(attributes.hidden_size, rows === undefined ? undefined : (numberOf(rows) ?? 0) / GATES[op]);
  for (const weights of [w, r]) if (weights.shape) pinAll(weights.shape);
  const known = x.shape?.length === 3 && hidden !== undefined ? x.shape : undefined;
  const [time, batch] = known ? (batchFirst ? [known[1], known[0]] : [known[0], known[1]]) : [];
  const outputs = new Array<Value | undefined>(op === 'LSTM' ? 3 : 2).fill(undefined);
  const give = (i: number, shape: Length[] | undefined) => {
    outputs[i] = node.give(i, { type: 'float32', shape });
    return outputs[i];
  };
  if (!known || time === undefined || batch === undefined || hidden === undefined) {
    for (const i of node.node.outputs.keys()) give(i, undefined);
    node.emit(op, inputs, outputs, attributes);
    return;
  }
  mark(time, 'T');
  mark(batch, 'N');
  pin(known[2]);
  const stateShape = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const y = node.wants(0)
    ? give(
        0,
        batchFirst ? [time, batch, directions, hidden].toSpliced(0, 2, batch, time) : [time, directions, batch, hidden],
      )
    : undefined;
  // A final state may be wanted by what selects the last step, which comes later.
  const final = give(1, stateShape)!;
  const cellState = op === 'LSTM' ? give(2, stateShape) : undefined;
  if (inputs[4] && coversAll(node, inputs[4], time)) inputs[4] = undefined;
  // Past the end of its sequence the output is 0, so the last step is the final state only where all have all steps.
  if (inputs[4]?.shape?.length === 1) unify(batch, inputs[4].shape[0]);
  else if (y && !inputs[4] && directions === 1 && attributes.direction !== 'reverse') y.last = () => final;
  for (const [i, state] of [
    [5, final],
    [6, cellState],
  ] as const) {
    const initial = inputs[i];
    if (!initial || !state) continue;
    inputs[i] = initialState(node, initial, stateShape, batchFirst);
    if (inputs[i] && !inputs[i].constant) initialStates.push({ node: node.name, value: inputs[i], final: state });
  }
  while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
  node.emit(op, inputs, outputs, attributes);
}

/** The functions that take an alpha or a beta, in lower case, and of those the ones that are nothing without. */
const PARAMETERS = {
  activation_alpha: {
    takers: ['affine', 'elu', 'hardsigmoid', 'leakyrelu', 'scaledtanh', 'thresholdedrelu'],
    needed: ['affine', 'scaledtanh', 'thresholdedrelu'],
  },
  activation_beta: { takers: ['affine', 'hardsigmoid', 'scaledtanh'], needed: ['scaledtanh'] },
} as const;

/** Refuses an alpha or beta left out where ONNX leaves it to the operator's default, and onnxruntime's cells take 0. */
function checkParameters(node: NodeContext, attributes: Record<string, AttributeValue>): void {
  const listOf = (name: string) => [attributes[name] ?? []].flat();
  for (const [name, { takers, needed }] of Object.entries(PARAMETERS)) {
    const isOf = (functions: readonly string[]) => (one: unknown) => functions.includes(String(one).toLowerCase());
    const asked = listOf('activations').filter(isOf(takers));
    const given = listOf(name).length;
    const missing = asked.slice(given).find(isOf(needed));
    if (missing === undefined) continue;
    throw node.error('UNSUPPORTED_ATTRIBUTE', `${node.node.op}: ${missing} without its ${name}`, {
      expected: `a number for each of ${asked.join(', ')}`,
      found: `${given}`,
      hint: 'Write it in the file: what it is where it is left out, runtimes do not agree',
    });
  }
}

const numberOr = (value: unknown, fallback: number | undefined) => (typeof value === 'number' ? value : fallback);

/** Whether sequence_lens says what goes without saying: every sequence has all steps. */
function coversAll({ builder }: NodeContext, lengths: Value, time: Length): boolean {
  const steps = resolve(time);
  if (lengths.constant) builder.spend(elementCount(lengths.constant.shape));
  const all = lengths.items ?? (lengths.constant && integersOf(lengths.constant));
  if (lengths.fill !== undefined) return lengths.fill === numberOf(steps);
  if (!all || all.length === 0) return false;
  return (
    all.every((length) => resolve(length) === steps || numberOf(length) === numberOf(steps)) &&
    numberOf(steps) !== undefined
  );
}

/** Zeros are what a cell begins with anyway; a constant state is that of every sequence. */
function initialState(node: NodeContext, initial: Value, shape: Length[], batchFirst: boolean): Value | undefined {
  if (node.builder.isZero(initial)) return undefined;
  const { constant } = initial;
  if (!constant) {
    // A state from outside has the shape that the cell gives it.
    if (initial.shape?.length === 3) for (const [axis, length] of shape.entries()) unify(length, initial.shape[axis]);
    return initial;
  }
  const axis = batchFirst ? 0 : 1;
  const sequences = constant.shape[axis];
  if (constant.shape.length !== 3 || sequences === 1) return initial;
  const name = node.builder.fresh(`${constant.name}.first`);
  const one = constant.shape.map((length, a) => (a === axis ? 1 : length));
  const part = (at: number) => node.builder.move(name, [initial], one, ([from]) => sliced(from, axis, at, 1, 1))!;
  const first = part(0);
  for (let at = 1; at < sequences; at++) {
    if (part(at).constant!.bytes.every((byte, i) => byte === first.constant!.bytes[i])) continue;
    throw node.unsupported(
      'initial states that differ from sequence to sequence',
      'one for all',
      showLengths(constant.shape),
      'Export the model with zero initial states, or with one sequence',
    );
  }
  return first;
}
