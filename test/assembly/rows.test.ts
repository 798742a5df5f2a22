import { describe, expect, it } from 'vitest';
import type { Graph, GraphNode, Tensor } from '../../src/graph/graph.js';
import { floats, graphOf, integers, node, numbers, value } from '../support/graphs.js';
import { builds, firstDifference, KernelMemory, mistakeInRows, PlannedKernels } from './harness.js';

/** x [T, N, ...shape] through nodes to y. */
function rowGraph(shape: number[], out: number[], nodes: GraphNode[], tensors: Tensor[] = []): Graph {
  return graphOf({
    inputs: [value('x', ['T', 'N', ...shape])],
    outputs: [value('y', ['T', 'N', ...out])],
    nodes,
    tensors,
  });
}

interface Case {
  what: string;
  graph: Graph;
  width: number;
  shape: number[];
  /** Largest size of the inputs. */
  scale?: number;
}

const WIDTHS = [1, 3, 4, 5, 11, 15, 16, 17, 35];
const cases: Case[] = [];
for (const outputs of [1, 15, 16, 17, 32, 33, 35]) {
  for (const inputs of [1, 2, 7]) {
    const tensors = [floats('w', [inputs, outputs], { seed: outputs }), floats('b', [outputs], { seed: inputs })];
    for (const activation of ['', 'Tanh', 'Sigmoid', 'Relu', 'Elu', 'Softplus', 'HardSwish']) {
      if (activation && inputs !== 7) continue;
      const nodes = [node('MatMul', ['x', 'w'], 'product'), node('Add', ['product', 'b'], activation ? 'sum' : 'y')];
      if (activation) nodes.push(node(activation, ['sum'], 'y'));
      cases.push({
        what: `linear ${activation} ${inputs} to ${outputs}`,
        graph: rowGraph([inputs], [outputs], nodes, tensors),
        width: inputs,
        shape: [inputs],
      });
    }
  }
}
for (const width of WIDTHS) {
  for (const op of ['Softmax', 'LogSoftmax']) {
    cases.push({
      what: `${op} over ${width}`,
      graph: rowGraph([2, width], [2, width], [node(op, ['x'], 'y')]),
      width: 2 * width,
      shape: [2, width],
      scale: 8,
    });
  }
  const tensors = [floats('scale', [width], { seed: width }), floats('shift', [width], { seed: width + 1 })];
  // A variance far above epsilon: where all numbers are alike, rounding is divided by its root.
  cases.push({
    what: `LayerNormalization over ${width}`,
    graph: rowGraph(
      [2, width],
      [2, width],
      [node('LayerNormalization', ['x', 'scale', 'shift'], 'y', { epsilon: 0.01 })],
      tensors,
    ),
    width: 2 * width,
    shape: [2, width],
  });
  for (const op of ['Add', 'Sub', 'Mul', 'Div']) {
    cases.push({
      what: `${op} of ${width} and a constant`,
      graph: rowGraph([width], [width], [node(op, ['x', 'scale'], 'y')], tensors),
      width,
      shape: [width],
    });
    cases.push({
      what: `${op} of ${width} and itself doubled`,
      graph: rowGraph(
        [width],
        [width],
        [node('Mul', ['x', 'two'], 'other'), node(op, ['x', 'other'], 'y')],
        [floats('two', [1], [2])],
      ),
      width,
      shape: [width],
    });
  }
}
for (const [from, to] of [
  [0, 1],
  [1, 5],
  [2, 17],
  [0, 18],
  [-3, 18],
]) {
  const length = (from < 0 ? from + 18 : from) < to ? to - (from < 0 ? from + 18 : from) : 0;
  const tensors = [integers('from', [from]), integers('to', [to]), integers('axis', [-1])];
  cases.push({
    what: `Slice ${from}..${to}`,
    graph: rowGraph([3, 18], [3, length], [node('Slice', ['x', 'from', 'to', 'axis'], 'y')], tensors),
    width: 54,
    shape: [3, 18],
  });
}
cases.push({
  what: 'Concat of a slice, a constant and the whole',
  graph: rowGraph(
    [3, 5],
    [3, 10],
    [
      node('Slice', ['x', 'from', 'to', 'axis'], 'part'),
      node('Mul', ['part', 'two'], 'double'),
      node('Concat', ['double', 'x', 'part'], 'y', { axis: -1 }),
    ].map((one) => (one.op === 'Concat' ? { ...one, inputs: ['double', 'x', 'part'] } : one)),
    [integers('from', [1]), integers('to', [3]), integers('axis', [-1]), floats('two', [1], [2])],
  ),
  width: 15,
  shape: [3, 5],
});
// 2 + 5 + 2 numbers in each of three pieces.
cases.at(-1)!.graph.outputs[0].shape = ['T', 'N', 3, 9];

describe('kernels of one row', () => {
  it.each(cases)('$what', ({ graph, width, shape, scale }) => {
    expect(mistakeInRows(graph, { x: { width, shape } }, scale)).toBeUndefined();
  });

  it('gather looks rows up, counts from the end and gives zeros for what is out of range', () => {
    for (const width of [1, 3, 4, 5, 19]) {
      const table = floats('table', [6, width], { seed: width });
      const graph = graphOf({
        inputs: [value('x', ['T', 'N', 3], 'int64')],
        outputs: [value('y', ['T', 'N', 3, width])],
        nodes: [node('Gather', ['table', 'x'], 'y')],
        tensors: [table],
      });
      const rows = new Float32Array(table.bytes.buffer);
      for (const build of builds) {
        const kernels = new PlannedKernels(build, graph, 4, 2);
        const x = [0, 5, -1, -6, 6, -7, 2 ** 31 - 1, -(2 ** 31), 3, 1, 1, 1];
        const { y } = kernels.run({ x }, [0, 1], 2);
        const expected = x.flatMap((token) => {
          const row = token < 0 ? token + 6 : token;
          return row >= 0 && row < 6 ? [...rows.subarray(row * width, (row + 1) * width)] : new Array(width).fill(0);
        });
        expect(firstDifference(y, expected)).toBeUndefined();
        expect(kernels.memory.violations()).toEqual([]);
      }
    }
  });

  it('explicit states go out of the slots and back into them', () => {
    for (const size of [1, 3, 4, 5, 17]) {
      const graph = graphOf({
        inputs: [value('x', [1, size])],
        outputs: [value('y', [1, size])],
        nodes: [node('Add', ['x', 'before'], 'y')],
        states: [{ input: 'before', output: 'y', type: 'float32', shape: [1, size] }],
      });
      for (const build of builds) {
        const kernels = new PlannedKernels(build, graph, 3, 3);
        const x = numbers(3 * size, size);
        kernels.run({ x }, [2, 0, 1], 1);
        const { y } = kernels.run({ x }, [2, 0, 1], 1);
        expect(
          firstDifference(
            y,
            x.map((one) => one + one),
          ),
        ).toBeUndefined();
        expect(firstDifference(kernels.state(2), y.subarray(0, size))).toBeUndefined();
        expect(firstDifference(kernels.state(1), y.subarray(2 * size))).toBeUndefined();
        expect(kernels.memory.violations()).toEqual([]);
      }
    }
  });

  it('several steps of a state use the rows of the last', () => {
    for (const build of builds) {
      const memory = new KernelMemory(build);
      const rows = memory.constant('rows', numbers(6 * 16, 1));
      const slots = [memory.buffer('slot 0', 64), memory.buffer('slot 1', 64)];
      const list = memory.constant(
        'slots',
        slots.map(({ address }) => address),
      );
      for (const slot of slots) slot.f32.fill(7);
      const args = memory.constant('arguments', [rows.address, 64, 8, 20]);
      memory.exports.writeState(args.address, list.address, 2, 3);
      for (const [s, slot] of slots.entries()) {
        const from = (4 + s) * 16;
        expect([...slot.f32]).toEqual([7, 7, ...rows.f32.subarray(from, from + 5), ...new Array(9).fill(7)]);
      }
      const out = memory.buffer('out', 6 * 64);
      out.f32.fill(0);
      const back = memory.constant('arguments', [out.address, 64, 8, 20]);
      memory.exports.readState(back.address, list.address, 2, 3);
      expect([...out.f32.subarray(0, 64)].every((one) => one === 0)).toBe(true);
      expect([...out.f32.subarray(64, 69)]).toEqual([...rows.f32.subarray(64, 69)]);
      expect([...out.f32.subarray(80, 85)]).toEqual([...rows.f32.subarray(80, 85)]);
      expect(memory.violations()).toEqual([]);
    }
  });

  it('finite sees NaN and infinities wherever they stand, and nothing beyond the count', () => {
    for (const build of [...builds, 'debug-simd'] as const) {
      const memory = new KernelMemory(build);
      for (const count of [0, 1, 3, 4, 5, 11, 16]) {
        const x = memory.buffer('x', (count + 1) * 4);
        const all = numbers(count + 1, count);
        all[0] = -0;
        if (count > 1) all.set([1e-45, -3.4e38].slice(0, count - 1), 1);
        x.f32.set(all);
        x.f32[count] = Number.NaN;
        expect(memory.exports.finite(x.address, count)).toBe(1);
        for (let at = 0; at < count; at++) {
          for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
            x.f32[at] = bad;
            expect(memory.exports.finite(x.address, count), `${bad} at ${at} of ${count}`).toBe(0);
          }
          x.f32[at] = all[at];
        }
      }
    }
  });

  it('each build says which it is', () => {
    for (const [code, build] of ['scalar', 'simd', 'relaxed'].entries()) {
      if (builds.includes(build as never)) expect(new KernelMemory(build as 'simd').exports.build()).toBe(code);
    }
  });
});
