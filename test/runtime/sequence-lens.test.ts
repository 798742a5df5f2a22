import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../src/index.js';
import type { ReferenceTensor } from '../../src/ops/operator.js';
import { evaluateReference } from '../../src/ops/references.js';
import { largestDifference } from '../support/fixtures.js';
import { type CellOptions, cell, numbers, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

const [I, H] = [3, 6];
/** Three sequences of 7 steps: one of all, one of some, one of none. */
const LENGTHS = [7, 4, 0];
const [T, N] = [7, LENGTHS.length];

const CELLS: Record<string, Pick<CellOptions, 'op' | 'attributes' | 'peepholes'>> = {
  lstm: { op: 'LSTM' },
  'lstm with peepholes': { op: 'LSTM', peepholes: true },
  gru: { op: 'GRU', attributes: { linear_before_reset: 1 } },
  'gru reset before': { op: 'GRU' },
  rnn: { op: 'RNN' },
};

/** A cell that is told the lengths of its sequences and begins with a state from outside, and gives all it has. */
function graph(name: string, direction: string) {
  const { op, attributes, peepholes = false } = CELLS[name];
  const made = cell({ op, attributes: { ...attributes, direction }, peepholes, inputs: I, hidden: H });
  const D = direction === 'bidirectional' ? 2 : 1;
  const [node] = made.nodes;
  const states = op === 'LSTM' ? ['h', 'c'] : ['h'];
  node.inputs = [...node.inputs.slice(0, 4), 'lens', ...states, ...(peepholes ? ['P'] : [])];
  node.outputs = ['y', ...states.map((state) => `${state}_n`)];
  made.inputs.push(value('lens', ['N'], 'int32'));
  made.states = states.map((state) => ({
    input: state,
    output: `${state}_n`,
    type: 'float32',
    shape: [D, 'N', H],
  }));
  return { graph: made, D, states };
}

describe.each(Object.keys(CELLS))('%s with sequence_lens', (name) => {
  it.each(['forward', 'reverse', 'bidirectional'])(
    '%s: outputs and final states are the operator’s',
    async (direction) => {
      const { graph: made, D, states } = graph(name, direction);
      const given = {
        x: { data: numbers(T * N * I, 5), shape: [T, N, I] },
        lens: { data: LENGTHS, shape: [N] },
        ...Object.fromEntries(states.map((state, i) => [state, { data: numbers(D * N * H, 6 + i), shape: [D, N, H] }])),
      };
      const wide = Object.entries(given).map(([key, { data, shape }]): [string, ReferenceTensor] => [
        key,
        { data: Float64Array.from(data), shape },
      ]);
      const expected = evaluateReference(made, Object.fromEntries(wide));
      const results = await Promise.all(
        (['scalar', 'simd'] as const).map(async (kernels) =>
          (await loadModel(writeNative(made), { kernels })).run(given),
        ),
      );
      for (const output of ['y', ...states.map((state) => `${state}_n`)]) {
        expect(results[1][output].shape).toEqual(expected[output].shape);
        expect(largestDifference(results[1][output].data, expected[output].data), output).toBeLessThan(TOLERANCES.cell);
        expect(results[0][output].data).toEqual(results[1][output].data);
      }
      // Past its end a sequence gives zeros, and one without a step keeps the state it began with.
      expect(results[1].y.data.subarray((T * D * N - 1) * H)).toEqual(new Float32Array(H));
      const last = results[1].h_n.data.subarray((D * N - 1) * H);
      expect(last).toEqual(given[states[0] as 'x'].data.slice((D * N - 1) * H) as Float32Array);
    },
  );
});

describe('lengths of sequences', () => {
  const load = async () => loadModel(writeNative(graph('gru', 'forward').graph));
  const x = { data: numbers(T * N * I, 5), shape: [T, N, I] };

  it('are refused where they are beyond the steps, or none', async () => {
    const model = await load();
    for (const wrong of [T + 1, -1, 1.5]) {
      expect(() => model.run({ x, lens: { data: [1, wrong, 1], shape: [N] } })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', tensor: 'lens' }),
      );
    }
  });

  it('are nothing that a stream has', async () => {
    const model = await load();
    expect(model.streamable).toBe(false);
    expect(() => model.createStream()).toThrow(/told the length of every sequence/);
  });

  it('leave a state that is given alone where it is not finite', async () => {
    const model = await load();
    const h = { data: new Float32Array(N * H).fill(Number.NaN), shape: [1, N, H] };
    expect(() => model.run({ x, lens: { data: LENGTHS, shape: [N] }, h })).toThrow(
      expect.objectContaining({ code: 'NON_FINITE_INPUT', tensor: 'h' }),
    );
  });
});
