// The download budget and the code-generation checks; exits with 1 when either is broken. Needs a built dist/.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { checkKernels } from './check-kernels.mjs';
import { kernelFiles, MODULES, RELEASE_BUILDS } from './kernel-modules.mjs';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
if (!existsSync(join(dist, 'index.js'))) {
  console.error('dist/ is not built: npm run build');
  process.exit(2);
}

const KB = 1024;
/** Brotli at its highest quality, as a well set-up server sends it; in bytes. */
const brotli = (bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }).length;

/** The files that an entry of dist/ loads before its first line runs: itself and its static imports. */
function staticFiles(entry, found = new Set()) {
  if (found.has(entry)) return found;
  found.add(entry);
  const code = readFileSync(join(dist, entry), 'utf8');
  // Minified output of rollup: `import{a as b}from"./x.js"`, `import"./x.js"`, `export{a}from"./x.js"`.
  for (const [, file] of code.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g)) staticFiles(file, found);
  return found;
}

const total = (files) => files.reduce((sum, file) => sum + brotli(readFileSync(join(dist, file))), 0);
const kernels = (name) => `kernels-${name}.js`;

const rows = [
  { what: 'kernels/simd.wasm', files: ['kernels/simd.wasm'], budget: 24 * KB },
  { what: 'core entry with the simd build', files: [...staticFiles('index.js'), kernels('simd')], budget: 40 * KB },
  { what: 'kernels/scalar.wasm', files: ['kernels/scalar.wasm'] },
  { what: 'kernels/relaxed.wasm', files: ['kernels/relaxed.wasm'] },
  { what: 'core entry with the scalar build', files: [...staticFiles('index.js'), kernels('scalar')] },
  { what: 'all operators, simd', files: ['operators.js', kernels('simd-tensor')] },
  { what: 'text entry', files: [...staticFiles('text.js')] },
  { what: 'sequences entry', files: [...staticFiles('sequences.js')] },
  { what: 'convert entry', files: [...staticFiles('convert.js')] },
  { what: 'pool entry', files: [...staticFiles('pool.js')] },
  { what: 'pool worker', files: [...staticFiles('pool-worker.js')] },
  { what: 'command line', files: [...staticFiles('cli.js')] },
  { what: 'single-file browser build', files: ['rivulet.browser.js'] },
];

let broken = false;
console.log(`${'brotli, bytes'.padEnd(36)}${'size'.padStart(8)}${'budget'.padStart(8)}`);
for (const { what, files, budget } of rows) {
  const size = total(files);
  const over = budget !== undefined && size > budget;
  broken ||= over;
  const verdict = budget === undefined ? '' : `${String(budget).padStart(8)}  ${over ? 'OVER' : 'ok'}`;
  console.log(`${what.padEnd(36)}${String(size).padStart(8)}${verdict}`);
}

// A chunk under another name than the command's or a tool's files call it by would be missed when it is first needed.
for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
  const imports = readFileSync(join(dist, file), 'utf8').matchAll(/\bimport\("\.\/([^"]+)"\)/g);
  for (const [, wanted] of imports) {
    if (existsSync(join(dist, wanted))) continue;
    console.error(`dist/${file} imports ${wanted}, which is not there`);
    broken = true;
  }
}

// A chunk that no row names would be a download nobody counts.
const counted = new Set([...rows.flatMap(({ files }) => files), kernels('relaxed')]);
for (const file of readdirSync(dist).filter((name) => name.endsWith('.js') && !counted.has(name))) {
  console.log(`${file.padEnd(36)}${String(total([file])).padStart(8)}  loaded on demand`);
}

const faults = [];
const files = kernelFiles(new URL('..', import.meta.url));
for (const [i, { module, memoryBase, multiplies }] of MODULES.entries()) {
  const builds = RELEASE_BUILDS.map((build) => {
    const { name } = files.find((file) => file.build === build && file.module === module);
    return { name: build, bytes: readFileSync(join(dist, 'kernels', `${name}.wasm`)) };
  });
  const checked = checkKernels(builds, { memoryBase, memoryEnd: MODULES[i + 1]?.memoryBase, multiplies });
  console.log(`\n${checked.summary.map((line) => `${module} ${line}`).join('\n')}`);
  faults.push(...checked.faults.map((fault) => `${module} ${fault}`));
}
for (const fault of faults) console.error(`fault: ${fault}`);
process.exitCode = broken || faults.length > 0 ? 1 : 0;
