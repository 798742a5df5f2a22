import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type Model } from '../../src/index.js';
import { readCsv, writeCsv } from '../../src/io/csv.js';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { evaluateTextSync, generateSync, Sampler, Vocabulary } from '../../src/text/index.js';
import { TINY_VOCABULARY, tinyCharacterModel } from '../support/tiny-model.js';
import { Capture, rivulet, seriesModel } from './harness.js';

const VERBS = ['generate', 'inspect', 'run', 'evaluate', 'forecast', 'detect', 'trace', 'convert', 'bench'];

let folder: string;
let text: string;
let series: string;
let textModel: Model;
let model: Model;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-cli-'));
  text = at('text');
  await mkdir(text);
  await writeFile(at('text/model.safetensors'), tinyCharacterModel());
  series = at('series.safetensors');
  await writeFile(series, seriesModel(2, 2));
  textModel = await loadModel(tinyCharacterModel());
  model = await loadModel(seriesModel(2, 2));
});

afterAll(() => rm(folder, { recursive: true }));

describe('rivulet', () => {
  it('shows its verbs and exit codes with --help, on stdout', async () => {
    const { code, stdout, stderr } = await rivulet(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^  ${verb} +\\w`, 'm'));
    for (const exit of ['0', '1', '2', '130']) expect(stdout).toMatch(new RegExp(`^  ${exit} +\\w`, 'm'));
  });

  it.each(VERBS)('shows usage, options and an example with %s --help', async (verb) => {
    const { code, stdout } = await rivulet([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Usage: rivulet ${verb} MODEL.*\\[options\\]`));
    expect(stdout).toMatch(/--kernels BUILD/);
    expect(stdout).toMatch(new RegExp(`Examples?:\n  .*rivulet ${verb} `));
    expect((await rivulet(['help', verb])).stdout).toBe(stdout);
  });

  it('tells the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await rivulet(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each<[string, string[], string]>([
    ['no verb', [], 'A verb is missing'],
    ['an unknown verb', ['transmogrify'], 'Unknown verb "transmogrify"'],
    ['an unknown global option', ['--frobnicate'], 'Unknown option "--frobnicate"'],
    ['an unknown option', ['generate', 'm', '--frobnicate'], "Unknown option '--frobnicate'"],
    ['a missing argument', ['evaluate', 'm'], 'FILE is missing'],
    ['an argument too many', ['inspect', 'm', 'n'], 'Unexpected argument "n"'],
    ['a value that is missing', ['generate', 'm', '--seed'], 'argument missing'],
    ['a value that looks like an option', ['generate', 'm', '--prompt', '-x'], 'write --option=VALUE'],
    ['a value for a flag', ['inspect', 'm', '--json=yes'], 'does not take an argument'],
    [
      'a number that is none',
      ['generate', 'm', '--length', 'ten'],
      '--length takes an integer of at least 0, not "ten"',
    ],
    ['a hexadecimal number', ['generate', 'm', '--length', '0x10'], 'not "0x10"'],
    ['a fraction for an integer', ['generate', 'm', '--top-k', '1.5'], '--top-k takes an integer of at least 1'],
    ['a number out of range', ['generate', 'm', '--top-p', '1.5'], '--top-p takes a number above 0, to 1, not "1.5"'],
    [
      'a number that is just too low',
      ['generate', 'm', '--top-p', '0'],
      '--top-p takes a number above 0, to 1, not "0"',
    ],
    ['an unknown build', ['inspect', 'm', '--kernels', 'avx'], '--kernels takes one of auto, relaxed, simd, scalar'],
    ['options that exclude each other', ['evaluate', 'm', 'f', '--from', '0.9', '--skip', '1'], 'exclude each other'],
    ['targets for a text', ['evaluate', 'm', 'f.txt', '--targets', 't.npy'], '--targets is for a series'],
  ])('answers %s with exit code 2 and a hint', async (_, argv, message) => {
    const { code, stdout, stderr } = await rivulet(argv.map((word) => (word === 'm' ? series : word)));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^Try: rivulet (\w+ )?--help$/m);
  });

  it('answers work that fails with exit code 1 and the message, no stack', async () => {
    const missing = await rivulet(['inspect', at('nothing.safetensors')]);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toBe(`error: ${at('nothing.safetensors')}: No such file\n`);
    await writeFile(at('rubbish'), 'GGUF and so on');
    expect(await rivulet(['inspect', at('rubbish')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('GGUF'),
    });
  });

  it('colours its errors on a terminal only, and not with NO_COLOR', async () => {
    const red = '\x1b[31merror:\x1b[39m';
    const onTerminal = (env: Record<string, string>) => rivulet(['x'], { stderr: new Capture(true), env });
    expect((await onTerminal({})).stderr).toContain(red);
    expect((await onTerminal({ NO_COLOR: '1' })).stderr).not.toContain('\x1b');
    expect((await onTerminal({ TERM: 'dumb' })).stderr).not.toContain('\x1b');
    expect((await rivulet(['x'])).stderr).not.toContain('\x1b');
  });

  it('shows a fault of its own with its stack', async () => {
    const broken = new PassThrough();
    broken.destroy(new TypeError('made up'));
    broken.on('error', () => undefined);
    const { code, stderr } = await rivulet(['run', series], { stdin: broken });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: TypeError: made up\n +at /);
  });

  it('ends quietly with 0 when the reader of its output has gone', async () => {
    let writes = 0;
    const broken = new Writable({
      write(_chunk, _encoding, done) {
        done(++writes < 3 ? null : Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const { code, stderr } = await rivulet(['generate', text, '--length', '100000000', '--seed', '1'], {
      stdout: broken,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(writes).toBe(3);
  });

  it('ends with 130 and without a message when interrupted: at work, and waiting for input', async () => {
    const working = new AbortController();
    const stdout = new Capture(false, () => working.abort());
    const generated = await rivulet(['generate', text, '--length', '100000000'], { stdout, signal: working.signal });
    expect(generated).toMatchObject({ code: 130, stderr: '' });
    expect(generated.stdout).not.toBe('');

    const waiting = new AbortController();
    setTimeout(() => waiting.abort(), 50);
    const run = await rivulet(['run', series], { stdin: new PassThrough(), signal: waiting.signal });
    expect(run).toMatchObject({ code: 130, stdout: '', stderr: '' });
  });
});

describe('generate', () => {
  const expectedText = (options: Parameters<typeof generateSync>[2]) =>
    [...generateSync(textModel.createStream(), Vocabulary.of(textModel), options)].join('');

  it('writes what the library generates with the same options, and the speed on stderr', async () => {
    const argv = ['generate', text, '--prompt', 'ab', '--length', '80', '--seed', '5', '--temperature', '0.5'];
    const { code, stdout, stderr } = await rivulet([...argv, '--top-k', '4', '--top-p', '0.9']);
    expect(code).toBe(0);
    expect(stdout).toBe(expectedText({ prompt: 'ab', length: 80, seed: 5, temperature: 0.5, topK: 4, topP: 0.9 }));
    expect(stderr).toMatch(
      /^80 characters in [\d.e-]+ s: [\d,]+ characters\/s, [\d.]+ µs per step \(\w+ kernels, seed 5\)\n$/,
    );
  });

  it('makes 500 characters unless told, and tells the seed it drew', async () => {
    const { stdout, stderr } = await rivulet(['generate', at('text/model.safetensors')]);
    expect([...stdout]).toHaveLength(500);
    const seed = Number(/seed (\d+)/.exec(stderr)?.[1]);
    expect(stdout).toBe(expectedText({ seed }));
  });

  it('writes piece by piece', async () => {
    const stdout = new Capture();
    await rivulet(['generate', text, '--length', '50'], { stdout });
    expect(stdout.chunks.filter((chunk) => chunk.length > 0)).toHaveLength(50);
  });

  it('ends before the first of several stops, written with escapes', async () => {
    const whole = expectedText({ length: 500, seed: 1 });
    const { stdout } = await rivulet(['generate', text, '--seed', '1', '--stop', '\\n', '--stop', 'ab']);
    expect(stdout).toBe(whole.slice(0, whole.search(/\n|ab/)));
    expect(stdout.length).toBeLessThan(whole.length);
  });

  it('writes several texts, a line each, one seed for all and all from the same state', async () => {
    const vocabulary = Vocabulary.of(textModel);
    const sampler = new Sampler({ seed: 4 });
    const expected = [1, 2, 3].map(() => {
      const options = { prompt: 'ab', length: 20, stop: '\n', sampler };
      return `ab${[...generateSync(textModel.createStream(), vocabulary, options)].join('')}\n`;
    });
    const argv = ['--count', '3', '--seed', '4', '--prompt', 'ab', '--length', '20', '--stop', '\\n'];
    expect((await rivulet(['generate', text, ...argv])).stdout).toBe(expected.join(''));
  });

  it('writes a text for each line of prompts, from a file or standard input', async () => {
    const vocabulary = Vocabulary.of(textModel);
    const sampler = new Sampler({ seed: 4 });
    const expected = ['ab', 'ab', 'cde', 'cde'].map((prompt) => {
      const options = { prompt, length: 9, sampler };
      return `${prompt}${[...generateSync(textModel.createStream(), vocabulary, options)].join('')}\n`;
    });
    await writeFile(at('prompts.txt'), 'ab\r\ncde\r\n');
    const argv = ['generate', text, '--seed', '4', '--length', '9', '--count', '2', '--prompts'];
    expect((await rivulet([...argv, at('prompts.txt')])).stdout).toBe(expected.join(''));
    expect((await rivulet([...argv, '-'], { stdin: 'ab\ncde' })).stdout).toBe(expected.join(''));
    const wrong = await rivulet([...argv, '-'], { stdin: 'ab\ncXe\n' });
    expect(wrong).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/standard input, line 2: .*"X"/),
    });
    expect((await rivulet([...argv, '-', '--unknown', 'e'], { stdin: 'cXe' })).code).toBe(0);
    expect(await rivulet([...argv, '-', '--prompt', 'a'])).toMatchObject({ code: 2 });
  });

  it('begins and ends a text as the model says, unless told otherwise', async () => {
    const task = { prompt: '\n', stop: ['\n', 'c'], length: 12, temperature: 0.5 };
    await writeFile(at('lines.safetensors'), tinyCharacterModel(8, { generation: JSON.stringify(task) }));
    const lines = async (...argv: string[]) =>
      (await rivulet(['generate', at('lines.safetensors'), '--seed', '2', ...argv])).stdout;
    expect(await lines()).toBe(`${expectedText({ ...task, seed: 2 })}\n`);
    expect(await lines('--prompt', 'de')).toBe(`de${expectedText({ ...task, prompt: '\nde', seed: 2 })}\n`);
    const told = { ...task, stop: 'a', length: 30, temperature: 1, seed: 2 };
    expect(await lines('--stop', 'a', '--length', '30', '--temperature', '1')).toBe(`${expectedText(told)}\n`);

    await writeFile(at('wrong.safetensors'), tinyCharacterModel(8, { generation: '{"stop":"x"}' }));
    const wrong = await rivulet(['generate', at('wrong.safetensors')]);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('generation.stop has the wrong type') });
  });

  it('goes on from a saved state as if it had not stopped', async () => {
    const greedy = ['generate', text, '--temperature', '0'];
    const first = await rivulet([...greedy, '--prompt', 'cd', '--length', '10', '--save-state', at('state')]);
    const last = first.stdout.slice(-1);
    const second = await rivulet([...greedy, '--prompt', last, '--length', '20', '--state', at('state')]);
    const whole = await rivulet([...greedy, '--prompt', 'cd', '--length', '30']);
    expect(first.stdout + second.stdout).toBe(whole.stdout);
    const fresh = textModel.createStream();
    fresh.restore(await readFile(at('state')));
  });

  it('tells with a saved state what to go on with: after a stop the stream has drawn more than was written', async () => {
    const drawn = ['generate', text, '--seed', '4', '--length', '200'];
    const saving = [...drawn, '--prompt', 'cd', '--stop', 'a', '--save-state', at('stopped')];
    const { stdout, stderr } = await rivulet(saving);
    expect(stdout.length).toBeLessThan(200);
    const told = /To go on: --state (\S+) --prompt (\S+)\n$/.exec(stderr)!;
    expect(told.slice(1)).toEqual([at('stopped'), 'a']);
    // The likeliest character after what was drawn, stop text included.
    const next = ['generate', text, '--temperature', '0', '--length', '1'];
    const on = await rivulet([...next, '--state', told[1], '--prompt', told[2]]);
    expect(on.stdout).toBe((await rivulet([...next, '--prompt', `cd${stdout}a`])).stdout);
  });

  it('refuses a folder that holds no model', async () => {
    await mkdir(at('empty'));
    for (const verb of ['generate', 'inspect']) {
      const { code, stderr } = await rivulet([verb, at('empty')]);
      expect(code).toBe(1);
      expect(stderr).toContain(`${at('empty')}: The folder holds no model: expected model.safetensors, manifest.json`);
    }
  });

  it('refuses a model without a vocabulary, a prompt outside it, a state that is none', async () => {
    expect(await rivulet(['generate', series])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Model "series" is none of characters.*forecast/),
    });
    const prompt = await rivulet(['generate', text, '--prompt', 'Ω']);
    expect(prompt).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('U+03A9') });
    await writeFile(at('no-state'), 'abc');
    const state = await rivulet(['generate', text, '--state', at('no-state')]);
    expect(state).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`${at('no-state')}: the snapshot`),
    });
    const folderAsFile = await rivulet(['generate', text, '--length', '1', '--save-state', folder]);
    expect(folderAsFile).toMatchObject({ code: 1, stderr: expect.stringContaining(`${folder}: Writing failed`) });
  });

  it.each(['scalar', 'simd'])('uses the %s kernels when asked to, with the same text', async (kernels) => {
    const { stdout, stderr } = await rivulet(['generate', text, '--seed', '3', '--kernels', kernels]);
    expect(stderr).toContain(`(${kernels} kernels`);
    expect(stdout).toBe(expectedText({ seed: 3 }));
  });
});

describe('inspect', () => {
  it('shows the layers, ports, tensors and figures', async () => {
    const { code, stdout } = await rivulet(['inspect', series]);
    expect(code).toBe(0);
    expect(stdout).toContain(model.summary().trimEnd());
    for (const line of [
      /^series$/m,
      /^file +.*series\.safetensors \(Rivulet safetensors, [\d.]+ k?B\)$/m,
      /^metadata +licence$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(stdout).toMatch(/^input +x +float32 +\[T, N, 2\]$/m);
    expect(stdout).toMatch(/^lstm\.R +float32 +\[1, 16, 4\] +256$/m);
    expect(stdout).not.toMatch(/^Plan$/m);
    expect((await rivulet(['inspect', series, '--plan'])).stdout).toMatch(/^Plan$/m);
  });

  it('prints the same as JSON', async () => {
    const { stdout } = await rivulet(['inspect', text, '--json', '--kernels', 'scalar']);
    const facts = JSON.parse(stdout);
    expect(facts).toMatchObject({
      name: 'tiny',
      format: 'Rivulet safetensors',
      file: at('text/model.safetensors'),
      fileBytes: tinyCharacterModel().length,
      parameters: textModel.parameterCount,
      weightBytes: textModel.weightBytes,
      stateBytes: textModel.stateBytes,
      fingerprint: textModel.fingerprint,
      kernels: 'scalar',
      streamable: true,
      inputs: [{ name: 'tokens', type: 'int64', shape: ['T', 'N'] }],
      metadata: ['vocabulary'],
    });
    expect(facts.tensors).toContainEqual({ name: 'head.bias', type: 'float32', shape: [7], bytes: 28 });
    expect(facts.plan).toBeUndefined();
    expect(JSON.parse((await rivulet(['inspect', text, '--json', '--plan'])).stdout).plan).toBeTypeOf('object');
  });
});

describe('run', () => {
  const steps = 150; // more than one chunk
  const inputs = Float32Array.from({ length: steps * 2 }, (_, i) => Math.fround(Math.sin(i)));
  const csv = writeCsv(inputs, [steps, 2]);
  let expected: Float32Array;

  beforeAll(async () => {
    expected = model.createStream().run(inputs);
    await writeFile(at('x.npy'), writeNpy(inputs, [steps, 2]));
    await writeFile(at('x.csv'), csv);
  });

  it.each(['x.npy', 'x.csv'])('feeds %s and writes .npy and CSV, to the bit', async (name) => {
    expect(await rivulet(['run', series, at(name), '-o', at('y.npy')])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const npy = readNpy(await readFile(at('y.npy')));
    expect(npy.shape).toEqual([steps, 2]);
    expect(npy.data).toEqual(expected);
    await rivulet(['run', series, at(name), '-o', at('y.csv')]);
    expect(await readFile(at('y.csv'), 'utf8')).toBe(writeCsv(expected, [steps, 2]));
    expect((await rivulet(['run', series, at(name)])).stdout).toBe(writeCsv(expected, [steps, 2]));
    const binary = await rivulet(['run', series, at(name), '--output', '-', '--output-format', 'npy']);
    expect(readNpy(binary.bytes).data).toEqual(expected);
  });

  it('takes standard input, whatever it holds', async () => {
    const out = writeCsv(expected, [steps, 2]);
    expect((await rivulet(['run', series], { stdin: csv })).stdout).toBe(out);
    expect((await rivulet(['run', series, '-'], { stdin: writeNpy(inputs, [steps, 2]) })).stdout).toBe(out);
    await rivulet(['run', series, '-', '-o', at('z.npy')], { stdin: csv });
    expect(readNpy(await readFile(at('z.npy'))).data).toEqual(expected);
  });

  it('takes [T, 1, inputs], and [T] and integers where the model has one input', async () => {
    const out = writeCsv(expected, [steps, 2]);
    const npy = writeNpy(inputs, [steps, 1, 2]);
    expect((await rivulet(['run', series], { stdin: npy })).stdout).toBe(out);
    const tokens = BigInt64Array.of(1n, 2n, 3n);
    const logits = textModel.createStream().run([1, 2, 3]);
    for (const shape of [[3], [3, 1]]) {
      const { stdout } = await rivulet(['run', text], { stdin: writeNpy(tokens, shape) });
      expect(stdout).toBe(writeCsv(logits, [3, TINY_VOCABULARY.length]));
    }
  });

  it('answers a header with a header, from a file and line by line', async () => {
    const named = `left,right\n${csv}`;
    const out = `y_0,y_1\n${writeCsv(expected, [steps, 2])}`;
    await writeFile(at('named.csv'), named);
    expect((await rivulet(['run', series, at('named.csv')])).stdout).toBe(out);
    expect((await rivulet(['run', series], { stdin: named })).stdout).toBe(out);
  });

  it('answers each line as it arrives, also one in pieces', async () => {
    const lines = csv.split('\n');
    const answers = writeCsv(expected, [steps, 2]).split('\n');
    const stdin = new PassThrough();
    let answered: () => void = () => undefined;
    const stdout = new Capture(false, () => answered());
    const done = rivulet(['run', series], { stdin, stdout });
    for (let i = 0; i < 5; i++) {
      const answer = new Promise<void>((resolve) => {
        answered = resolve;
      });
      stdin.write(lines[i].slice(0, 3));
      stdin.write(`${lines[i].slice(3)}\r\n`);
      await answer;
      expect(stdout.text).toBe(`${answers.slice(0, i + 1).join('\n')}\n`);
    }
    stdin.end(lines[5]); // no line end
    expect(await done).toMatchObject({ code: 0, stdout: `${answers.slice(0, 6).join('\n')}\n` });
  });

  it('carries its state by file', async () => {
    const half = steps / 2;
    const [first, second] = [inputs.subarray(0, steps), inputs.subarray(steps)].map((part) =>
      writeCsv(part, [half, 2]),
    );
    const a = await rivulet(['run', series, '--save-state', at('half')], { stdin: first });
    await writeFile(at('second.csv'), second);
    const b = await rivulet(['run', series, at('second.csv'), '--state', at('half')]);
    expect(a.stdout + b.stdout).toBe(writeCsv(expected, [steps, 2]));
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['too few columns', '1\n', /standard input, line 1: Wrong number.*expected 2 columns, found 1/],
    ['a wider line later', '1,2\n1,2,3\n', /line 2: Wrong number.*found 3/],
    [
      'a gap in the first line',
      '1,\n1,2\n',
      /standard input: Not a number at line 1, column 2: found nothing\. A first/,
    ],
    ['a first line of gaps', 'N/A,n/a\n1,2\n', /line 1, column 1: found "N\/A"/],
    ['a word', '1,2\n1,two\n', /line 2, column 2: found "two"/],
    ['a blank line within', '1,2\n\n1,2\n', /Line 2 is blank/],
    ['an array of another width', writeNpy(new Float32Array(6), [2, 3]), /expected shape \[T, 2\], found \[2, 3\]/],
    ['an array of one axis', writeNpy(new Float32Array(6), [6]), /expected shape \[T, 2\], found \[6\]/],
    ['bytes that are no text', Uint8Array.of(0x31, 0xff, 0x0a), /standard input: Not text in UTF-8\. Save it as UTF-8/],
    ['arrays in a .npz', Uint8Array.of(0x50, 0x4b, 3, 4, 0xff), /found a ZIP archive, as \.npz .*with np\.save/],
  ])('refuses %s', async (_, stdin, message) => {
    const { code, stderr } = await rivulet(['run', series], { stdin });
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it('says in which line or row a number is not finite, or a token none, and nothing of options that a shell lacks', async () => {
    const bad = inputs.slice();
    bad[2 * 130 + 1] = Number.NaN;
    await writeFile(at('gap.csv'), writeCsv(bad, [steps, 2]));
    await writeFile(at('named-gap.csv'), `a,b\n${writeCsv(bad, [steps, 2])}`);
    await writeFile(at('gap.npy'), writeNpy(bad, [steps, 2]));
    for (const [name, place] of [
      ['gap.csv', 'line 131'],
      ['named-gap.csv', 'line 132'],
      ['gap.npy', 'row 130'],
    ]) {
      const { code, stderr } = await rivulet(['run', series, at(name)]);
      const found = `number 1 of "x" is not finite: expected finite float32, found NaN at ${place}. Clean the data\n`;
      expect({ code, stderr }).toEqual({ code: 1, stderr: `error: ${at(name)}, tensor "x": ${found}` });
    }
    const piped = await rivulet(['run', series], { stdin: await readFile(at('named-gap.csv')) });
    expect(piped.stderr).toMatch(/standard input, tensor "x": .*found NaN at line 132\. Clean the data\n$/);
    expect(piped.stdout.split('\n')).toHaveLength(132);
    const token = await rivulet(['run', text], { stdin: writeNpy(Float32Array.of(1, 2, 0.5), [3]) });
    expect(token.stderr).toMatch(/found 0\.5 at row 2/);
  });

  it('names the file of a wrong width, and leaves the output file alone', async () => {
    await writeFile(at('wide.csv'), '1,2,3\n');
    const { code, stderr } = await rivulet(['run', series, at('wide.csv'), '-o', at('never.csv')]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `error: ${at('wide.csv')}: Wrong number of values per step for this model: expected 2 columns, found 3\n`,
    });
    await expect(readFile(at('never.csv'))).rejects.toThrow('ENOENT');
  });

  it('says nothing for no steps', async () => {
    expect(await rivulet(['run', series], { stdin: '' })).toMatchObject({ code: 0, stdout: '' });
  });
});

describe('evaluate', () => {
  const content = 'abcde ab\n'.repeat(40);

  beforeAll(() => writeFile(at('held.txt'), content));

  it('measures a text as the library does, the last part of it with --from', async () => {
    const ids = Vocabulary.of(textModel).encode(content);
    const whole = evaluateTextSync(textModel.createStream(), ids);
    const json = async (...argv: string[]) =>
      JSON.parse((await rivulet(['evaluate', text, at('held.txt'), '--json', ...argv])).stdout);
    expect(await json()).toMatchObject({ ...whole, perSecond: expect.any(Number) });
    const tail = evaluateTextSync(textModel.createStream(), ids.subarray(324));
    expect(await json('--from', '0.9')).toMatchObject({ ...tail });
    expect(await json('--skip', '324')).toMatchObject({ ...tail });
    const part = evaluateTextSync(textModel.createStream(), ids.subarray(10, 60));
    expect(await json('--skip', '10', '--length', '50')).toMatchObject({ ...part, count: 49 });
  });

  it('prints figures with units', async () => {
    const { code, stdout } = await rivulet(['evaluate', text, at('held.txt')]);
    const { loss } = evaluateTextSync(textModel.createStream(), Vocabulary.of(textModel).encode(content));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^loss +\d\.\d{5} nats per character$/m);
    expect(Number(/^loss +(\S+)/m.exec(stdout)?.[1])).toBeCloseTo(loss, 4);
    expect(stdout).toMatch(/^count +359 characters$/m);
    expect(stdout).toMatch(/^per second +[\d,]+ characters\/s$/m);
  });

  it('reads sequences side by side, in calls of any length, to the bit', async () => {
    const ids = Vocabulary.of(textModel).encode(content); // 360: three sequences of 120
    const each = [0, 120, 240].map((from) =>
      evaluateTextSync(textModel.createStream(), ids.subarray(from, from + 120)),
    );
    const found = await Promise.all(
      ['7', '64', '1000'].map(async (length) => {
        const argv = ['evaluate', text, at('held.txt'), '--batch-size', '3', '--sequence-length', length, '--json'];
        return JSON.parse((await rivulet(argv)).stdout);
      }),
    );
    for (const { loss, count } of found) {
      expect(count).toBe(3 * 119);
      expect(loss).toBeCloseTo(each.reduce((sum, one) => sum + one.loss, 0) / 3, 12);
    }
    const many = await rivulet(['evaluate', text, at('held.txt'), '--batch-size', '200']);
    expect(many).toMatchObject({ code: 1, stderr: expect.stringContaining('Too little data for 200 sequences') });
    expect(many.stderr).toContain(at('held.txt'));
  });

  it('refuses characters that the model lacks, unless told what stands in for them', async () => {
    await writeFile(at('odd.txt'), 'abXcd');
    expect(await rivulet(['evaluate', text, at('odd.txt')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"X"'),
    });
    await writeFile(at('windows.txt'), 'ab\r\ncd\r\n');
    expect((await rivulet(['evaluate', text, at('windows.txt')])).stderr).toMatch(/windows\.txt: .*tr -d '\\r'/);
    await writeFile(at('latin.txt'), Buffer.from('ab\nc\xfc', 'latin1'));
    expect((await rivulet(['trace', text, at('latin.txt')])).stderr).toMatch(
      /latin\.txt: Not text in UTF-8 at line 2\./,
    );
    expect(await rivulet(['trace', text, at('odd.txt'), '--unknown', 'e'])).toMatchObject({ code: 0 });
    expect((await rivulet(['generate', text, '--prompt', 'aX'])).stderr).toMatch(/"X".*character 2.*--unknown/m);
    const { stdout } = await rivulet(['evaluate', text, at('odd.txt'), '--unknown', 'e', '--json']);
    const ids = Vocabulary.of(textModel).encode('abecd');
    expect(JSON.parse(stdout).loss).toBe(evaluateTextSync(textModel.createStream(), ids).loss);
  });

  it('measures a series against targets, or against its own next step', async () => {
    const steps = 100;
    const x = Float32Array.from({ length: steps * 2 }, (_, i) => Math.cos(i));
    const y = model.createStream().run(x);
    await writeFile(at('s.npy'), writeNpy(x, [steps, 2]));
    await writeFile(
      at('t.csv'),
      writeCsv(
        y.map((value, i) => value + (i % 2 ? 0.5 : -1)),
        [steps, 2],
      ),
    );
    const against = await rivulet(['evaluate', series, at('s.npy'), '--targets', at('t.csv'), '--json']);
    const { meanSquaredError, meanAbsoluteError, count } = JSON.parse(against.stdout);
    expect(count).toBe(steps);
    expect(meanSquaredError).toBeCloseTo((0.25 + 1) / 2, 6);
    expect(meanAbsoluteError).toBeCloseTo(0.75, 6);

    const next = JSON.parse((await rivulet(['evaluate', series, at('s.npy'), '--json'])).stdout);
    const errors = Array.from({ length: (steps - 1) * 2 }, (_, i) => y[i] - x[i + 2]);
    expect(next.count).toBe(steps - 1);
    expect(next.meanSquaredError).toBeCloseTo(errors.reduce((sum, e) => sum + e * e, 0) / errors.length, 9);

    await writeFile(at('short.csv'), '1,2\n');
    const short = await rivulet(['evaluate', series, at('s.npy'), '--targets', at('short.csv')]);
    expect(short).toMatchObject({ code: 1, stderr: expect.stringMatching(/expected 100 steps, found 1/) });
  });

  it('scores a forecasting model on its columns by name, scaled, as far as it looks ahead', async () => {
    const task = { columns: ['heat', 'load'], targets: ['load'], horizon: 2 };
    const scaler = { kind: 'standard', columns: ['load', 'heat'], center: [5, 1], scale: [2, 4] };
    const metadata = { forecast: JSON.stringify(task), scaler: JSON.stringify(scaler) };
    await writeFile(at('forecaster.safetensors'), seriesModel(2, 2, metadata));
    const rows = Array.from({ length: 30 }, (_, t) => [`day ${t}`, 5 + Math.sin(t), 'x', 1 + Math.cos(t)]);
    const csv = [['date', 'load', 'note', 'heat'], ...rows].map((row) => row.join(',')).join('\n');
    await writeFile(at('readings.csv'), csv);

    const load = rows.map((row) => (Number(row[1]) - 5) / 2);
    const scaled = rows.flatMap((row, t) => [(Number(row[3]) - 1) / 4, load[t]]);
    let [squares, count] = [0, 0];
    for (const start of [0, 15]) {
      const out = model.createStream().run(scaled.slice(2 * start, 2 * (start + 13)));
      for (let i = 0; i < out.length; i++, count++) {
        squares += (out[i] - load[start + Math.floor(i / 2) + 1 + (i % 2)]) ** 2;
      }
    }
    const argv = ['evaluate', at('forecaster.safetensors'), at('readings.csv'), '--batch-size', '2', '--json'];
    const found = JSON.parse((await rivulet(argv)).stdout);
    expect(found.count).toBe(26);
    expect(found.meanSquaredError).toBeCloseTo(squares / count, 12);
  });

  it('measures a batch of series against targets', async () => {
    const x = Float32Array.from({ length: 84 }, (_, i) => Math.cos(i));
    const halves = [0, 42].map((from) => model.createStream().run(x.subarray(from, from + 42)));
    await writeFile(at('b.npy'), writeNpy(x, [42, 2]));
    await writeFile(at('bt.npy'), writeNpy(Float32Array.from([...halves[0], ...halves[1]]), [42, 2]));
    const argv = ['evaluate', series, at('b.npy'), '--targets', at('bt.npy'), '--batch-size', '2', '--json'];
    expect(JSON.parse((await rivulet(argv)).stdout)).toMatchObject({ count: 42, meanSquaredError: 0 });
  });

  it('measures the named part of a series and of its targets', async () => {
    const x = Float32Array.from({ length: 40 }, (_, i) => Math.cos(i));
    await writeFile(at('p.csv'), readCsv(writeCsv(x, [20, 2])).rows === 20 ? writeCsv(x, [20, 2]) : '');
    const y = model.createStream().run(x.subarray(20, 32));
    await writeFile(
      at('q.npy'),
      writeNpy(
        Float32Array.from({ length: 40 }, (_, i) => (i < 20 ? 99 : (y[i - 20] ?? 99))),
        [20, 2],
      ),
    );
    const argv = [
      'evaluate',
      series,
      at('p.csv'),
      '--targets',
      at('q.npy'),
      '--from',
      '0.5',
      '--length',
      '6',
      '--json',
    ];
    expect(JSON.parse((await rivulet(argv)).stdout)).toMatchObject({
      count: 6,
      meanSquaredError: 0,
      meanAbsoluteError: 0,
    });
  });
});

describe('bench', () => {
  it('measures a step three ways, in order and with quartiles', async () => {
    const { code, stdout } = await rivulet(['bench', series, '--seconds', '0.02', '--json', '--kernels', 'scalar']);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      model: 'series',
      kernels: 'scalar',
      weightBytes: model.weightBytes,
      node: process.version,
    });
    expect(result.cases.map(({ name }: { name: string }) => name)).toEqual([
      'step',
      'run, 100 steps',
      'stepMany, 32 streams',
    ]);
    for (const { lower, median, upper, samples } of result.cases) {
      expect(samples).toBeGreaterThanOrEqual(5);
      expect(0 < lower && lower <= median && median <= upper && upper < 1000).toBe(true);
    }
  });

  it('prints a table, also for a model of tokens', async () => {
    const { stdout } = await rivulet(['bench', text, '--seconds', '0.02']);
    expect(stdout).toMatch(/^µs per step +median +lower quartile +upper quartile$/m);
    expect(stdout).toMatch(/^stepMany, 32 streams( +[\d.]+){3}$/m);
  });
});
