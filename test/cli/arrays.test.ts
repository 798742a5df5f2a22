import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNative } from '../../src/convert/index.js';
import { loadModel, type Model } from '../../src/index.js';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { floats, graphOf, node, value } from '../support/graphs.js';
import { rivulet, seriesModel } from './harness.js';

/** Two inputs, two outputs, a state: sum' = a + gain * b + sum; double = 2 sum'. */
const twoOfEach = writeNative(
  graphOf({
    inputs: [value('a', [1, 'N', 2]), value('gain', [1, 'N', 2])],
    outputs: [value('total', [1, 'N', 2]), value('double', [1, 'N', 2])],
    states: [{ input: 'sum', output: 'total', type: 'float32', shape: [1, 'N', 2] }],
    nodes: [
      node('Mul', ['a', 'gain'], 'scaled'),
      node('Add', ['scaled', 'sum'], 'total'),
      node('Mul', ['total', 'two'], 'double'),
    ],
    tensors: [floats('two', [2], [2, 2])],
  }),
);

let folder: string;
let two: string;
let series: string;
let bidirectional: Model;
const at = (name: string) => join(folder, name);
const both = fileURLToPath(new URL('../fixtures/lstm-3-5-bidirectional.safetensors', import.meta.url));
const npy = async (name: string) => readNpy(await readFile(at(name)));
const run = (...argv: string[]) => rivulet(['run', ...argv]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-arrays-'));
  two = at('two.safetensors');
  series = at('series.safetensors');
  await writeFile(two, twoOfEach);
  await writeFile(series, seriesModel(2, 2));
  bidirectional = await loadModel(both);
  await writeFile(at('a.npy'), writeNpy(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]));
  await writeFile(at('gain.csv'), '1,1\n10,10\n100,100\n');
  await writeFile(at('once.csv'), '2,0.5\n');
  await writeFile(at('pair.csv'), '1,1\n1,1\n');
  const whole = Float32Array.from({ length: 4 * 2 * 3 }, (_, i) => Math.fround(Math.sin(i)));
  await writeFile(at('whole.npy'), writeNpy(whole, [4, 2, 3]));
  const batch = Float32Array.from({ length: 3 * 2 * 2 }, (_, i) => Math.fround(Math.cos(i)));
  await writeFile(at('batch.npy'), writeNpy(batch, [3, 2, 2]));
});
afterAll(() => rm(folder, { recursive: true }));

/** A filter of a step: [N, 2] -> [N, 2], y = x + y of the step before. */
const summing = writeNative(
  graphOf({
    inputs: [value('x', ['N', 2])],
    outputs: [value('y', ['N', 2])],
    states: [{ input: 'sum', output: 'y', type: 'float32', shape: ['N', 2] }],
    nodes: [node('Add', ['x', 'sum'], 'y')],
  }),
);

describe('rivulet run with names', () => {
  it('takes an array of a row a step for a series, and not for sequences of one step', async () => {
    await writeFile(at('summing.safetensors'), summing);
    const input = ['--input', `x=${at('a.npy')}`, '-o', `y=${at('sum.npy')}`];
    const result = await run(at('summing.safetensors'), ...input, '--save-state', at('summed'));
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(await npy('sum.npy')).toMatchObject({ shape: [3, 2], data: Float32Array.of(1, 2, 4, 6, 9, 12) });
  });

  it('feeds several inputs and writes several outputs, step by step', async () => {
    const inputs = ['--input', `a=${at('a.npy')}`, '--input', `gain=${at('gain.csv')}`];
    const outputs = ['--output', `total=${at('t.npy')}`, '-o', `double=${at('d.csv')}`];
    expect(await run(two, ...inputs, ...outputs)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await npy('t.npy')).toMatchObject({ shape: [3, 2], data: Float32Array.of(1, 2, 31, 42, 531, 642) });
    expect(await readFile(at('d.csv'), 'utf8')).toBe('2,4\n62,84\n1062,1284\n');
  });

  it('gives an input of one row at each step, and stops after --steps', async () => {
    const inputs = ['--input', `a=${at('a.npy')}`, '--input', `gain=${at('once.csv')}`];
    expect((await run(two, ...inputs, '-o', 'total=-')).stdout).toBe('2,1\n8,3\n18,6\n');
    expect((await run(two, ...inputs, '-o', 'total=-', '--steps', '2')).stdout).toBe('2,1\n8,3\n');
    const constant = ['--input', `a=${at('once.csv')}`, '--input', `gain=${at('once.csv')}`];
    expect((await run(two, ...constant, '-o', 'total=-', '--steps', '3')).stdout).toBe('4,0.25\n8,0.5\n12,0.75\n');
  });

  it('goes on from a state that was saved', async () => {
    const inputs = ['--input', `a=${at('once.csv')}`, '--input', `gain=${at('once.csv')}`];
    await run(two, ...inputs, '-o', 'total=-', '--steps', '2', '--save-state', at('state'));
    expect((await run(two, ...inputs, '-o', 'total=-', '--state', at('state'))).stdout).toBe('12,0.75\n');
  });

  it('says at which row of which input a number is not finite, counted from the beginning', async () => {
    const gap = new Float32Array(2 * 100);
    gap[2 * 90 + 1] = Number.POSITIVE_INFINITY;
    await writeFile(at('gap.npy'), writeNpy(gap, [100, 2]));
    const { stderr } = await run(
      two,
      '--input',
      `a=${at('once.csv')}`,
      '--input',
      `gain=${at('gap.npy')}`,
      '-o',
      'total=-',
    );
    const found = 'number 1 of "gain" is not finite: expected finite float32, found Infinity at row 90. Clean the data';
    expect(stderr).toBe(`error: tensor "gain": ${found}\n`);
  });

  it('runs whole sequences where the model needs them, or several are given', async () => {
    const input = (await npy('whole.npy')) as { data: Float32Array; shape: number[] };
    const [[name, expected]] = Object.entries(bidirectional.run({ [bidirectional.inputs[0].name]: input }));
    await run(both, at('whole.npy'), '-o', at('w.npy'));
    expect(await npy('w.npy')).toMatchObject({ shape: expected.shape, data: expected.data });
    expect(name).toBe(bidirectional.outputs[0].name);
    const batch = (await npy('batch.npy')) as { data: Float32Array; shape: number[] };
    await run(series, '--input', `x=${at('batch.npy')}`, '-o', at('b.npy'));
    const y = (await loadModel(seriesModel(2, 2))).run({ x: batch }).y;
    expect(await npy('b.npy')).toMatchObject({ shape: [3, 2, 2], data: y.data });
  });

  it('limits a series and a stream of lines to --steps', async () => {
    const all = (await run(series, at('a.npy'))).stdout.split('\n');
    expect((await run(series, at('a.npy'), '--steps', '2')).stdout).toBe(`${all.slice(0, 2).join('\n')}\n`);
    const lines = await rivulet(['run', series, '--steps', '2'], { stdin: '1,2\n3,4\n5,6\n' });
    expect(lines.stdout).toBe(`${all.slice(0, 2).join('\n')}\n`);
    expect((await run(series, at('pair.csv'), '--steps', '9')).stdout.trim().split('\n')).toHaveLength(2);
  });

  it('writes a file whose name holds =, given as a path', async () => {
    await run(series, at('a.npy'), '-o', at('nope=y.csv'));
    expect(await readFile(at('nope=y.csv'), 'utf8')).toBe((await run(series, at('a.npy'))).stdout);
  });

  it.each<[string, number, string, (file: string) => string[]]>([
    ['a missing input', 2, '--input gain=FILE is missing', (a) => [two, '--input', `a=${a}`, '-o', 'total=-']],
    ['an output that has no name', 2, 'outputs are total, double', (a) => [two, '--input', `a=${a}`, '-o', 'x.npy']],
    ['INPUT and --input', 2, 'exclude each other', (a) => [series, a, '--input', `x=${a}`]],
    ['two outputs for one', 2, '--output is given twice', (a) => [series, a, '-o', 'p.csv', '-o', 'q.csv']],
    [
      'an output that there is not',
      2,
      'names "nope", which is none of the outputs: y; a file of this name is written as ./nope=y.npy',
      (a) => [series, a, '-o', 'nope=y.npy'],
    ],
    [
      'an output that there is not, after one that there is',
      2,
      'names "nope", which is none of the outputs: y;',
      (a) => [series, a, '-o', 'y=y.npy', '-o', 'nope=y.npy'],
    ],
    ['an unknown input', 1, 'no such input or output: "z"', (a) => [series, '--input', `z=${a}`]],
    [
      'a state for whole sequences',
      2,
      '--state is for one sequence',
      (a) => [both, a.replace('a.npy', 'whole.npy'), '--state', 's'],
    ],
    [
      'inputs of several lengths',
      1,
      'several lengths: expected 3 steps, or one for all, found 2',
      (a) => [two, '--input', `a=${a}`, '--input', `gain=${a.replace('a.npy', 'pair.csv')}`, '-o', 'total=-'],
    ],
  ])('refuses %s', async (_, code, message, argv) => {
    expect(await run(...argv(at('a.npy')))).toMatchObject({ code, stderr: expect.stringContaining(message) });
  });
});

describe('rivulet inspect of what does not run', () => {
  it('shows every operator that would not, and why', async () => {
    const file = at('strange.safetensors');
    await writeFile(
      file,
      writeNative(
        graphOf({
          inputs: [value('x', ['T', 'N', 2])],
          outputs: [value('y', ['T', 'N', 2])],
          nodes: [
            node('Levitate', ['x'], 'up'),
            node('Relu', ['up'], 'clipped'),
            node('Tanh', ['clipped'], 'bent', { alpha: 2 }),
            node('MatMul', ['x', 'narrow'], 'wrong'),
            node('Vanish', ['bent', 'wrong'], 'y'),
          ],
          tensors: [floats('narrow', [3, 2], { seed: 1 })],
        }),
      ),
    );
    const { code, stdout, stderr } = await rivulet(['inspect', file]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/The model does not run: found 4 reasons/);
    expect(stdout).toMatch(/^input +x +float32 +\[T, N, 2\]$/m);
    expect(stdout).toMatch(/^up +Levitate +operator Levitate$/m);
    expect(stdout).toMatch(/^bent +Tanh +Tanh: attribute "alpha": expected none, found alpha = 2$/m);
    expect(stdout).toMatch(/^wrong +MatMul +MatMul: the factors do not fit/m);
    expect(stdout).toMatch(/^y +Vanish +operator Vanish$/m);
    expect(stdout).not.toMatch(/^clipped/m);
    const json = JSON.parse((await rivulet(['inspect', file, '--json'])).stdout);
    expect(json.problems.map(({ operator, code }: Record<string, string>) => [operator, code])).toEqual([
      ['Levitate', 'UNSUPPORTED_OPERATOR'],
      ['Tanh', 'UNSUPPORTED_ATTRIBUTE'],
      ['MatMul', 'INVALID_GRAPH'],
      ['Vanish', 'UNSUPPORTED_OPERATOR'],
    ]);
  });

  it('shows what stands outside the nodes', async () => {
    const file = at('output.safetensors');
    const graph = graphOf({
      inputs: [value('x', ['T', 'N', 2])],
      outputs: [value('y', ['T', 'N', 3])],
      nodes: [node('Relu', ['x'], 'y')],
    });
    await writeFile(file, writeNative(graph));
    const { code, stdout } = await rivulet(['inspect', file]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/an output is not what the graph computes.*\[T, N, 3\].*\[T, N, 2\]/);
  });
});
