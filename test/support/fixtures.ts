import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, type Model } from '../../src/index.js';
import type { Build } from '../../src/runtime/kernels.js';

const folder = fileURLToPath(new URL('../fixtures/', import.meta.url));

interface FixtureArray {
  shape: number[];
  data: number[];
}

/** What test/fixtures/make_fixtures.py writes beside each model. */
export interface Fixture {
  /** Who computed the numbers. */
  source: string;
  inputs: Record<string, FixtureArray & { type: string }>;
  outputs: Record<string, FixtureArray>;
}

/** Names of the models with expected outputs. */
export const fixtureNames: string[] = readdirSync(folder)
  .filter((file) => file.endsWith('.safetensors'))
  .map((file) => file.replace('.safetensors', ''))
  .sort();

export const fixturePath = (name: string): string => `${folder}${name}.safetensors`;

export function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Fixture;
}

export function loadFixture(name: string, kernels: Build = 'simd'): Promise<Model> {
  return loadModel(fixturePath(name), { kernels });
}

/** The largest difference, relative to the expected number or to 1 where that is smaller; infinite where lengths differ. */
export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Array.from(found).reduce((largest, value, i) => {
    // NaN and infinities where they are expected are no difference.
    if (Object.is(value, expected[i])) return largest;
    const difference = Math.abs(value - expected[i]) / Math.max(1, Math.abs(expected[i]));
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }, 0);
}

/** Whether two arrays have the same bits (NaN alike whatever their payload). */
export function sameBits(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from({ length: a.length }, (_, i) => Object.is(a[i], b[i])).every(Boolean);
}
