import { describe, expect, it } from 'vitest';
import type { Dim, Graph, GraphNode } from '../../src/graph/graph.js';
import { RivuletError } from '../../src/index.js';
import { ALL_OPERATORS } from '../../src/ops/all.js';
import { evaluateReference } from '../../src/ops/references.js';
import { makePlan } from '../../src/plan/plan.js';
import { Model } from '../../src/runtime/model.js';
import { builds, firstDifference, firstMistake, kernelSet } from '../assembly/harness.js';
import { count, floats, graphOf, node, numbers, soundModel, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

const modelOf = (graph: Graph, build: (typeof builds)[number] = 'simd') =>
  new Model(graph, makePlan(graph, ALL_OPERATORS), kernelSet(build), 'reject');

interface Case {
  /** Axes of the image, T among them. */
  image: Dim[];
  weight: number[];
  attributes: GraphNode['attributes'];
}

function convolution({ image, weight, attributes }: Case): Graph {
  const groups = Number(attributes.group ?? 1);
  const pads = (attributes.pads as number[] | undefined) ?? [];
  const axes = image.length;
  const made = image.map((dim, i): Dim => {
    if (typeof dim === 'string') return dim;
    return dim + (pads[i] ?? 0) + (pads[i + axes] ?? 0) - weight[2 + i] + 1;
  });
  return graphOf({
    inputs: [value('x', ['N', weight[1] * groups, ...image])],
    outputs: [value('y', ['N', weight[0], ...made])],
    nodes: [node('Conv', ['x', 'w', 'b'], 'z', attributes), node('Tanh', ['z'], 'y')],
    tensors: [floats('w', weight, { seed: 1 }), floats('b', [weight[0]], { seed: 2 })],
  });
}

const STEPS = 23;
const causal: Record<string, Case> = {
  'a window of 3': { image: ['T'], weight: [5, 3, 3], attributes: { pads: [2, 0] } },
  'one channel, one output': { image: ['T'], weight: [1, 1, 2], attributes: { pads: [1, 0] } },
  'a window of one step': { image: ['T'], weight: [17, 4, 1], attributes: {} },
  'a dilated window': { image: ['T'], weight: [16, 4, 3], attributes: { dilations: [3], pads: [6, 0] } },
  'a window longer than the sequence': { image: ['T'], weight: [4, 2, 31], attributes: { pads: [30, 0] } },
  groups: { image: ['T'], weight: [6, 2, 4], attributes: { group: 3, pads: [3, 0] } },
  depthwise: { image: ['T'], weight: [19, 1, 4], attributes: { group: 19, dilations: [2], pads: [6, 0] } },
  'an image of time and frequency': {
    image: ['T', 6],
    weight: [3, 2, 3, 3],
    attributes: { dilations: [2, 1], pads: [4, 1, 0, 1] },
  },
  'an image of frequency and time': { image: [6, 'T'], weight: [3, 2, 3, 2], attributes: { pads: [1, 1, 1, 0] } },
  'a depthwise image': { image: ['T', 5], weight: [4, 1, 2, 3], attributes: { group: 4, pads: [1, 1, 0, 1] } },
};

/** x of N sequences as a caller of `model.run` gives it, and as [N][STEPS][row] for the streams. */
function data(shape: readonly Dim[], N: number) {
  const whole = shape.map((dim) => (dim === 'T' ? STEPS : dim === 'N' ? N : Number(dim)));
  const x = numbers(count(whole), 3);
  return { whole, x, rows: rowsOf(x, shape, whole) };
}

/** Numbers in the order of their axes, T moved behind N. */
function rowsOf(x: ArrayLike<number>, shape: readonly Dim[], whole: readonly number[]): Float32Array {
  const time = shape.indexOf('T');
  const order = [0, time, ...whole.keys()].filter((axis, i, all) => all.indexOf(axis) === i);
  const strides = whole.map((_, axis) => count(whole.slice(axis + 1)));
  const lengths = order.map((axis) => whole[axis]);
  return Float32Array.from({ length: count(whole) }, (_, i) => {
    let rest = i;
    let at = 0;
    for (let k = lengths.length - 1; k >= 0; k--) {
      at += (rest % lengths[k]) * strides[order[k]];
      rest = Math.floor(rest / lengths[k]);
    }
    return x[at];
  });
}

describe.each(Object.entries(causal))('a convolution along time: %s', (_, one) => {
  const graph = convolution(one);
  const N = 2;
  const { whole, x, rows } = data(graph.inputs[0].shape, N);
  const { y } = evaluateReference(graph, { x: { shape: whole, data: Float64Array.from(x) } });
  const expected = rowsOf(y.data, graph.outputs[0].shape, y.shape);
  const inputs = rows.length / N;
  const outputs = expected.length / N;

  it.each(builds)('%s: run, step, pieces and company give the same bits, those of the whole sequence', (build) => {
    const model = modelOf(graph, build);
    const run = model.run({ x: { data: x, shape: whole } });
    expect(run.y.shape).toEqual(y.shape);
    expect(firstMistake(run.y.data, y.data, TOLERANCES.row)).toBeUndefined();
    const bits = rowsOf(run.y.data, graph.outputs[0].shape, y.shape);

    const width = inputs / STEPS;
    const streams = [model.createStream(), model.createStream()];
    for (const [s, stream] of streams.entries()) {
      const mine = rows.subarray(s * inputs, (s + 1) * inputs);
      const found = bits.subarray(s * outputs, (s + 1) * outputs);
      const stepped = Array.from({ length: STEPS }, (_, t) => [
        ...stream.step(mine.subarray(t * width, (t + 1) * width)),
      ]);
      expect(firstDifference(stepped.flat(), found)).toBeUndefined();
      stream.reset();
      const pieces = [0, 1, 5, 16].map((from, i, all) => [
        ...stream.run(mine.subarray(from * width, (all[i + 1] ?? STEPS) * width)),
      ]);
      expect(firstDifference(pieces.flat(), found)).toBeUndefined();
      stream.reset();
    }
    const many = model.runMany(
      [streams[1], streams[0]],
      Float32Array.of(...rows.subarray(inputs), ...rows.subarray(0, inputs)),
      STEPS,
    );
    expect(firstDifference(many, [...bits.subarray(outputs), ...bits.subarray(0, outputs)])).toBeUndefined();
  });

  it('is saved, restored and cloned with what its windows see', () => {
    const model = modelOf(graph);
    const stream = model.createStream();
    const width = inputs / STEPS;
    stream.run(rows.subarray(0, 7 * width));
    const saved = stream.save();
    const twin = stream.clone();
    const next = rows.subarray(7 * width, inputs);
    const wanted = stream.run(next);
    stream.restore(saved);
    expect(firstDifference(stream.run(next), wanted)).toBeUndefined();
    expect(firstDifference(twin.run(next), wanted)).toBeUndefined();
  });
});

describe('what stands around cells', () => {
  it.each(builds)('%s: a graph of many operators streams to the numbers of the whole sequence', (build) => {
    const graph = soundModel();
    const { whole, x, rows } = data(graph.inputs[0].shape, 2);
    const { y } = evaluateReference(graph, { x: { shape: whole, data: Float64Array.from(x) } });
    const model = modelOf(graph, build);
    expect(firstMistake(model.run({ x: { data: x, shape: whole } }).y.data, y.data, TOLERANCES.row)).toBeUndefined();
    const expected = rowsOf(y.data, graph.outputs[0].shape, y.shape);
    const found = model.runMany([model.createStream(), model.createStream()], rows, STEPS);
    expect(firstMistake(found, expected, TOLERANCES.row)).toBeUndefined();
    const stream = model.createStream();
    const stepped = Array.from({ length: STEPS }, (_, t) => [...stream.step(rows.subarray(t * 6, (t + 1) * 6))]);
    expect(firstDifference(stepped.flat(), found.subarray(0, found.length / 2))).toBeUndefined();
  });
});

/** Of a model that can't stream: the reason. */
function reason(graph: Graph): string {
  try {
    modelOf(graph).createStream();
  } catch (error) {
    if (error instanceof RivuletError && error.code === 'NOT_STREAMABLE') return error.message;
    throw error;
  }
  return 'it streams';
}

describe('what needs the future', () => {
  const future: [string, Graph, RegExp][] = [
    [
      'a window to both sides',
      convolution({ image: ['T'], weight: [5, 3, 5], attributes: { pads: [2, 2] } }),
      /2 steps into the future/,
    ],
    [
      'a depthwise window that begins now',
      convolution({
        image: ['T', 4],
        weight: [3, 1, 3, 2],
        attributes: { group: 3, auto_pad: 'NOTSET', pads: [0, 1, 2, 0] },
      }),
      /2 steps into the future/,
    ],
    [
      'a mean over time, taken away',
      graphOf({
        inputs: [value('x', ['T', 'N', 3])],
        outputs: [value('y', ['T', 'N', 3])],
        nodes: [node('ReduceMean', ['x'], 'mean', { axes: [0] }), node('Sub', ['x', 'mean'], 'y')],
      }),
      /takes every step/,
    ],
    ...['Softmax', 'LogSoftmax'].map((op): [string, Graph, RegExp] => [
      `${op} over time`,
      graphOf({
        inputs: [value('x', ['N', 'T', 3])],
        outputs: [value('y', ['N', 'T', 3])],
        nodes: [node(op, ['x'], 'y', { axis: 1 })],
      }),
      /takes every step/,
    ]),
    [
      'the largest of all',
      graphOf({
        inputs: [value('x', ['N', 'T', 3])],
        outputs: [value('y', ['N'])],
        nodes: [node('ReduceMax', ['x'], 'y', { axes: [1, 2], keepdims: 0 })],
      }),
      /takes every step/,
    ],
  ];

  it.each(future)('%s runs whole sequences, and says why it can not stream', (_, graph, why) => {
    expect(reason(graph)).toMatch(why);
    const { whole, x } = data(graph.inputs[0].shape, 3);
    const { y } = evaluateReference(graph, { x: { shape: whole, data: Float64Array.from(x) } });
    for (const build of builds) {
      const found = modelOf(graph, build).run({ x: { data: x, shape: whole } }).y;
      expect(found.shape).toEqual(y.shape);
      expect(firstMistake(found.data, y.data, TOLERANCES.row)).toBeUndefined();
    }
  });

  it.each<[string, Case, RegExp]>([
    ['a window without padding', { image: ['T'], weight: [2, 2, 3], attributes: {} }, /number of steps changes/],
    ['a stride', { image: ['T'], weight: [2, 2, 1], attributes: { strides: [2] } }, /steps are left out/],
  ])('%s is refused: its output has other steps than its input', (_, one, message) => {
    expect(() => makePlan(convolution(one), ALL_OPERATORS)).toThrow(message);
  });
});
