import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readModelSync } from '../../src/formats/registry.js';
import { toFloat32 } from '../../src/graph/tensor.js';
import { evaluateReference } from '../../src/ops/references.js';
import { BUILDS, supports } from '../../src/runtime/kernels.js';
import {
  fixtureNames,
  fixturePath,
  largestDifference,
  loadFixture,
  readFixture,
  sameBits,
} from '../support/fixtures.js';
import { TOLERANCES } from '../support/tolerances.js';

const builds = BUILDS.filter(supports);
for (const build of BUILDS) if (!supports(build)) console.log(`fixtures: this engine has no ${build} build; left out`);

describe.each(fixtureNames)('%s', (name) => {
  const fixture = readFixture(name);

  it('the float64 reference gives the trainer’s numbers', () => {
    const graph = readModelSync(readFileSync(fixturePath(name)), name);
    const inputs = Object.entries(fixture.inputs).map(([input, { shape, data }]) => {
      // Printed with the digits that tell one float32 from the next: the float32 is what the trainer saw.
      return [input, { shape, data: Float64Array.from(Float32Array.from(data)) }];
    });
    const states = graph.states.map(({ input, shape, initial }) => {
      const [n] = Object.values(fixture.inputs).map(({ shape }) => shape[1]);
      const full = shape.map((dim) => (dim === 'N' ? n : Number(dim)));
      const count = full.reduce((a, b) => a * b, 1);
      const tensor = initial === undefined ? undefined : graph.tensors.get(initial)!;
      const data = tensor ? toFloat32(tensor) : new Float32Array(count);
      return [input, { shape: full, data: Float64Array.from(data) }];
    });
    const results = evaluateReference(graph, Object.fromEntries([...inputs, ...states]));
    for (const [output, expected] of Object.entries(fixture.outputs)) {
      expect(results[output].shape).toEqual(expected.shape);
      expect(largestDifference(results[output].data, expected.data)).toBeLessThan(TOLERANCES.printed);
    }
  });

  it.each(builds)('%s kernels give them on whole sequences', async (build) => {
    const model = await loadFixture(name, build);
    const results = model.run(fixture.inputs);
    for (const [output, expected] of Object.entries(fixture.outputs)) {
      expect(results[output].shape).toEqual(expected.shape);
      const tolerance = name.includes('saturated') ? TOLERANCES.saturated : TOLERANCES.float32;
      expect(largestDifference(results[output].data, expected.data)).toBeLessThan(tolerance);
    }
  });

  it('step, run and stepMany give the bits of the whole sequence, in simd and scalar alike', async () => {
    const [simd, scalar] = await Promise.all([loadFixture(name, 'simd'), loadFixture(name, 'scalar')]);
    const whole = simd.run(fixture.inputs);
    const again = scalar.run(fixture.inputs);
    for (const output of Object.keys(whole)) expect(sameBits(again[output].data, whole[output].data)).toBe(true);
    if (!simd.streamable) {
      expect(() => simd.createStream()).toThrow(/needs whole sequences/);
      return;
    }
    // Only outputs that have a row for each step can be compared step by step.
    const names = simd.outputs.filter(({ shape }) => shape.includes('T')).map((port) => port.name);
    const [T, N] = Object.values(fixture.inputs)[0].shape;
    for (const model of [simd, scalar]) {
      for (let n = 0; n < N; n++) {
        const rowOf = (data: ArrayLike<number>, t: number, size: number) =>
          Array.from({ length: size }, (_, i) => data[(t * N + n) * size + i]);
        const inputsAt = (t: number) =>
          Object.fromEntries(model.inputs.map(({ name, size }) => [name, rowOf(fixture.inputs[name].data, t, size)]));
        const stream = model.createStream();
        const together = Object.fromEntries(
          model.inputs.map(({ name }) => [name, Array.from({ length: T }, (_, t) => inputsAt(t)[name]).flat()]),
        );
        const run = model.createStream().run(together);
        for (let t = 0; t < T; t++) {
          const step = stream.step(inputsAt(t));
          for (const output of names) {
            const { size } = model.outputs.find((port) => port.name === output)!;
            const expected = rowOf(whole[output].data, t, size);
            expect(sameBits(step[output], expected)).toBe(true);
            expect(sameBits(run[output].subarray(t * size, (t + 1) * size), expected)).toBe(true);
          }
        }
      }
    }
  });
});
