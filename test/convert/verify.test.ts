import { describe, expect, it } from 'vitest';
import { readGraph, verifyModel, writeNative } from '../../src/convert/index.js';
import type { Graph } from '../../src/graph/graph.js';
import { type Model, RivuletError } from '../../src/index.js';
import { loadModel } from '../../src/runtime/load.js';
import { fixtureNames, fixturePath, readFixture } from '../support/fixtures.js';
import { filterWithStates, floats, graphOf, node, value } from '../support/graphs.js';
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
