import { describe, expect, it } from 'vitest';
import { Scaler } from '../../src/sequences/index.js';

// Column "a" is 1 2 3 4 10, column "b" never changes.
const DATA = [1, 7, 2, 7, 3, 7, 4, 7, 10, 7];
const carried = (scaler: unknown) => ({ name: 'm', metadata: { scaler: JSON.stringify(scaler) } });

describe('Scaler', () => {
  // np.mean, np.std; min, max - min; np.median, np.percentile 75 - 25.
  it.each([
    ['standard', 4, 3.1622776601683795],
    ['min-max', 1, 9],
    ['robust', 3, 2],
  ] as const)('takes %s constants as NumPy does', (kind, center, scale) => {
    const scaler = Scaler.fit(kind, ['a', 'b'], DATA);
    expect(scaler.center).toEqual([center, 7]);
    expect(scaler.scale[0]).toBeCloseTo(scale, 14);
    expect(scaler.scale[1]).toBe(1);
    expect(scaler.transform([10, 8])).toEqual(Float64Array.of((10 - center) / scaler.scale[0], 1));
    expect([...scaler.inverse(scaler.transform(DATA))]).toEqual(DATA.map((x) => expect.closeTo(x, 12)));
  });

  it.each(['standard', 'min-max', 'robust'] as const)('gives a column that never changes a scale of 1: %s', (kind) => {
    for (const value of [0.1, 1e9 / 3, -7.3, 0]) {
      const { center, scale } = Scaler.fit(kind, ['a'], new Array(3).fill(value));
      expect([center, scale]).toEqual([[value], [1]]);
    }
    // Rounded to a deviation of 0.
    expect(Scaler.fit(kind, ['a'], [0, 0, 0, 5e-324]).scale[0]).toBeGreaterThan(0);
  });

  it('scales logarithms', () => {
    const scaler = Scaler.fit('min-max', ['price'], [1, Math.E, Math.E ** 2], { log: true });
    expect([...scaler.transform([1, Math.E ** 2])]).toEqual([0, 1]);
    expect(scaler.inverse([0.5])[0]).toBeCloseTo(Math.E, 14);
    expect(() => Scaler.fit('standard', ['price'], [1, 0], { log: true })).toThrow(/"price" can't be scaled/);
    expect(() => scaler.transform([1, -2])).toThrow(/"price" can't be scaled: expected positive .*, found -2/);
    expect(scaler.transform([Number.NaN])).toEqual(Float64Array.of(Number.NaN));
  });

  it('travels in the metadata of a model, to the bit', () => {
    const scaler = Scaler.fit('standard', ['a', 'b'], DATA);
    expect(Scaler.of(carried(scaler))).toEqual(scaler);
    const logarithmic = Scaler.fit('robust', ['a'], [1, 2, 4], { log: true });
    expect(Scaler.of(carried(logarithmic))).toEqual(logarithmic);
    expect(Scaler.of({ name: 'm', metadata: {} })).toBeUndefined();
  });

  it('selects columns in any order', () => {
    const scaler = Scaler.fit('standard', ['a', 'b'], DATA).select(['b', 'a']);
    expect(scaler.center).toEqual([7, 4]);
    expect(() => scaler.select(['c'])).toThrow(/expected b, a, found c/);
  });

  const good = { kind: 'standard', columns: ['a'], center: [0], scale: [1] };
  it.each([
    ['an unknown kind', { ...good, kind: 'minmax' }, /scaler\.kind/],
    ['an unknown key', { ...good, mean: [1] }, /a key that nobody reads/],
    ['a list of another length', { ...good, center: [0, 1] }, /scaler\.center/],
    ['a text for a number', { ...good, center: ['0'] }, /center\[0\]/],
    ['a scale of zero', { ...good, scale: [0] }, /positive numbers/],
    ['nothing to scale by', { kind: 'standard', columns: ['a'], center: [0] }, /has no "scale"/],
    ['a log that is neither', { ...good, log: 1 }, /scaler\.log/],
    ['no object', [], /an object/],
  ])('refuses %s', (_, scaler, message) => {
    expect(() => Scaler.of(carried(scaler))).toThrow(message);
    expect(() => Scaler.of(carried(scaler))).toThrow(expect.objectContaining({ code: 'INVALID_FILE' }));
  });

  it('refuses data that are no rows of its columns', () => {
    const scaler = Scaler.fit('standard', ['a', 'b'], DATA);
    expect(() => scaler.transform([1])).toThrow(/a multiple of 2/);
    expect(() => scaler.inverse([1, 2, 3])).toThrow(/a multiple of 2/);
    for (const length of [0, 1, 3]) {
      const out = new Float64Array(length);
      expect(() => scaler.transform([1, 2], out)).toThrow(/out has the wrong length: expected 2 numbers/);
      expect(() => scaler.inverse([1, 2], out)).toThrow(/out has the wrong length: expected 2 numbers/);
    }
    expect(() => Scaler.fit('standard', ['a', 'b'], [1])).toThrow(/at least one row/);
    expect(() => Scaler.fit('standard', ['a'], [Number.NaN])).toThrow(/finite/);
    expect(() => Scaler.fit('maximal' as 'robust', ['a'], [1])).toThrow(/standard, min-max, robust/);
  });
});
