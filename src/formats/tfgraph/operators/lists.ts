import { endsLoop, type Scanned } from '../loops.js';
import { nodeOf, refOf } from '../node-def.js';
import { upTo, writeLoop } from '../scan.js';
import type { Place } from '../scope.js';
import { countedTo } from '../time-loop.js';
import { NodeWriter } from '../writer.js';
import type { Operator } from './registry.js';

/** Loops, and the lists of what their turns wrote. */

/** What a loop gives, and which of its variables is meant. */
interface Result {
  scanned: Scanned;
  variable: number;
}

/** The result of the loop that made a value; the loop is written when it is first asked for. Undefined where none made it. */
function resultOf(node: NodeWriter, place: Place): Result | undefined {
  const maker = place.scope.find(place.ref);
  if (!maker || !endsLoop(maker)) return undefined;
  const { shared } = node.graph;
  const { loop, variable } = shared.loops.outputOf(place);
  // What belongs to the loop is called after it.
  const own = { name: loop.name, op: 'While', inputs: [], attributes: new Map() };
  const scanned = shared.scanned.get(loop) ?? writeLoop(loop, new NodeWriter(node.graph, own));
  shared.scanned.set(loop, scanned);
  return { scanned, variable };
}

/** The states of a While after its last turn. */
function whileLoop(node: NodeWriter): void {
  const { scope, graph } = node;
  const result = resultOf(node, { scope, ref: refOf(node.node.name) });
  for (const [variable, last] of result!.scanned.last) {
    graph.add('Identity', `${node.name}/${variable}`, [last], [node.output(variable)]);
  }
  graph.leave(node);
}

/** The same of a loop among other nodes, one by one. */
function exit(node: NodeWriter): void {
  node.attributes.end();
  const { scanned, variable } = resultOf(node, { scope: node.scope, ref: refOf(node.node.name) })!;
  const last = scanned.last.get(variable);
  if (last === undefined) node.graph.leave(node);
  else node.give('Identity', [last]);
}

/** Lists, by the operator that makes one value of them: which input the list is. */
const STACKS: ReadonlyMap<string, number> = new Map([
  ['TensorListStack', 0],
  ['TensorArrayGatherV3', 2],
]);

/** What the loop gives whose steps a value is; undefined where it is anything else. */
function stepsOf(node: NodeWriter, place: Place): Result | undefined {
  const maker = place.scope === node.scope ? place.scope.find(place.ref) : undefined;
  const input = maker && STACKS.get(maker.op);
  const list = input === undefined ? undefined : maker?.inputs[input];
  return list === undefined ? undefined : resultOf(node, node.scope.settle(list));
}

/** Whether a value is the whole of a list: an array may be gathered in part. */
const isList = (node: NodeWriter, { scope, ref }: Place): boolean =>
  scope === node.scope && scope.find(ref)?.op === 'TensorListStack';

/** What the turns of a loop wrote, as one value. */
function stack(node: NodeWriter): void {
  const { op } = node.node;
  node.attributes.ignore('num_elements', 'dtype');
  node.attributes.shape('element_shape');
  node.attributes.end();
  const result = stepsOf(node, { scope: node.scope, ref: refOf(node.node.name) });
  if (!result) throw node.unsupported('a list that no loop wrote', 'what the turns of a loop wrote', op);
  const { scanned, variable } = result;
  const [steps, last] = [scanned.steps.get(variable), scanned.lastStep.get(variable)];
  if (steps !== undefined) {
    const whole = op === 'TensorListStack' ? steps : gathered(node, steps);
    if (scanned.backwards) turnRound(node, whole, [0]);
    else node.give('Identity', [whole]);
  } else if (last !== undefined) node.give('Unsqueeze', [last], { axes: [0] });
  else throw node.unsupported('a list of which only the last step is kept', 'a state, or every step', op);
}

/** An array may be gathered in any order; here it is from the first element to the last that is asked for. */
function gathered(node: NodeWriter, steps: string): string {
  const limit = countedTo(node.place(1));
  if (!limit) throw node.unsupported('some elements of an array', 'all of them, in their order', nodeOf(node.ref(1)));
  const all = limit.scope.find(limit.ref)?.op === 'TensorArraySizeV3';
  return all ? steps : upTo(steps, limit, node);
}

/** `steps[-1]`, which a loop gives by itself; says whether it is that. */
export function lastStep(node: NodeWriter): boolean {
  const [, begin, , step] = node.node.inputs.map((ref) => node.scope.integers(ref)?.join());
  const others = ['new_axis_mask', 'ellipsis_mask'].map((name) => node.attributes.integer(name, 0));
  const isLast = begin === '-1' && step === '1' && node.attributes.integer('shrink_axis_mask', 0) === 1;
  if (!isLast || others.some((mask) => mask !== 0) || !isList(node, node.place(0))) return false;
  // Of the one index that there is, these say nothing.
  node.attributes.ignore('begin_mask', 'end_mask');
  node.attributes.end();
  const result = stepsOf(node, node.place(0));
  const last = result?.scanned.lastStep.get(result.variable);
  if (last !== undefined) node.give('Identity', [last]);
  return last !== undefined;
}

/** The steps of a loop that goes from the end of a sequence, turned round, possibly with other axes in front; says whether it is that. */
export function turnedSteps(node: NodeWriter, axis: number): boolean {
  const place = node.place(0);
  const maker = place.scope === node.scope ? place.scope.find(place.ref) : undefined;
  const perm = maker?.op === 'Transpose' ? node.scope.integers(maker.inputs[1]) : undefined;
  const list = perm ? node.scope.settle(maker!.inputs[0]) : place;
  const result = isList(node, list) ? stepsOf(node, list) : undefined;
  const steps = result?.scanned.backwards ? result.scanned.steps.get(result.variable) : undefined;
  if (steps === undefined || (perm ? perm[axis] : axis) !== 0) return false;
  if (perm) node.give('Transpose', [steps], { perm });
  else node.give('Identity', [steps]);
  return true;
}

/** Gives a value from the end of its axes to their beginning. */
export function turnRound(node: NodeWriter, x: string, axes: readonly number[]): void {
  const each = (value: number, label: string) =>
    node.list(
      axes.map(() => value),
      label,
    );
  // Before the first element, counted from the end.
  const ends = each(-Number.MAX_SAFE_INTEGER, 'ends');
  node.give('Slice', [x, each(-1, 'starts'), ends, node.list(axes, 'axes'), each(-1, 'steps')]);
}

export const listOperators: readonly (readonly [string, Operator])[] = [
  ['While', whileLoop],
  ['StatelessWhile', whileLoop],
  ['Exit', exit],
  ['TensorListStack', stack],
  ['TensorArrayGatherV3', stack],
];
