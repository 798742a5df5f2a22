import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { writeNpy } from '../../src/io/npy.js';
import { rivulet, seriesModel } from './harness.js';

const torchFile = fileURLToPath(new URL('../fixtures/pytorch/classifier.pt', import.meta.url));

let folder: string;
const at = (name: string) => join(folder, name);
const isWritten = () =>
  readFile(at('out.safetensors')).then(
    () => true,
    () => false,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-convert-'));
  await writeFile(at('model.safetensors'), seriesModel(2, 2));
  const x = Float32Array.of(0.5, -0.25, 1, 0.75, -1, 0);
  const y = (await loadModel(seriesModel(2, 2))).createStream().run(x);
  await writeFile(at('x.npy'), writeNpy(x, [3, 2]));
  await writeFile(at('y.npy'), writeNpy(y, [3, 2]));
  await writeFile(at('y.csv'), 'a,b\n1,2\n3,4\n5,6\n');
  await writeFile(at('y-of-two.npy'), writeNpy(y.slice(0, 4), [2, 2]));
});
beforeEach(() => rm(at('out.safetensors'), { force: true }));
afterAll(() => rm(folder, { recursive: true }));

const convert = (...argv: string[]) => rivulet(['convert', ...argv, '--output', at('out.safetensors')]);

describe('rivulet convert', () => {
  it('writes the native file, the same for a native file, and says how near it is', async () => {
    const { code, stdout } = await convert(at('model.safetensors'));
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /out\.safetensors: [\d.]+ kB, from Rivulet safetensors; largest difference \S+ in 64 numbers/,
    );
    expect(await readFile(at('out.safetensors'))).toEqual(await readFile(at('model.safetensors')));
  });

  it('converts what a trainer saved', async () => {
    const { code, stdout } = await convert(torchFile);
    expect(code).toBe(0);
    expect(stdout).toMatch(/from PyTorch state dict/);
    const inputs = { x: { data: [0.5, -0.5, 0.25, 0, 1, 0.125, -1, 2], shape: [2, 1, 4] } };
    const [original, written] = await Promise.all([loadModel(torchFile), loadModel(at('out.safetensors'))]);
    expect(written.fingerprint).toBe(original.fingerprint);
    expect(written.run(inputs)).toEqual(original.run(inputs));
  });

  it.each(['f16', 'bf16'])('halves the weights with --weights %s', async (type) => {
    expect((await convert(at('model.safetensors'))).code).toBe(0);
    const whole = (await readFile(at('out.safetensors'))).length;
    const { code, stdout } = await convert(at('model.safetensors'), '--weights', type);
    expect(code).toBe(0);
    expect(Number(/difference (\S+)/.exec(stdout)?.[1])).toBeGreaterThan(1e-5);
    // 106 weights.
    expect(whole - (await readFile(at('out.safetensors'))).length).toBeGreaterThan(200);
  });

  it('stores int8 with --weights int8, says what it costs by layer, and leaves out what --keep names', async () => {
    const argv = [at('model.safetensors'), '--weights', 'int8', '--calibrate', at('x.npy')];
    const { code, stdout } = await convert(...argv);
    expect(code).toBe(0);
    const [, whole] = /moves the outputs on \S+x\.npy by (\S+)% of their size/.exec(stdout)!;
    expect(Number(whole)).toBeGreaterThan(0.01);
    expect(Number(whole)).toBeLessThan(5);
    const layers = [...stdout.matchAll(/^ {2}(\S+) +(\S+)%$/gm)].map(([, name, loss]) => ({
      name,
      loss: Number(loss),
    }));
    expect(layers).toHaveLength(2);
    expect(layers[0].loss).toBeGreaterThanOrEqual(layers[1].loss);
    const calls = async () => (await loadModel(at('out.safetensors'))).plan().calls.map(({ kernel }) => kernel);
    expect((await calls()).every((kernel) => kernel.endsWith('Int8'))).toBe(true);

    const kept = await convert(...argv, '--keep', layers[0].name);
    expect(Number(/by (\S+)% of/.exec(kept.stdout)?.[1])).toBeCloseTo(layers[1].loss, 10);
    expect((await calls()).filter((kernel) => kernel.endsWith('Int8'))).toHaveLength(1);
    expect(await convert(...argv, '--keep', 'nobody')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/keep names no layer/),
    });
    const alone = await convert(at('model.safetensors'), '--calibrate', at('x.npy'));
    expect(alone).toMatchObject({ code: 2, stderr: expect.stringMatching(/go with --weights int8/) });
  });

  it('holds the rounding of weights to a tolerance, and writes nothing beyond it', async () => {
    const { code, stderr } = await convert(at('model.safetensors'), '--weights', 'bf16', '--tolerance', '1e-6');
    expect(code).toBe(1);
    expect(stderr).toMatch(/tensor "y": .*nothing was written: expected a difference of at most 0.000001, found 0\.0/);
    expect(await isWritten()).toBe(false);
  });

  it('holds it to what the trainer gave with --verify, whole or by name', async () => {
    const verified = await convert(at('model.safetensors'), '--verify', at('x.npy'), at('y.npy'));
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/largest difference 0 in 6 numbers/) });
    const named = await convert(at('model.safetensors'), '--input', `x=${at('x.npy')}`, '--expect', `y=${at('y.npy')}`);
    expect(named.stdout).toBe(verified.stdout);
    const given = await convert(at('model.safetensors'), '--input', `x=${at('x.npy')}`);
    expect(given.stdout).toMatch(/largest difference [1-9]\S*e-\d+ in 6 numbers/);
  });

  it.each<[string, string[], RegExp]>([
    ['other numbers', ['--verify', 'x.npy', 'y.csv'], /gives other numbers.*found \d/],
    ['another length', ['--verify', 'x.npy', 'y-of-two.npy'], /another size: expected \[3, 1, 2\], found \[2, 1, 2\]/],
    ['a name that is not there', ['--input', 'z=x.npy'], /no such input or output: "z": expected x/],
  ])('refuses %s with exit code 1', async (_, argv, message) => {
    const placed = argv.map((word) => (word.startsWith('-') ? word : word.replace(/[\w-]+\.\w+$/, at)));
    const { code, stderr } = await convert(at('model.safetensors'), ...placed);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(message) });
    expect(await isWritten()).toBe(false);
  });

  it.each<[string, string[], string]>([
    ['no output', ['convert', 'm'], '--output is missing'],
    ['data without --verify', ['convert', 'm', 'x.npy', 'y.npy', '-o', 'z'], '--verify goes with INPUT and EXPECTED'],
    ['--verify without data', ['convert', 'm', '--verify', '-o', 'z'], '--verify goes with INPUT and EXPECTED'],
    ['an input without a file', ['convert', 'm', '--input', 'x.npy', '-o', 'z'], '--input takes NAME=FILE'],
    ['an input twice', ['convert', 'm', '--input', 'x=a', '--input', 'x=b', '-o', 'z'], '--input names "x" twice'],
    ['another format', ['convert', 'm', '-o', 'a.onnx'], 'a.onnx: what is written is a .safetensors file'],
    ['other weights', ['convert', 'm', '--weights', 'f8', '-o', 'z'], '--weights takes one of f32, f16, bf16'],
  ])('answers %s with exit code 2', async (_, argv, message) => {
    const { code, stderr } = await rivulet(argv.map((word) => (word === 'm' ? at('model.safetensors') : word)));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  });
});
