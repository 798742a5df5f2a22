import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyCharacterModel } from '../support/tiny-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(join(root, 'dist/index.js'));
if (!isBuilt) console.warn('package tests skipped: dist/ is not built (npm run build)');

/** The Node binaries to try: RIVULET_NODES as a path list, else the one that runs the tests. */
const nodes = process.env.RIVULET_NODES?.split(delimiter).filter(Boolean) ?? [process.execPath];

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

describe.skipIf(!isBuilt)('the packed tarball', () => {
  let folder = '';
  let files: string[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rivulet-pack-'));
    // The build has run: packing what lies there keeps this test from racing others that read dist/.
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root);
    // Some versions of npm report an array, others an object by package name.
    const report = JSON.parse(packed);
    const [entry] = Array.isArray(report) ? report : Object.values(report);
    files = entry.files.map((file: { path: string }) => file.path);
    writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n');
    run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, entry.filename)], folder);
    cpSync(fileURLToPath(new URL('consumer', import.meta.url)), folder, { recursive: true });
    writeFileSync(join(folder, 'model.safetensors'), tinyCharacterModel());
  }, 120_000);

  afterAll(() => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('holds the build and nothing of the workshop', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'package.json',
        'dist/index.js',
        'dist/text.js',
        'dist/sequences.js',
        'dist/convert.js',
        'dist/cli.js',
        'dist/rivulet.browser.js',
        'dist/kernels/scalar.wasm',
        'dist/kernels/simd.wasm',
        'dist/kernels/relaxed.wasm',
        'dist/kernels/simd-tensor.wasm',
        'dist/types/index.d.ts',
      ]),
    );
    expect(
      files.filter((path) => !/^(?:dist\/|LICENSE$|README\.md$|CHANGELOG\.md$|package\.json$)/.test(path)),
    ).toEqual([]);
  });

  it('installs nothing beside itself', () => {
    const { dependencies } = JSON.parse(run('npm', ['ls', '--all', '--json'], folder));
    expect(Object.keys(dependencies)).toEqual(['rivulet']);
    expect(dependencies.rivulet.dependencies).toBeUndefined();
  });

  it('runs the example to the same bits under every Node', () => {
    const results = nodes.map((node) => JSON.parse(run(node, ['example.mjs'], folder)));
    expect(results).toHaveLength(nodes.length);
    for (const result of results) expect(result).toEqual(results[0]);
  }, 120_000);

  it('runs the README’s first example, word for word', () => {
    const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    writeFileSync(join(folder, 'readme.mjs'), example ?? '');
    cpSync(join(root, 'models/shakespeare/model.safetensors'), join(folder, 'models/shakespeare/model.safetensors'));
    const texts = nodes.map((node) => run(node, ['readme.mjs'], folder));
    expect(texts[0]).toHaveLength(300);
    expect(texts[0]).toMatch(/^[A-Z ]+:$/m);
    for (const text of texts) expect(text).toBe(texts[0]);
  }, 60_000);

  it('throws one class of errors from every entry', () => {
    writeFileSync(
      join(folder, 'errors.mjs'),
      [
        "import { RivuletError } from 'rivulet';",
        "import { readGraph } from 'rivulet/convert';",
        'const error = await readGraph(new Uint8Array(3)).catch((error) => error);',
        'console.log(error instanceof RivuletError, error.code);',
      ].join('\n'),
    );
    for (const node of nodes) expect(run(node, ['errors.mjs'], folder)).toBe('true UNKNOWN_FORMAT\n');
  }, 60_000);

  it('has a command', () => {
    for (const node of nodes) {
      expect(run(node, [join(folder, 'node_modules/rivulet/dist/cli.js'), '--help'], folder)).toMatch(/generate/);
    }
    expect(run(join(folder, 'node_modules/.bin/rivulet'), ['inspect', 'model.safetensors'], folder)).toMatch(/LSTM/);
  }, 60_000);

  it('has types that a strict consumer compiles with', () => {
    const options = ['--strict', '--exactOptionalPropertyTypes', '--noEmit', '--module', 'nodenext'];
    options.push('--target', 'es2022', '--lib', 'es2022,esnext.disposable,dom', '--types', '');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    expect(run(process.execPath, [tsc, ...options, 'consumer.ts'], folder)).toBe('');
  }, 60_000);
});
