import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { evaluateReference } from '../../src/ops/references.js';
import { count, graphOf, node, numbers, value } from '../support/graphs.js';
import { builds, firstDifference, PlannedKernels, withSpecials } from './harness.js';

interface Case {
  what: string;
  /** x [T, N, ...shape] to y [T, N, ...]. */
  graph: Graph;
  shape: number[];
}

/** Each number once moves bit by bit, NaN and -0 too; arithmetic is held to float64. */
const moves: Case[] = [];
for (const [lengths, order] of [
  ['1 1', '1 0'],
  ['2 3', '1 0'],
  ['4 16', '1 0'],
  ['3 5 2', '0 2 1'],
  ['3 5 4', '1 0 2'],
  ['5 1 17', '2 1 0'],
  ['2 3 4 5', '2 0 3 1'],
]) {
  const [shape, perm] = [lengths, order].map((text) => text.split(' ').map(Number));
  moves.push({
    what: `Transpose [${shape}] by ${perm}`,
    graph: graphOf({
      inputs: [value('x', ['T', 'N', ...shape])],
      outputs: [value('y', ['T', 'N', ...perm.map((axis) => shape[axis])])],
      nodes: [node('Transpose', ['x'], 'y', { perm: [0, 1, ...perm.map((axis) => axis + 2)] })],
    }),
    shape,
  });
}

describe.each([...builds, ...builds.map((build) => `debug-${build}` as const)])('%s tensor kernels', (build) => {
  it.each(moves)('$what', ({ graph, shape }) => {
    const size = count(shape);
    const x = withSpecials(numbers(6 * size, size));
    const { y } = evaluateReference(graph, { x: { shape: [3, 2, ...shape], data: Float64Array.from(x) } });
    const kernels = new PlannedKernels(build, graph, 6, 2);
    const found = kernels.run({ x }, [1, 0], 3, true);
    expect(firstDifference(found.y, y.data)).toBeUndefined();
    expect(kernels.memory.violations()).toEqual([]);
  });
});
