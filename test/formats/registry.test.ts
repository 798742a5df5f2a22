import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readModel, readModelSync } from '../../src/formats/registry.js';
import { type LoadOptions, loadModel } from '../../src/index.js';
import { fixturePath } from '../support/fixtures.js';

const torchPath = (name: string) => fileURLToPath(new URL(`../fixtures/pytorch/${name}`, import.meta.url));
const onnxPath = (name: string) => fileURLToPath(new URL(`onnx/fixtures/${name}`, import.meta.url));

describe('loadModel tells formats by their content', () => {
  it('reads a state dict however torch or safetensors wrote it, and makes one model of it', async () => {
    const files = ['characters.pt', 'characters-legacy.pth', 'characters.safetensors'];
    const models = await Promise.all(files.map((file) => loadModel(torchPath(file))));
    expect(new Set(models.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(models[0].createStream().step(3)).toHaveLength(13);
  });

  it('takes an architecture for what the weights leave open', async () => {
    const file = torchPath('refused-two-linears.pt');
    await expect(loadModel(file)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT', file });
    const layers = [{ type: 'Linear', prefix: 'a' }, { type: 'ReLU' }, { type: 'Linear', prefix: 'b' }];
    const model = await loadModel(file, { architecture: JSON.stringify({ layers }) });
    expect(model.summary()).toMatch(/Relu/);
  });

  it('reads ONNX', async () => {
    const name = 'classifier-trace.onnx';
    const { format } = await readModel(new Uint8Array(readFileSync(onnxPath(name))), name);
    expect(format).toBe('ONNX');
    expect((await loadModel(onnxPath(name))).summary()).toMatch(/GRU|LSTM|RNN/);
  });

  it.each<[string, string, LoadOptions, RegExp]>([
    ['a native file', fixturePath('lstm-5-7'), { constants: { x: 1 } }, /Rivulet.*expected none, found constants/],
    [
      'ONNX',
      onnxPath('classifier-trace.onnx'),
      { architecture: '{}' },
      /expected constants, shapes, states, found arch/,
    ],
    ['a state dict', torchPath('characters.pt'), { shapes: { x: ['N'] } }, /expected architecture, found shapes/],
  ])('refuses an option that %s does not take', async (_, file, options, message) => {
    await expect(loadModel(file, options)).rejects.toThrow(message);
    await expect(loadModel(file, options)).rejects.toMatchObject({ code: 'INVALID_OPTION', file });
  });

  it('reads its own, and at once only its own', async () => {
    const bytes = new Uint8Array(readFileSync(fixturePath('lstm-5-7')));
    expect((await readModel(bytes)).graph).toEqual(readModelSync(bytes));
    expect(() => readModelSync(new Uint8Array(readFileSync(torchPath('characters.pt'))))).toThrow(/ZIP/);
    expect(() => readModelSync(new Uint8Array(readFileSync(torchPath('characters.safetensors'))))).toThrow(/loadModel/);
  });

  it.each([
    [' \n{"a": 1, "b": [2]}', 'UNKNOWN_FORMAT', /found JSON with the keys a, b/],
    ['{"a": 1', 'INVALID_FILE', /JSON of the file is broken/],
    ['{"a": "\xff"}', 'INVALID_FILE', /not UTF-8/],
  ])('refuses JSON that is no model: %j', async (text, code, message) => {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    await expect(readModel(bytes, 'x.json')).rejects.toMatchObject({
      code,
      file: 'x.json',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ['GGUF....', /^GGUF$/],
    ['\x1c\0\0\0TFL3', /^TensorFlow Lite; tf2onnx/],
    ['', /^an empty file$/],
    ['abc', /^something unknown$/],
  ])('refuses what it does not know, by name where it has one: %j', async (text, found) => {
    await expect(readModel(new TextEncoder().encode(text), 'x')).rejects.toMatchObject({
      code: 'UNKNOWN_FORMAT',
      file: 'x',
      found: expect.stringMatching(found),
    });
  });
});
