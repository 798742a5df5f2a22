import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { type KerasCase, cases as keras, kerasFile, kerasPath } from '../keras/files.js';
import { shardsOf } from './files.js';

interface StoredWeight {
  name: string;
  dtype: string;
  shape: number[];
}

const cases = JSON.parse(readFileSync(kerasPath('tfjs.json'), 'utf8')) as KerasCase[];

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
    const model = await loadModel(kerasFile(`${name}/model.json`), { files: shardsOf(name) });
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

it('tells the cells of a stack apart by their numbers, whatever their order in the manifest', async () => {
  const name = 'tfjs-layers';
  const { inputs, outputs } = cases.find((one) => one.name === name)!;
  const { weightsManifest, ...rest } = JSON.parse(new TextDecoder().decode(kerasFile(`${name}/model.json`)));
  const shards = shardsOf(name);
  const BYTES: Record<string, number> = { float32: 4, int32: 4, uint8: 1, bool: 1 };
  const files: Record<string, Uint8Array> = {};
  const manifest = weightsManifest.map(
    ({ paths, weights }: { paths: string[]; weights: StoredWeight[] }, g: number) => {
      const all = Buffer.concat(paths.map((path) => shards[path]));
      let at = 0;
      const parts = weights.map((weight) => {
        const length = BYTES[weight.dtype] * weight.shape.reduce((a, b) => a * b, 1);
        at += length;
        return { weight, bytes: all.subarray(at - length, at) };
      });
      parts.reverse();
      files[`group${g}.bin`] = Uint8Array.from(Buffer.concat(parts.map(({ bytes }) => bytes)));
      return { paths: [`group${g}.bin`], weights: parts.map(({ weight }) => weight) };
    },
  );
  const text = JSON.stringify({ ...rest, weightsManifest: manifest });
  const model = await loadModel(new TextEncoder().encode(text), { files });
  const made = Object.values(model.run(inputs));
  for (const [i, { data }] of made.entries()) {
    expect(largestDifference(data, outputs[i].data)).toBeLessThan(TOLERANCES.float32);
  }
});

/** The converter from Keras puts the model behind `model_config`, and weights in groups. */
it('reads what the converter writes', async () => {
  const name = 'tfjs-layers';
  const { inputs, outputs } = cases.find((one) => one.name === name)!;
  const { modelTopology, weightsManifest, ...rest } = JSON.parse(
    new TextDecoder().decode(kerasFile(`${name}/model.json`)),
  );
  const { class_name, config } = modelTopology;
  const [{ paths, weights }] = weightsManifest;
  const bytes = kerasFile(`${name}/${paths[0]}`);
  const sizes = weights.map(({ shape }: { shape: number[] }) => 4 * shape.reduce((a, b) => a * b, 1));
  const half = weights.length >> 1;
  const cut = sizes.slice(0, half).reduce((a: number, b: number) => a + b, 0);
  const json = {
    ...rest,
    generatedBy: 'keras v2.4.0',
    convertedBy: 'TensorFlow.js Converter v2.8.5',
    modelTopology: {
      keras_version: '2.4.0',
      backend: 'tensorflow',
      model_config: { class_name, config },
      training_config: { loss: 'mse' },
    },
    weightsManifest: [
      { paths: ['a.bin'], weights: weights.slice(0, half) },
      { paths: ['b.bin'], weights: weights.slice(half) },
    ],
  };
  const files = { 'a.bin': bytes.subarray(0, cut), 'b.bin': bytes.subarray(cut) };
  const model = await loadModel(new TextEncoder().encode(JSON.stringify(json)), { files });
  const [made] = Object.values(model.run(inputs));
  expect(largestDifference(made.data, outputs[0].data)).toBeLessThan(TOLERANCES.float32);
});

it('refuses shards that are not those of the manifest', async () => {
  const files = shardsOf('tfjs-uint8');
  const [[path, bytes]] = Object.entries(files);
  for (const changed of [bytes.subarray(1), Uint8Array.from([...bytes, 0])]) {
    const loading = loadModel(kerasFile('tfjs-uint8/model.json'), { files: { [path]: changed } });
    await expect(loading).rejects.toMatchObject({ code: 'INVALID_FILE' });
  }
});

it.each(['group1-shard1of2.bin', 'group1-shard2of2.bin'])('names the shard that is cut short: %s', async (path) => {
  const files = shardsOf('tfjs-forecaster');
  files[path] = files[path].subarray(0, 10);
  const loading = loadModel(kerasFile('tfjs-forecaster/model.json'), { files });
  await expect(loading).rejects.toThrow(`The shards are too short: expected `);
  await expect(loading).rejects.toThrow(`. Copy or download the file again: "${path}"`);
});

it('refuses a weight of texts by its name', async () => {
  const { weightsManifest, ...json } = JSON.parse(new TextDecoder().decode(kerasFile('tfjs-uint8/model.json')));
  weightsManifest.push({ paths: ['texts.bin'], weights: [{ name: 'note', shape: [1], dtype: 'string' }] });
  const files = { ...shardsOf('tfjs-uint8'), 'texts.bin': Uint8Array.of(1, 0, 0, 0, 0x61) };
  const loading = loadModel(new TextEncoder().encode(JSON.stringify({ ...json, weightsManifest })), { files });
  await expect(loading).rejects.toThrow(/tensor "note": A weight of texts/);
});
