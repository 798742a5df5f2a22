import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadModel } from '../../../src/index.js';
import { integer, type ModelSpec, message, model, node, subgraph, tensor, text, value } from './writer.js';

const [FLOAT, INT64, BOOL] = [1, 7, 9];

const scalar = (name: string, one: bigint) => [
  integer(2, INT64),
  text(8, name),
  message(9, new Uint8Array(BigInt64Array.of(one).buffer)),
];

const load = (spec: ModelSpec, options: LoadOptions = {}) => loadModel(model(spec), { name: 'test.onnx', ...options });

/** x times two where `rate` is 16000, otherwise x plus two; the branches make values of one name, and one nests another. */
const byRate: ModelSpec = {
  inputs: [value('x', ['N', 2]), value('rate', [], INT64)],
  outputs: [value('y', undefined)],
  weights: [scalar('high', 16000n), tensor('two', [], [2])],
  nodes: [
    node('Equal', ['rate', 'high'], 'isHigh'),
    node('If', ['isHigh'], 'y', {
      then_branch: subgraph(
        [
          node('Not', ['isHigh'], 'low'),
          node('If', ['low'], 'inner', {
            then_branch: subgraph([node('Exp', ['x'], 'same')], ['same']),
            else_branch: subgraph([node('Mul', ['x', 'own'], 'same')], ['same'], [tensor('own', [], [2])]),
          }),
          node('Identity', ['inner'], 'same'),
        ],
        ['same'],
      ),
      else_branch: subgraph([node('Add', ['x', 'two'], 'same')], ['same']),
    }),
  ],
};

describe('If', () => {
  it('takes the branch that a fixed input chooses, and steps take that input along', async () => {
    const high = (await load(byRate, { constants: { rate: 16000 } })).createStream();
    const low = (await load(byRate, { constants: { rate: [8000] } })).createStream();
    expect([...high.step([3, 4])]).toEqual([6, 8]);
    expect([...low.step([3, 4])]).toEqual([5, 6]);
    expect([...high.step({ x: [3, 4], rate: 16000 }).y]).toEqual([6, 8]);
    expect([...low.run({ x: [3, 4, 5, 6], rate: [8000] }).y]).toEqual([5, 6, 7, 8]);
    expect(() => high.step({ x: [3, 4], rate: 8000 })).toThrow(/"rate" was fixed.*expected 16000, found 8000/);
    expect(() => high.step({ x: [3, 4], speed: 1 })).toThrow(/input by name: expected x, found speed/);
  });

  it('goes into model.run too', async () => {
    const fixed = await load(byRate, { constants: { rate: 16000 } });
    const x = { data: [1, 2, 3, 4], shape: [2, 2] };
    expect([...fixed.run({ x, rate: { data: [16000], shape: [] } }).y.data]).toEqual([2, 4, 6, 8]);
    expect(() => fixed.run({ x, rate: { data: [1], shape: [] } })).toThrow(/was fixed/);
  });

  it('is refused while its condition is open, with the way out', async () => {
    await expect(load(byRate)).rejects.toThrow(/If: its condition is computed.*constants: \{"rate":\.\.\.\}/);
  });

  it('takes the branch that a shape chooses', async () => {
    const spec: ModelSpec = {
      inputs: [value('x', ['N', 2])],
      outputs: [value('y', undefined)],
      weights: [tensor('one', [1], [1n]), tensor('last', [1], [-1n])],
      nodes: [
        node('Shape', ['x'], 'shape'),
        node('Gather', ['shape', 'last'], 'length', { axis: 0 }),
        node('Greater', ['length', 'one'], 'wide'),
        node('If', ['wide'], 'y', {
          then_branch: subgraph([node('Relu', ['x'], 'a')], ['a']),
          else_branch: subgraph([node('Exp', ['x'], 'a')], ['a']),
        }),
      ],
    };
    expect([...(await load(spec)).createStream().step([-1, 2])]).toEqual([0, 2]);
  });

  it('refuses a branch that gives less than the node', async () => {
    const [equal] = byRate.nodes;
    const branch = subgraph([node('Relu', ['x'], 'a')], ['a']);
    const nodes = [equal, node('If', ['isHigh'], ['y', 'z'], { then_branch: branch, else_branch: branch })];
    await expect(load({ ...byRate, nodes }, { constants: { rate: 1 } })).rejects.toThrow(/a branch gives less/);
  });
});

describe('options of loadModel', () => {
  const gain: ModelSpec = {
    inputs: [value('x', ['N', 'length']), value('flag', [], BOOL)],
    outputs: [value('y', undefined)],
    nodes: [node('Identity', ['x'], 'z'), node('Relu', ['z'], 'y')],
  };

  it.each<[string, LoadOptions, RegExp]>([
    ['constants of no input', { constants: { gain: 1 } }, /constants: "gain": expected an input: x, flag/],
    ['constants of another count', { constants: { flag: [1, 0] } }, /"flag": expected as many numbers as \[\] has/],
    ['constants of another kind', { constants: { flag: 0.5 } }, /"flag": expected numbers of type bool, found 0\.5/],
    ['shapes of another rank', { shapes: { x: [3] } }, /shapes: "x": expected 2 axes/],
    ['shapes of other symbols', { shapes: { x: ['N', 'S'] } }, /shapes: "x": expected lengths, "T" and "N", found "S"/],
    ['states of no output', { states: { x: 'z' } }, /states: "x": expected an output: y, found "z"/],
    ['states of no input', { states: { z: 'y' } }, /states: "z": expected an input/],
  ])('refuses %s', async (_, options, message) => {
    await expect(load(gain, options)).rejects.toThrow(message);
    await expect(load(gain, options)).rejects.toMatchObject({ code: 'INVALID_OPTION', file: 'test.onnx' });
  });

  it('shapes say what the file leaves open', async () => {
    const options = { constants: { flag: 1 } };
    const sized = await load(gain, { ...options, shapes: { x: ['N', 3] } });
    expect(sized.inputs).toEqual([{ name: 'x', type: 'float32', shape: ['N', 3], size: 3 }]);
    const timed = await load(gain, { ...options, shapes: { x: ['N', 'T'] } });
    expect(timed.inputs[0].shape).toEqual(['N', 'T']);
  });

  it('states pair what names do not tell, and only what can be one', async () => {
    const spec: ModelSpec = {
      inputs: [value('input_4', ['N', 2]), value('input_5', ['N', 2])],
      outputs: [value('sum', ['N', 2]), value('tf_stack_5', ['N', 2])],
      weights: [tensor('half', [], [0.5])],
      nodes: [node('Add', ['input_4', 'input_5'], 'sum'), node('Mul', ['sum', 'half'], 'tf_stack_5')],
    };
    const open = await load(spec);
    expect(open.inputs.map(({ name }) => name)).toEqual(['input_4', 'input_5']);
    const stream = (await load(spec, { states: { input_5: 'tf_stack_5' } })).createStream();
    expect([...stream.step([2, 4])]).toEqual([2, 4]);
    expect([...stream.step([2, 4])]).toEqual([3, 6]);
    const wide = { ...spec, inputs: [spec.inputs[0], value('input_5', ['N', 1])] };
    await expect(load(wide, { states: { input_5: 'tf_stack_5' } })).rejects.toThrow(/does not become "tf_stack_5"/);
  });
});

describe('weights in other files', () => {
  const external = (name: string, entries: Record<string, string>) => [
    integer(1, 2),
    integer(2, FLOAT),
    text(8, name),
    ...Object.entries(entries).map(([key, content]) => message(13, text(1, key), text(2, content))),
    integer(14, 1),
  ];
  const spec = (first: Record<string, string>, second: Record<string, string> = first): ModelSpec => ({
    inputs: [value('x', ['N', 2])],
    outputs: [value('y', undefined)],
    weights: [external('a', first), external('b', second)],
    nodes: [node('Mul', ['x', 'a'], 'z'), node('Add', ['z', 'b'], 'y')],
  });
  const numbers = new Uint8Array(Float32Array.of(9, 2, 3, 10, 20).buffer);
  const sound = spec({ location: 'weights.bin', offset: '4', length: '8' }, { location: 'weights.bin', offset: '12' });

  it('are found beside the file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rivulet-'));
    writeFileSync(join(folder, 'weights.bin'), numbers);
    writeFileSync(join(folder, 'model.onnx'), model(sound));
    const stream = (await loadModel(join(folder, 'model.onnx'))).createStream();
    expect([...stream.step([1, 1])]).toEqual([12, 23]);
  });

  it('are given beside bytes', async () => {
    const stream = (await load(sound, { files: { 'weights.bin': numbers } })).createStream();
    expect([...stream.step([1, 1])]).toEqual([12, 23]);
    await expect(load(sound)).rejects.toThrow(/expected "weights.bin".*files: \{ "weights.bin": bytes \}/);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['a place outside the file', { location: 'w', offset: '16' }, /"a": A tensor lies outside.*found bytes 16 to 8/],
    ['more than the file has', { location: 'w', length: '12' }, /of the 8 bytes of "w", found bytes 0 to 12/],
    ['other bytes than its shape needs', { location: 'w', length: '4' }, /expected 8 bytes for float32 \[2\], found 4/],
    ['no location', { offset: '0' }, /a location of external data, found none/],
    ['an offset that is no count', { location: 'w', offset: '-4' }, /a count as the offset.*found "-4"/],
    ['a path out of the folder', { location: '../w' }, /names another that is not beside it.*found "\.\.\/w"/],
    ['an absolute path', { location: '/etc/passwd' }, /not beside it/],
  ])('refuses %s', async (_, entries, message) => {
    await expect(load(spec(entries), { files: { w: new Uint8Array(8) } })).rejects.toThrow(message);
  });
});
