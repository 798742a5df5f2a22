import { RivuletError } from '../../errors.js';
import type { StatePair } from '../../graph/graph.js';
import { elementCount } from '../../graph/tensor.js';
import { type Length, resolve, showLengths } from '../lengths.js';
import type { Carried, Value } from './builder.js';
import type { InitialState } from './cell-operators.js';
import { moveList } from './moves.js';

/** Numbers of a state that are followed one by one, and of all values on their way together. */
const MAX_TRACED = 2 ** 16;
const MAX_TRACED_IN_ALL = 2 ** 22;

/** An input or output of the file's graph, with its value. */
export interface Port {
  name: string;
  value: Value;
}

/** A state: the value that comes in, the value that goes out. */
export interface Pair {
  input: Value;
  output: Value;
  /** What it begins with; zeros where absent. */
  initial?: Value;
}

export interface FoundStates {
  pairs: Pair[];
  /** Graph inputs and outputs that were states, by name; the stream carries them from now on. */
  inputs: Set<string>;
  outputs: Set<string>;
}

/**
 * Finds the recurrent states that the graph takes as inputs and returns as outputs. Which belong together is not guessed
 * where cells say it: each number of an input is followed through slices, reshapes and transposes to the cell's initial
 * state that it becomes, each number of an output back to the final state from which it comes. Where the two agree, the
 * cells keep their states themselves. States that no cell keeps are paired by their names.
 */
export function findStates(
  values: Iterable<Value>,
  initial: readonly InitialState[],
  carried: readonly Carried[],
  inputs: readonly Port[],
  outputs: readonly Port[],
  told: Readonly<Record<string, string>>,
  file: string | undefined,
): FoundStates {
  const found: FoundStates = { pairs: [], inputs: new Set(), outputs: new Set() };
  const traces = initial.length > 0 ? traceAll(values, initial, inputs, carried) : new Map<Value, Trace>();
  pairByCells(found, traces, initial, inputs, outputs, file);
  for (const one of carried) pairBySteps(found, one, cellOf(one, traces, initial), inputs, outputs, file);
  pairByOption(found, inputs, outputs, told, file);
  pairByNames(found, inputs, outputs);
  return found;
}

type Trace = Float64Array | number[];

/** Element `element` of source `source`, as one number. */
const code = (source: number, element: number) => source * 2 ** 20 + element;
const sourceOf = (one: number) => Math.floor(one / 2 ** 20);

/** One row: symbols count for 1, as a stream has it. */
function rowShape(shape: readonly Length[]): number[] {
  return shape.map((length) => {
    const known = resolve(length);
    return typeof known === 'number' ? known : known.role || known.fixed === undefined ? 1 : known.fixed;
  });
}

/** For every value that only moves numbers of graph inputs, final states or carried ones: which they are. */
function traceAll(
  values: Iterable<Value>,
  initial: readonly InitialState[],
  inputs: readonly Port[],
  carried: readonly Carried[],
): Map<Value, Trace> {
  const traces = new Map<Value, Trace>();
  let spent = 0;
  const begin = (value: Value, source: number) => {
    if (!value.shape) return;
    const count = elementCount(rowShape(value.shape));
    if (count > MAX_TRACED || (spent += count) > MAX_TRACED_IN_ALL) return;
    traces.set(
      value,
      Float64Array.from({ length: count }, (_, i) => code(source, i)),
    );
  };
  for (const [i, { value }] of inputs.entries()) begin(value, i);
  for (const [i, { final }] of initial.entries()) begin(final, inputs.length + i);
  for (const [i, { input }] of carried.entries()) begin(input, inputs.length + initial.length + i);
  for (const value of values) {
    const { moved, shape } = value;
    if (!moved || !shape) continue;
    const parts = moved.inputs.map((input) => traces.get(input));
    if (!parts.every((part) => part !== undefined)) continue;
    const to = rowShape(shape);
    const count = elementCount(to);
    if (count > MAX_TRACED || (spent += count) > MAX_TRACED_IN_ALL) continue;
    const move = moved.move(
      moved.inputs.map((input) => rowShape(input.shape!)),
      to,
    );
    traces.set(value, moveList(move, parts));
  }
  return traces;
}

function pairByCells(
  found: FoundStates,
  traces: Map<Value, Trace>,
  initial: readonly InitialState[],
  inputs: readonly Port[],
  outputs: readonly Port[],
  file: string | undefined,
): void {
  const usesOf = new Map<number, Set<number>>();
  for (const [i, { value }] of initial.entries()) {
    for (const one of traces.get(value) ?? []) {
      const source = sourceOf(one);
      if (source < inputs.length) usesOf.set(source, (usesOf.get(source) ?? new Set()).add(i));
    }
  }
  for (const [source, uses] of usesOf) {
    const input = inputs[source];
    // What becomes of each of its numbers: element j of the state i.
    const becomes = new Map<number, number>();
    let clean = true;
    for (const i of uses) {
      for (const [j, one] of traces.get(initial[i].value)!.entries()) {
        if (sourceOf(one) !== source || becomes.has(one)) clean = false;
        becomes.set(one, code(inputs.length + i, j));
      }
    }
    const mine = traces.get(input.value)!;
    const output =
      clean &&
      outputs.find(({ name, value }) => {
        const theirs = traces.get(value);
        return (
          !found.outputs.has(name) &&
          theirs?.length === mine.length &&
          mine.every((one, i) => becomes.get(one) === theirs[i])
        );
      });
    if (!output) {
      const [first] = uses;
      throw lostState(initial[first].node, input.name, initial[first].final.name, outputs, file);
    }
    found.inputs.add(input.name);
    found.outputs.add(output.name);
    for (const i of uses) found.pairs.push({ input: initial[i].value, output: initial[i].final });
    const [only] = uses;
    if (uses.size === 1) nameState(initial[only], input, output);
  }
}

/** A state that is the whole of an input has its name, and the output's, whatever lies between. */
function nameState({ value, final }: InitialState, input: Port, output: Port): void {
  value.name = input.name;
  // Where the output is the state in another shape, the two change names.
  if (output.value.name === output.name) output.value.name = final.name;
  final.name = output.name;
}

function lostState(
  node: string,
  input: string,
  final: string,
  outputs: readonly Port[],
  file: string | undefined,
): RivuletError {
  return new RivuletError('UNSUPPORTED_OPERATOR', 'An initial state comes in, and no output is the state after it', {
    file,
    node,
    tensor: input,
    expected: `an output that holds "${final}" as "${input}" holds the state`,
    found: outputs.map(({ name }) => name).join(', '),
    hint: 'Export the model with the final states as outputs, or without initial states (they are zeros then)',
  });
}

/** The cell within a Scan or Loop that keeps a carried state itself: it begins each step with it, and ends with the next. */
function cellOf(
  { input, next }: Carried,
  traces: ReadonlyMap<Value, Trace>,
  initial: readonly InitialState[],
): InitialState | undefined {
  const same = (a: Value, b: Value) => {
    const [mine, theirs] = [traces.get(a), traces.get(b)];
    return mine !== undefined && mine.length === theirs?.length && mine.every((one, i) => one === theirs[i]);
  };
  return initial.find((cell) => same(cell.value, input) && same(cell.final, next));
}

/**
 * The state of a Scan or Loop, which begins with zeros, a constant, or an input that the graph gives back after the last
 * step.
 */
function pairBySteps(
  found: FoundStates,
  { node, initial, input, output }: Carried,
  cell: InitialState | undefined,
  inputs: readonly Port[],
  outputs: readonly Port[],
  file: string | undefined,
): void {
  const kept = cell ? { input: cell.value, output: cell.final } : { input, output };
  // One state that all sequences begin with is each one's own from the first step on.
  if (kept.output.shape) kept.input.shape = kept.output.shape;
  if (!initial || initial.constant) {
    if (cell && initial) reshapeConstant(initial, cell.value, node, file);
    found.pairs.push({ ...kept, ...(initial ? { initial } : {}) });
    return;
  }
  const port = inputs.find(({ value }) => value === initial);
  const next = outputs.find(({ value }) => value === output);
  if (!port || found.inputs.has(port.name)) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'An initial state is computed', {
      file,
      node,
      tensor: initial.name,
      expected: 'a constant, or an input of its own',
      found: port ? 'the input of another state' : 'a value that other nodes make',
    });
  }
  if (!next) throw lostState(node, port.name, output.name, outputs, file);
  // The stream and model.run know the state by the name that it comes in by.
  kept.input.name = port.name;
  if (cell) nameState(cell, port, next);
  found.inputs.add(port.name);
  found.outputs.add(next.name);
  found.pairs.push(kept);
}

/** Gives a constant that a state begins with the shape in which a cell keeps it, for one sequence. */
function reshapeConstant(initial: Value, { shape }: Value, node: string, file: string | undefined): void {
  const constant = initial.constant!;
  const wanted = rowShape(shape!);
  if (elementCount(wanted) !== elementCount(constant.shape)) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'An initial state for several sequences', {
      file,
      node,
      tensor: initial.name,
      expected: `[${wanted.join(', ')}]`,
      found: `[${constant.shape.join(', ')}]`,
    });
  }
  initial.constant = { ...constant, shape: wanted };
}

/** Names that say state; a signal that comes in and goes out in the same shape must not be taken for one. */
const STATE = /(state|hidden|cell|cache|memory|buffer|(^|[_./])[hc]\d*)($|[_./]|\d|n$|N$|in$|In$|prev)/i;

/** Names that the next value of a state may have, by the state's. */
function nextNames(name: string): string[] {
  const base = name.replace(/([_./]?(in|input|prev|0)|In|Prev)$/, '');
  const before = name.replace(/^(prev|initial|old|in)[_./]?/i, '');
  return [name, base]
    .flatMap((stem) =>
      ['N', 'n', '_n', '_N', '_out', 'Out', '_output', '_next', 'Next', '.out', '_new'].map((end) => stem + end),
    )
    .concat(['new_', 'next_', 'out_', 'output_', 'final_'].flatMap((start) => [start + name, start + before]));
}

/** Pairs that somebody told; what the cells say already must be the same. */
function pairByOption(
  found: FoundStates,
  inputs: readonly Port[],
  outputs: readonly Port[],
  told: Readonly<Record<string, string>>,
  file: string | undefined,
): void {
  for (const [name, next] of Object.entries(told)) {
    const input = inputs.find((port) => port.name === name);
    const output = outputs.find((port) => port.name === next);
    // Those of the cells keep the numbers themselves.
    if (found.inputs.has(name) && found.outputs.has(next)) continue;
    if (
      input &&
      output &&
      !found.inputs.has(name) &&
      !found.outputs.has(next) &&
      sameShape(input.value, output.value)
    ) {
      pair(found, input, output);
      continue;
    }
    const shapeOf = (port: Port | undefined) => (port?.value.shape ? showLengths(port.value.shape) : 'nothing known');
    throw new RivuletError('INVALID_OPTION', `states: "${name}" does not become "${next}"`, {
      file,
      tensor: name,
      expected: 'an input and an output of one shape, of no other state',
      found: `${shapeOf(input)} and ${shapeOf(output)}`,
    });
  }
}

function pair(found: FoundStates, input: Port, output: Port): void {
  found.inputs.add(input.name);
  found.outputs.add(output.name);
  found.pairs.push({ input: input.value, output: output.value });
}

function pairByNames(found: FoundStates, inputs: readonly Port[], outputs: readonly Port[]): void {
  for (const { name, value } of inputs) {
    if (found.inputs.has(name) || value.type !== 'float32' || !STATE.test(name)) continue;
    const names = new Set(nextNames(name));
    const fits = outputs.filter(
      (output) => names.has(output.name) && !found.outputs.has(output.name) && sameShape(value, output.value),
    );
    if (fits.length !== 1) continue;
    pair(found, { name, value }, fits[0]);
  }
}

const sameShape = (a: Value, b: Value): boolean =>
  a.shape !== undefined && a.shape.length === b.shape?.length && rowShape(a.shape).join() === rowShape(b.shape).join();

/** A pair as the graph has it, its shape written out. */
export function statePair({ input, output, initial }: Pair, shape: StatePair['shape']): StatePair {
  return { input: input.name, output: output.name, type: 'float32', shape, ...(initial && { initial: initial.name }) };
}
