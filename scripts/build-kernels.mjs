// Compiles each module of assembly/ once per target of asconfig.json into build/kernels/, and inlines each release build;
// the same code as text (.wat) is what scripts/hot-loops.mjs counts.
// What is newer than its sources is left alone. --force builds all; names given as arguments build only those: a file
// (`simd-tensor`), or a build (`simd`) with all its modules.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inlineKernel } from './inline-kernels.mjs';
import { kernelFiles } from './kernel-modules.mjs';
import { isStale } from './stale.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);

const args = process.argv.slice(2);
const force = args.includes('--force');
const files = kernelFiles(new URL('..', import.meta.url));
const wanted = args.filter((arg) => !arg.startsWith('-'));
const unknown = wanted.filter((arg) => !files.some(({ name, build }) => arg === name || arg === build));
if (unknown.length > 0) {
  console.error(`no such kernel build: ${unknown.join(', ')}; there are ${files.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
// The lock file stands for the compiler's version: codegen is part of the product.
const sources = ['assembly', 'asconfig.json', 'scripts/inline-kernels.mjs', 'scripts/kernel-modules.mjs'];
sources.push('package-lock.json');

// asc optimises until the code grows no smaller, keeps the smallest, and says so where the last round made it larger: nothing
// is wrong, and a reader of `npm start` would think so.
const CONVERGED = 'Last converge was suboptimal.\n';

mkdirSync('build/kernels', { recursive: true });
for (const { name, build, target, entry, memoryBase, release } of files) {
  if (wanted.length > 0 && !wanted.includes(name) && !wanted.includes(build)) continue;
  const wasm = `build/kernels/${name}.wasm`;
  const beside = (extension) => wasm.replace(/wasm$/, extension);
  const outputs = [wasm, ...(release ? ['js', 'd.ts', 'wat'].map(beside) : [])];
  if (!force && !isStale(outputs, sources)) continue;
  const started = performance.now();
  const { main } = await import('assemblyscript/asc');
  const options = ['--config', 'asconfig.json', '--target', target, '--outFile', wasm, '--memoryBase', `${memoryBase}`];
  if (release) options.push('--textFile', beside('wat'));
  const { error, stderr } = await main([entry, ...options]);
  if (error) {
    process.stderr.write(stderr.toString());
    console.error(`kernels ${name}: ${error.message}`);
    process.exit(1);
  }
  process.stderr.write(stderr.toString().replaceAll(CONVERGED, ''));
  if (release) inlineKernel(wasm);
  console.log(`kernels ${name}: ${readFileSync(wasm).length} bytes in ${Math.round(performance.now() - started)} ms`);
}
