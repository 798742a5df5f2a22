// Compiles assembly/ once per target of asconfig.json into build/kernels/, and inlines each release build.
// What is newer than its sources is left alone. --force builds all; names given as arguments build only those.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inlineKernel } from './inline-kernels.mjs';
import { isStale } from './stale.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

const args = process.argv.slice(2);
const force = args.includes('--force');
const { targets } = JSON.parse(readFileSync('asconfig.json', 'utf8'));
const wanted = args.filter((arg) => !arg.startsWith('-'));
const unknown = wanted.filter((name) => !(name in targets));
if (unknown.length > 0) {
  console.error(`no such kernel build: ${unknown.join(', ')}; there are ${Object.keys(targets).join(', ')}`);
  process.exit(2);
}
// The lock file stands for the compiler's version: codegen is part of the product.
const sources = ['assembly', 'asconfig.json', 'scripts/inline-kernels.mjs', 'package-lock.json'];

mkdirSync('build/kernels', { recursive: true });
for (const name of wanted.length > 0 ? wanted : Object.keys(targets)) {
  const wasm = targets[name].outFile;
  const inlined = !name.startsWith('debug-');
  const outputs = inlined ? [wasm, wasm.replace(/wasm$/, 'js'), wasm.replace(/wasm$/, 'd.ts')] : [wasm];
  if (!force && !isStale(outputs, sources)) continue;
  const started = performance.now();
  const { main } = await import('assemblyscript/asc');
  const { error, stderr } = await main(['--config', 'asconfig.json', '--target', name]);
  if (error) {
    process.stderr.write(stderr.toString());
    console.error(`kernels ${name}: ${error.message}`);
    process.exit(1);
  }
  process.stderr.write(stderr.toString());
  if (inlined) inlineKernel(wasm);
  console.log(`kernels ${name}: ${readFileSync(wasm).length} bytes in ${Math.round(performance.now() - started)} ms`);
}
