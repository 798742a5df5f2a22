import { expect } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { evaluateReference } from '../../src/ops/references.js';
import { type CellOptions, numbers } from '../support/graphs.js';
import { firstDifference, type KernelFile, PlannedKernels, withSpecials } from './harness.js';

/** What tests of cells share: the forms of a cell, sizes, and runs of a graph of one cell over bare kernels. */

export type Variant = Omit<CellOptions, 'inputs' | 'hidden'>;

export const VARIANTS: Record<string, Variant> = {
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
export const SIZES = [
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
export const COMPANIES = [
  [1, 1],
  [1, 2],
  [1, 5],
  [2, 1],
  [3, 1],
  [2, 3],
  [3, 3],
];

/** A cell that runs backwards needs its whole sequence: there are no pieces. */
export const isWhole = ({ attributes }: Variant) => attributes?.direction !== undefined;

export function outputs(
  file: KernelFile,
  graph: Graph,
  x: Float32Array,
  n: number,
  steps: number,
  { whole = false, threePanels = false } = {},
) {
  const kernels = new PlannedKernels(file, graph, n * steps, n);
  kernels.memory.exports.useThreePanels(Number(threePanels));
  const streams = Array.from({ length: n }, (_, s) => s);
  const { y } = kernels.run({ x }, streams, steps, whole);
  return { y, states: streams.map((s) => kernels.state(s)), violations: kernels.memory.violations() };
}

export function expected(graph: Graph, x: Float32Array, n: number, steps: number, inputs: number) {
  const { y } = evaluateReference(graph, { x: { shape: [steps, n, inputs], data: Float64Array.from(x) } });
  const [, D, , P] = y.shape;
  // [T, D, N, P] to the rows of the kernels, [T][N][D][P].
  return Float64Array.from(y.data, (_, i) => {
    const [t, s, d, p] = [Math.floor(i / (n * D * P)), Math.floor(i / (D * P)) % n, Math.floor(i / P) % D, i % P];
    return y.data[((t * D + d) * n + s) * P + p];
  });
}

/** Holds every stream to its own bits: alone step by step, in company, and in any pieces. */
export function checkCompany(
  build: KernelFile,
  graphOf: (inputs: number, hidden: number) => Graph,
  projected?: number,
): void {
  const [streams, steps] = [5, 6];
  for (const [inputs, hidden] of [
    [1, 1],
    [3, 5],
    [2, 17],
  ]) {
    const graph = graphOf(inputs, hidden);
    const width = projected ?? hidden;
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
            expect(firstDifference(y.subarray(at, at + width), own), `stream ${s}, step ${first + t}`).toBeUndefined();
          }
        }
        first += piece;
      }
      expect(kernels.memory.violations()).toEqual([]);
    }
  }
}
