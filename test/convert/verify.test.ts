import { describe, expect, it, vi } from 'vitest';
import { readGraph, verifyModel, writeNative } from '../../src/convert/index.js';
import type { Graph, ValueInfo } from '../../src/graph/graph.js';
import { type Model, RivuletError } from '../../src/index.js';
import { loadModel } from '../../src/runtime/load.js';
import { fixtureNames, fixturePath, readFixture } from '../support/fixtures.js';
import { filterWithStates, floats, graphOf, integers, node, numbers, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

const modelOf = (graph: Graph): Promise<Model> => loadModel(writeNative(graph));

/** The graph with one number of a tensor moved by a hundredth. */
function altered(graph: Graph, name: string): Graph {
  const tensor = graph.tensors.get(name)!;
  const values = new Float32Array(tensor.bytes.slice().buffer);
  values[0] += 0.01;
  return { ...graph, tensors: new Map(graph.tensors).set(name, floats(name, tensor.shape, values)) };
}

describe('verifyModel', () => {
  it.each(fixtureNames)('%s: the model is its graph', async (name) => {
    const { graph } = await readGraph(fixturePath(name));
    const { difference, count } = verifyModel(await modelOf(graph), graph);
    expect(difference).toBeLessThan(TOLERANCES.saturated);
    expect(count).toBeGreaterThan(1);
  });

  it('compares with what the trainer gave', async () => {
    const { graph } = await readGraph(fixturePath('lstm-3-4-layers'));
    const { inputs, outputs } = readFixture('lstm-3-4-layers');
    const model = await modelOf(graph);
    expect(verifyModel(model, graph, { inputs, expected: outputs }).difference).toBeLessThan(TOLERANCES.float32);
    const [[name, { data, shape }]] = Object.entries(outputs);
    const expected = { [name]: { shape, data: data.with(7, data[7] + 0.5) } };
    expect(verifyModel(model, graph, { inputs, expected })).toMatchObject({
      difference: expect.closeTo(0.5, 5),
      output: name,
      count: data.length,
    });
  });

  it.each(['leak', 'W', 'R', 'start'])('sees a number of "%s" that is another, step by step', async (name) => {
    const graph = filterWithStates();
    expect(verifyModel(await modelOf(graph), graph).difference).toBeLessThan(TOLERANCES.float32);
    expect(verifyModel(await modelOf(altered(graph, name)), graph).difference).toBeGreaterThan(1e-4);
  });

  it.each([
    ['LSTM', 4, 5],
    ['LSTMP', 4, 3],
    ['GRU', 3, 5],
    ['RNN', 1, 5],
  ])('carries the state that an %s keeps by itself beside one of the graph’s own', async (op, gates, handed) => {
    const names =
      op === 'LSTMP' ? ['faded', 'W', 'R', '', '', 'h0', '', '', 'W_hr'] : ['faded', 'W', 'R', '', '', 'h0'];
    const graph = graphOf({
      inputs: [value('x', [1, 'N', 4])],
      outputs: [value('y', [1, 1, 'N', handed])],
      nodes: [node('Add', ['x', 'sum'], 'faded'), node(op, names, 'y')],
      tensors: [
        floats('W', [1, gates * 5, 4], { seed: 1 }),
        floats('R', [1, gates * 5, handed], { seed: 2, scale: 2 }),
        floats('h0', [1, 1, handed], { seed: 3, scale: 2 }),
        ...(op === 'LSTMP' ? [floats('W_hr', [1, handed, 5], { seed: 4, scale: 2 })] : []),
      ],
      states: [{ input: 'sum', output: 'faded', type: 'float32', shape: [1, 'N', 4] }],
    });
    expect(verifyModel(await modelOf(graph), graph).difference).toBeLessThan(TOLERANCES.saturated);
    for (const name of ['R', 'h0']) {
      expect(verifyModel(await modelOf(altered(graph, name)), graph).difference).toBeGreaterThan(1e-4);
    }
  });

  const convolutions: [string, number[], Graph['nodes'][0]['attributes'], ValueInfo['shape']][] = [
    ['along time', [6, 4, 3], { dilations: [2], pads: [4, 0] }, [1, 4, 'T']],
    ['in groups', [4, 2, 3], { group: 2, pads: [2, 0] }, [1, 4, 'T']],
    ['as its padding says by itself', [4, 4, 2], { auto_pad: 'SAME_LOWER' }, ['N', 4, 'T']],
    ['over time and an axis inside the step', [3, 4, 2, 3], { pads: [1, 1, 0, 1] }, ['N', 4, 'T', 5]],
    ['over an axis inside the step and time', [3, 4, 3, 3], { pads: [1, 2, 1, 0] }, ['N', 4, 5, 'T']],
  ];

  it.each(convolutions)(
    'carries what a window %s has seen, beside a state of the graph’s own',
    async (_, w, pads, x) => {
      const sum = x.map((dim) => (dim === 'T' ? 1 : dim));
      const graph = graphOf({
        inputs: [value('x', x)],
        outputs: [value('y', [x[0], w[0], ...x.slice(2)])],
        nodes: [
          node('Add', ['x', 'sum'], 'faded'),
          node('Conv', ['faded', 'W'], 'y', pads),
          node('TimeStep', ['faded'], 'step', { axis: x.indexOf('T') }),
          node('Unsqueeze', ['step', 'axes'], 'next'),
        ],
        tensors: [floats('W', w, { seed: 1 }), integers('axes', [x.indexOf('T')])],
        states: [{ input: 'sum', output: 'next', type: 'float32', shape: sum }],
      });
      const given = {
        inputs: { x: { data: numbers(160, 4), shape: [160 / (x.length === 3 ? 4 : 20), x.length === 3 ? 4 : 20] } },
      };
      expect(verifyModel(await modelOf(graph), graph, given).difference).toBeLessThan(TOLERANCES.float32);
      // The oldest tap.
      expect(verifyModel(await modelOf(altered(graph, 'W')), graph, given).difference).toBeGreaterThan(1e-4);
    },
  );

  it('runs whole sequences through a stream too, and compares them with the same numbers', async () => {
    const graph = graphOf({
      inputs: [value('x', ['N', 4, 'T'])],
      outputs: [value('y', ['N', 3, 'T'])],
      nodes: [node('Conv', ['x', 'W'], 'y', { pads: [2, 0] })],
      tensors: [floats('W', [3, 4, 3], { seed: 1 })],
    });
    const model = await modelOf(graph);
    expect(verifyModel(model, graph)).toMatchObject({ difference: expect.closeTo(0, 6), count: 96 });
    const stream = model.createStream();
    // A stream that has seen something before.
    stream.step([1, 1, 1, 1]);
    vi.spyOn(model, 'createStream').mockReturnValueOnce(stream);
    expect(verifyModel(model, graph).difference).toBeGreaterThan(1e-2);
    const two = { data: numbers(64, 1), shape: [2, 4, 8] };
    expect(verifyModel(model, graph, { inputs: { x: two } })).toMatchObject({ difference: expect.closeTo(0, 6) });
  });

  it('begins the states of a cell that needs the whole sequence as the file does', async () => {
    const graph = graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', ['T', 2, 'N', 5])],
      nodes: [node('GRU', ['x', 'W', 'R', '', '', 'h'], ['y', 'last'], { direction: 'bidirectional', hidden_size: 5 })],
      tensors: [
        floats('W', [2, 15, 4], { seed: 1 }),
        floats('R', [2, 15, 5], { seed: 2, scale: 2 }),
        floats('start', [2, 1, 5], { seed: 3, scale: 2 }),
      ],
      states: [{ input: 'h', output: 'last', type: 'float32', shape: [2, 'N', 5], initial: 'start' }],
    });
    const model = await modelOf(graph);
    expect(model.streamable).toBe(false);
    const given = { inputs: { x: { data: numbers(48, 1), shape: [6, 2, 4] } } };
    expect(verifyModel(model, graph, given).difference).toBeLessThan(TOLERANCES.saturated);
    expect(verifyModel(await modelOf(altered(graph, 'start')), graph, given).difference).toBeGreaterThan(1e-4);
  });

  it('gives the same random input for a seed, and another for another', async () => {
    const graph = filterWithStates();
    const model = await modelOf(altered(graph, 'W'));
    const first = verifyModel(model, graph, { seed: 3 });
    expect(verifyModel(model, graph, { seed: 3 })).toEqual(first);
    expect(verifyModel(model, graph, { seed: 4 }).difference).not.toBe(first.difference);
  });

  it('gives one row of an input to each step where others have many', async () => {
    const graph = filterWithStates();
    const model = await modelOf(graph);
    const row = [0.1, 0.2, 0.3, 0.4];
    const once = verifyModel(model, graph, { inputs: { x: { data: row, shape: [1, 1, 4] } } });
    expect(once.count).toBe(5);
    const rows = { data: [...row, ...row], shape: [2, 4] };
    expect(verifyModel(model, graph, { inputs: { x: rows } }).count).toBe(10);
  });

  it.each([
    ['an output that is not there', { expected: { z: { data: [1], shape: [1] } } }, /"z".*no output.*expected y/],
    [
      'another size',
      { expected: { y: { data: [1], shape: [1] } } },
      /"y".*another size.*expected \[160\], found \[1\]/,
    ],
  ])('refuses %s', async (_, options, message) => {
    const graph = filterWithStates();
    const model = await modelOf(graph);
    expect(() => verifyModel(model, graph, options)).toThrow(RivuletError);
    expect(() => verifyModel(model, graph, options)).toThrow(message);
  });
});
