import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadModel } from '../../../src/index.js';
import { readNpy } from '../../../src/io/npy.js';
import { CONFORMANCE, hasConformance } from './conformance.js';

const FOLDER = `${CONFORMANCE}silero/`;
/** New samples of a step, after so many of the step before. */
const [SAMPLES, CONTEXT] = [512, 64];
/** Float32 on either side, through 1,875 recurrent steps; 2.1e-6 measured. */
const TOLERANCE = 1e-5;

const numbers = (file: string) => readNpy(new Uint8Array(readFileSync(`${FOLDER}${file}`))).data as Float32Array;
const shapes = { input: ['N', SAMPLES + CONTEXT] };

describe.skipIf(!hasConformance)('Silero VAD', () => {
  it.each<[string, LoadOptions]>([
    ['silero_vad_16k_op15.onnx', { shapes }],
    // Both rates in one file: `If` on the rate.
    ['silero_vad.onnx', { shapes, constants: { sr: 16000 } }],
  ])('%s streams to the golden probabilities', async (file, options) => {
    const model = await loadModel(`${FOLDER}${file}`, options);
    for (const signal of ['synthetic16k', 'test16k']) {
      const sound = numbers(`${signal}.input_f32.npy`);
      const expected = numbers(`${signal}.v62_prob.npy`);
      const stream = model.createStream();
      const chunk = new Float32Array(CONTEXT + SAMPLES);
      let worst = 0;
      for (let i = 0; i < expected.length; i++) {
        chunk.copyWithin(0, SAMPLES);
        chunk.fill(0, CONTEXT).set(sound.subarray(i * SAMPLES, (i + 1) * SAMPLES), CONTEXT);
        const { output } = stream.step({ input: chunk, sr: 16000 });
        worst = Math.max(worst, Math.abs(output[0] - expected[i]));
      }
      expect(worst).toBeLessThan(TOLERANCE);
    }
  });

  it('the file of both rates takes eight kilohertz too, and says what it wants to know', async () => {
    const path = `${FOLDER}silero_vad.onnx`;
    const half = await loadModel(path, { constants: { sr: 8000 }, shapes: { input: ['N', 288] } });
    expect(half.createStream().step({ input: new Float32Array(288), sr: 8000 }).output[0]).toBeLessThan(0.5);
    await expect(loadModel(path, { shapes })).rejects.toThrow(/constants: \{"sr":\.\.\.\}/);
  });
});
