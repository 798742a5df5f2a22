import { BATCH, type Dim, type Graph, TIME } from '../graph/graph.js';
import { toFloat32 } from '../graph/tensor.js';
import { arrayOf, elementAt } from '../ops/array.js';
import type { ReferenceTensor } from '../ops/operator.js';
import { evaluateReference } from '../ops/references.js';
import type { Model } from '../runtime/model.js';
import { type Arrays, inSteps, repeated, symbolsOf } from './arrays.js';
import { withExplicitStates } from './explicit.js';

/** A model, and its graph in float64, on whole sequences and step by step. */

/** Whether a graph runs step by step alone: it has states of its own, and is not one that needs the whole sequence. */
export const isStepwise = (model: Model, graph: Graph): boolean => graph.states.length > 0 && model.streamable;

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

/**
 * What a stream makes of a whole sequence, and what is wanted of it in the same order; undefined where the inputs are several
 * sequences, or the model does not stream.
 */
export function streamed(
  model: Model,
  inputs: Readonly<Arrays>,
  wanted: Readonly<Arrays>,
): { found: Arrays; expected: Arrays } | undefined {
  const sizes = symbolsOf(model.inputs, inputs);
  if (!model.streamable || sizes[BATCH] !== 1) return undefined;
  const rows = inSteps(model.inputs, inputs);
  const steps = model.inputs.some(({ shape }) => shape.includes(TIME)) ? sizes[TIME] : 1;
  for (const { name, size } of model.inputs) rows[name] = repeated(rows[name], steps, size);
  const found = runSteps(model, rows);
  const expected = inSteps(model.outputs, wanted);
  for (const { name } of model.outputs) {
    // What has no time is that of the last step.
    const last = Array.prototype.slice.call(found[name].data, -expected[name].data.length);
    found[name] = { data: last, shape: [last.length] };
  }
  return { found, expected };
}

/** The graph on whole sequences; states of cells begin as they begin in the file. */
export function evaluateWhole(graph: Graph, inputs: Readonly<Arrays>): Arrays {
  return evaluateReference(graph, { ...wide(inputs), ...beginning(graph, symbolsOf(graph.inputs, inputs)) });
}

/** The graph once for each step, T and N being one, its states and those that its operators keep carried. */
export function evaluateSteps(given: Graph, inputs: Readonly<Arrays>): Arrays {
  const graph = withExplicitStates(given);
  const steps = Object.values(inputs)[0].shape[0];
  const state = beginning(graph, ONE_STEP);
  const rows: Record<string, number[]> = Object.fromEntries(graph.outputs.map(({ name }) => [name, []]));
  for (let step = 0; step < steps; step++) {
    const values = { ...state };
    for (const { name, shape } of graph.inputs) {
      const size = inputs[name].data.length / steps;
      const row = Array.prototype.slice.call(inputs[name].data, step * size, (step + 1) * size);
      values[name] = { shape: sized(shape, ONE_STEP), data: Float64Array.from(row) };
    }
    const results = evaluateReference(graph, values);
    for (const { input, output } of graph.states) state[input] = results[output];
    for (const { name } of graph.outputs) rows[name].push(...results[name].data);
  }
  return Object.fromEntries(Object.entries(rows).map(([name, data]) => [name, { data, shape: [data.length] }]));
}

const ONE_STEP = { [TIME]: 1, [BATCH]: 1 };

const sized = (shape: readonly Dim[], sizes: Readonly<Record<string, number>>): number[] =>
  shape.map((dim) => (typeof dim === 'string' ? sizes[dim] : dim));

/** What the states of a graph begin as, for as many sequences as there are. */
function beginning({ states, tensors }: Graph, sizes: Readonly<Record<string, number>>) {
  const begun: Record<string, ReferenceTensor> = {};
  for (const { input, shape, initial } of states) {
    const tensor = initial === undefined ? undefined : tensors.get(initial)!;
    const one = {
      shape: tensor?.shape ?? [],
      data: tensor ? Float64Array.from(toFloat32(tensor)) : Float64Array.of(0),
    };
    begun[input] = arrayOf(sized(shape, sizes), (index) => elementAt(one, index));
  }
  return begun;
}

const wide = (arrays: Readonly<Arrays>): Record<string, ReferenceTensor> =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape }]) => [
      name,
      { shape: [...shape], data: Float64Array.from(data) },
    ]),
  );
