import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { type KerasCase, cases as keras, kerasFile, kerasPath } from '../keras/files.js';

const cases = JSON.parse(readFileSync(kerasPath('tfjs.json'), 'utf8')) as KerasCase[];
const shards = (name: string) =>
  JSON.parse(new TextDecoder().decode(kerasFile(`${name}/model.json`))).weightsManifest[0].paths as string[];

describe('models that TensorFlow.js saved', () => {
  it.each(cases)('$name gives its numbers', async ({ name, inputs, outputs }) => {
    const model = await loadModel(kerasPath(`${name}/model.json`));
    const made = Object.values(model.run(inputs));
    expect(made.map(({ shape }) => shape)).toEqual(outputs.map(({ shape }) => shape));
    for (const [i, { data }] of made.entries()) {
      expect(largestDifference(data, outputs[i].data)).toBeLessThan(TOLERANCES.float32);
    }
  });

  it.each(cases)('$name is the same from bytes', async ({ name, inputs }) => {
    const files = Object.fromEntries(shards(name).map((path) => [path, kerasFile(`${name}/${path}`)]));
    const model = await loadModel(kerasFile(`${name}/model.json`), { files });
    const beside = await loadModel(kerasPath(`${name}/model.json`));
    expect(model.run(inputs)).toEqual(beside.run(inputs));
  });

  it('asks for the shards where it has no place', async () => {
    await expect(loadModel(kerasFile('tfjs-forecaster/model.json'))).rejects.toThrow(/"group1-shard1of2.bin"/);
  });
});

/** A GRU forecaster that Keras 3 made, in every kind of file: the trainer's numbers, whole and streamed. */
describe('one forecaster in three kinds of file', () => {
  const { inputs, outputs } = keras.find(({ name }) => name === 'forecaster')!;
  const [{ shape, data }] = Object.values(inputs);

  it.each(['forecaster.keras', 'forecaster.h5', 'tfjs-forecaster/model.json'])('%s', async (file) => {
    const model = await loadModel(kerasPath(file));
    const [input] = model.inputs;
    const [{ data: whole }] = Object.values(model.run({ [input.name]: { shape, data } }));
    expect(largestDifference(whole, outputs[0].data)).toBeLessThan(TOLERANCES.float32);
    const [sequences, steps, width] = shape;
    for (let n = 0; n < sequences; n++) {
      const stream = model.createStream();
      const own = data.slice(n * steps * width, (n + 1) * steps * width);
      let last: ArrayLike<number> = [];
      for (let t = 0; t < steps; t++) last = stream.step(own.slice(t * width, (t + 1) * width)) as Float32Array;
      const size = last.length;
      expect(largestDifference(last, outputs[0].data.slice(n * size, (n + 1) * size))).toBeLessThan(TOLERANCES.float32);
    }
  });
});
