import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../src/index.js';
import { Detector, ErrorLikelihood, Forecaster } from '../../src/sequences/index.js';
import { logTail } from '../../src/sequences/likelihood.js';
import { cell, numbers } from '../support/graphs.js';

describe('logTail', () => {
  // log10(erfc(z / sqrt 2) / 2), by mpmath with 40 digits.
  it.each([
    [-3, -0.0005866493137900667],
    [-0.5, -0.160231392277849],
    [0, -0.3010299956639812],
    [1, -0.7995455414919705],
    [2.8, -2.592586942753496],
    [2.83, -2.633128931440048],
    [5, -6.542645672390654],
    [10, -23.11805340548608],
    [40, -349.4370064593458],
  ])('of %d', (z, expected) => {
    expect(Math.abs(logTail(z) / expected - 1)).toBeLessThan(1e-9);
  });
});

describe('ErrorLikelihood', () => {
  /** The same from the whole history. */
  function judged(errors: readonly number[], window: number, recent: number): number {
    const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
    const held = errors.slice(-window - recent, -recent);
    const deviation = Math.sqrt(mean(held.map((x) => (x - mean(held)) ** 2)));
    return -logTail((mean(errors.slice(-recent)) - mean(held)) / deviation);
  }

  it('judges the last errors by those of its window, through many turns of it', () => {
    const likelihood = new ErrorLikelihood({ window: 20, recent: 3, warmUp: 5 });
    const errors = Array.from(numbers(200, 1), (x, t) => 1e3 + x + (t === 150 ? 3 : 0));
    for (const [t, error] of errors.entries()) {
      const score = likelihood.push(error);
      if (t < 4) expect(score).toBe(0);
      else expect(score).toBeCloseTo(judged(errors.slice(0, t + 1), 20, 3), 5);
    }
  });

  it.each([1e4, 1e7, 1e9, -1e18, 1e150])('forgets a glitch of %d that has left its window', (glitch) => {
    const usual = (t: number) => 0.1 + 0.01 * Math.sin(t);
    for (const fade of [0, 0.2, 0.7]) {
      const likelihood = new ErrorLikelihood({ window: 100, recent: 5, warmUp: 6, resolution: 1e-9 });
      const errors = Array.from({ length: 720 }, (_, t) => usual(t) + (t < 403 ? 0 : glitch * fade ** (t - 403)));
      errors.fill(0.12, 715);
      const scores = errors.map((error) => likelihood.push(error));
      expect(scores[719]).toBeCloseTo(judged(errors, 100, 5), 5);
      // And as soon as it is gone.
      if (fade === 0) expect(scores[508]).toBeCloseTo(judged(errors.slice(0, 509), 100, 5), 5);
    }
  });

  it('finds errors that never change as usual as can be, and a single other one not', () => {
    const likelihood = new ErrorLikelihood({ window: 100, recent: 1, warmUp: 1 });
    for (let t = 0; t < 150; t++) expect(likelihood.push(0.1)).toBeCloseTo(t === 0 ? 0 : 0.301, 3);
    expect(likelihood.push(0.1001)).toBeLessThan(1);
    expect(likelihood.push(0.2)).toBeGreaterThan(5);
  });

  it('refuses what is no count', () => {
    for (const options of [{ window: 0 }, { recent: 1.5 }, { warmUp: -1 }, { resolution: 0 }]) {
      expect(() => new ErrorLikelihood(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    }
  });
});

describe('Detector', () => {
  const TASK = { columns: ['a', 'b'], targets: ['b'], horizon: 3 };
  const SCALER = { kind: 'standard', columns: ['a', 'b'], center: [0, 10], scale: [1, 4] };

  const load = (metadata: object = {}) => {
    const graph = cell({ op: 'RNN', inputs: 2, hidden: 3 });
    const all = { forecast: TASK, scaler: SCALER, ...metadata };
    const texts = Object.fromEntries(Object.entries(all).map(([key, value]) => [key, JSON.stringify(value)]));
    return loadModel(writeNative({ ...graph, metadata: texts }));
  };

  it('compares each reading with what was expected of it, and scores a jump', async () => {
    const model = await load();
    const detector = new Detector(model.createStream(), { window: 100, recent: 2, warmUp: 10, threshold: 4 });
    const forecaster = new Forecaster(model.createStream());
    const likelihood = new ErrorLikelihood({ window: 100, recent: 2, warmUp: 10 });
    let expected = Number.NaN;
    const flagged: number[] = [];
    for (let t = 0; t < 60; t++) {
      const reading = [Math.sin(t), 10 + Math.cos(t) + (t === 50 ? 100 : 0)];
      const found = detector.push(reading);
      expect([...found.expected!]).toEqual([expected]);
      if (t > 0) {
        expect(found.error).toBeCloseTo(Math.abs(reading[1] - expected) / 4, 12);
        expect(found.score).toBe(likelihood.push(found.error!));
      } else expect(found.score).toBe(0);
      if (found.isAnomaly) flagged.push(t);
      expected = forecaster.push(reading)[0];
    }
    expect(flagged[0]).toBe(50);
    expect(flagged.every((t) => t < 53)).toBe(true);
  });

  it('takes its settings from the model, and those given first', async () => {
    const model = await load({ detector: { threshold: 7, recent: 4 } });
    expect(new Detector(model.createStream()).threshold).toBe(7);
    expect(new Detector(model.createStream(), { threshold: 2 }).threshold).toBe(2);
    expect(new Detector(model.createStream(), { threshold: undefined }).threshold).toBe(7);
    expect(new Detector((await load()).createStream()).threshold).toBe(5);
    const wrong = await load({ detector: { limit: 1 } });
    expect(() => new Detector(wrong.createStream())).toThrow(/nobody reads/);
    const zero = await load({ detector: { window: 0 } });
    expect(() => new Detector(zero.createStream())).toThrow(/detector\.window/);
  });

  it('takes the score of a model that scores by itself', async () => {
    const graph = cell({ op: 'GRU', inputs: 2, hidden: 1 });
    const of = (metadata: object) =>
      loadModel(
        writeNative({
          ...graph,
          metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])),
        }),
      );
    const model = await of({ detector: { columns: ['b', 'a'], threshold: 0.1 }, scaler: SCALER });
    const detector = new Detector(model.createStream());
    const plain = model.createStream();
    expect([detector.columns, detector.targets, detector.threshold]).toEqual([['b', 'a'], [], 0.1]);
    for (let t = 0; t < 9; t++) {
      const [score] = plain.step([(10 + 4 * Math.sin(t) - 10) / 4, Math.cos(t)]);
      expect(detector.push([10 + 4 * Math.sin(t), Math.cos(t)])).toEqual({
        score: expect.closeTo(score, 6),
        isAnomaly: score >= 0.1,
      });
    }
    expect(() => detector.push([1])).toThrow(/expected b, a/);
    expect(() => new Detector(model.createStream(), { window: 9 })).toThrow(/scores by itself.*found window/);
    const wrong = await of({ detector: { columns: ['a'] } });
    expect(() => new Detector(wrong.createStream())).toThrow(/1 numbers in, a score out: expected|found 2 in, 1 out/);
  });

  it('is as it was when it refuses a reading', async () => {
    const model = await load();
    const [detector, twin] = [new Detector(model.createStream()), new Detector(model.createStream())];
    for (const one of [detector, twin]) one.push([1, 2]);
    expect(() => detector.push([1, Number.NaN])).toThrow(expect.objectContaining({ code: 'NON_FINITE_INPUT' }));
    expect(detector.push([3, 4])).toEqual(twin.push([3, 4]));
  });
});
