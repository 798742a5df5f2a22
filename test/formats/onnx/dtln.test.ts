import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { CONFORMANCE, hasConformance, numbersOf } from './conformance.js';
import { readNpz } from './npz.js';

/** Float32 on either side, over 500 recurrent frames. */
const TOLERANCE = 1e-5;

/** Two stages of a noise suppressor, each an ONNX graph of one frame with its states as an input and an output. */
const STAGES = [
  { file: 'model_1.onnx', x: 'in_mag', y: 'mask', states: {} },
  { file: 'model_2.onnx', x: 'est_block', y: 'out_block', states: { input_5: 'tf_op_layer_stack_5' } },
];

describe.skipIf(!hasConformance)('DTLN', () => {
  it.each(STAGES)('$file streams to the golden frames', async ({ file, x, y, states }) => {
    const golden = readNpz(readFileSync(`${CONFORMANCE}dtln/gtcrn_mix.npz`));
    const [frames, blocks] = [x, y].map((key) => numbersOf(golden[key]));
    const model = await loadModel(`${CONFORMANCE}dtln/${file}`, { states });
    const stream = model.createStream();
    const width = frames.shape[1];
    let worst = 0;
    for (let i = 0; i < frames.shape[0]; i++) {
      const found = stream.step(Float32Array.from(frames.data.slice(i * width, (i + 1) * width)));
      for (const [k, number] of found.entries()) worst = Math.max(worst, Math.abs(number - blocks.data[i * width + k]));
    }
    expect(worst).toBeLessThan(TOLERANCE);
  });
});
