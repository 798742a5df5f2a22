import { describe, expect, it } from 'vitest';
import { readModel } from '../../../src/formats/registry.js';
import { readNative } from '../../../src/formats/safetensors/native.js';
import { writeNative } from '../../../src/formats/safetensors/write-native.js';
import { loadModel, type Model } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { cases, type KerasCase, kerasFile, kerasPath } from './files.js';

const optionsOf = ({ architecture, unpadded }: KerasCase) => ({
  ...(architecture && { architecture }),
  ...(unpadded && { unpadded }),
});

/** Cases whose number of steps changes on the way: they are read, but do not run. */
const REFUSED = ['conv-valid', 'conv-pooled'];

const files = cases
  .filter(({ name }) => !REFUSED.includes(name))
  .flatMap((one) => one.files.map((file) => ({ file, one })));

describe('models that Keras saved', () => {
  it.each(files)('$file gives Keras’s numbers', async ({ file, one }) => {
    const model = await loadModel(kerasPath(file), optionsOf(one));
    if (one.steps) return expect(streamed(model, one)).toBeLessThan(TOLERANCES.float32);
    const outputs = Object.values(model.run(one.inputs));
    expect(outputs.map(({ shape }) => shape)).toEqual(one.outputs.map(({ shape }) => shape));
    for (const [i, { data }] of outputs.entries()) {
      expect(largestDifference(data, one.outputs[i].data)).toBeLessThan(TOLERANCES.float32);
    }
  });

  it.each(files)('$file streams them', async ({ file, one }) => {
    const model = await loadModel(kerasPath(file), optionsOf(one));
    if (!model.streamable) return expect(() => model.createStream()).toThrow(/whole sequences/);
    const timed = model.inputs.some(({ shape }) => shape.includes('T'));
    return timed && !one.steps ? expect(firstSequence(model, one)).toBe(true) : undefined;
  });

  it.each(REFUSED)('%s is refused by its operator’s name', async (name) => {
    const refusal = { code: 'UNSUPPORTED_OPERATOR', message: expect.stringMatching(/Conv: |Slice: /) };
    await expect(loadModel(kerasPath(`${name}.keras`))).rejects.toMatchObject(refusal);
  });

  it.each(cases)('$name is the same graph once it has been a native file', async (one) => {
    for (const file of one.files) {
      const { graph } = await readModel(kerasFile(file), file, optionsOf(one));
      const again = readNative(writeNative(graph));
      expect(JSON.stringify(again.nodes)).toBe(JSON.stringify(graph.nodes));
      expect(again.tensors).toEqual(graph.tensors);
    }
  });
});

/** How far the steps of a stream are from those expected. */
function streamed(model: Model, { inputs, outputs }: KerasCase): number {
  const [[, { shape, data }]] = Object.entries(inputs);
  const [steps, width] = [shape[0], data.length / shape[0]];
  const stream = model.createStream();
  const made = Array.from({ length: steps }, (_, t) => [
    ...(stream.step(data.slice(t * width, (t + 1) * width)) as Float32Array),
  ]);
  return largestDifference(made.flat(), outputs[0].data);
}

/** Whether the first sequence alone, streamed step by step, gives the bits of its whole run. */
function firstSequence(model: Model, { inputs }: KerasCase): boolean {
  const batch = model.inputs[0].shape.indexOf('N');
  const alone = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      batch === 0
        ? { shape: [1, ...shape.slice(1)], data: data.slice(0, data.length / shape[0]) }
        : {
            shape: [shape[0], 1, ...shape.slice(2)],
            data: Array.from({ length: shape[0] }, (_, t) =>
              data.slice(t * shape[1] * shape[2], (t * shape[1] + 1) * shape[2]),
            ).flat(),
          },
    ]),
  );
  const whole = model.run(alone);
  const stream = model.createStream();
  const timed = model.inputs.find(({ shape }) => shape.includes('T'))!;
  const steps = alone[timed.name].shape[timed.shape.indexOf('T')];
  const found: Record<string, number[]> = Object.fromEntries(model.outputs.map(({ name }) => [name, []]));
  for (let t = 0; t < steps; t++) {
    const step = Object.fromEntries(
      model.inputs.map(({ name, shape, size }) => [
        name,
        shape.includes('T') ? alone[name].data.slice(t * size, (t + 1) * size) : alone[name].data,
      ]),
    );
    const single = model.inputs.length === 1 && model.outputs.length === 1;
    const one = single ? step[model.inputs[0].name] : step;
    const made = stream.step(one as number[]);
    for (const { name, shape } of model.outputs) {
      const y = single ? (made as Float32Array) : (made as unknown as Record<string, Float32Array>)[name];
      found[name] = shape.includes('T') ? [...found[name], ...y] : [...y];
    }
  }
  for (const { name } of model.outputs) expect(found[name]).toEqual([...whole[name].data]);
  return true;
}
