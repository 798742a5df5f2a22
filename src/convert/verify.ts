import { RivuletError } from '../errors.js';
import { BATCH, type Graph, TIME, type ValueInfo } from '../graph/graph.js';
import { toFloat32 } from '../graph/tensor.js';
import type { ReferenceTensor } from '../ops/operator.js';
import { evaluateReference } from '../ops/references.js';
import type { Model, ShapedArray } from '../runtime/model.js';
import { withExplicitStates } from './explicit.js';
import { randomNumbers } from './random.js';

/** How far a model's numbers are from those expected. */
export interface Comparison {
  /** The largest difference, relative to the expected number or to 1 where that is smaller; infinite where one is NaN. */
  difference: number;
  /** The output in which it is. */
  output: string;
  /** Numbers compared, all outputs together. */
  count: number;
}

export interface VerifyOptions {
  /**
   * Inputs by name, in the shapes that the graph declares; random numbers and tokens stand in for those not given. For a
   * graph with states of its own, a row for each step.
   */
  inputs?: Readonly<Record<string, ShapedArray>>;
  /** What the trainer gave for them, by output name; what is not given is computed from the graph. */
  expected?: Readonly<Record<string, ShapedArray>>;
  /** Of the random inputs; 1 unless given. */
  seed?: number;
}

/** Steps of random inputs, of one sequence: a constant initial state fits no more. Enough that a wrong state shows. */
const STEPS = 32;

export type Arrays = Record<string, ShapedArray>;

/**
 * Runs a model beside the graph in plain float64, and tells the largest difference. A graph without states of its own runs
 * on whole sequences; one with them step by step, on one sequence.
 *
 * @param model what was loaded from the file made of `graph`.
 * @throws RivuletError `INVALID_INPUT` where arrays do not fit, or an input of integers that are no tokens is not given.
 */
export function verifyModel(model: Model, graph: Graph, options: VerifyOptions = {}): Comparison {
  const { inputs = {}, expected = {}, seed = 1 } = options;
  const unknown = Object.keys(expected).find((name) => !graph.outputs.some((output) => output.name === name));
  if (unknown !== undefined) throw invalid(unknown, 'no output has this name', graph.outputs.map(nameOf).join(', '));
  const stepwise = graph.states.length > 0;
  const given = completed(model, inputs, stepwise, seed);
  const found = runWhole(model, given, stepwise);
  const wanted: Arrays = graph.outputs.every(({ name }) => name in expected)
    ? expected
    : { ...(stepwise ? evaluateSteps(graph, given) : evaluateReference(graph, wide(given))), ...expected };
  const comparisons = graph.outputs.map(({ name }) => ({ output: name, ...compare(name, found[name], wanted[name]) }));
  const worst = comparisons.reduce((a, b) => (b.difference > a.difference ? b : a));
  return { ...worst, count: comparisons.reduce((sum, { count }) => sum + count, 0) };
}

const nameOf = ({ name }: { name: string }): string => name;

function compare(name: string, found: ShapedArray, wanted: ShapedArray): { difference: number; count: number } {
  const { length } = wanted.data;
  if (found.data.length !== length) {
    throw invalid(name, 'the expected output is of another size', shown(found.shape), shown(wanted.shape));
  }
  let difference = 0;
  for (let i = 0; i < length; i++) {
    const [a, b] = [found.data[i], wanted.data[i]];
    if (Object.is(a, b)) continue;
    const one = Math.abs(a - b) / Math.max(1, Math.abs(b));
    difference = Number.isNaN(one) ? Number.POSITIVE_INFINITY : Math.max(difference, one);
  }
  return { difference, count: length };
}

/** The inputs given, and random ones for the rest; stepwise, [steps, numbers a step] each. */
export function completed(model: Model, inputs: Readonly<Arrays>, stepwise: boolean, seed: number): Arrays {
  const ports = model.plan().inputs;
  const sizes = stepwise ? {} : symbolsOf(ports, inputs);
  const steps =
    Math.max(...ports.map(({ name, size }) => (name in inputs ? inputs[name].data.length / size : 0))) || STEPS;
  const arrays: Arrays = { ...inputs };
  for (const [at, { name, type, shape, size, limit }] of ports.entries()) {
    const given = inputs[name];
    if (given && stepwise) arrays[name] = repeated(given, steps, size);
    if (given) continue;
    if (type !== 'float32' && limit === undefined) {
      throw new RivuletError('INVALID_INPUT', 'An input of integers that are no tokens has to be given', {
        tensor: name,
      });
    }
    const full = stepwise ? [steps, size] : shape.map((dim) => (typeof dim === 'string' ? sizes[dim] : dim));
    const numbers = randomNumbers(count(full), seed + at);
    const data = limit === undefined ? numbers.map((x) => 2 * x - 1) : numbers.map((x) => Math.floor(x * limit));
    arrays[name] = { data, shape: full };
  }
  return arrays;
}

const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** What T and N are in the inputs given. */
function symbolsOf(ports: readonly ValueInfo[], inputs: Readonly<Arrays>): Record<string, number> {
  const sizes: Record<string, number> = { [TIME]: STEPS, [BATCH]: 1 };
  for (const { name, shape } of ports) {
    for (const [axis, dim] of shape.entries()) {
      if (typeof dim === 'string' && inputs[name]?.shape[axis]) sizes[dim] = inputs[name].shape[axis];
    }
  }
  return sizes;
}

/** One row for all steps, such as a sampling rate, stands at each of them. */
function repeated({ data, shape }: ShapedArray, steps: number, size: number): ShapedArray {
  if (data.length === steps * size) return { data, shape: [steps, size] };
  if (data.length === size) {
    return { data: Float64Array.from({ length: steps * size }, (_, i) => data[i % size]), shape: [steps, size] };
  }
  throw invalid('', 'an input has another number of steps', `[${steps}, ${size}]`, shown(shape));
}

const wide = (arrays: Readonly<Arrays>): Record<string, ReferenceTensor> =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => [
      name,
      { shape: [...shape], data: Float64Array.from(data) },
    ]),
  );

/** All outputs for whole inputs; where the graph has states of its own, step by step. */
export function runWhole(model: Model, inputs: Readonly<Arrays>, stepwise: boolean): Arrays {
  return stepwise ? runSteps(model, inputs) : model.run(inputs);
}

function runSteps(model: Model, inputs: Readonly<Arrays>): Arrays {
  const stream = model.createStream();
  const rows = stream.run(Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data])));
  stream.dispose();
  return Object.fromEntries(Object.entries(rows).map(([name, data]) => [name, { data, shape: [data.length] }]));
}

/** The graph once for each step, T and N being one, its states and those of its cells carried. */
function evaluateSteps(given: Graph, inputs: Readonly<Arrays>): Arrays {
  const graph = withExplicitStates(given);
  const single = (shape: ValueInfo['shape']) => shape.map((dim) => (typeof dim === 'string' ? 1 : dim));
  const steps = Object.values(inputs)[0].shape[0];
  const state: Record<string, ReferenceTensor> = {};
  for (const { input, shape, initial } of graph.states) {
    const size = count(single(shape));
    const start =
      initial === undefined ? new Float64Array(size) : Float64Array.from(toFloat32(graph.tensors.get(initial)!));
    state[input] = { shape: single(shape), data: start };
  }
  const rows: Record<string, number[]> = Object.fromEntries(graph.outputs.map(({ name }) => [name, []]));
  for (let step = 0; step < steps; step++) {
    const values = { ...state };
    for (const { name, shape } of graph.inputs) {
      const size = inputs[name].data.length / steps;
      const row = Array.prototype.slice.call(inputs[name].data, step * size, (step + 1) * size);
      values[name] = { shape: single(shape), data: Float64Array.from(row) };
    }
    const results = evaluateReference(graph, values);
    for (const { input, output } of graph.states) state[input] = results[output];
    for (const { name } of graph.outputs) rows[name].push(...results[name].data);
  }
  return Object.fromEntries(Object.entries(rows).map(([name, data]) => [name, { data, shape: [data.length] }]));
}

const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

function invalid(tensor: string, what: string, expected: string, found?: string): RivuletError {
  return new RivuletError('INVALID_INPUT', what, { tensor, expected, found });
}
