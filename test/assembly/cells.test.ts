import { describe, expect, it } from 'vitest';
import { cell, numbers } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';
import { COMPANIES, checkCompany, expected, isWhole, outputs, SIZES, VARIANTS } from './cells.js';
import { builds, firstDifference, firstMistake, withSpecials } from './harness.js';

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

  it.each(builds.filter((build) => build !== 'scalar'))(
    '%s: three panels of weights at a time give the bits of two',
    (build) => {
      for (const [inputs, hidden] of [
        [3, 48],
        [2, 53],
        [5, 57],
        [1, 64],
        [4, 200],
      ]) {
        const graph = cell({ ...variant, inputs, hidden });
        for (const steps of [1, 2]) {
          const x = numbers(steps * inputs, hidden);
          const two = outputs(build, graph, x, 1, steps);
          const three = outputs(build, graph, x, 1, steps, { threePanels: true });
          expect(firstDifference(three.y, two.y), `I ${inputs}, H ${hidden}`).toBeUndefined();
          expect(three.violations).toEqual([]);
        }
      }
    },
  );

  it.each(isWhole(variant) ? [] : builds)('%s: a stream gets its bits alone, in company and in any pieces', (build) => {
    checkCompany(build, (inputs, hidden) => cell({ ...variant, inputs, hidden }), variant.projected);
  });

  it('execute gives what the calls one by one give', () => {
    const graph = cell({ ...variant, inputs: 3, hidden: 5 });
    const x = numbers(2 * 3 * 3, 1);
    for (const build of builds) {
      const one = outputs(build, graph, x, 2, 3);
      const all = outputs(build, graph, x, 2, 3, { whole: true });
      expect(firstDifference(all.y, one.y)).toBeUndefined();
      expect(all.violations).toEqual([]);
    }
  });
});
