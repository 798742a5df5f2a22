import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelSpec, model, node, subgraph, tensor, value } from '../formats/onnx/writer.js';
import { rivulet } from './harness.js';

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-inspect-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function inspect(spec: ModelSpec, ...argv: string[]) {
  await writeFile(at('model.onnx'), model(spec));
  return rivulet(['inspect', at('model.onnx'), ...argv]);
}

const branch = subgraph([node('Relu', ['x'], 'a')], ['a']);

/** Refused: by the reader an If and a Dropout, by the planner an operator, an attribute, and nothing else. */
const REFUSED: ModelSpec = {
  inputs: [value('x', ['N', 2])],
  outputs: [value('y', ['N', 2]), value('z', ['N', 2])],
  weights: [tensor('half', [], [0.5]), tensor('one', [], [1n])],
  nodes: [
    { ...node('Greater', ['x', 'half'], 'big'), name: 'compare' },
    { ...node('If', ['big'], 'chosen', { then_branch: branch, else_branch: branch }), name: 'choose' },
    { ...node('Squeeze', ['chosen'], 'narrow'), name: 'follows' },
    { ...node('Dropout', ['narrow', 'half', 'one'], 'dropped'), name: 'drop' },
    { ...node('Teleport', ['dropped'], 'y'), name: 'away' },
    { ...node('Relu', ['x'], 'z', { leak: 3 }), name: 'leaky' },
  ],
};

describe('inspect of what does not run', () => {
  it('shows all that the reader and the planner refuse, what follows from it apart', async () => {
    const { code, stdout, stderr } = await inspect(REFUSED);
    expect(code).toBe(1);
    expect(stderr).toBe(`error: ${at('model.onnx')}: The model does not run: found 4 reasons\n`);
    const [, table] = stdout.split('Does not run\n');
    expect(table.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^node +operator +why$/),
      expect.stringMatching(/^choose +If +If: its condition is computed at run time: expected/),
      expect.stringMatching(/^drop +Dropout +Dropout: training mode: expected inference/),
      expect.stringMatching(/^away +Teleport +operator Teleport$/),
      expect.stringMatching(/^leaky +Relu +Relu: attribute "leak": expected none, found leak = 3$/),
    ]);
    expect(stdout).toMatch(/^input +x +float32 +\[N, 2\]$/m);
  });

  it('prints the same as JSON', async () => {
    const { code, stdout } = await inspect(REFUSED, '--json');
    expect(code).toBe(1);
    const { file, inputs, problems } = JSON.parse(stdout);
    expect({ file, inputs }).toEqual({
      file: at('model.onnx'),
      inputs: [{ name: 'x', type: 'float32', shape: ['N', 2] }],
    });
    expect(problems.map(({ node, code }: { node: string; code: string }) => [node, code])).toEqual([
      ['choose', 'UNSUPPORTED_OPERATOR'],
      ['drop', 'UNSUPPORTED_OPERATOR'],
      ['away', 'UNSUPPORTED_OPERATOR'],
      ['leaky', 'UNSUPPORTED_ATTRIBUTE'],
    ]);
  });

  it('shows all where no graph comes of them', async () => {
    const { code, stdout } = await inspect({
      inputs: [value('x', undefined), value('w', undefined)],
      outputs: [value('y', undefined)],
      nodes: [
        { ...node('Add', ['x', 'w'], 'sum'), name: 'add' },
        { ...node('Teleport', ['sum'], 'y'), name: 'away' },
      ],
    });
    expect(code).toBe(1);
    const [, table] = stdout.split('Does not run\n');
    expect(table.trimEnd().split('\n').slice(1)).toEqual([
      expect.stringMatching(/^ +tensor "x": An input without a shape: .*--shape x=T,N,8$/),
      expect.stringMatching(/^ +tensor "w": An input without a shape/),
      expect.stringMatching(/^away +Teleport +operator Teleport$/),
    ]);
  });

  it('shows all layers that are refused', async () => {
    const layer = (class_name: string, config: object) => ({ class_name, config: { trainable: true, ...config } });
    const json = {
      format: 'layers-model',
      modelTopology: {
        keras_version: '2.12.0',
        model_config: {
          class_name: 'Sequential',
          config: {
            name: 'chain',
            layers: [
              layer('InputLayer', { name: 'x', batch_input_shape: [null, null, 2], dtype: 'float32' }),
              layer('MultiHeadAttention', { name: 'attend', num_heads: 2 }),
              layer('Activation', { name: 'curve', activation: 'relu', bend: 2 }),
              layer('ConvLSTM1D', { name: 'far', filters: 2 }),
            ],
          },
        },
      },
      weightsManifest: [],
    };
    await writeFile(at('model.json'), JSON.stringify(json));
    const { code, stdout, stderr } = await rivulet(['inspect', at('model.json')]);
    expect(code).toBe(1);
    const [, table] = stdout.split('Does not run\n');
    expect(table.trimEnd().split('\n').slice(1)).toEqual([
      expect.stringMatching(/^attend +MultiHeadAttention +layer class MultiHeadAttention$/),
      expect.stringMatching(/^curve +Activation +.*"bend"/),
      expect.stringMatching(/^far +ConvLSTM1D +layer class ConvLSTM1D$/),
    ]);
    expect(stderr).toContain('The model does not run: found 3 reasons');
  });

  it('shows all tensors of a state dict that are refused', async () => {
    const dict = {
      'rnn.weight_ih_l0': [[1]],
      'rnn.weight_hh_l0': [[1]],
      'image.weight': [[[[1]]]],
      gain: [1],
      'attend.in_proj_weight': [[1]],
    };
    await writeFile(at('dict.json'), JSON.stringify(dict));
    const { code, stdout } = await rivulet(['inspect', at('dict.json')]);
    expect(code).toBe(1);
    const [, table] = stdout.split('Does not run\n');
    expect(table.trimEnd().split('\n').slice(1)).toEqual([
      expect.stringMatching(/tensor "gain": A tensor that no known layer owns/),
      expect.stringMatching(/tensor "attend\.in_proj_weight": This is attention, which is not read/),
      expect.stringMatching(/tensor "image\.weight": This is a convolution, or another layer/),
    ]);
  });

  it('leaves a file that is none to its own words', async () => {
    await writeFile(at('rubbish.onnx'), 'rubbish');
    const { code, stdout, stderr } = await rivulet(['inspect', at('rubbish.onnx')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('Not a model that can be read');
  });
});
