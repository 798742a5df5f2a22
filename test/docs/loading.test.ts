import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Architecture, loadModel } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(join(root, 'dist/convert.js'));
if (!isBuilt) console.warn('docs tests skipped: dist/ is not built (npm run build)');

interface Snippet {
  /** What the files that it names are among the fixtures, or, where they begin with `shared/`, beside the project. */
  files: Readonly<Record<string, string>>;
  /** Appended to see what came of it. */
  after?: string;
  prints: RegExp;
}

const SUMMARY = 'console.log(model.summary());';

/** Chapters of docs/loading.md, by how their headings begin, and their pieces of JavaScript in order. */
const CHAPTERS: Readonly<Record<string, readonly Snippet[]>> = {
  'PyTorch: a state dict': [
    { files: { 'model.pt': 'pytorch/classifier.pt' }, after: SUMMARY, prints: /LSTM/ },
    { files: { 'model.pt': 'pytorch/both-ends.pt' }, after: SUMMARY, prints: /gru\.l0 +GRU/ },
  ],
  ONNX: [
    { files: { 'model.onnx': 'four-ways/classifier-trace.onnx' }, after: SUMMARY, prints: /LSTM/ },
    {
      files: { 'silero_vad.onnx': 'shared/conformance/silero/silero_vad.onnx' },
      after:
        'const { output } = vad.createStream().step({ input: new Float32Array(576), sr: 16000 });\nconsole.log(output[0]);',
      prints: /^0\.0\d+$/m,
    },
  ],
  'Audio plugins': [
    { files: { 'amp.nam': 'audio/lstm-1x4.nam' }, after: 'console.log(output.length);', prints: /^32$/m },
  ],
  'ml5 character models': [{ files: { darwin: 'ml5' }, prints: /^.{200}$/su }],
  'To the native file': [
    {
      files: { 'model.pt': 'four-ways/classifier.pt' },
      after: "console.log((await loadModel('model.safetensors')).summary(), format);",
      prints: /LSTM[\s\S]*PyTorch state dict/,
    },
  ],
};

/** Where a snippet's file lies. */
const source = (path: string) => join(root, path.startsWith('shared/') ? `../${path}` : `test/fixtures/${path}`);

const page = readFileSync(join(root, 'docs/loading.md'), 'utf8');

/** The JavaScript of the chapter that begins so. */
function snippets(heading: string): string[] {
  const chapter = page.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  return Array.from(chapter.matchAll(/```js\n([\s\S]*?)```/g), ([, code]) => code);
}

it('docs/loading.md shows an architecture that reads a temporal convolutional network', async () => {
  const [, json] = /```json\n(\{[\s\S]*?"Residual"[\s\S]*?)```/.exec(page)!;
  const architecture = JSON.parse(json) as Architecture;
  // One block of the two that the file has.
  const options = { architecture: { ...architecture, ignore: [...architecture.ignore!, 'network.1'] } };
  const model = await loadModel(source('pytorch/temporal.pt'), options);
  expect(model.outputs).toMatchObject([{ shape: ['T', 'N', 2] }]);
  expect(model.streamable).toBe(true);
});

describe.skipIf(!isBuilt)('docs/loading.md', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rivulet-docs-'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules/rivulet'), 'junction');
  });
  afterAll(() => {
    if (folder) rmSync(folder, { recursive: true });
  });

  it.each(Object.entries(CHAPTERS))('%s', (heading, expected) => {
    const codes = snippets(heading);
    expect(codes).toHaveLength(expected.length);
    for (const [i, { files, after = '', prints }] of expected.entries()) {
      const missing = Object.values(files).find((path) => !existsSync(source(path)));
      if (missing?.startsWith('shared/')) {
        console.warn(`snippet ${i} of "${heading}" not run: ../${missing} is not here`);
        continue;
      }
      for (const [name, path] of Object.entries(files)) cpSync(source(path), join(folder, name), { recursive: true });
      const imported = codes[i].includes("from 'rivulet'") ? '' : "import { loadModel } from 'rivulet';\n";
      const given = codes[i].includes('(input)') ? 'const input = new Float32Array(32);\n' : '';
      writeFileSync(join(folder, 'snippet.mjs'), `${imported}${given}${codes[i]}${after}\n`);
      const printed = execFileSync(process.execPath, ['snippet.mjs'], { cwd: folder, encoding: 'utf8' });
      expect(printed).toMatch(prints);
    }
  });
});
