import { type ErrorDetails, RivuletError, UNSAID } from '../../errors.js';
import type { AttributeValue, DataType, Tensor } from '../../graph/graph.js';
import { elementCount } from '../../graph/tensor.js';
import { integerTensor } from '../constants.js';
import { type Length, pinAll, resolve, showLengths } from '../lengths.js';
import { tensorOf } from './fold.js';
import type { OnnxGraph, OnnxNode } from './model.js';
import { type Move, moveList, moveTensors } from './moves.js';
import { clampInteger, integersOf, isZero } from './tensors.js';

/** Numbers that may be moved while constants are folded, all together: a hostile file could ask for any amount. */
const MAX_FOLDED_ELEMENTS = 2 ** 24;
/** Lengths that are followed as a list: far more than a shape has. */
export const MAX_ITEMS = 64;

/** A value of the file, and what is known of it before the graph runs. */
export interface Value {
  /** Its name in the graph. */
  name: string;
  type: DataType;
  shape?: Length[] | undefined;
  constant?: Tensor;
  /** The content of a list of lengths or of a scalar, as far as shapes decide it. */
  items?: Length[];
  /** All its elements are this number. */
  fill?: number;
  /** It holds elements of other values in another order. */
  moved?: { inputs: Value[]; move: MoveOf };
  /** It is another value with zeros around it, so many before and behind each axis. */
  padded?: { x: Value; before: number[]; after: number[] };
  /** An input of the file that holds no signal: of integers or truth values, and of no more than one for a sequence. */
  choice?: true;
  /** The number of a Loop's turn: how many there are, and whether a sequence of so many steps was read by it. */
  turn?: { count: Length; reads: boolean };
  /** A list: empty, with an item put into it, or of what every step put into it. */
  list?: { before?: Value; item?: Value; step?: Value };
  /** An input of integers of eight bits: who reads it, operators that compute with such, or others. */
  narrow?: 'nobody' | 'quantised' | 'others';
  /** Integers of this type, which the graph holds as float32. */
  whole?: DataType | undefined;
  /** It is the sequence of a forward cell's states, whose last one is this value. */
  last?: () => Value;
}

/** The move for concrete shapes: those of the inputs, and the result's. */
export type MoveOf = (from: number[][], to: number[]) => Move;

/** The move of operators that change the shape alone. */
export const VIEW: MoveOf = (_, to) => ({ shape: to });

/** A state that a Scan or Loop carries from step to step. */
export interface Carried {
  node: string;
  /** What it begins with: an input of the file, or a constant; absent where that is zeros. */
  initial?: Value | undefined;
  /** The state as a step reads it, and its next value. */
  input: Value;
  next: Value;
  /** The next value after the last step. */
  output: Value;
}

/** A node that the graph will have, if anyone needs it. */
export interface Draft {
  name: string;
  op: string;
  inputs: (Value | undefined)[];
  outputs: (Value | undefined)[];
  attributes: Record<string, AttributeValue>;
  /** A change of shape alone: how it is written is decided when the meaning of every axis is known. */
  reshapes?: boolean;
  /** The operator is none that the reader knows; the planner refuses it. */
  unknown?: boolean;
  /** It does not run, for this reason; it is in order only where nobody needs it, as where a shape alone is read. */
  refusal?: RivuletError;
}

/** What the translation of one node after another makes. */
export class Builder {
  readonly values = new Map<string, Value>();
  readonly drafts: Draft[] = [];
  readonly carried: Carried[] = [];
  /** Refusals of what would have a shape if something before it ran. */
  readonly consequences = new WeakSet<RivuletError>();
  /** An input is of a shape that nobody knows. */
  open = false;
  private readonly names: Set<string>;
  private readonly nodeNames = new Set<string>();
  private readonly suffixes = new Map<string, number>();
  private readonly nodeSuffixes = new Map<string, number>();
  private folded = 0;

  constructor(
    /** Names that the file gives to values; none is made up a second time. */
    names: Iterable<string>,
    readonly file: string | undefined,
    /** Names of what the graph gives. */
    private readonly outputs: ReadonlySet<string> = new Set(),
  ) {
    this.names = new Set(names);
  }

  isOutput(name: string): boolean {
    return this.outputs.has(name);
  }

  /** A name that no value has. */
  fresh(base: string): string {
    return unused(base, this.names, this.suffixes);
  }

  /** Hints at the option that would decide what inputs of the file leave open. */
  fixable(): Pick<ErrorDetails, 'hint' | 'options'> {
    const open = [...this.values.values()].filter(({ choice }) => choice).map(({ name }) => name);
    if (open.length === 0) return {};
    const constants = Object.fromEntries(open.map((name) => [name, UNSAID]));
    return { hint: 'Fix what decides it when loading', options: { constants } };
  }

  nodeName(base: string): string {
    return unused(base, this.nodeNames, this.nodeSuffixes);
  }

  define(name: string, value: Value): void {
    if (this.values.has(name)) {
      throw new RivuletError('INVALID_GRAPH', 'A value is made twice', { file: this.file, tensor: name });
    }
    this.values.set(name, value);
  }

  draft(draft: Omit<Draft, 'name'>, base: string): void {
    this.drafts.push({ ...draft, name: this.nodeName(base) });
  }

  /** A constant, with its content followed where it may be a shape. */
  constant(tensor: Tensor): Value {
    const value: Value = { name: tensor.name, type: tensor.type, shape: tensor.shape, constant: tensor };
    if (tensor.shape.length <= 1 && elementCount(tensor.shape) <= MAX_ITEMS) {
      const items = integersOf(tensor);
      if (items) value.items = items;
    }
    return value;
  }

  /** Elements of inputs in another order: done now where their content is known. Undefined where a node must do it. */
  move(name: string, inputs: Value[], shape: Length[] | undefined, move: MoveOf): Value | undefined {
    const [{ type }] = inputs;
    const numbers = (lengths: readonly Length[] | undefined) => lengths && pinAll(lengths);
    const constants = inputs.flatMap(({ constant }) => constant ?? []);
    if (shape && constants.length === inputs.length && constants.every((constant) => constant.type === type)) {
      const to = numbers(shape);
      if (to) {
        if (move !== VIEW) this.spend(elementCount(to));
        const made = move(
          constants.map((constant) => constant.shape),
          to,
        );
        return this.constant(moveTensors(made, constants, name));
      }
    }
    const items = inputs.flatMap((input) => (input.items ? [input.items] : []));
    if (shape && items.length === inputs.length) {
      const to = numbers(shape);
      const from = inputs.map((input) => numbers(input.shape)!);
      if (to && to.length <= 1 && elementCount(to) <= MAX_ITEMS) {
        return { name, type, shape: to, items: moveList(move(from, to), items) };
      }
    }
    const { fill } = inputs[0];
    if (fill !== undefined && inputs.every((input) => input.fill === fill)) return { name, type, shape, fill };
    return undefined;
  }

  /** Whether a value is known to be zeros. */
  isZero({ constant, fill }: Value): boolean {
    if (!constant) return fill === 0;
    this.spend(elementCount(constant.shape));
    return isZero(constant);
  }

  /** A tensor of equal numbers. */
  filled(name: string, type: DataType, fill: number, shape: number[]): Tensor {
    this.spend(elementCount(shape));
    return tensorOf(name, type, new Array<number>(elementCount(shape)).fill(fill), shape);
  }

  /** Counts elements about to be moved or looked at. */
  spend(elements: number): void {
    this.folded += elements;
    if (this.folded <= MAX_FOLDED_ELEMENTS) return;
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many numbers to compute while loading', {
      file: this.file,
      expected: `at most ${MAX_FOLDED_ELEMENTS}`,
      hint: 'Export the model with its constants folded',
    });
  }

  /** A value as a node's input: content that is known without a node becomes a tensor. */
  materialize(value: Value, where: ErrorDetails): Value {
    if (value.constant) return value;
    if (value.items) {
      const numbers = pinAll(value.items);
      if (!numbers) throw this.unknownContent(value, where);
      value.constant = integerTensor(value.name, numbers, pinAll(value.shape!)!);
    } else if (value.fill !== undefined) {
      // A row is that of every sequence.
      const shape = value.shape?.map((length) => {
        const known = resolve(length);
        return typeof known === 'number' ? known : known.role === 'T' || value.type !== 'float32' ? undefined : 1;
      });
      if (!shape?.every((length) => length !== undefined)) throw this.unknownContent(value, where);
      value.constant = this.filled(value.name, value.type, value.fill, shape);
    }
    return value;
  }

  private unknownContent(value: Value, where: ErrorDetails): RivuletError {
    return new RivuletError('UNSUPPORTED_OPERATOR', 'A node computes with the shape of a value', {
      file: this.file,
      ...where,
      tensor: value.name,
      expected: 'a constant, once lengths are known',
      found: showLengths(value.items ?? value.shape ?? []),
    });
  }
}

/** The refusal of an operator that nobody knows. */
export const unknownOperator = (op: string, node: string, file: string | undefined): RivuletError =>
  new RivuletError('UNSUPPORTED_OPERATOR', `operator ${op}`, { file, node });

/** `base`, or where that is taken the first of `base.1`, `base.2`, ... that is not. */
function unused(base: string, taken: Set<string>, suffixes: Map<string, number>): string {
  let name = base;
  // Counted on from the last time, so that a file of one name costs no more than any other.
  let i = suffixes.get(base) ?? 0;
  while (taken.has(name)) name = `${base}.${++i}`;
  suffixes.set(base, i);
  taken.add(name);
  return name;
}

/** One node of the file, for its translation: inputs by position, attributes by type, and what was left unread. */
export class NodeContext {
  private readonly read = new Set<string>();

  constructor(
    readonly builder: Builder,
    readonly node: OnnxNode,
    /** The node's name, or its operator and place where it has none. */
    readonly name: string,
    /** Version of the operator set. */
    readonly opset: number,
  ) {}

  has(i: number): boolean {
    return (this.node.inputs[i] ?? '') !== '';
  }

  find(i: number): Value | undefined {
    const name = this.node.inputs[i] ?? '';
    if (name === '') return undefined;
    const value = this.builder.values.get(name);
    if (value) return value;
    throw this.error('INVALID_GRAPH', 'Reads a value that no node before it makes', { found: `"${name}"` });
  }

  input(i: number): Value {
    const value = this.find(i);
    if (value) return value;
    throw this.error('INVALID_GRAPH', `${this.node.op}: input ${i} is missing`);
  }

  inputs(): (Value | undefined)[] {
    const all = this.node.inputs.map((_, i) => this.find(i));
    while (all.length > 0 && all.at(-1) === undefined) all.pop();
    return all;
  }

  /** The numbers of an input that is known by now, its axes pinned; undefined where it is computed at run time. */
  numbers(i: number): number[] | undefined {
    const items = this.find(i)?.items;
    return items && pinAll(items);
  }

  wants(i: number): boolean {
    return (this.node.outputs[i] ?? '') !== '';
  }

  integer(name: string, fallback: number): number {
    const values = this.integers(name) ?? [fallback];
    if (values.length === 1) return values[0];
    throw this.error('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name}"`, {
      expected: 'one integer',
      found: `${values.length}`,
    });
  }

  /** An integer or a list of them, the too large clamped. */
  integers(name: string): number[] | undefined {
    const attribute = this.node.attributes.get(name);
    if (!attribute) return undefined;
    this.read.add(name);
    if (attribute.kind === 'int') return [clampInteger(attribute.value)];
    if (attribute.kind === 'ints') return attribute.value.map(clampInteger);
    throw this.error('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name}"`, {
      expected: 'integers',
      found: attribute.kind,
    });
  }

  float(name: string): number | undefined {
    const attribute = this.node.attributes.get(name);
    if (!attribute) return undefined;
    this.read.add(name);
    if (attribute.kind === 'float') return attribute.value;
    throw this.error('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name}"`, {
      expected: 'a number',
      found: attribute.kind,
    });
  }

  graph(name: string): OnnxGraph {
    const attribute = this.node.attributes.get(name);
    this.read.add(name);
    if (attribute?.kind === 'graph') return attribute.value;
    throw this.error('INVALID_GRAPH', `${this.node.op}: attribute "${name}"`, {
      expected: 'a graph',
      found: attribute?.kind ?? 'nothing',
    });
  }

  /** Marks attributes as read that change nothing here. */
  ignore(...names: string[]): void {
    for (const name of names) this.read.add(name);
  }

  /** Attributes that nobody has read, for the operator that runs. */
  rest(): Record<string, AttributeValue> {
    const entries: [string, AttributeValue][] = [];
    for (const [name, attribute] of this.node.attributes) {
      if (this.read.has(name)) continue;
      const { kind, value } = attribute;
      if (kind === 'int') entries.push([name, this.exact(name, value)]);
      else if (kind === 'ints') entries.push([name, value.map((item) => this.exact(name, item))]);
      // What no operator takes still has a name to be refused by.
      else if (kind === 'tensor' || kind === 'graph') entries.push([name, `a ${kind}`]);
      else entries.push([name, value]);
    }
    return Object.fromEntries(entries);
  }

  /** Refuses attributes that the translation has not read. */
  end(): void {
    const [left] = Object.entries(this.rest());
    if (!left) return;
    throw this.error('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${left[0]}"`, {
      found: `${left[0]} = ${JSON.stringify(left[1])}`,
    });
  }

  /** Defines output i. */
  give(i: number, value: Omit<Value, 'name'> & { name?: string }): Value {
    const name = this.node.outputs[i] ?? '';
    const given: Value = { ...value, name: value.name ?? (name || this.builder.fresh(`${this.name}.${i}`)) };
    if (name !== '') this.builder.define(name, given);
    return given;
  }

  /** Output i is another value under another name. */
  alias(i: number, value: Value): void {
    if (this.wants(i)) this.builder.define(this.node.outputs[i], value);
  }

  emit(
    op: string,
    inputs: (Value | undefined)[],
    outputs: (Value | undefined)[],
    attributes: Record<string, AttributeValue> = {},
    extra: Pick<Draft, 'reshapes' | 'unknown' | 'refusal'> = {},
  ): void {
    this.builder.draft({ op, inputs, outputs, attributes, ...extra }, this.name);
  }

  axis(value: number, rank: number): number {
    const axis = value < 0 ? value + rank : value;
    if (Number.isInteger(axis) && axis >= 0 && axis < rank) return axis;
    throw this.error('INVALID_GRAPH', `${this.node.op}: axis is out of range`, {
      expected: `-${rank}..${rank - 1}`,
      found: `${value}`,
    });
  }

  error(code: RivuletError['code'], what: string, details: ErrorDetails = {}): RivuletError {
    return new RivuletError(code, what, { file: this.builder.file, node: this.name, ...details });
  }

  unsupported(what: string, expected: string, found: string, hint?: string): RivuletError {
    return this.error('UNSUPPORTED_OPERATOR', `${this.node.op}: ${what}`, { expected, found, hint });
  }

  /** The refusal of what can't go on without a shape; where an operator is to blame that nobody knows, it is named. */
  shapeless(value: Value): RivuletError {
    const { drafts, file, consequences, open } = this.builder;
    const foreign = drafts.find(({ unknown }) => unknown);
    const error = foreign
      ? unknownOperator(foreign.op, foreign.name, file).with({
          hint: `It makes the input of "${this.name}" (${this.node.op}) one of unknown shape`,
        })
      : this.unsupported('the shape of its input is not known', 'a known shape', value.name);
    if (foreign || open) consequences.add(error);
    return error;
  }

  private exact(name: string, value: bigint): number {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw this.error('UNSUPPORTED_ATTRIBUTE', `${this.node.op}: attribute "${name}" is beyond exact numbers`, {
      found: `${value}`,
    });
  }
}
