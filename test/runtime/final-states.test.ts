import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { Graph } from '../../src/graph/graph.js';
import { loadModel } from '../../src/index.js';
import { evaluateReference } from '../../src/ops/references.js';
import { largestDifference, sameBits } from '../support/fixtures.js';
import { floats, graphOf, node, numbers, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

const [I, H] = [3, 6];

/** An ONNX cell whose graph gives all that the operator gives: Y, Y_h and, of an LSTM, Y_c. */
function cell(op: 'LSTM' | 'GRU' | 'RNN', direction: string): Graph {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op];
  const D = direction === 'bidirectional' ? 2 : 1;
  const outputs = [value('Y', ['T', D, 'N', H]), value('Y_h', [D, 'N', H]), value('Y_c', [D, 'N', H])];
  const given = op === 'LSTM' ? outputs : outputs.slice(0, 2);
  const names = given.map(({ name }) => name);
  return graphOf({
    inputs: [value('X', ['T', 'N', I])],
    outputs: given,
    nodes: [node(op, ['X', 'W', 'R', 'B'], names, { hidden_size: H, direction })],
    tensors: [
      floats('W', [D, gates * H, I], { seed: 1 }),
      floats('R', [D, gates * H, H], { seed: 2 }),
      floats('B', [D, 2 * gates * H], { seed: 3 }),
    ],
  });
}

describe.each(['LSTM', 'GRU', 'RNN'] as const)('%s with its final states as outputs', (op) => {
  it.each(['forward', 'reverse', 'bidirectional'])('%s: model.run gives the operator’s outputs', async (direction) => {
    const graph = cell(op, direction);
    const model = await loadModel(writeNative(graph));
    // 70 steps: more rows than activations are laid out for at first.
    for (const [T, N] of [
      [1, 1],
      [5, 3],
      [70, 2],
    ]) {
      const data = numbers(T * N * I, T);
      const results = model.run({ X: { data, shape: [T, N, I] } });
      const expected = evaluateReference(graph, { X: { data: Float64Array.from(data), shape: [T, N, I] } });
      for (const { name } of graph.outputs) {
        expect(results[name].shape).toEqual(expected[name].shape);
        expect(largestDifference(results[name].data, expected[name].data), name).toBeLessThan(TOLERANCES.float32);
      }
    }
  });

  it('a stream gives the state after each step, by run as by step', async () => {
    const graph = cell(op, 'forward');
    const model = await loadModel(writeNative(graph));
    const X = numbers(9 * I, 4);
    const run = model.createStream().run({ X });
    const stream = model.createStream();
    for (let t = 0; t < 9; t++) {
      const step = stream.step({ X: X.subarray(t * I, (t + 1) * I) });
      const shape = [t + 1, 1, I];
      const data = Float64Array.from(X.subarray(0, (t + 1) * I));
      const expected = evaluateReference(graph, { X: { data, shape } });
      for (const { name } of graph.outputs) {
        expect(sameBits(run[name].subarray(t * H, (t + 1) * H), step[name])).toBe(true);
        expect(largestDifference(step[name], expected[name].data.slice(-H)), name).toBeLessThan(TOLERANCES.float32);
      }
    }
  });
});
