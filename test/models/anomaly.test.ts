import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bestScore, PROFILES, rawScore, readCorpus } from '../../models/anomaly/nab.mjs';
import { loadModel } from '../../src/index.js';
import { expectPyTorch, modelFile } from './pytorch.js';

const folder = fileURLToPath(new URL('../../../shared/data/NAB', import.meta.url));
if (!existsSync(folder)) console.log('the score on NAB is not checked: ../shared/data is not there');

const file = modelFile('anomaly/model.safetensors');

describe('models/anomaly', () => {
  it.each(['simd', 'scalar'] as const)('gives what PyTorch gives for 1,000 steps, with %s kernels', (kernels) =>
    expectPyTorch('anomaly/model.safetensors', 'anomaly', kernels),
  );

  it('finds the one odd reading of a made-up stream, whatever its unit', async () => {
    const model = await loadModel(file);
    // A load with a daily wave, one reading in five minutes, for twenty days; on the last but one day it doubles once.
    const odd = 5300;
    const load = Float64Array.from({ length: 20 * 288 }, (_, t) => {
      const wave = 40 + 10 * Math.sin((2 * Math.PI * t) / 288);
      return t === odd ? 2 * wave : wave;
    });
    for (const unit of [1, 1e6, 1e-3]) {
      const scores = model.createStream().run(load.map((x) => x * unit)) as Float32Array;
      const later = scores.subarray(864);
      expect(864 + later.indexOf(Math.max(...later))).toBe(odd);
      expect(scores[odd].toFixed(2)).toBe('9.05');
    }
  });

  it('scores a still stream 0 once it has begun', async () => {
    const scores = (await loadModel(file)).createStream().run(new Float64Array(2000).fill(7)) as Float32Array;
    expect(Math.max(...scores.subarray(1))).toBe(0);
  });

  it.runIf(existsSync(folder))('has the scores of its card on NAB', async () => {
    const model = await loadModel(file);
    const corpus = readCorpus(folder);
    const scores = corpus.map(({ readings }) => model.createStream().run(readings) as Float32Array);
    const found = Object.values(PROFILES).map((profile) => bestScore(corpus, scores, profile).score.toFixed(2));
    expect(found).toEqual(['49.69', '32.58', '58.17']);
  });
});

describe("NAB's score", () => {
  const stream = {
    name: 'made up',
    readings: new Array<number>(100).fill(0),
    windows: [[50, 69]] as [number, number][],
  };
  const at = (...times: number[]) => stream.readings.map((_, t) => Number(times.includes(t)));
  const score = (...times: number[]) => bestScore([stream], [at(...times)], PROFILES.standard).score;

  it('is 100 for a window found at its first reading, the less the later, and 0 for nothing found', () => {
    expect(score(50)).toBeCloseTo(100, 9);
    expect(score(50, 55, 60)).toBeCloseTo(100, 9);
    expect(score(60)).toBeLessThan(99);
    expect(score(69)).toBeGreaterThan(50);
    expect(score()).toBe(0);
  });

  it('takes away for a detection outside, less just behind a window, nothing in the first 15%', () => {
    const raw = (...times: number[]) => rawScore(stream, at(50, ...times), 1, PROFILES.standard);
    expect(raw()).toBeCloseTo(1, 9);
    expect(raw(20)).toBeCloseTo(1 - 0.11, 9);
    expect(raw(71)).toBeGreaterThan(1 - 0.11);
    expect(raw(14)).toBe(raw());
    expect(rawScore(stream, at(), 1, PROFILES.reward_low_FN_rate)).toBe(-2);
  });

  // A published detector, simple enough to be made again: how far a reading is from the mean of the last 6,400.
  it.runIf(existsSync(folder))('gives each stream what is published of the windowed Gaussian detector', () => {
    const results = readFileSync(`${folder}/results/windowedGaussian/windowedGaussian_standard_scores.csv`, 'utf8');
    const published = new Map(
      results
        .split(/\r?\n/)
        .map((line) => line.split(','))
        .map((row) => [row[2], Number(row[4])]),
    );
    for (const stream of readCorpus(folder)) {
      const found = rawScore(stream, windowedGaussian(stream.readings), THRESHOLD, PROFILES.standard);
      expect(found, stream.name).toBeCloseTo(published.get(stream.name)!, 6);
    }
  });
});

/** Its threshold, as a number of deviations: the tail beyond is 5e-13, and 1 less that is what is printed as 1.0. */
const THRESHOLD = 7.13;

/** Deviations from the mean of the readings before, at most 6,400 of them, which then are renewed a hundred at a time. */
function windowedGaussian(readings: readonly number[]): number[] {
  const [size, renewed] = [6400, 100];
  let [from, to] = [0, 0];
  // Sums over the window of the readings, and of their squares, counted from the first reading.
  let [sum, squares] = [0, 0];
  let [mean, deviation] = [0, 1];
  const add = (x: number, sign: 1 | -1) => {
    sum += sign * (x - readings[0]);
    squares += sign * (x - readings[0]) ** 2;
  };
  return readings.map((x, t) => {
    const far = t === 0 ? 0 : Math.abs(x - mean) / deviation;
    if (to - from < size || t + 1 - to === renewed) {
      while (to <= t) add(readings[to++], 1);
      while (to - from > size) add(readings[from++], -1);
      const shift = sum / (to - from);
      mean = readings[0] + shift;
      deviation = Math.sqrt(Math.max(0, squares / (to - from) - shift ** 2)) || 1e-6;
    }
    return far;
  });
}
