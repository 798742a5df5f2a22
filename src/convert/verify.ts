import { RivuletError } from '../errors.js';
import { metadataOf } from '../formats/metadata.js';
import { givenGraph } from '../graph/given.js';
import type { Graph } from '../graph/graph.js';
import { checkOptions } from '../options.js';
import type { Model, ShapedArray } from '../runtime/model.js';
import { type Arrays, count, invalid, repeated, STEPS, shown, symbolsOf } from './arrays.js';
import { evaluateSteps, evaluateWhole, isStepwise, runWhole, streamed } from './evaluate.js';
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

/**
 * Runs a model beside the graph in plain float64, and tells the largest difference. A graph without states of its own runs
 * on whole sequences, and where one sequence is given, and the model streams, step by step too, for the same numbers; a
 * graph with states of its own that streams runs step by step alone, on one sequence.
 *
 * @param model what was loaded from the file made of `graph`.
 * @throws RivuletError `INVALID_INPUT` where arrays do not fit, or an input of integers that are no tokens is not given.
 */
export function verifyModel(model: Model, graph: Graph, options: VerifyOptions = {}): Comparison {
  checkOptions(options, ['inputs', 'expected', 'seed'], 'verifyModel');
  metadataOf(model);
  givenGraph(graph);
  const { inputs = {}, expected = {}, seed = 1 } = options;
  const unknown = Object.keys(expected).find((name) => !graph.outputs.some((output) => output.name === name));
  if (unknown !== undefined) throw invalid(unknown, 'no output has this name', graph.outputs.map(nameOf).join(', '));
  const stepwise = isStepwise(model, graph);
  const given = completed(model, inputs, stepwise, seed);
  const found = runWhole(model, given, stepwise);
  const wanted: Arrays = graph.outputs.every(({ name }) => name in expected)
    ? expected
    : { ...(stepwise ? evaluateSteps(graph, given) : evaluateWhole(graph, given)), ...expected };
  const compared = compareAll(graph, found, wanted);
  const beside = stepwise ? undefined : streamed(model, given, wanted);
  if (!beside) return compared;
  const again = compareAll(graph, beside.found, beside.expected);
  return again.difference > compared.difference ? again : compared;
}

/** The largest difference among all outputs. */
function compareAll({ outputs }: Graph, found: Arrays, wanted: Arrays): Comparison {
  const comparisons = outputs.map(({ name }) => ({ output: name, ...compare(name, found[name], wanted[name]) }));
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
