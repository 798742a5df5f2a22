import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { evaluateReference } from '../../src/ops/references.js';
import { type CellOptions, cell, numbers } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';
import { builds, firstDifference, firstMistake, type KernelFile, PlannedKernels, withSpecials } from './harness.js';

type Variant = Omit<CellOptions, 'inputs' | 'hidden'>;

const VARIANTS: Record<string, Variant> = {
  lstm: { op: 'LSTM' },
  'lstm with peepholes': { op: 'LSTM', peepholes: true },
  'lstm with a clip': { op: 'LSTM', attributes: { clip: 0.4 } },
  'lstm coupled': { op: 'LSTM', attributes: { input_forget: 1 } },
  'lstm with other activations': {
    op: 'LSTM',
    attributes: {
      activations: ['HardSigmoid', 'Softsign', 'ScaledTanh'],
      activation_alpha: [0.25, 1.5],
      activation_beta: [0.5, 0.7],
    },
  },
  'lstm with all of these': {
    op: 'LSTM',
    peepholes: true,
    attributes: { clip: 0.9, input_forget: 1, activations: ['HardSigmoid', 'Elu', 'Tanh'] },
  },
  'lstm backwards': { op: 'LSTM', attributes: { direction: 'reverse' } },
  'lstm both ways': { op: 'LSTM', attributes: { direction: 'bidirectional' } },
  'lstm projected': { op: 'LSTMP', projected: 3 },
  'lstm projected wide, both ways': { op: 'LSTMP', projected: 17, attributes: { direction: 'bidirectional' } },
  gru: { op: 'GRU', attributes: { linear_before_reset: 1 } },
  'gru with a clip': { op: 'GRU', attributes: { linear_before_reset: 1, clip: 0.4 } },
  'gru with other activations': {
    op: 'GRU',
    attributes: { linear_before_reset: 1, activations: ['HardSigmoid', 'Softsign'] },
  },
  'gru both ways': { op: 'GRU', attributes: { linear_before_reset: 1, direction: 'bidirectional' } },
  'gru reset before': { op: 'GRU' },
  'gru reset before with a clip': { op: 'GRU', attributes: { clip: 0.4 } },
  'gru reset before with other activations': { op: 'GRU', attributes: { activations: ['HardSigmoid', 'Softsign'] } },
  'gru reset before, backwards': { op: 'GRU', attributes: { direction: 'reverse' } },
  rnn: { op: 'RNN' },
  'rnn with relu': { op: 'RNN', attributes: { activations: ['Relu'] }, scale: 0.5 },
  'rnn with a clip, both ways': { op: 'RNN', attributes: { clip: 0.3, direction: 'bidirectional' } },
};

/** [inputs, hidden]: around the tile of 4 units, the panel of 16 outputs and the pair of panels. */
const SIZES = [
  [1, 1],
  [2, 3],
  [1, 4],
  [3, 5],
  [2, 11],
  [5, 8],
  [2, 15],
  [3, 16],
  [1, 17],
  [4, 35],
];
/** [streams, steps]: rows odd and even, alone and in pairs. */
const COMPANIES = [
  [1, 1],
  [1, 2],
  [1, 5],
  [2, 1],
  [3, 1],
  [2, 3],
  [3, 3],
];

const isWhole = ({ attributes }: Variant) => attributes?.direction !== undefined;

function outputs(file: KernelFile, graph: Graph, x: Float32Array, n: number, steps: number, whole = false) {
  const kernels = new PlannedKernels(file, graph, n * steps, n);
  const streams = Array.from({ length: n }, (_, s) => s);
  const { y } = kernels.run({ x }, streams, steps, whole);
  return { y, states: streams.map((s) => kernels.state(s)), violations: kernels.memory.violations() };
}

function expected(graph: Graph, x: Float32Array, n: number, steps: number, inputs: number) {
  const { y } = evaluateReference(graph, { x: { shape: [steps, n, inputs], data: Float64Array.from(x) } });
  const [, D, , P] = y.shape;
  // [T, D, N, P] to the rows of the kernels, [T][N][D][P].
  return Float64Array.from(y.data, (_, i) => {
    const [t, s, d, p] = [Math.floor(i / (n * D * P)), Math.floor(i / (D * P)) % n, Math.floor(i / P) % D, i % P];
    return y.data[((t * D + d) * n + s) * P + p];
  });
}

describe.each(Object.entries(VARIANTS))('%s', (_, variant) => {
  it.each(builds)('%s gives what float64 gives, and writes nowhere else', (build) => {
    for (const [inputs, hidden] of SIZES) {
      const graph = cell({ ...variant, inputs, hidden });
      for (const [n, steps] of COMPANIES) {
        const x = numbers(n * steps * inputs, hidden + n).map((value) => 4 * value);
        const { y, violations } = outputs(build, graph, x, n, steps);
        const at = `I ${inputs}, H ${hidden}, ${n} streams, ${steps} steps`;
        expect(firstMistake(y, expected(graph, x, n, steps, inputs), TOLERANCES.cell), at).toBeUndefined();
        expect(violations, at).toEqual([]);
      }
    }
  });

  it('the builds agree to the bit, the asserting ones too, NaN, infinities, -0 and denormals included', () => {
    for (const [inputs, hidden] of SIZES) {
      const graph = cell({ ...variant, inputs, hidden });
      for (const [n, steps] of [
        [1, 1],
        [2, 3],
        [3, 3],
      ]) {
        const x = withSpecials(numbers(n * steps * inputs, hidden + n), hidden);
        const scalar = outputs('scalar', graph, x, n, steps);
        const reference = expected(graph, x, n, steps, inputs);
        expect(firstMistake(scalar.y, reference, TOLERANCES.cell), `I ${inputs}, H ${hidden}, n ${n}`).toBeUndefined();
        for (const file of ['simd', 'debug-scalar', 'debug-simd'] as const) {
          const other = outputs(file, graph, x, n, steps);
          expect(firstDifference(other.y, scalar.y), `${file}, H ${hidden}, n ${n}`).toBeUndefined();
          expect(firstDifference(other.states.flat(), scalar.states.flat())).toBeUndefined();
          expect(other.violations).toEqual([]);
        }
      }
    }
  });

  // A cell that runs backwards needs its whole sequence: there are no pieces.
  it.each(isWhole(variant) ? [] : builds)('%s: a stream gets its bits alone, in company and in any pieces', (build) => {
    const [streams, steps] = [5, 6];
    for (const [inputs, hidden] of [
      [1, 1],
      [3, 5],
      [2, 17],
    ]) {
      const graph = cell({ ...variant, inputs, hidden });
      const width = variant.projected ?? hidden;
      const x = Array.from({ length: streams }, (_, s) => withSpecials(numbers(steps * inputs, 50 + s), s > 2 ? s : 2));
      const alone = x.map((own) => {
        const kernels = new PlannedKernels(build, graph, 1, 1);
        const rows = Array.from({ length: steps }, (_, t) =>
          kernels.run({ x: own.subarray(t * inputs, (t + 1) * inputs) }, [0], 1),
        );
        return rows.flatMap(({ y }) => [...y]);
      });
      for (const [order, pieces] of [
        [[0, 1, 2, 3, 4], [6]],
        [
          [4, 2, 0, 1, 3],
          [1, 2, 3],
        ],
        [
          [3, 1],
          [2, 4],
        ],
        [
          [2, 4, 1],
          [1, 1, 1, 3],
        ],
        [[3], [5, 1]],
        [
          [0, 3, 4, 1],
          [3, 3],
        ],
      ]) {
        const kernels = new PlannedKernels(build, graph, order.length * steps, streams);
        let first = 0;
        for (const piece of pieces) {
          const rows = Array.from({ length: piece }, (_, t) =>
            order.flatMap((s) => [...x[s].subarray((first + t) * inputs, (first + t + 1) * inputs)]),
          );
          const { y } = kernels.run({ x: rows.flat() }, order, piece);
          for (const [i, s] of order.entries()) {
            for (let t = 0; t < piece; t++) {
              const at = (t * order.length + i) * width;
              const own = alone[s].slice((first + t) * width, (first + t + 1) * width);
              expect(
                firstDifference(y.subarray(at, at + width), own),
                `stream ${s}, step ${first + t}`,
              ).toBeUndefined();
            }
          }
          first += piece;
        }
        expect(kernels.memory.violations()).toEqual([]);
      }
    }
  });

  it('execute gives what the calls one by one give', () => {
    const graph = cell({ ...variant, inputs: 3, hidden: 5 });
    const x = numbers(2 * 3 * 3, 1);
    for (const build of builds) {
      const one = outputs(build, graph, x, 2, 3);
      const all = outputs(build, graph, x, 2, 3, true);
      expect(firstDifference(all.y, one.y)).toBeUndefined();
      expect(all.violations).toEqual([]);
    }
  });
});
