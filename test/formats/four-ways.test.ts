import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { largestDifference } from '../support/fixtures.js';

const FOLDER = fileURLToPath(new URL('../fixtures/four-ways/', import.meta.url));
/** What PyTorch gave: x [N, T, 5] -> y [N, 3]. */
const { x, y } = JSON.parse(readFileSync(`${FOLDER}expected.json`, 'utf8')) as Record<
  'x' | 'y',
  { shape: number[]; data: number[] }
>;
const [sequences, steps, width] = x.shape;
/** Sequence n, [T, 5]. */
const sequence = (n: number): number[] => x.data.slice(n * steps * width, (n + 1) * steps * width);

describe('one classifier, saved in four ways', () => {
  it.each(['classifier.pt', 'classifier.safetensors', 'classifier-trace.onnx', 'classifier-dynamo.onnx'])(
    '%s gives PyTorch’s numbers, streamed and whole',
    async (file) => {
      const model = await loadModel(FOLDER + file);
      const streamed = Array.from({ length: sequences }, (_, n) => [
        ...model.createStream().run(sequence(n)).slice(-y.shape[1]),
      ]);
      expect(largestDifference(streamed.flat(), y.data)).toBeLessThan(1e-5);

      // ONNX keeps the axes of the module; a state dict knows none, and its sequences are [T, N, I].
      const [input] = model.inputs;
      const data = input.shape[0] === 'T' ? timeMajor() : x.data;
      const shape = input.shape.map((dim) => (dim === 'T' ? steps : dim === 'N' ? sequences : Number(dim)));
      const whole = model.run({ [input.name]: { data, shape } })[model.outputs[0].name];
      expect(largestDifference(whole.data.slice(-y.data.length), y.data)).toBeLessThan(1e-5);
    },
  );
});

/** [N, T, I] -> [T, N, I] */
function timeMajor(): number[] {
  return Array.from({ length: x.data.length }, (_, i) => {
    const [t, n] = [Math.floor(i / (sequences * width)), Math.floor(i / width) % sequences];
    return x.data[(n * steps + t) * width + (i % width)];
  });
}
