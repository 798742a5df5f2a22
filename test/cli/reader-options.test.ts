import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadModel } from '../../src/index.js';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { kerasFile } from '../formats/keras/files.js';
import { CONFORMANCE, hasConformance } from '../formats/onnx/conformance.js';
import { model, node, subgraph, tensor, value } from '../formats/onnx/writer.js';
import { torchFile } from '../formats/pytorch/files.js';
import { largestDifference } from '../support/fixtures.js';
import { rivulet, seriesModel } from './harness.js';

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
  const x = value('x', ['N', 2]);
  const [a, y] = [subgraph([node('Neg', ['x'], 'a')], ['a']), value('y', undefined)];
  await writeFile(
    at('branch.onnx'),
    model({
      inputs: [x, value('the rate', [1], INT64)],
      outputs: [y],
      weights: [tensor('high', [1], [16000n])],
      nodes: [
        node('Equal', ['the rate', 'high'], 'isHigh'),
        node('If', ['isHigh'], 'y', { then_branch: a, else_branch: a }),
      ],
    }),
  );
  await writeFile(
    at('bare.onnx'),
    model({ inputs: [value('x', undefined)], outputs: [y], nodes: [node('Neg', ['x'], 'y')] }),
  );
  await writeFile(
    at('axes.onnx'),
    model({ inputs: [value('x', ['N', 'T', 'width'])], outputs: [y], nodes: [node('Neg', ['x'], 'y')] }),
  );
  await writeFile(at('masked.keras'), kerasFile('masked.keras'));
  await writeFile(at('weights.h5'), kerasFile('weights.weights.h5'));
  await writeFile(at('order.pt'), torchFile('refused-two-linears.pt'));
  await writeFile(at('checkpoint.pt'), torchFile('checkpoint.pt'));
  await writeFile(at('series.safetensors'), seriesModel(2, 2));
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
      stderr: expect.stringContaining('--constant: "rates": expected an input: x, rate, kept, found no input'),
    });
    const plain = await rivulet(['inspect', at('open.onnx'), ...TOLD.slice(0, 4), '--state-pair', 'kept=lost']);
    expect(plain.stderr).toContain('--state-pair: "kept"');
    const foreign = await rivulet(['inspect', at('open.onnx'), '--unpadded']);
    expect(foreign.stderr).toContain('does not take: expected --constant, --shape, --state-pair, found --unpadded');
  });

  it.each<[string, string, string, string]>([
    ['a length', 'axes.onnx', '--shape x=...', 'shapes: {"x":...}'],
    ['a constant', 'branch.onnx', "--constant 'the rate=...'", 'constants: {"the rate":...}'],
    ['no shape at all', 'bare.onnx', '--shape x=T,N,8', 'shapes: {"x":["T","N",8]}'],
    ['a mask', 'masked.keras', 'hold no padding, say so: --unpadded', 'unpadded: true'],
    ['weights alone', 'weights.h5', 'makes: --architecture FILE\n', 'architecture: ...'],
    [
      'an order of layers',
      'order.pt',
      '--architecture FILE, which holds {"layers":[{"type":"Linear","prefix":"a"},{"type":"ReLU"}',
      'architecture: {"layers":[{"type":"Linear","prefix":"a"}',
    ],
    [
      'a part of a checkpoint',
      'checkpoint.pt',
      '--architecture FILE, which holds {"stateDict":"model"}',
      'architecture: {"stateDict":"model"}',
    ],
  ])('is asked for in the words of whoever asks: %s', async (_, file, typed, written) => {
    const { code, stderr } = await rivulet(['run', at(file), at('x.csv')]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(typed) });
    const { stdout, stderr: refused } = await rivulet(['inspect', at(file)]);
    expect(stdout + refused).toContain(typed.trim());
    await expect(loadModel(at(file))).rejects.toThrow(written);
  });

  it('is asked for in the words of whoever asks: other kernels', async () => {
    const engine = vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
    try {
      const what = "this engine can't run the relaxed kernels. Load with: ";
      const { code, stderr } = await rivulet(['inspect', at('series.safetensors'), '--kernels', 'relaxed']);
      expect({ code, stderr }).toEqual({ code: 1, stderr: `error: ${what}--kernels auto\n` });
      await expect(loadModel(at('series.safetensors'), { kernels: 'relaxed' })).rejects.toThrow(
        `${what}kernels: "auto"`,
      );
    } finally {
      engine.mockRestore();
    }
  });
});
