import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Architecture, loadModel } from '../../../src/index.js';

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

  it.each([
    ['conv1d_torch', 'conv1d_torch_x_python', 'conv1d_torch_y_python', 5, 1, 1],
    ...[
      [3, 3, 1, 3],
      [3, 4, 10, 3],
      [6, 1, 1, 6],
    ].map(([outputs, kernel, dilation, groups]): [string, string, string, number, number, number] => {
      const sizes = `6_${outputs}_${kernel}_${dilation}_${groups}`;
      const [x, y] = ['x_python', `y_python_${sizes}`].map((name) => `conv1d_torch_group_${name}`);
      return [`conv1d_torch_group_${sizes}`, x, y, kernel, dilation, groups];
    }),
  ])('%s, whose first outputs PyTorch leaves out', async (name, x, y, kernel, dilation, groups) => {
    const architecture: Architecture = { layers: [{ type: 'Conv1d', padding: 'causal', dilation, groups }] };
    const model = await loadModel(`${FOLDER}models/${name}.json`, { architecture });
    const found = model.createStream().run(numbers(x));
    // [O, T] there, without the steps before the kernel is full; [T, O] here.
    const wanted = numbers(y);
    const [width, skipped] = [model.outputs[0].size, (kernel - 1) * dilation];
    const steps = wanted.length / width;
    const turned = Array.from({ length: wanted.length }, (_, i) => {
      return wanted[(i % width) * steps + Math.floor(i / width)];
    });
    expect(largest(found.subarray(skipped * width), turned)).toBeLessThan(1e-6);
  });

  it('microtcn, a block of a temporal convolutional network in four files', async () => {
    const parts = ['conv1', 'bn', 'relu', 'res'].flatMap((name) => {
      const part = JSON.parse(readFileSync(`${FOLDER}models/microtcn/${name}.json`, 'utf8'));
      return Object.entries(part).map(([key, value]) => [`${name}.${key}`, value] as const);
    });
    // The module's own `eps` is no tensor of PyTorch's state dicts.
    const { 'bn.eps': eps, ...dict } = Object.fromEntries(parts) as Record<string, unknown>;
    const architecture: Architecture = {
      layers: [
        {
          type: 'Residual',
          layers: [
            { type: 'Conv1d', prefix: 'conv1', padding: 'causal', dilation: 10 },
            { type: 'BatchNorm1d', prefix: 'bn', eps: Number(eps) },
            { type: 'PReLU', prefix: 'relu' },
          ],
          shortcut: [{ type: 'Conv1d', prefix: 'res', padding: 'causal' }],
        },
      ],
    };
    const model = await loadModel(new TextEncoder().encode(JSON.stringify(dict)), { architecture });
    const found = model.createStream().run(numbers('microtcn_x'));
    // [32, T] there, without the 30 steps before the kernel is full.
    const wanted = numbers('microtcn_y');
    const steps = wanted.length / 32;
    const turned = Array.from(wanted, (_, i) => wanted[(i % 32) * steps + Math.floor(i / 32)]);
    expect(largest(found.subarray(30 * 32), turned)).toBeLessThan(1e-6);
  });
});
