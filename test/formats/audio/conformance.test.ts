import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';

const FOLDER = fileURLToPath(new URL('../../../../shared/conformance/rtneural/', import.meta.url));
const hasFiles = existsSync(FOLDER);
if (!hasFiles) console.warn('RTNeural conformance skipped: ../shared/conformance/rtneural is not there');

/** The numbers of a CSV with a row for each step. */
const numbers = (name: string): number[] =>
  readFileSync(`${FOLDER}test_data/${name}.csv`, 'utf8')
    .trim()
    .split(/[\s,]+/)
    .map(Number);

const largest = (found: ArrayLike<number>, wanted: ArrayLike<number>): number =>
  found.length === wanted.length
    ? Array.from(found).reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0)
    : Number.POSITIVE_INFINITY;

describe.skipIf(!hasFiles)('RTNeural’s own models', () => {
  it.each([
    ['conv', 1e-6],
    ['dense', 1e-6],
    ['gru', 5e-6],
    ['gru_1d', 5e-6],
    ['gru_torch', 5e-6],
    ['lstm', 1e-6],
    ['lstm_1d', 1e-6],
    ['lstm_torch', 1e-6],
  ])('%s, step by step', async (name, tolerance) => {
    const model = await loadModel(`${FOLDER}models/${name}.json`);
    const found = model.createStream().run(numbers(`${name}_x_python`));
    expect(largest(found, numbers(`${name}_y_python`))).toBeLessThan(tolerance);
  });
});
