import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { CONFORMANCE, hasConformance } from '../formats/onnx/conformance.js';
import { model, node, subgraph, tensor, value } from '../formats/onnx/writer.js';
import { largestDifference } from '../support/fixtures.js';
import { rivulet } from './harness.js';

const INT64 = 7;

/** sum = branch(x) + kept, kept = sum / 2, where the rate says which branch; and nothing says that kept is a state. */
const OPEN = model({
  inputs: [value('x', ['N', 'length']), value('rate', [1], INT64), value('kept', ['N', 2])],
  outputs: [value('sum', undefined), value('halved', ['N', 2])],
  weights: [tensor('high', [1], [16000n]), tensor('two', [1], [2]), tensor('half', [1], [0.5])],
  nodes: [
    node('Equal', ['rate', 'high'], 'isHigh'),
    node('If', ['isHigh'], 'branch', {
      then_branch: subgraph([node('Mul', ['x', 'two'], 'a')], ['a']),
      else_branch: subgraph([node('Add', ['x', 'two'], 'a')], ['a']),
    }),
    node('Add', ['branch', 'kept'], 'sum'),
    node('Mul', ['sum', 'half'], 'halved'),
  ],
});

const TOLD = ['--constant', 'rate=16000', '--shape', 'x=N,2', '--state-pair', 'kept=halved'];

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-reading-'));
  await writeFile(at('open.onnx'), OPEN);
  await writeFile(at('x.csv'), '3,4\n0,0\n');
});
afterAll(() => rm(folder, { recursive: true }));

describe('what a file leaves open, on the command line', () => {
  it('goes into run', async () => {
    const { code, stdout } = await rivulet(['run', at('open.onnx'), at('x.csv'), ...TOLD]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '6,8\n3,4\n' });
    const low = await rivulet(['run', at('open.onnx'), at('x.csv'), '--constant', 'rate=8000', ...TOLD.slice(2)]);
    expect(low.stdout).toBe('5,6\n4.5,5\n');
  });

  it('goes into convert, whose file needs it no more', async () => {
    const converted = await rivulet(['convert', at('open.onnx'), '--output', at('told.safetensors'), ...TOLD]);
    expect(converted).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/from ONNX; largest difference \S+ in 64/),
    });
    const { stdout } = await rivulet(['run', at('told.safetensors'), at('x.csv')]);
    expect(stdout).toBe('6,8\n3,4\n');
  });

  it('goes into inspect', async () => {
    const { code, stdout } = await rivulet(['inspect', at('open.onnx'), '--json', ...TOLD]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      inputs: [{ name: 'x', shape: ['N', 2] }],
      states: [{ input: 'kept', output: 'halved' }],
    });
  });

  it('is taken by every verb that loads a model', async () => {
    for (const verb of ['generate', 'inspect', 'run', 'evaluate', 'forecast', 'detect', 'trace', 'convert', 'bench']) {
      const { stdout } = await rivulet([verb, '--help']);
      for (const option of ['architecture', 'unpadded', 'constant', 'shape', 'state-pair']) {
        expect(stdout).toContain(`--${option} `);
      }
    }
  });

  it.skipIf(!hasConformance)('has Silero run and converted, of both rates in one file', async () => {
    const [vad, told] = [`${CONFORMANCE}silero/silero_vad.onnx`, ['--constant', 'sr=16000', '--shape', 'input=N,576']];
    const numbers = (name: string) => readNpy(readFileSync(`${CONFORMANCE}silero/test16k.${name}.npy`)).data;
    const [sound, expected] = [numbers('input_f32') as Float32Array, numbers('v62_prob') as Float32Array];
    const steps = 200;
    // 64 samples of the chunk before stand before each chunk's own 512.
    const chunks = Float32Array.from({ length: steps * 576 }, (_, i) => {
      return sound[Math.floor(i / 576) * 512 + (i % 576) - 64] ?? 0;
    });
    await writeFile(at('chunks.npy'), writeNpy(chunks, [steps, 576]));
    const run = await rivulet(['run', vad, at('chunks.npy'), ...told]);
    const found = run.stdout.trim().split('\n').map(Number);
    expect(largestDifference(found, expected.subarray(0, steps))).toBeLessThan(1e-5);
    await writeFile(at('two.npy'), writeNpy(chunks.subarray(576 * 50, 576 * 52), [2, 576]));
    const argv = ['convert', vad, '--output', at('vad.safetensors'), '--input', `input=${at('two.npy')}`, ...told];
    expect(await rivulet(argv)).toMatchObject({ code: 0, stdout: expect.stringMatching(/ in 2 numbers/) });
    expect((await rivulet(['run', at('vad.safetensors'), at('chunks.npy')])).stdout).toBe(run.stdout);
  });

  it.each<[string, string[], string]>([
    ['no name', ['--constant', '16000'], '--constant takes NAME=NUMBERS, not "16000"'],
    ['no number', ['--constant', 'rate=16k'], '--constant rate takes numbers with commas between, not "16k"'],
    ['an empty item', ['--constant', 'rate=1,,2'], '--constant rate takes numbers with commas between, not "1,,2"'],
    ['a name twice', ['--constant', 'rate=1', '--constant', 'rate=2'], '--constant names "rate" twice'],
    ['a symbol that is none', ['--shape', 'x=N,L'], '--shape x takes lengths, T and N with commas between, not "N,L"'],
    ['a length of zero', ['--shape', 'x=N,0'], '--shape x takes lengths, T and N with commas between, not "N,0"'],
    ['half a pair', ['--state-pair', 'kept'], '--state-pair takes IN=OUT, not "kept"'],
  ])('answers %s with exit code 2', async (_, argv, message) => {
    const { code, stderr } = await rivulet(['run', at('open.onnx'), at('x.csv'), ...argv]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  });

  it('answers what does not fit the file with exit code 1, and its words', async () => {
    const { code, stderr } = await rivulet(['inspect', at('open.onnx'), ...TOLD, '--constant', 'rates=1']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('constants: "rates": expected an input: x, rate, kept, found no input'),
    });
  });
});
