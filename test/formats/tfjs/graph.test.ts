import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';

interface Data {
  shape: number[];
  data: number[];
}

interface Case {
  name: string;
  streams: boolean;
  inputs: Record<string, Data>;
  outputs: Record<string, Data>;
}

const pathOf = (name: string) => fileURLToPath(new URL(`../../fixtures/tfgraph/${name}`, import.meta.url));
const cases = JSON.parse(readFileSync(pathOf('expected.json'), 'utf8')) as Case[];
const load = (name: string) => loadModel(pathOf(`${name}/model.json`));

/** One sequence of a batch, as rows. */
function rowsOf({ shape: [, steps, ...rest], data }: Data, n: number): number[][] {
  const size = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: steps }, (_, t) => data.slice((n * steps + t) * size, (n * steps + t + 1) * size));
}

describe('graph models give the numbers of TensorFlow', () => {
  it.each(cases)('$name, whole sequences', async ({ name, inputs, outputs }) => {
    const model = await load(name);
    // A state has the shape that its cell gives it: the axis of layers is in front.
    const given = Object.entries(inputs).map(([key, { shape, data }]) => {
      const isInput = model.inputs.some((input) => input.name === key);
      return [key, { data, shape: isInput ? shape : [1, ...shape] }];
    });
    const made = model.run(Object.fromEntries(given));
    for (const [key, { shape, data }] of Object.entries(outputs)) {
      expect(made[key].shape.filter((_, axis) => axis >= made[key].shape.length - shape.length)).toEqual(shape);
      expect(largestDifference(made[key].data, data)).toBeLessThan(TOLERANCES.float32);
    }
  });

  it.each(cases.filter(({ streams }) => streams))('$name, step by step', async ({ name, inputs, outputs }) => {
    const model = await load(name);
    const [input] = model.inputs;
    const [output] = model.outputs;
    const sequences = inputs[input.name].shape[0];
    for (let n = 0; n < sequences && model.inputs.length === Object.keys(inputs).length; n++) {
      const stream = model.createStream();
      const steps = rowsOf(inputs[input.name], n).map((row) => Float32Array.from(stream.step(row) as Float32Array));
      const expected = outputs[output.name];
      const last = expected.shape.length === 2;
      const wanted = last ? [expected.data.slice(n * steps[0].length, (n + 1) * steps[0].length)] : rowsOf(expected, n);
      for (const [t, row] of wanted.entries()) {
        expect(largestDifference(last ? steps.at(-1)! : steps[t], row)).toBeLessThan(TOLERANCES.float32);
      }
    }
  });
});
