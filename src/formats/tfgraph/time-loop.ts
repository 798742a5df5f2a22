import { RivuletError } from '../../errors.js';
import { endsLoop, type Loop } from './loops.js';
import { nodeOf, type Ref, refOf } from './node-def.js';
import { type Place, type Scope, samePlace } from './scope.js';

/**
 * A loop as a walk along time: a counter from 0 on picks the step of each sequence that is read, states go from turn to turn,
 * and what a turn writes is the step of a new sequence. Any other loop is refused.
 */
export interface TimeLoop {
  readonly name: string;
  readonly body: Scope;
  /** How many turns there are, at most, each. */
  readonly bounds: readonly Place[];
  readonly sequences: readonly Sequence[];
  readonly states: readonly State[];
  /** What each turn writes, by variable. */
  readonly written: ReadonlyMap<number, Written>;
}

/** A sequence [T, ...] that is read one step a turn. */
export interface Sequence {
  readonly whole: Place;
  /** From the last step to the first. */
  readonly backwards: boolean;
  /** The step, in the body. */
  readonly step: Ref;
}

export interface State {
  readonly variable: number;
  readonly initial: Place;
  /** The state as the body reads it, and its next value there. */
  readonly input: Ref;
  readonly next: Place;
}

export interface Written {
  readonly value: Place;
  /** Each turn overwrites what the one before wrote: a list of the last step alone. */
  readonly lastOnly: boolean;
}

/**
 * @param visit is called for each node of the body that is looked at.
 * @throws RivuletError `UNSUPPORTED_OPERATOR` where a loop is no walk along time
 */
export function timeLoop(loop: Loop, visit: () => void): TimeLoop {
  return new Reader(loop, visit).read();
}

class Reader {
  private readonly counters = new Set<Ref>();
  /** The same, as the condition calls them. */
  private readonly conditionCounters = new Set<Ref>();
  private readonly body: Scope;
  /** How many turns the condition allows. */
  private readonly limits: Place[] = [];
  /** How many elements arrays have, or were filled before. */
  private readonly filled: Place[] = [];

  constructor(
    private readonly loop: Loop,
    private readonly visit: () => void,
  ) {
    this.body = loop.body;
  }

  read(): TimeLoop {
    const { name, variables } = this.loop;
    const changing = variables.flatMap((variable, i) => {
      const next = this.body.settle(variable.next);
      const same = samePlace(this.body.settle(variable.body), this.body.settle(variable.next));
      return same ? [] : [{ ...variable, i, next }];
    });
    for (const { initial, next, body, condition } of changing) {
      if (!this.counts(initial, next, body)) continue;
      this.counters.add(body);
      this.conditionCounters.add(condition);
    }
    this.limits.push(...this.bounds(this.loop.condition));
    const states: State[] = [];
    const written = new Map<number, Written>();
    for (const { i, initial, next, body } of changing) {
      if (this.counters.has(body)) continue;
      const write = this.writing(initial, next, body);
      if (write) written.set(i, write);
      else states.push({ variable: i, initial, input: body, next });
    }
    const roots = [...states.map(({ next }) => next), ...Array.from(written.values(), ({ value }) => value)];
    const sequences = this.sequences(roots);
    if (sequences.length === 0) throw this.refuse('it reads no sequence');
    return { name, body: this.body, bounds: [...this.limits, ...this.filled], sequences, states, written };
  }

  /** Whether a variable counts the turns: from 0 on, one more each time. */
  private counts(initial: Place, next: Place, input: Ref): boolean {
    const node = next.scope.find(next.ref);
    if (numberOf(initial) !== 0 || !node || !['AddV2', 'Add'].includes(node.op) || node.inputs.length !== 2)
      return false;
    const [a, b] = node.inputs.map((ref) => this.body.settle(ref));
    const self = { scope: this.body, ref: input };
    return (samePlace(a, self) && numberOf(b) === 1) || (samePlace(b, self) && numberOf(a) === 1);
  }

  /** What a turn writes into a list that goes from turn to turn. */
  private writing(initial: Place, next: Place, input: Ref): Written | undefined {
    const node = next.scope.find(next.ref);
    if (node?.op === 'TensorListSetItem') {
      this.body.checkAttributes(node, 'resize_if_index_out_of_bounds');
      const [list, index, value] = node.inputs;
      return this.writtenAt(node.name, list, index, value, input, sizeOf(initial, 'TensorListReserve', 1));
    }
    if (node?.op === 'TensorArrayWriteV3') {
      this.body.checkAttributes(node);
      const [, index, value, flow] = node.inputs;
      return this.writtenAt(node.name, flow, index, value, input, sizeOf(initial, 'TensorArrayV3', 0));
    }
    return undefined;
  }

  private writtenAt(name: string, list: Ref, index: Ref, value: Ref, input: Ref, size: Place | undefined): Written {
    if (!samePlace(this.body.settle(list), { scope: this.body, ref: input })) {
      throw this.refuse('a turn writes more than one step', name);
    }
    const at = this.body.settle(index);
    const counted = at.scope === this.body && this.counters.has(at.ref);
    if (!counted && numberOf(at) !== 0) throw this.refuse('a turn writes another step than its own', name);
    // As long as there are turns; or one element, which each turn overwrites.
    const fits = size && (counted ? this.bounding(size) : numberOf(size) === 1);
    if (!fits) throw this.refuse('a list is of another length than the loop', name);
    return { value: this.body.settle(value), lastOnly: !counted };
  }

  /** Whether a length may be that of the loop: a number that its end is too, or a computed one, which is held to its sequences. */
  private bounding(size: Place): boolean {
    const number = numberOf(size);
    if (number === undefined) this.filled.push(size);
    return number === undefined || this.limits.some((limit) => numberOf(limit) === number);
  }

  /** The condition: every counter below a bound. */
  private bounds(condition: Place): Place[] {
    const bounds: Place[] = [];
    const parts = new Map<Ref, Scope>([[condition.ref, condition.scope]]);
    // What is found on the way is walked too.
    for (const [part, within] of parts) {
      const { scope, ref } = within.settle(part);
      const node = scope.find(ref);
      if (node?.op === 'LogicalAnd') {
        for (const input of node.inputs) parts.set(input, scope);
        continue;
      }
      const [counter, bound] = node?.op === 'Less' ? node.inputs.map((input) => scope.settle(input)) : [];
      const counted = counter?.scope === scope && this.conditionCounters.has(counter.ref);
      if (!counted || !bound || (bound.scope === scope && numberOf(bound) === undefined)) {
        throw this.refuse('its end is computed', node?.name);
      }
      bounds.push(bound);
    }
    return bounds;
  }

  /** The sequences of which what is computed reads steps. */
  private sequences(roots: readonly Place[]): Sequence[] {
    const found: Sequence[] = [];
    const seen = new Set<string>();
    const left = roots.filter(({ scope }) => scope === this.body).map(({ ref }) => ref);
    for (const ref of left) {
      const node = this.body.find(ref);
      if (!node || seen.has(node.name) || this.isArgument(ref)) continue;
      seen.add(node.name);
      this.visit();
      if (endsLoop(node)) throw this.refuse('it holds another loop', node.name);
      const step = this.stepOf(node.op, node.inputs, node.name);
      if (step) {
        found.push({ ...step, step: refOf(node.name) });
        continue;
      }
      for (const input of node.inputs) {
        const place = this.body.settle(input);
        if (place.scope === this.body) left.push(place.ref);
      }
    }
    return found;
  }

  private isArgument(ref: Ref): boolean {
    return this.loop.variables.some(({ body }) => body === ref);
  }

  private stepOf(op: string, inputs: readonly Ref[], name: string): Omit<Sequence, 'step'> | undefined {
    const reads = op === 'TensorListGetItem' || op === 'TensorArrayReadV3';
    if (!reads) return undefined;
    this.body.checkAttributes(this.body.node(refOf(name)), 'dtype');
    const [list, index] = op === 'TensorListGetItem' ? inputs : [inputs[2], inputs[1]];
    const at = this.body.settle(index);
    if (at.scope !== this.body || !this.counters.has(at.ref))
      throw this.refuse('a turn reads another step than its own', name);
    const { scope, ref } = this.body.settle(list);
    const maker = scope === this.body ? undefined : scope.find(ref);
    const whole =
      maker?.op === 'TensorListFromTensor'
        ? maker.inputs[0]
        : maker?.op === 'TensorArrayScatterV3'
          ? maker.inputs[2]
          : undefined;
    if (!maker || whole === undefined) throw this.refuse('a turn reads what is no sequence', name);
    scope.attributes(maker).end();
    // An array may be filled in any order; here it is from the first element to the last.
    if (maker.op === 'TensorArrayScatterV3') {
      const limit = countedTo(scope.settle(maker.inputs[1]));
      if (!limit) throw this.refuse('an array is filled in another order than its own', name);
      this.filled.push(limit);
    }
    const place = scope.settle(whole);
    const turned = reversed(place, 0);
    return turned ? { whole: turned, backwards: true } : { whole: place, backwards: false };
  }

  private refuse(what: string, node?: string): RivuletError {
    return new RivuletError('UNSUPPORTED_OPERATOR', `While: ${what}`, {
      file: this.body.file,
      node: this.loop.name,
      expected: 'a loop over the steps of a sequence',
      found: node && nodeOf(refOf(node)),
      hint: 'Convert the Keras model to a layers model, or save it as .keras or .h5',
    });
  }
}

/** How many elements a list or array was made for; undefined where an operator of another name made it. */
function sizeOf({ scope, ref }: Place, op: string, input: number): Place | undefined {
  const node = scope.find(ref);
  return node?.op === op && node.inputs.length > input ? scope.settle(node.inputs[input]) : undefined;
}

/** n, where a value is 0, 1, ... n - 1. */
export function countedTo({ scope, ref }: Place): Place | undefined {
  const node = scope.find(ref);
  if (node?.op !== 'Range' || scope.integer(node.inputs[0]) !== 0 || scope.integer(node.inputs[2]) !== 1)
    return undefined;
  return scope.settle(node.inputs[1]);
}

/** What a value is the reverse of, along an axis. */
export function reversed({ scope, ref }: Place, axis: number): Place | undefined {
  const node = scope.find(ref);
  if (node?.op !== 'ReverseV2' || node.inputs.length !== 2 || numberOf({ scope, ref: node.inputs[1] }) !== axis)
    return undefined;
  scope.attributes(node).end();
  return scope.settle(node.inputs[0]);
}

export const numberOf = ({ scope, ref }: Place): number | undefined => scope.integer(ref);

/** Functions of single numbers, which leave axes where they are. */
const POINTWISE: ReadonlySet<string> = new Set([
  ...['Cast', 'Mul', 'Add', 'AddV2', 'Sub', 'RealDiv', 'BiasAdd', 'Relu', 'Tanh', 'Select', 'SelectV2'],
]);

/** The placeholder, and its axis, along which a sequence [T, ...] goes, as far as it can be told. */
export function timeAxis(whole: Place): { ref: Ref; axis: number } | undefined {
  let { scope, ref } = whole;
  let axis = 0;
  // Each step is to a node not met before, or the nodes form a cycle.
  for (let steps = 0; steps <= scope.nodes.size; steps++) {
    const node = scope.find(ref);
    if (node?.op === 'Placeholder') return { ref, axis };
    let next: Ref | undefined;
    if (node?.op === 'Transpose') {
      axis = scope.integers(node.inputs[1])?.[axis] ?? -1;
      next = axis < 0 ? undefined : node.inputs[0];
    } else if (node?.op === 'GatherV2' || node?.op === 'ResourceGather') {
      next = scope.constant(node.inputs[0]) && node.inputs[1];
    } else if (node && POINTWISE.has(node.op)) {
      // What a condition chooses, not the condition.
      const values = node.op.startsWith('Select') ? node.inputs.slice(1) : node.inputs;
      next = values.find((input) => !scope.constant(input));
    }
    if (next === undefined) return undefined;
    ({ scope, ref } = scope.settle(next));
  }
  return undefined;
}
