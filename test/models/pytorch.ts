import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type LoadOptions, loadModel } from '../../src/index.js';

/** What models/train/fixtures.py wrote: the recipe of the inputs, and what PyTorch gave after some of the steps. */
interface Fixture {
  low?: number;
  high?: number;
  tokens?: number;
  steps: { step: number; output: number[] }[];
}

export const modelFile = (name: string) => new URL(`../../models/${name}`, import.meta.url);

/** The largest difference allowed after 1,000 streamed steps, relative to the number or to 1 where that is smaller. */
const DIFFERENCE = 1e-5;

/** Streams the inputs of a fixture through a model that ships, step by step, and holds it to PyTorch's outputs. */
export async function expectPyTorch(file: string, fixture: string, kernels: LoadOptions['kernels'] = 'auto') {
  const model = await loadModel(modelFile(file), { kernels: kernels! });
  const { steps, ...recipe }: Fixture = JSON.parse(
    readFileSync(new URL(`../fixtures/models/${fixture}.json`, import.meta.url), 'utf8'),
  );
  const stream = model.createStream();
  const next = numbers(recipe);
  const x = new Float32Array(model.inputs[0].size);
  let step = 0;
  for (const shown of steps) {
    let y: Float32Array | undefined;
    for (; step < shown.step; step++) {
      for (let i = 0; i < x.length; i++) x[i] = next();
      y = stream.step(recipe.tokens ? x[0] : x) as Float32Array;
    }
    expect(y!.length).toBe(shown.output.length);
    for (const [i, expected] of shown.output.entries()) {
      const difference = Math.abs(y![i] - expected) / Math.max(1, Math.abs(expected));
      expect(difference, `output ${i} of step ${step}`).toBeLessThanOrEqual(DIFFERENCE);
    }
  }
  expect(step).toBe(1000);
}

/** The inputs, one number after another. */
function numbers({ low = 0, high = 1, tokens }: Omit<Fixture, 'steps'>): () => number {
  let x = 1;
  return () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return tokens ? Math.floor((tokens * x) / 2 ** 32) : low + ((high - low) * x) / 2 ** 32;
  };
}
