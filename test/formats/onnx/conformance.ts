import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { streamed } from '../../../src/convert/evaluate.js';
import { RivuletError } from '../../../src/errors.js';
import { type OnnxModel, type OnnxTensor, parseModel, parseTensor } from '../../../src/formats/onnx/model.js';
import { integersOf, readTensor } from '../../../src/formats/onnx/tensors.js';
import { toGraph } from '../../../src/formats/onnx/to-graph.js';
import type { Tensor } from '../../../src/graph/graph.js';
import { toFloat32 } from '../../../src/graph/tensor.js';
import type { NpyArray } from '../../../src/io/npy.js';
import { ALL_OPERATORS } from '../../../src/ops/all.js';
import { makePlan } from '../../../src/plan/plan.js';
import { Model } from '../../../src/runtime/model.js';
import { kernelSet } from '../../assembly/harness.js';
import { largestDifference } from '../../support/fixtures.js';

/** Models and numbers that others made, beside the project where they are there. */
export const CONFORMANCE = fileURLToPath(new URL('../../../../shared/conformance/', import.meta.url));

export const hasConformance = existsSync(CONFORMANCE);

if (!hasConformance) console.log(`Skipped: no conformance files in ../shared/conformance`);

export interface Numbers {
  shape: number[];
  data: number[];
  integer: boolean;
}

export const numbersOf = ({ data, shape, dtype }: NpyArray): Numbers => ({
  shape,
  data: Array.from(data as ArrayLike<number | bigint>, Number),
  integer: !dtype.startsWith('float'),
});

const tensorNumbers = (tensor: Tensor): Numbers => {
  const integers = integersOf(tensor);
  return { shape: tensor.shape, data: integers ?? Array.from(toFloat32(tensor)), integer: integers !== undefined };
};

/** A single-operator case of the ONNX project. */
export interface NodeCase {
  name: string;
  model: OnnxModel;
  inputs: Numbers[];
  outputs: Numbers[];
}

export const caseNames = (folder: string): string[] =>
  hasConformance ? readdirSync(`${CONFORMANCE}${folder}`).filter((name) => name.startsWith('test_')) : [];

export function readCase(folder: string, name: string): NodeCase {
  const path = `${CONFORMANCE}${folder}/${name}/`;
  const data = (prefix: string) =>
    readdirSync(`${path}test_data_set_0`)
      .filter((file) => file.startsWith(prefix))
      .sort((a, b) => Number(a.match(/\d+/)) - Number(b.match(/\d+/)))
      .map((file) =>
        tensorNumbers(readTensor(parseTensor(readFileSync(`${path}test_data_set_0/${file}`)), file, file)),
      );
  return {
    name,
    model: parseModel(readFileSync(`${path}model.onnx`), name),
    inputs: data('input_'),
    outputs: data('output_'),
  };
}

/** A stored tensor, as an exporter would write it into the file. */
export function stored(name: string, { shape, data, integer }: Numbers, type = integer ? 7 : 1): OnnxTensor {
  return {
    name,
    type,
    shape,
    floats: integer ? [] : data,
    doubles: [],
    integers: integer ? data.map(BigInt) : [],
    strings: 0,
  };
}

/** The model with some inputs given once for all: what a trained model has as weights, the cases have as inputs. */
export function bind(model: OnnxModel, weights: Record<string, Numbers>): OnnxModel {
  const { graph } = model;
  return {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.filter(({ name }) => !(name in weights)),
      initializers: [
        ...graph.initializers,
        ...Object.entries(weights).map(([name, numbers]) =>
          stored(name, numbers, graph.inputs.find((input) => input.name === name)?.type),
        ),
      ],
    },
  };
}

/**
 * Runs a model and gives the largest difference of any output from what is expected; shapes must agree, and a stream of one
 * sequence must give the same bits.
 */
export async function difference(
  model: OnnxModel,
  inputs: Record<string, Numbers>,
  expected: Record<string, Numbers>,
): Promise<number> {
  const graph = toGraph(model, 'case.onnx');
  using runnable = new Model(graph, makePlan(graph, ALL_OPERATORS), kernelSet('simd'), 'propagate');
  const found = runnable.run(inputs);
  const isGiven = Object.keys(inputs).every((name) => runnable.inputs.some((port) => port.name === name));
  const beside = isGiven ? streamed(runnable, inputs, found) : undefined;
  for (const { name } of beside ? runnable.outputs : []) {
    if (largestDifference(beside!.found[name].data, beside!.expected[name].data) !== 0) return Number.POSITIVE_INFINITY;
  }
  // Explicit states come back too; those that the case does not give as outputs nobody expects.
  const names = Object.keys(found).filter((name) => name in expected);
  if (names.length === 0) return Number.POSITIVE_INFINITY;
  return names.reduce((largest, name) => {
    const { shape, data } = expected[name];
    if (found[name].shape.join() !== shape.join()) return Number.POSITIVE_INFINITY;
    return Math.max(largest, largestDifference(found[name].data, data));
  }, 0);
}

/** The code of the refusal that a promise ends in; anything else it does is thrown on. */
export async function refusalOf(attempt: Promise<unknown>): Promise<RivuletError | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
}

/** A way to read a single-operator case as a model: which inputs are weights, and which axes time and batch. */
export interface Attempt {
  how: string;
  model: OnnxModel;
  inputs: Record<string, Numbers>;
  outputs: Record<string, Numbers>;
}

/** The cases give every value at run time and every length as a number; a model has weights, and axes that vary. */
export function* attempts({ model, inputs, outputs }: NodeCase): Generator<Attempt> {
  const { graph } = model;
  const named = graph.inputs.map(({ name }, i): [string, Numbers] => [name, inputs[i]]);
  const expected = Object.fromEntries(graph.outputs.map(({ name }, i) => [name, outputs[i]]));
  const first = named.slice(0, 1).map(([name]) => name);
  const last = named.slice(-1).map(([name]) => name);
  const all = named.map(([name]) => name);
  const ways = [graph.outputs, graph.outputs.slice(0, 1)].flatMap((kept) =>
    [[], ['N'], ['T', 'N']].flatMap((axes) => [all, first, last].map((run) => ({ kept, axes, run }))),
  );
  for (const { kept, axes, run } of ways) {
    const bound = bind(model, Object.fromEntries(named.filter(([name]) => !run.includes(name))));
    const vary = <T extends { shape?: (number | string | undefined)[] }>(info: T): T => ({
      ...info,
      shape: info.shape?.map((dim, i) => axes[i] ?? dim),
    });
    yield {
      how: `${run.join(', ')} at run time, axes ${axes.join(', ') || 'fixed'}`,
      model: {
        ...bound,
        graph: {
          ...bound.graph,
          inputs: bound.graph.inputs.map(vary),
          outputs: kept.map(({ name, type }) => ({ name, type })),
        },
      },
      inputs: Object.fromEntries(named.filter(([name]) => run.includes(name))),
      outputs: expected,
    };
  }
}
