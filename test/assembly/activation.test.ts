import { describe, expect, it } from 'vitest';
import { ACTIVATIONS } from '../../src/ops/activations.js';
import { numbers } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';
import { applyActivation, builds, firstDifference, firstMistake, KernelMemory, SPECIALS } from './harness.js';

const bitsOf = (x: Float32Array) => new Int32Array(x.buffer, x.byteOffset, x.length);
const floatOf = (bits: number) => new Float32Array(Uint32Array.of(bits >>> 0).buffer)[0];

/** The thresholds of the three functions and their neighbours on both sides, of both signs. */
function edges(): Float32Array {
  const around = [
    0, 1e-38, 0.55, 0.625, 1, 2, 8.66, 9.0109, 16.635, 17.33, 43.5, 87, 87.33654, 88, 88.7, 88.72284, 90, 103.27893,
    103.97208, 104, 1e30, 3.4028235e38,
  ];
  const near = around.flatMap((x) => {
    const [bits] = bitsOf(Float32Array.of(x));
    return Array.from({ length: 9 }, (_, i) => floatOf(Math.max(0, bits + i - 4)));
  });
  const all = [...SPECIALS, ...near].filter((x) => !Number.isNaN(x));
  return Float32Array.from([...all, ...all.map((x) => -x), Number.NaN]);
}

/** 2^21 patterns evenly over all of float32, and a million numbers where the functions bend. */
function sample(): Float32Array {
  const patterns = new Uint32Array(1 << 21);
  for (let i = 0; i < patterns.length; i++) patterns[i] = i * 2048 + ((i * 40503) & 2047);
  const bends = numbers(1 << 18, 9).map((x, i) => x * [2, 20, 180, 210][i & 3]);
  const all = new Float32Array(patterns.length + bends.length);
  all.set(new Float32Array(patterns.buffer));
  all.set(bends, patterns.length);
  return all;
}

/** Distance in float32 steps from the correctly rounded result, which float64 gives except by rare ties: 1 ulp there. */
function worstOf(x: Float32Array, y: Float32Array, reference: (x: number) => number) {
  const rounded = x.map(reference);
  const [found, expected] = [bitsOf(y), bitsOf(rounded)];
  let [ulp, at] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    if (found[i] === expected[i] || (Number.isNaN(y[i]) && Number.isNaN(rounded[i]))) continue;
    const distance =
      (found[i] ^ expected[i]) < 0 || Number.isNaN(y[i]) ? Number.POSITIVE_INFINITY : Math.abs(found[i] - expected[i]);
    if (distance > ulp) [ulp, at] = [distance, x[i]];
  }
  return { ulp, at };
}

// The maxima over every float32 that `npm run sweep` measures, in the scalar and simd builds; relaxed may round elsewhere.
const EXACT = {
  Exp: { low: 0, high: Number.POSITIVE_INFINITY, ulp: 1 },
  Sigmoid: { low: 0, high: 1, ulp: 2 },
  Tanh: { low: -1, high: 1, ulp: 2 },
};

describe.each(Object.entries(EXACT))('%s', (name, { low, high, ulp }) => {
  const { reference } = ACTIVATIONS[name];
  const exact = (x: number) => reference(x, 0, 0);

  it.each(builds)('%s: within its ulps and its range, at the edges and over a sample', (build) => {
    for (const x of [edges(), sample()]) {
      const memory = new KernelMemory(build, 1 << 25);
      const y = applyActivation(memory, name, x);
      const worst = worstOf(x, y, exact);
      expect(worst.ulp, `at ${worst.at}`).toBeLessThanOrEqual(build === 'relaxed' ? 4 : ulp);
      expect(y.findIndex((value) => value < low || value > high)).toBe(-1);
      expect(memory.violations()).toEqual([]);
    }
  });

  it('is NaN for NaN alone, and exact at zero and the infinities', () => {
    for (const build of builds) {
      const ends = Float32Array.of(0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -0);
      const y = applyActivation(new KernelMemory(build), name, ends);
      expect([...y.subarray(0, 4)]).toEqual([
        exact(0),
        exact(Number.POSITIVE_INFINITY),
        exact(Number.NEGATIVE_INFINITY),
        Number.NaN,
      ]);
      if (name === 'Tanh') expect(Object.is(y[4], -0)).toBe(true);
    }
  });

  it('saturates for good', () => {
    // From the first float32 that rounds to the limit, nothing steps back from it.
    const x = Float32Array.from({ length: 100_000 }, (_, i) => 8 + i / 800);
    for (const build of builds) {
      for (const sign of [1, -1]) {
        const y = applyActivation(
          new KernelMemory(build, 1 << 21),
          name,
          x.map((value) => sign * value),
        );
        const limit = exact(sign * Number.POSITIVE_INFINITY);
        const reached = y.indexOf(limit);
        expect(reached).toBeGreaterThan(-1);
        expect(y.subarray(reached).every((value) => value === limit)).toBe(true);
      }
    }
  });
});

describe('the element-wise functions', () => {
  const x = Float32Array.from([...numbers(4001, 4).map((value, i) => value * [1, 10, 40][i % 3]), ...SPECIALS]);
  const parameters: Record<string, [number, number]> = {
    Affine: [1.5, -0.25],
    ScaledTanh: [1.7, 0.6],
    Clip: [-1, 2],
    ThresholdedRelu: [0.5, 0],
    Swish: [1.25, 0],
  };

  it.each(Object.keys(ACTIVATIONS))('%s is what float64 gives, alike in every build', (name) => {
    const spec = ACTIVATIONS[name];
    const [alpha, beta] = parameters[name] ?? [spec.alpha ?? 0, spec.beta ?? 0];
    const exact = x.map((value) => spec.reference(value, Math.fround(alpha), Math.fround(beta)));
    let first: Float32Array | undefined;
    for (const build of [...builds, 'debug-scalar', 'debug-simd'] as const) {
      const memory = new KernelMemory(build);
      const y = applyActivation(memory, name, x, alpha, beta);
      expect(firstMistake(y, exact, TOLERANCES.elementwise), build).toBeUndefined();
      expect(memory.violations()).toEqual([]);
      if (build !== 'relaxed') expect(firstDifference(y, (first ??= y)), build).toBeUndefined();
    }
  });
});
