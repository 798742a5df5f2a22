import { RivuletError } from '../../errors.js';
import { type GraphDef, type NodeDef, type Nodes, nodeOf, outputOf, type Ref, refOf } from './node-def.js';
import { type Place, Scope, samePlace } from './scope.js';

/**
 * Loops, in the two ways in which TensorFlow writes them, as one thing: `While` with a function for its condition and one
 * for its body; and Enter, Merge, LoopCond, Switch, NextIteration and Exit, which are the same with the nodes of both
 * among all others.
 */

/** What goes from turn to turn. */
export interface LoopVariable {
  /** What it begins with, outside. */
  readonly initial: Place;
  /** What the condition and the body call it. */
  readonly condition: Ref;
  readonly body: Ref;
  /** Its next value, in the body. */
  readonly next: Ref;
}

export interface Loop {
  readonly name: string;
  /** The scope of the condition, and the value that says whether there is another turn. */
  readonly condition: Place;
  readonly body: Scope;
  readonly variables: readonly LoopVariable[];
}

/** An output of a loop: its variable after the last turn. */
export interface LoopOutput {
  readonly loop: Loop;
  readonly variable: number;
}

/** What a loop over time gives, once it is written: names of values, by variable. */
export interface Scanned {
  /** States after the last step. */
  readonly last: ReadonlyMap<number, string>;
  /** What the steps wrote, [T, ...] in the order of the sequence; absent where only the last step is kept. */
  readonly steps: ReadonlyMap<number, string>;
  /** The loop goes from the end of the sequence, and its list is in that order. */
  readonly backwards: boolean;
  /** What the last turn wrote; absent where the loop does not say it. */
  readonly lastStep: ReadonlyMap<number, string>;
}

const WHILE: ReadonlySet<string> = new Set(['While', 'StatelessWhile']);

/** Whether a node's outputs are those of a loop. */
export const endsLoop = ({ op }: NodeDef): boolean => WHILE.has(op) || op === 'Exit';

/** The loops of a graph, each found when one of its outputs is asked for. */
export class Loops {
  private readonly found = new Map<string, Loop>();
  private frames: ReadonlyMap<string, Frame> | undefined;

  constructor(private readonly graph: GraphDef) {}

  /** @throws RivuletError `INVALID_GRAPH` where the parts of a loop are not there */
  outputOf({ scope, ref }: Place): LoopOutput {
    const node = scope.node(ref);
    if (node.op === 'Exit') return this.exit(scope, node);
    const loop = this.remember(scope, node.name, () => this.functional(scope, node));
    return { loop, variable: outputOf(ref) };
  }

  private remember(scope: Scope, name: string, make: () => Loop): Loop {
    const key = scope.prefix + name;
    const loop = this.found.get(key) ?? make();
    this.found.set(key, loop);
    return loop;
  }

  private functional(scope: Scope, node: NodeDef): Loop {
    const attributes = scope.attributes(node);
    const [condition, body] = ['cond', 'body'].map((key) => {
      const name = attributes.function(key);
      const found = this.graph.functions.get(name);
      if (found) return { ...found, name };
      throw malformed(scope, node, 'no function of this name', name);
    });
    attributes.ignore('output_shapes');
    attributes.end();
    const count = node.inputs.length;
    if (condition.inputs.length !== count || body.inputs.length !== count || body.outputs.length !== count) {
      throw malformed(scope, node, 'the functions do not fit its inputs', `${count} inputs`);
    }
    if (condition.outputs.length !== 1) throw malformed(scope, node, 'the condition is not one value', condition.name);
    const variables = node.inputs.map((ref, i) => ({
      initial: scope.settle(ref),
      condition: condition.inputs[i],
      body: body.inputs[i],
      next: body.outputs[i],
    }));
    const { weights, file } = scope;
    const inner = (nodes: Nodes, links: [Ref, Place][]) =>
      new Scope(nodes, weights, file, `${node.name}/`, new Map(links));
    return fixInvariants(
      node.name,
      variables,
      (links) => inner(body.nodes, links),
      (links) => ({ scope: inner(condition.nodes, links), ref: condition.outputs[0] }),
    );
  }

  private exit(scope: Scope, node: NodeDef): LoopOutput {
    this.frames ??= findFrames(scope);
    for (const [name, frame] of this.frames) {
      const variable = frame.variables.findIndex(({ exits }) => exits.has(node.name));
      if (variable >= 0) return { loop: this.remember(scope, name, () => framed(scope, name, frame)), variable };
    }
    throw malformed(scope, node, 'it leaves no loop', node.name);
  }
}

interface FrameVariable {
  readonly enter: NodeDef;
  readonly merge: NodeDef;
  readonly turn: NodeDef;
  readonly next: NodeDef;
  readonly exits: ReadonlySet<string>;
}

/** A loop among the nodes of a graph. */
interface Frame {
  readonly variables: readonly FrameVariable[];
  /** Values that every turn sees. */
  readonly constants: readonly NodeDef[];
  readonly condition: Ref;
}

function push(lists: Map<string, NodeDef[]>, key: string, node: NodeDef): void {
  const list = lists.get(key);
  if (list) list.push(node);
  else lists.set(key, [node]);
}

/** Every loop of a graph, by the name of its frame. */
function findFrames(scope: Scope): ReadonlyMap<string, Frame> {
  const readers = new Map<string, NodeDef[]>();
  const enters = new Map<string, NodeDef[]>();
  for (const node of scope.nodes.values()) {
    if (node.op === 'Enter') {
      const name = scope.attributes(node).text('frame_name') ?? '';
      scope.checkAttributes(node, 'frame_name', 'is_constant');
      push(enters, name, node);
    }
    if (['Merge', 'Switch', 'Exit', 'NextIteration'].includes(node.op)) {
      scope.checkAttributes(node);
      for (const ref of node.inputs) push(readers, nodeOf(ref), node);
    }
  }
  const frames = new Map<string, Frame>();
  for (const [name, list] of enters) {
    const isConstant = (node: NodeDef) => scope.attributes(node).flag('is_constant');
    const variables = list.filter((node) => !isConstant(node)).map((enter) => variableOf(scope, enter, readers));
    const conditions = new Set(variables.map(({ turn }) => turn.inputs[1]));
    const [condition] = conditions;
    const node = condition === undefined ? undefined : scope.find(condition);
    if (conditions.size !== 1 || node?.op !== 'LoopCond' || node.inputs.length !== 1) {
      throw malformed(scope, list[0], 'its variables do not end together', `${conditions.size} conditions`);
    }
    frames.set(name, { variables, constants: list.filter(isConstant), condition: node.inputs[0] });
  }
  return frames;
}

function variableOf(scope: Scope, enter: NodeDef, readers: ReadonlyMap<string, NodeDef[]>): FrameVariable {
  const only = (node: NodeDef, op: string): NodeDef => {
    const found = (readers.get(node.name) ?? []).filter((reader) => reader.op === op);
    if (found.length === 1) return found[0];
    throw malformed(scope, node, `${node.op} and ${op} do not fit`, `${found.length} of ${op}`);
  };
  const merge = only(enter, 'Merge');
  const turn = only(merge, 'Switch');
  const back = merge.inputs.filter((ref) => nodeOf(ref) !== enter.name);
  const next = back.length === 1 ? scope.node(back[0]) : undefined;
  if (next?.op !== 'NextIteration' || next.inputs.length !== 1 || merge.inputs.length !== 2) {
    throw malformed(scope, merge, 'it does not join the first turn and the next', `${merge.inputs.length} inputs`);
  }
  const exits = (readers.get(turn.name) ?? []).filter(({ op, inputs }) => op === 'Exit' && outputOf(inputs[0]) === 0);
  return { enter, merge, turn, next, exits: new Set(exits.map(({ name }) => name)) };
}

function framed(scope: Scope, name: string, frame: Frame): Loop {
  const outside = (enter: NodeDef): Place => {
    if (enter.inputs.length === 1) return scope.settle(enter.inputs[0]);
    throw malformed(scope, enter, 'Enter takes one value', `${enter.inputs.length}`);
  };
  const variables = frame.variables.map(({ enter, merge, turn, next }) => ({
    initial: outside(enter),
    condition: refOf(merge.name),
    body: refOf(turn.name, 1),
    next: next.inputs[0],
  }));
  const constants = frame.constants.map((enter): [Ref, Place] => [refOf(enter.name), outside(enter)]);
  const inner = (links: [Ref, Place][]) =>
    new Scope(scope.nodes, scope.weights, scope.file, scope.prefix, new Map([...constants, ...links]));
  return fixInvariants(name, variables, inner, (links) => ({ scope: inner(links), ref: frame.condition }));
}

/** A loop in whose scopes the variables that never change are what they begin with. */
function fixInvariants(
  name: string,
  variables: readonly LoopVariable[],
  body: (links: [Ref, Place][]) => Scope,
  condition: (links: [Ref, Place][]) => Place,
): Loop {
  const open = body([]);
  const fixed = variables.filter((one) => samePlace(open.settle(one.next), { scope: open, ref: one.body }));
  const links = (key: 'body' | 'condition') => fixed.map((one): [Ref, Place] => [one[key], one.initial]);
  return { name, condition: condition(links('condition')), body: body(links('body')), variables };
}

function malformed(scope: Scope, { op, name }: NodeDef, what: string, found: string): RivuletError {
  return new RivuletError('INVALID_GRAPH', `${op}: ${what}`, { file: scope.file, node: scope.prefix + name, found });
}
