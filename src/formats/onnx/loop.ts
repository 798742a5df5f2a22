import { type Length, mark, numberOf, resolve, showLengths, unify } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import type { Inline } from './control.js';
import { tensorOf } from './fold.js';
import { type Begun, beginState, carry, stacked, stepOf } from './step.js';

/**
 * Loop: where it takes a sequence apart, a turn for each step, it is a Scan in other words. Its number of turns is the length of
 * a sequence, of which the body reads the element at the number of the turn; nothing else depends on that number.
 */
export function loop(node: NodeContext, inline: Inline): void {
  const body = node.graph('body');
  node.end();
  const states = node.node.inputs.length - 2;
  const outputs = body.outputs.length - 1 - states;
  const given = node.node.outputs.length;
  if (states < 0 || outputs < 0 || body.inputs.length !== states + 2 || given > states + outputs) {
    throw node.error('INVALID_GRAPH', 'Loop: inputs and outputs are not those of its body', {
      expected: `${body.inputs.length} inputs, ${body.outputs.length - 1} outputs`,
      found: `${states + 2} inputs, ${given} outputs`,
    });
  }
  const turns = { count: turnsOf(node), reads: false };
  const turn: Value = { name: node.builder.fresh(`${node.name}.turn`), type: 'int64', shape: [], turn: turns };
  const always = node.builder.constant(tensorOf(node.builder.fresh(`${node.name}.condition`), 'bool', [1], []));
  if (node.has(1)) expectTrue(node, node.input(1));
  for (const value of [turn, always]) node.builder.values.set(value.name, value);
  const begun = Array.from({ length: states }, (_, i): Pick<Begun, 'input'> & Partial<Begun> => {
    const initial = node.input(2 + i);
    return initial.list ? { input: beginList(node, initial) } : beginState(node, initial, false);
  });
  const [goesOn, ...made] = inline(body, [turn, always, ...begun.map(({ input }) => input)]);
  expectTrue(node, goesOn);
  if (!turns.reads) throw notSteps(node, 'no sequence that is read by the number of the turn');
  for (const [i, { input, initial, output }] of begun.entries()) {
    if (output) carry(node, { input, initial, output }, made[i], i);
    else endList(node, input, made[i], i);
  }
  for (let i = states; i < states + outputs; i++) {
    if (node.wants(i)) node.builder.define(node.node.outputs[i], stacked(node, made[i], 0, node.node.outputs[i]));
  }
}

/** The number of turns: an axis of time, or the number that the file gives one. */
function turnsOf(node: NodeContext): Length {
  const [turns] = (node.has(0) && (node.input(0).items ?? node.numbers(0))) || [];
  if (turns === undefined) throw notSteps(node, node.has(0) ? node.input(0).name : 'no number of turns');
  mark(turns, 'T');
  const known = resolve(turns);
  if (typeof known !== 'number' && known.role !== 'T') throw notSteps(node, showLengths([turns]));
  return known;
}

const notSteps = (node: NodeContext, found: string) =>
  node.unsupported(
    'its turns are not the steps of a sequence',
    'as many turns as a sequence has steps',
    found,
    'Export the model with LSTM, GRU or RNN nodes, or with Scan',
  );

function expectTrue(node: NodeContext, condition: Value): void {
  if (condition.constant?.bytes.length === 1 && condition.constant.bytes[0] === 1) return;
  throw node.unsupported('its condition is computed', 'a condition that is always true', condition.name);
}

/** The rank of what operators make of the number of a turn that leave it what it is; undefined for others. */
function rankAfter(node: NodeContext, turn: Value): number | undefined {
  const rank = turn.shape!.length;
  switch (node.node.op) {
    case 'Identity':
    case 'Cast':
      return rank;
    case 'Unsqueeze':
      return rank + (node.integers('axes') ?? node.numbers(1) ?? []).length;
    case 'Squeeze':
      return 0;
    case 'Reshape':
      return node.find(1)?.items?.length;
    default:
      return undefined;
  }
}

/** A node that reads the number of the turn: it finds the step of a sequence, and is refused otherwise. False for any other. */
export function atTurn(node: NodeContext): boolean {
  const at = node.inputs().findIndex((input) => input?.turn !== undefined);
  if (at < 0) return false;
  const turn = node.input(at);
  const rank = at === 0 ? rankAfter(node, turn) : undefined;
  if (rank !== undefined && rank <= 1) {
    const [output] = node.node.outputs;
    node.builder.define(output, { ...turn, name: output, shape: rank === 0 ? [] : [1] });
    return true;
  }
  if (at !== 1 || node.node.op !== 'Gather') {
    throw node.unsupported('the number of a turn is computed with', 'an index of sequences alone', turn.name);
  }
  const x = node.input(0);
  const given = node.integer('axis', 0);
  node.end();
  if (!x.shape) throw node.shapeless(x);
  const axis = node.axis(given, x.shape.length);
  const { count } = turn.turn!;
  const length = x.shape[axis];
  const fits = typeof count === 'number' ? numberOf(length) === count : unify(length, count) !== undefined;
  if (!fits) throw notSteps(node, showLengths([length]));
  const step = stepOf(node, x, axis, false);
  turn.turn!.reads = true;
  if (turn.shape!.length === 0) {
    node.alias(0, step);
    return true;
  }
  const shape = step.shape!.toSpliced(axis, 0, 1);
  node.emit('Reshape', [step], [node.give(0, { type: step.type, whole: step.whole, shape })], {}, { reshapes: true });
  return true;
}

// ---- Lists --------------------------------------------------------------------------------------------------------

/** SequenceEmpty: a list that a Loop may fill. */
export function sequenceEmpty(node: NodeContext): void {
  node.ignore('dtype');
  node.end();
  node.give(0, { type: 'float32', list: {} });
}

/** SequenceInsert: a list with one value more, at its end. */
export function sequenceInsert(node: NodeContext): void {
  node.end();
  const [list, item] = [node.input(0), node.input(1)];
  if (!list.list || list.list.item || node.has(2)) {
    throw node.unsupported('any list', 'one that grows at its end, by one value in each turn of a Loop', list.name);
  }
  node.give(0, { type: item.type, list: { before: list, item } });
}

/** ConcatFromSequence: what each turn of a Loop put into a list, side by side. */
export function concatFromSequence(node: NodeContext): void {
  const given = node.integer('axis', Number.NaN);
  const isNew = node.integer('new_axis', 0) === 1;
  node.end();
  const list = node.input(0);
  const step = list.list?.step;
  if (!step?.shape) throw node.unsupported('any list', 'one that a Loop made, a value in each turn', list.name);
  const axis = node.axis(given, step.shape.length + Number(isNew));
  const [output] = node.node.outputs;
  if (isNew) {
    node.builder.define(output, stacked(node, step, axis, output));
    return;
  }
  if (numberOf(step.shape[axis]) !== 1) {
    throw node.unsupported('several elements of a turn', 'one for each step', showLengths(step.shape));
  }
  const name = node.builder.fresh(`${step.name}.item`);
  const item: Value = { name, type: step.type, whole: step.whole, shape: step.shape.toSpliced(axis, 1) };
  node.builder.values.set(name, item);
  node.emit('Reshape', [node.builder.materialize(step, { node: node.name })], [item], {}, { reshapes: true });
  node.builder.define(output, stacked(node, item, axis, output));
}

/** A list as the body reads it. */
function beginList(node: NodeContext, initial: Value): Value {
  if (initial.list!.item || initial.list!.step)
    throw node.unsupported('a list that holds something', 'an empty one', initial.name);
  const input: Value = { name: node.builder.fresh(`${node.name}.list`), type: initial.type, list: {} };
  node.builder.values.set(input.name, input);
  return input;
}

function endList(node: NodeContext, begun: Value, made: Value, i: number): void {
  if (made.list?.before !== begun) throw node.unsupported('a list', 'one value more in each turn', made.name);
  node.give(i, { type: made.type, list: { step: made.list.item! } });
}
