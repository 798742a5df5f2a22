import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expOfNegative } from '../../src/text/exp.js';
import { Random, Sampler, type SamplerOptions } from '../../src/text/index.js';

/** Rounded to multiples of 1/4, so that equal logits are common. */
const logitLists = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 40 })
  .map((list) => Float32Array.from(list, (x) => x / 4));

function draw(logits: ArrayLike<number>, count: number, options: SamplerOptions): number[] {
  const sampler = new Sampler(options);
  return Array.from({ length: count }, () => sampler.sample(logits));
}

/** Ids from the likeliest on, the lower first where logits are equal. */
function ranked(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
}

describe('expOfNegative', () => {
  it('is within 1e-15 of Math.exp, relatively, from 0 to -708', () => {
    let worst = 0;
    for (let i = 0; i <= 200_000; i++) {
      const x = -708 * (i / 200_000) ** 3;
      worst = Math.max(worst, Math.abs(expOfNegative(x) / Math.exp(x) - 1));
    }
    expect(worst).toBeLessThan(1e-15);
  });

  it('never rises as x falls, where ranges of the reduction meet', () => {
    for (let n = 0; n < 1021; n++) {
      const edge = -(n + 0.5) * Math.LN2;
      const [right, left] = [edge * (1 - 1e-13), edge * (1 + 1e-13)];
      expect(expOfNegative(left)).toBeLessThanOrEqual(expOfNegative(right));
    }
  });

  it('is right at the ends', () => {
    expect([0, -0, -708.1, -1e300, Number.NEGATIVE_INFINITY].map(expOfNegative)).toEqual([1, 1, 0, 0, 0]);
    expect(expOfNegative(-708)).toBeGreaterThan(2 ** -1022);
    expect(expOfNegative(Number.NaN)).toBeNaN();
  });

  it('has the same bits everywhere', () => {
    const bits = (x: number) => new BigUint64Array(Float64Array.of(expOfNegative(x)).buffer)[0].toString(16);
    expect([-0.1, -1, -Math.PI, -33.3, -500.25].map(bits)).toEqual(PINNED_EXP);
  });
});

describe('Random', () => {
  it('is xoshiro128**: the published recurrence from a known state', () => {
    const random = new Random(0);
    random.restore([1, 2, 3, 4]);
    // By hand from the definition: rotl(2 * 5, 7) * 9, then the state is [7, 0, 1026, 12288].
    expect(random.next()).toBe(11520);
    expect(random.save()).toEqual([7, 0, 1026, 12288]);
    expect([random.next(), random.next(), random.next(), random.next()]).toEqual([0, 5927040, 70819200, 2031721883]);
  });

  it('gives uniform numbers of [0, 1) in all of its bits', () => {
    const random = new Random(7);
    const counts = new Float64Array(64);
    const fine = new Float64Array(64);
    const n = 64_000;
    for (let i = 0; i < n; i++) {
      const x = random.uniform();
      expect(x >= 0 && x < 1).toBe(true);
      counts[Math.floor(x * 64)]++;
      fine[(x * 2 ** 53) % 64]++;
    }
    // 63 degrees of freedom: 1 in 10^6 exceeds 128.
    expect(
      chiSquare(
        counts,
        counts.map(() => n / 64),
      ),
    ).toBeLessThan(128);
    expect(
      chiSquare(
        fine,
        fine.map(() => n / 64),
      ),
    ).toBeLessThan(128);
  });

  it('starts differently for every seed, also for those that differ above 32 bits', () => {
    const seeds = [0, 1, 2, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
    expect(new Set(seeds.map((seed) => new Random(seed).next())).size).toBe(seeds.length);
  });

  it('goes on from a saved state, and refuses what is none', () => {
    const random = new Random(5);
    random.next();
    const state = JSON.parse(JSON.stringify(random.save()));
    const expected = Array.from({ length: 5 }, () => random.next());
    const other = new Random(6);
    other.restore(state);
    expect(Array.from({ length: 5 }, () => other.next())).toEqual(expected);
    for (const bad of [
      [0, 0, 0, 0],
      [1, 2, 3],
      [1, 2, 3, 2 ** 32],
      [1, 2, 3, -1],
      [1, 2, 3, 0.5],
    ]) {
      expect(() => other.restore(bad as never)).toThrow('Not the state');
    }
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => new Random(seed)).toThrow('Bad seed');
  });
});

describe('Sampler', () => {
  it('takes the highest logit, the lowest id of equal ones, at temperature 0 and at topK 1', () => {
    fc.assert(
      fc.property(logitLists, fc.nat(), (logits, seed) => {
        const expected = ranked(logits)[0];
        expect(draw(logits, 3, { temperature: 0, seed })).toEqual([expected, expected, expected]);
        expect(draw(logits, 3, { topK: 1, seed })).toEqual([expected, expected, expected]);
      }),
    );
  });

  it('never leaves the topK likeliest', () => {
    fc.assert(
      fc.property(logitLists, fc.integer({ min: 1, max: 45 }), fc.nat(), (logits, topK, seed) => {
        const allowed = new Set(ranked(logits).slice(0, topK));
        for (const id of draw(logits, 20, { topK, seed, temperature: 20 })) expect(allowed).toContain(id);
      }),
    );
  });

  it('never leaves the fewest tokens that reach topP, also after topK', () => {
    const options = fc.record({
      topP: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      topK: fc.integer({ min: 1, max: 45 }),
    });
    fc.assert(
      fc.property(logitLists, options, fc.nat(), (logits, { topP, topK }, seed) => {
        const order = ranked(logits).slice(0, topK);
        const weights = order.map((id) => Math.exp(logits[id]));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        let sum = 0;
        // Within rounding of topP, either number of tokens is right.
        const kept = weights.findIndex((weight) => (sum += weight) >= topP * total * (1 + 1e-12)) + 1 || order.length;
        const allowed = new Set(order.slice(0, kept));
        for (const id of draw(logits, 20, { topP, topK, seed })) expect(allowed).toContain(id);
      }),
    );
  });

  it.each<[string, SamplerOptions, number[]]>([
    ['the softmax', {}, [0.1, 0.2, 0.3, 0.4]],
    ['the softmax at temperature 1/2', { temperature: 0.5 }, [1 / 30, 4 / 30, 9 / 30, 16 / 30]],
    ['the topK, renormalised', { topK: 3 }, [0, 2 / 9, 3 / 9, 4 / 9]],
    ['the topP, renormalised', { topP: 0.65 }, [0, 0, 3 / 7, 4 / 7]],
    // 4/9 is below 0.5 of the three that topK leaves, 4/10 + 3/10 would be below 0.75 of all.
    ['topP of what topK leaves', { topK: 3, topP: 0.75 }, [0, 0, 3 / 7, 4 / 7]],
  ])('draws from %s', (_, options, probabilities) => {
    const n = 40_000;
    const counts = new Float64Array(4);
    const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4], Math.log);
    for (const id of draw(logits, n, { ...options, seed: 11 })) counts[id]++;
    const expected = Float64Array.from(probabilities, (p) => p * n);
    for (let id = 0; id < 4; id++) if (expected[id] === 0) expect(counts[id]).toBe(0);
    // 3 degrees of freedom: 1 in 10^6 exceeds 31.
    expect(chiSquare(counts, expected)).toBeLessThan(31);
  });

  it('gives the same tokens for a seed for ever', () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => ((i * 37) % 50) / 10);
    expect(draw(logits, 12, { seed: 1 })).toEqual(PINNED_PLAIN);
    expect(draw(logits, 12, { seed: 1, temperature: 0.7, topK: 20, topP: 0.9 })).toEqual(PINNED_TOP);
  });

  it('tells the seed it chose, goes on from a saved place, and leaves the logits alone', () => {
    const logits = Float32Array.of(0, 1, 2, 3);
    const sampler = new Sampler();
    const first = Array.from({ length: 30 }, () => sampler.sample(logits));
    const state = sampler.save();
    const second = Array.from({ length: 30 }, () => sampler.sample(logits));
    expect(draw(logits, 60, { seed: sampler.seed })).toEqual([...first, ...second]);
    sampler.restore(state);
    expect(Array.from({ length: 30 }, () => sampler.sample(logits))).toEqual(second);
    expect([...logits]).toEqual([0, 1, 2, 3]);
  });

  it('rules -Infinity out, and refuses NaN, Infinity and nothing at all without a draw', () => {
    const minus = Number.NEGATIVE_INFINITY;
    expect(new Set(draw([minus, 0, minus, 0], 50, { seed: 3, topK: 4, topP: 0.999 }))).toEqual(new Set([1, 3]));
    expect(new Set(draw([minus, 0, minus, 0], 50, { seed: 3 }))).toEqual(new Set([1, 3]));
    for (const temperature of [0, 1]) {
      const sampler = new Sampler({ seed: 3, temperature });
      const before = sampler.save();
      for (const bad of [[0, Number.NaN], [Number.POSITIVE_INFINITY, 0], [minus, minus], []]) {
        expect(() => sampler.sample(bad)).toThrow(/Logit|no logit/);
      }
      expect(sampler.save()).toEqual(before);
    }
  });

  it.each<SamplerOptions>([
    { temperature: -1 },
    { temperature: Number.NaN },
    { temperature: Number.POSITIVE_INFINITY },
    { topK: 0 },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.1 },
    { seed: -1 },
  ])('refuses %o', (options) => {
    expect(() => new Sampler(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });
});

/** Sum of (observed - expected)^2 / expected over what is expected at all. */
function chiSquare(observed: Float64Array, expected: Float64Array): number {
  return expected.reduce((sum, e, i) => (e === 0 ? sum : sum + (observed[i] - e) ** 2 / e), 0);
}

const PINNED_EXP = ['3fecf46d99d52b3a', '3fd78b56362cef38', '3fa620227b598efa', '3cef165bb9b59d94', '12d39634f3ad26d0'];
const PINNED_PLAIN = [39, 35, 4, 43, 35, 1, 8, 1, 1, 4, 24, 40];
const PINNED_TOP = [20, 16, 27, 24, 16, 27, 4, 27, 27, 27, 8, 47];
