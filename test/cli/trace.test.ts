import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { type LayerTrace, loadModel, type Stream } from '../../src/index.js';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { Vocabulary } from '../../src/text/index.js';
import { fixturePath, sameBits } from '../support/fixtures.js';
import { cell, numbers } from '../support/graphs.js';
import { tinyCharacterModel } from '../support/tiny-model.js';
import { rivulet, seriesModel } from './harness.js';

const TEXT = 'abc de\nab';
const GATES = ['forget', 'input', 'candidate', 'output', 'learn', 'remember', 'use', 'hidden'];

let folder: string;
let text: string;
let layers: LayerTrace[];
const at = (name: string) => join(folder, name);

const layersOf = (stream: Stream, inputs: ArrayLike<number>[]) => inputs.map((x) => stream.trace(x).layers);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-trace-'));
  text = at('text.safetensors');
  await writeFile(text, tinyCharacterModel(6));
  await writeFile(at('t.txt'), TEXT);
  const model = await loadModel(tinyCharacterModel(6));
  const ids = Vocabulary.of(model).encode(TEXT);
  layers = layersOf(
    model.createStream(),
    Array.from(ids, (id) => [id]),
  ).flat();
});

afterAll(() => rm(folder, { recursive: true }));

describe('trace', () => {
  it('writes every unit of every gate of every step as CSV, JSON and .npy', async () => {
    const csv = (await rivulet(['trace', text, at('t.txt')])).stdout.replace('⏎', 'E').trimEnd().split('\n');
    const [head, ...rows] = csv.map((line) => line.split(','));
    expect(head).toEqual(['input', ...GATES.flatMap((gate) => [0, 1, 2, 3, 4, 5].map((u) => `lstm0.${gate}.${u}`))]);
    expect(rows.map(([label]) => label).join('')).toBe('abc␣deEab');
    for (const [t, row] of rows.entries()) {
      const all: Record<string, Float32Array> = { ...layers[t].gates, hidden: layers[t].hidden };
      expect(
        sameBits(
          row.slice(1).map((x) => Math.fround(Number(x))),
          GATES.flatMap((gate) => [...all[gate]]),
        ),
      ).toBe(true);
    }

    await rivulet(['trace', text, at('t.txt'), '-o', at('g.json')]);
    const json = JSON.parse(await readFile(at('g.json'), 'utf8'));
    expect(json).toMatchObject({ model: 'tiny', input: [...'abc␣de⏎ab'], layers: [{ name: 'lstm0', op: 'LSTM' }] });
    expect(json.layers[0].gates.remember[3]).toEqual([...layers[3].gates.remember]);

    await rivulet(['trace', text, '--text', TEXT, '-o', at('g.npy')]);
    const npy = readNpy(await readFile(at('g.npy')));
    expect(npy.shape).toEqual([TEXT.length, 1, GATES.length, 6]);
    expect((npy.data as Float32Array).slice(6, 12)).toEqual(layers[0].gates.input);
  });

  it('traces the part asked for, in the state that the text before it leaves', async () => {
    const argv = ['trace', text, at('t.txt'), '--skip', '4', '--length', '2', '--gate', 'use', '--gate', 'forget'];
    const rows = (await rivulet(argv)).stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    expect(rows).toHaveLength(3);
    expect(rows[0][1]).toBe('lstm0.forget.0');
    expect(rows[1][0]).toBe('d');
    expect(rows[1].slice(7).map((x) => Math.fround(Number(x)))).toEqual([...layers[4].gates.use]);
    await rivulet(['trace', text, '--text', TEXT.slice(0, 4), '--save-state', at('state')]);
    const tail = [
      'trace',
      text,
      '--text',
      TEXT.slice(4, 6),
      '--state',
      at('state'),
      '--gate',
      'use',
      '--gate',
      'forget',
    ];
    expect((await rivulet(tail)).stdout.split('\n').slice(1)).toEqual(
      (await rivulet(argv)).stdout.split('\n').slice(1),
    );
  });

  it('draws time across and units down, with what was read, titles and a legend of colours', async () => {
    await rivulet(['trace', text, at('t.txt'), '-o', at('g.svg')]);
    const svg = await readFile(at('g.svg'), 'utf8');
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
    for (const title of ['forget gate', 'learn gate: input × candidate', 'remember gate', 'use gate']) {
      expect(svg).toContain(`lstm0 (LSTM), ${title}`);
    }
    for (const label of ['Gates of &quot;tiny&quot;', 'character read', 'unit', '⏎', 'activation', '0.5']) {
      expect(svg).toContain(`>${label}</text>`);
    }
    // Every cell of the four panels is covered once, by runs of one colour.
    const cells = [...svg.matchAll(/<path d="((?:M\d+ \d+h\d+)+)" stroke="#[0-9a-f]{6}"\/>/g)].flatMap(([, d]) =>
      [...d.matchAll(/M(\d+) (\d+)h(\d+)/g)].flatMap(([, x, y, n]) =>
        Array.from({ length: Number(n) }, (_, i) => `${Number(x) + i} ${y}`),
      ),
    );
    expect(cells).toHaveLength(4 * 6 * TEXT.length);
    expect(new Set(cells).size).toBe(6 * TEXT.length);
  });

  it('names the layers, and traces one of them', async () => {
    await writeFile(at('x.npy'), writeNpy(numbers(12, 1), [4, 3]));
    const file = fixturePath('gru-3-4-layers');
    const whole = (await rivulet(['trace', file, at('x.npy')])).stdout.split('\n')[0];
    const names = [
      ...new Set(
        whole
          .split(',')
          .slice(1)
          .map((column) => column.split('.').slice(0, -2).join('.')),
      ),
    ];
    expect(names).toHaveLength(2);
    const one = await rivulet(['trace', file, at('x.npy'), '--layer', names[1], '--gate', 'reset']);
    expect(one.stdout.split('\n')[0]).toBe(`input,${[0, 1, 2, 3].map((u) => `${names[1]}.reset.${u}`).join(',')}`);
    const model = await loadModel(file);
    const [layer] = model.createStream().trace(numbers(3, 1)).layers.slice(1);
    expect(
      one.stdout
        .split('\n')[1]
        .split(',')
        .slice(1)
        .map((x) => Math.fround(Number(x))),
    ).toEqual([...layer.gates.reset]);
  });

  it('reads what a forecasting model reads: columns by name, scaled, the times along the axis', async () => {
    const task = { columns: ['heat', 'load'], horizon: 1 };
    const scaler = { kind: 'standard', columns: ['load', 'heat'], center: [5, 1], scale: [2, 4] };
    const bytes = seriesModel(2, 2, { forecast: JSON.stringify(task), scaler: JSON.stringify(scaler) });
    await writeFile(at('f.safetensors'), bytes);
    await writeFile(at('f.csv'), 'time,load,heat\nnoon,6,3\none,7,5\n');
    const argv = ['trace', at('f.safetensors'), at('f.csv'), '--gate', 'hidden'];
    const rows = (await rivulet(argv)).stdout.split('\n').map((line) => line.split(','));
    const stream = (await loadModel(bytes)).createStream();
    for (const [i, [label, x]] of (
      [
        ['noon', [0.5, 0.5]],
        ['one', [1, 1]],
      ] as const
    ).entries()) {
      expect(rows[i + 1][0]).toBe(label);
      const { hidden } = stream.trace(x).layers[0];
      expect(rows[i + 1].slice(1).map((value) => Math.fround(Number(value)))).toEqual([...hidden]);
    }
  });

  it.each<[string, string[], number, RegExp]>([
    ['neither a file nor a text', [], 2, /Either INPUT or --text/],
    ['both', ['t.txt', '--text', 'ab'], 2, /Either INPUT or --text/],
    ['an unknown layer', ['t.txt', '--layer', 'lstm9'], 1, /no such recurrent layer: expected lstm0, found lstm9/],
    ['an unknown gate', ['t.txt', '--gate', 'reset'], 1, /An LSTM has no such gate.*found reset/],
    ['an empty part', ['t.txt', '--skip', '9'], 1, /Nothing to trace/],
    ['a picture that it does not draw', ['t.txt', '-o', 'gates.png'], 2, /gates\.png: what can be drawn is an \.svg/],
    ['a format that it does not write', ['t.txt', '--format', 'png'], 2, /--format takes one of csv, json, npy, svg/],
  ])('refuses %s', async (_, argv, code, message) => {
    const found = await rivulet(['trace', text, ...argv.map((word) => (word === 't.txt' ? at(word) : word))]);
    expect(found.stderr).toMatch(message);
    expect(found).toMatchObject({ code, stdout: '' });
  });

  it('refuses a text for a series, and one array for layers of different sizes', async () => {
    await mkdir(at('p'));
    await writeFile(at('p/model.safetensors'), writeNative(cell({ op: 'LSTMP', inputs: 3, hidden: 4, projected: 2 })));
    await writeFile(at('x.npy'), writeNpy(numbers(12, 1), [4, 3]));
    const series = await rivulet(['trace', at('p'), '--text', 'ab']);
    expect(series).toMatchObject({ code: 2, stderr: expect.stringContaining('for a model of characters') });
    const array = await rivulet(['trace', at('p'), at('x.npy'), '-o', at('never.npy')]);
    expect(array).toMatchObject({ code: 1, stderr: expect.stringContaining('--gate') });
    const chosen = await rivulet(['trace', at('p'), at('x.npy'), '--gate', 'use', '-o', at('use.npy')]);
    expect(chosen.code).toBe(0);
    expect(readNpy(await readFile(at('use.npy'))).shape).toEqual([4, 1, 1, 4]);
  });
});
