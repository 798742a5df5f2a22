import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Graph, GraphNode, Tensor } from '../../src/graph/graph.js';
import { evaluateReference } from '../../src/ops/references.js';
import { makePlan } from '../../src/plan/plan.js';
import { firstMistake, PlannedKernels } from '../assembly/harness.js';
import { floats, graphOf, node, numbers, value } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

const tensors = [
  floats('w', [4, 3], { seed: 1 }),
  floats('wT', [3, 4], { seed: 1 }),
  floats('square', [3, 3], { seed: 5 }),
  floats('b', [3], { seed: 2 }),
  floats('row', [1, 3], { seed: 3 }),
  floats('one', [1], { seed: 4 }),
];

function calls(nodes: GraphNode[], outputs: string[] = ['y']): string[] {
  const graph = graphOf({
    inputs: [value('x', ['T', 'N', 4])],
    outputs: outputs.map((name) => value(name, ['T', 'N', 3])),
    nodes,
    tensors,
  });
  const x = numbers(12, 1);
  const expected = evaluateReference(graph, { x: { shape: [3, 1, 4], data: Float64Array.from(x) } });
  const found = new PlannedKernels('simd', graph, 3, 1).run({ x }, [0], 3);
  for (const name of outputs) expect(firstMistake(found[name], expected[name].data, TOLERANCES.row)).toBeUndefined();
  return makePlan(graph).plan.calls.map(({ kernel }) => kernel);
}

const product = node('MatMul', ['x', 'w'], 'p');

describe('fusing', () => {
  it.each(['b', 'row', 'one'])('a product, a bias "%s" and a function become one call, either way round', (bias) => {
    expect(calls([product, node('Add', ['p', bias], 's'), node('Tanh', ['s'], 'y')])).toEqual(['linear']);
    expect(calls([product, node('Add', [bias, 'p'], 's'), node('Elu', ['s'], 'y', { alpha: 0.5 })])).toEqual([
      'linear',
    ]);
    expect(calls([product, node('Add', ['p', bias], 'y')])).toEqual(['linear']);
    expect(calls([product, node('Relu', ['p'], 'y')])).toEqual(['linear']);
  });

  it('Gemm keeps its transposition and its factors', () => {
    expect(calls([node('Gemm', ['x', 'wT', 'b'], 'p', { transB: 1 }), node('Sigmoid', ['p'], 'y')])).toEqual([
      'linear',
    ]);
    expect(calls([node('Gemm', ['x', 'w'], 'p'), node('Gemm', ['p', 'square', 'b'], 'y', { transB: 1 })])).toEqual([
      'linear',
      'linear',
    ]);
    expect(calls([node('Gemm', ['x', 'w', 'b'], 'p', { alpha: 2, beta: 0.5 }), node('Sigmoid', ['p'], 'y')])).toEqual([
      'linear',
      'activation',
    ]);
  });

  it('not where the value is used twice, is an output, or is no bias', () => {
    expect(
      calls([product, node('Add', ['p', 'b'], 's'), node('Tanh', ['s'], 't'), node('Mul', ['s', 't'], 'y')]),
    ).toEqual(['linear', 'activation', 'binary']);
    expect(calls([product, node('Add', ['p', 'b'], 'y')], ['y', 'p'])).toEqual(['linear', 'binary']);
    expect(calls([product, node('Add', ['p', 'b'], 'y'), node('Tanh', ['y'], 'z')], ['y', 'z'])).toEqual([
      'linear',
      'activation',
    ]);
    expect(calls([product, node('Add', ['p', 'p'], 'y')])).toEqual(['linear', 'binary']);
    expect(calls([product, node('Sub', ['p', 'b'], 'y')])).toEqual(['linear', 'binary']);
  });

  it('not where the value is the next value of a state', () => {
    const graph = graphOf({
      inputs: [value('x', [1, 4])],
      outputs: [value('y', [1, 3])],
      nodes: [product, node('Tanh', ['p'], 'y')],
      tensors,
      states: [{ input: 'before', output: 'p', type: 'float32', shape: [1, 3] }],
    });
    expect(makePlan(graph).plan.calls.map(({ kernel }) => kernel)).toEqual(['linear', 'activation', 'writeState']);
  });
});

/** A random graph of rows of 3: every node reads values made before; which of them come out is chosen too. */
const randomGraph: fc.Arbitrary<Graph> = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(5), fc.nat(99), fc.nat(99)), { minLength: 1, maxLength: 20 }),
    fc.array(fc.nat(99), { maxLength: 3 }),
  )
  .map(([recipe, kept]) => {
    const names = ['x'];
    const nodes: GraphNode[] = [];
    for (const [i, [kind, p, q]] of recipe.entries()) {
      const [a, b] = [names[p % names.length], names[q % names.length]];
      const name = `v${i}`;
      const made = [
        () => node('Add', [a, b], name),
        () => node('Mul', [a, b], name),
        () => node('MatMul', [a, 'square'], name),
        () => node('Tanh', [a], name),
        () => node('Identity', [a], name),
        () => node('Softmax', [a], name),
      ][kind]();
      nodes.push(made);
      names.push(name);
    }
    const outputs = [...new Set([names.at(-1)!, ...kept.map((i) => names[i % names.length])])];
    return graphOf({
      inputs: [value('x', ['T', 'N', 3])],
      outputs: outputs.map((name) => value(name, ['T', 'N', 3])),
      nodes,
      tensors: tensors as Tensor[],
    });
  });

describe('placing', () => {
  it('values that are alive together never overlap, and inputs and outputs stay', () => {
    fc.assert(
      fc.property(randomGraph, (graph) => {
        const { plan } = makePlan(graph);
        const touched = (name: string) =>
          plan.calls.flatMap((call, at) =>
            Object.values(call.arguments).some(
              (word) => typeof word === 'object' && 'value' in word && word.value === name,
            )
              ? [at]
              : [],
          );
        const lives = plan.values.map(({ name, offset, stride, width }) => {
          const at = touched(name);
          expect(stride).toBeGreaterThanOrEqual(width * 4);
          expect(offset + stride).toBeLessThanOrEqual(plan.rowBytes);
          return {
            offset,
            end: offset + stride,
            first: plan.inputs.some(({ value }) => value === name) ? -1 : Math.min(...at),
            last: plan.outputs.some(({ value }) => value === name) ? plan.calls.length : Math.max(...at, -1),
          };
        });
        for (const [i, a] of lives.entries()) {
          for (const b of lives.slice(i + 1)) {
            if (a.first <= b.last && b.first <= a.last) expect(a.end <= b.offset || b.end <= a.offset).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('memory is shared: a long chain takes the place of two values', () => {
    const chain = Array.from({ length: 30 }, (_, i) =>
      node('Softmax', [i === 0 ? 'x' : `v${i - 1}`], i === 29 ? 'y' : `v${i}`),
    );
    const { plan } = makePlan(
      graphOf({ inputs: [value('x', ['T', 'N', 3])], outputs: [value('y', ['T', 'N', 3])], nodes: chain }),
    );
    expect(plan.rowBytes).toBe(2 * 64);
  });
});
