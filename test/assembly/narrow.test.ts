import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { toFloat32 } from '../../src/graph/tensor.js';
import { type HeldType, holdWeights } from '../../src/plan/quantize.js';
import { supports } from '../../src/runtime/kernels.js';
import { type CellOptions, cell, floats, graphOf, node, numbers, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';
import { checkCompany, expected, isWhole, outputs, VARIANTS, type Variant } from './cells.js';
import {
  builds,
  DOT,
  FOUR_AT_ONCE,
  firstDifference,
  firstMistake,
  type KernelFile,
  PlannedKernels,
  withSpecials,
} from './harness.js';

/** Those that give the same bits wherever they run. */
const EXACT: KernelFile[] = ['scalar', 'simd', 'debug-scalar', 'debug-simd'];
if (supports('relaxed')) {
  EXACT.push(DOT);
  if (Number(process.versions.node.split('.')[0]) >= 22) EXACT.push(FOUR_AT_ONCE);
  else console.log("narrow: Node 20's first compiler adds up four products wrongly (behind a flag); left out");
}
/** [inputs, hidden]: around the group of 4 inputs, the tile of 4 units and the panel of 16 outputs. */
const SIZES = [
  [1, 1],
  [3, 5],
  [4, 8],
  [2, 15],
  [5, 16],
  [9, 35],
];
/** [streams, steps] */
const COMPANIES = [
  [1, 1],
  [1, 3],
  [3, 2],
];
const NAMES = [
  'lstm',
  'lstm with all of these',
  'lstm both ways',
  'lstm projected',
  'lstm projected wide, both ways',
  'gru',
  'gru with a clip',
  'gru reset before',
  'gru reset before, backwards',
  'rnn',
  'rnn with relu',
  'rnn with a clip, both ways',
];
const variants = NAMES.map((name): [string, Variant] => [name, VARIANTS[name]]);

const heldCell = (type: HeldType, options: CellOptions): Graph => holdWeights(cell(options), type);

/** What assembly/quantize.ts makes of a row. */
function staged(x: ArrayLike<number>): { scale: number; q: number[] } {
  const { fround } = Math;
  const row = Float32Array.from(x);
  if (!row.every(Number.isFinite)) return { scale: Number.NaN, q: [...row].map(() => 0) };
  const most = Math.max(...row.map(Math.abs), 2 ** -100);
  const [scale, inverse, rounder] = [fround(most / 63), fround(63 / most), 1.5 * 2 ** 23];
  return { scale, q: [...row].map((value) => fround(fround(value * inverse) + rounder) - rounder) };
}

/** One output of assembly/integer-product.ts: a sum of integers, scaled in float32. */
function output(init: number, x: ArrayLike<number>, weights: Int8Array, scale: number): number {
  const { fround } = Math;
  const row = staged(x);
  const sum = row.q.reduce((total, q, k) => total + q * weights[k], 0);
  return fround(init + fround(fround(row.scale * scale) * fround(sum)));
}

/** Line `line` of an int8 tensor, and its scale. */
function lineOf(graph: Graph, name: string, line: number): [Int8Array, number] {
  const { bytes, shape } = graph.tensors.get(`${name}.int8`)!;
  const depth = shape.at(-1)!;
  const scales = toFloat32(graph.tensors.get(`${name}.scale`)!);
  return [new Int8Array(bytes.buffer, bytes.byteOffset + line * depth, depth), scales[line]];
}

describe.each(['int8', 'bfloat16'] as const)('cells in %s', (type) => {
  describe.each(variants)('%s', (_, variant) => {
    it('the builds agree to the bit, the asserting ones too, NaN and infinities included, and write nowhere else', () => {
      for (const [inputs, hidden] of SIZES) {
        const graph = heldCell(type, { ...variant, inputs, hidden });
        for (const [n, steps] of COMPANIES) {
          const x = withSpecials(numbers(n * steps * inputs, hidden + n), hidden);
          const first = outputs('scalar', graph, x, n, steps);
          for (const file of [...EXACT, ...builds]) {
            const at = `${file}, I ${inputs}, H ${hidden}, n ${n}, steps ${steps}`;
            const other = outputs(file, graph, x, n, steps, { whole: file === 'simd' });
            expect(other.violations, at).toEqual([]);
            if (file === 'relaxed') continue;
            expect(firstDifference(other.y, first.y), at).toBeUndefined();
            expect(firstDifference(other.states.flat(), first.states.flat()), at).toBeUndefined();
          }
        }
      }
    });

    it.each(builds)('%s is near what float64 gives for the same weights', (build) => {
      for (const [inputs, hidden] of SIZES) {
        // Weights that let an error die away, as trained ones do: larger ones make chaos of a rounding.
        const graph = heldCell(type, { ...variant, inputs, hidden, scale: 0.5 });
        const x = numbers(15 * inputs, hidden).map((value) => 4 * value);
        const { y } = outputs(build, graph, x, 3, 5);
        const tolerance = type === 'int8' ? TOLERANCES.int8Cell : TOLERANCES.cell;
        expect(firstMistake(y, expected(graph, x, 3, 5, inputs), tolerance), `H ${hidden}`).toBeUndefined();
      }
    });

    it.each(isWhole(variant) ? [] : builds)(
      '%s: a stream gets its bits alone, in company and in any pieces',
      (build) => {
        checkCompany(build, (inputs, hidden) => heldCell(type, { ...variant, inputs, hidden }), variant.projected);
      },
    );
  });
});

describe('bfloat16', () => {
  it.each(builds)('%s gives the bits of the same weights widened at load', (build) => {
    for (const [, variant] of variants) {
      for (const [inputs, hidden] of SIZES) {
        const narrow = heldCell('bfloat16', { ...variant, inputs, hidden });
        const widened = { ...narrow, tensors: new Map(narrow.tensors) };
        for (const [name, { narrow: _, ...tensor }] of narrow.tensors) widened.tensors.set(name, tensor);
        const x = numbers(6 * inputs, hidden);
        const [a, b] = [narrow, widened].map((graph) => outputs(build, graph, x, 2, 3));
        expect(firstDifference(a.y, b.y), `H ${hidden}`).toBeUndefined();
        expect(firstDifference(a.states.flat(), b.states.flat())).toBeUndefined();
      }
    }
  });
});

describe('int8 before the gates, to the bit of integers in TypeScript', () => {
  /** Two steps of one row; the scratch holds the second's pre-activations, and y the state between. */
  function secondStep(build: KernelFile, graph: Graph, inputs: number) {
    const kernels = new PlannedKernels(build, graph, 1, 1);
    const x = numbers(2 * inputs, inputs).map((value) => 3 * value);
    const h = kernels.run({ x: x.subarray(0, inputs) }, [0], 1).y;
    kernels.run({ x: x.subarray(inputs) }, [0], 1);
    return { x: x.subarray(inputs), h, scratch: kernels.scratch.f32 };
  }

  const biases = (graph: Graph, row: number, rows: number) => {
    const b = toFloat32(graph.tensors.get('B')!);
    return { input: b[row], recurrent: b[rows + row], sum: Math.fround(b[row] + b[rows + row]) };
  };

  it.each(builds)('%s', (build) => {
    for (const [inputs, hidden] of [...SIZES, [40, 64], [65, 31]]) {
      const lstm = heldCell('int8', { op: 'LSTM', inputs, hidden });
      const { x, h, scratch } = secondStep(build, lstm, inputs);
      for (let row = 0; row < 4 * hidden; row++) {
        const [gate, unit] = [Math.floor(row / hidden), row % hidden];
        const first = output(biases(lstm, row, 4 * hidden).sum, x, ...lineOf(lstm, 'W', row));
        const sum = output(first, h, ...lineOf(lstm, 'R', row));
        const found = scratch[(unit >> 2) * 16 + gate * 4 + (unit & 3)];
        expect(Object.is(found, sum), `LSTM (${inputs}, ${hidden}), row ${row}: ${found}, not ${sum}`).toBe(true);
      }
      const gru = heldCell('int8', { op: 'GRU', inputs, hidden, attributes: { linear_before_reset: 1 } });
      const second = secondStep(build, gru, inputs);
      const recurrentAt = Math.ceil((3 * Math.ceil(hidden / 4)) / 4) * 16;
      for (let row = 0; row < 3 * hidden; row++) {
        const [gate, unit] = [Math.floor(row / hidden), row % hidden];
        const bias = biases(gru, row, 3 * hidden);
        const at = (unit >> 2) * 12 + gate * 4 + (unit & 3);
        const found = [second.scratch[at], second.scratch[recurrentAt + at]];
        expect(found).toEqual([
          output(bias.input, second.x, ...lineOf(gru, 'W', row)),
          output(bias.recurrent, second.h, ...lineOf(gru, 'R', row)),
        ]);
      }
      const rnn = heldCell('int8', { op: 'RNN', inputs, hidden });
      const third = secondStep(build, rnn, inputs);
      for (let row = 0; row < hidden; row++) {
        const first = output(biases(rnn, row, hidden).sum, third.x, ...lineOf(rnn, 'W', row));
        expect(third.scratch[row]).toBe(output(first, third.h, ...lineOf(rnn, 'R', row)));
      }
    }
  });
});

describe('int8 linear layers, to the bit of integers in TypeScript', () => {
  const linear = (inputs: number, outputs: number, data: ArrayLike<number>) =>
    holdWeights(
      graphOf({
        inputs: [value('x', ['T', 'N', inputs])],
        outputs: [value('y', ['T', 'N', outputs])],
        nodes: [node('Gemm', ['x', 'w', 'b'], 'y', { transB: 1 })],
        tensors: [floats('w', [outputs, inputs], data), floats('b', [outputs], { seed: 5 })],
      }),
      'int8',
    );

  /** The first output alone, as a file may have it: `holdWeights` leaves one output in float32. */
  function firstOutput(graph: Graph): Graph {
    const tensors = new Map(graph.tensors);
    for (const [name, tensor] of tensors) {
      const [outputs, ...rest] = tensor.shape;
      tensors.set(name, {
        ...tensor,
        shape: [1, ...rest],
        bytes: tensor.bytes.slice(0, tensor.bytes.length / outputs),
      });
    }
    return { ...graph, outputs: [value('y', ['T', 'N', 1])], tensors };
  }

  function check(graph: Graph, x: Float32Array, inputs: number, outputCount: number) {
    const bias = toFloat32(graph.tensors.get('b')!);
    const rows = x.length / inputs;
    for (const file of new Set([...EXACT, ...builds])) {
      const kernels = new PlannedKernels(file, graph, rows, rows);
      const { y } = kernels.run(
        { x },
        Array.from({ length: rows }, (_, s) => s),
        1,
      );
      const wanted = Array.from({ length: rows * outputCount }, (_, i) => {
        const [row, o] = [Math.floor(i / outputCount), i % outputCount];
        return output(bias[o], x.subarray(row * inputs, (row + 1) * inputs), ...lineOf(graph, 'w', o));
      });
      expect(firstDifference(y, wanted), `${file}, ${inputs} to ${outputCount}`).toBeUndefined();
      expect(kernels.memory.violations()).toEqual([]);
    }
  }

  it('at every size around the group and the panel, every row by its own scale', () => {
    for (const inputs of [1, 2, 3, 4, 5, 8, 9, 11, 64]) {
      for (const outputCount of [1, 15, 16, 17, 35]) {
        const made = Math.max(2, outputCount);
        const whole = linear(inputs, made, numbers(inputs * made, inputs));
        const graph = made === outputCount ? whole : firstOutput(whole);
        const x = numbers(5 * inputs, outputCount).map((value, i) => value * 10 ** ((i / inputs) | 0));
        check(graph, x, inputs, outputCount);
      }
    }
  });

  it('at the extremes: all weights and inputs at their largest, alike and by turns, and nothing but zeros', () => {
    const [inputs, outputCount] = [1030, 18];
    const signs = (of: (i: number) => number, length: number) => Float32Array.from({ length }, (_, i) => of(i));
    for (const weight of [() => 1, () => -1, (i: number) => (i % 2 ? 1 : -1), () => 0]) {
      const graph = linear(inputs, outputCount, signs(weight, inputs * outputCount));
      for (const one of [() => 3, () => -3, (i: number) => (i % 2 ? -3e38 : 3e38), () => 0, () => 1e-44]) {
        check(graph, signs(one, 2 * inputs), inputs, outputCount);
      }
    }
  });

  it('a row with a NaN or an infinity gives NaN throughout, and leaves the others alone', () => {
    const [inputs, outputCount] = [6, 17];
    const graph = linear(inputs, outputCount, numbers(inputs * outputCount, 3));
    for (const special of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = numbers(3 * inputs, 1);
      x[inputs + 2] = special;
      check(graph, x, inputs, outputCount);
    }
  });
});

describe('embeddings', () => {
  it.each(['int8', 'bfloat16'] as const)('%s: a row of the table, rounded, in every build', (type) => {
    const graph = holdWeights(
      graphOf({
        inputs: [value('x', ['T', 'N'], 'int64')],
        outputs: [value('y', ['T', 'N', 5])],
        nodes: [node('Gather', ['table', 'x'], 'y')],
        tensors: [floats('table', [7, 5], { seed: 4 })],
      }),
      type,
    );
    const tokens = [6, 0, 3, 3, 7, 1000];
    for (const file of new Set([...EXACT, ...builds])) {
      const kernels = new PlannedKernels(file, graph, tokens.length, 1);
      const { y } = kernels.run({ x: tokens }, [0], tokens.length);
      const wanted = tokens.flatMap((token) => {
        if (token >= 7) return [0, 0, 0, 0, 0];
        if (type === 'bfloat16') return [...toFloat32(graph.tensors.get('table')!).subarray(5 * token, 5 * token + 5)];
        const [q, scale] = lineOf(graph, 'table', token);
        return Array.from(q, (value) => Math.fround(value * scale));
      });
      expect(firstDifference(y, wanted), file).toBeUndefined();
      expect(kernels.memory.violations()).toEqual([]);
    }
  });
});
