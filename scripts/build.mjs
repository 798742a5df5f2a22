// The whole build: kernels, then src -> build/ts and dist/types by tsc, then dist/ by rollup.
// --if-stale does nothing where dist/ is newer than everything it is made from.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelFiles, RELEASE_BUILDS } from './kernel-modules.mjs';
import { isStale } from './stale.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const started = performance.now();

/** Runs a Node script of a package in node_modules, or of this folder, and fails as it fails. */
function node(script, ...args) {
  execFileSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

const inside = (path) => join(root, path);
const outputs = ['index', 'text', 'sequences', 'convert', 'pool', 'pool-worker', 'cli', 'rivulet.browser'].map((name) =>
  inside(`dist/${name}.js`),
);
const sources = ['src', 'assembly', 'asconfig.json', 'tsconfig.json', 'tsconfig.build.json', 'rollup.config.mjs'];
sources.push('package.json', 'package-lock.json');

if (process.argv.includes('--if-stale') && !isStale(outputs, sources.map(inside))) process.exit(0);

try {
  // The asserting builds are for the tests, which make them.
  node('scripts/build-kernels.mjs', ...RELEASE_BUILDS);
  for (const made of ['dist', 'build/ts']) rmSync(inside(made), { recursive: true, force: true });
  node('node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json');
  node('node_modules/rollup/dist/bin/rollup', '--config', '--silent');
} catch {
  // The tool has said what is wrong; a half-built dist must not pass for a whole one.
  rmSync(inside('dist'), { recursive: true, force: true });
  console.error('build failed');
  process.exit(1);
}
mkdirSync(inside('dist/kernels'), { recursive: true });
for (const { name, release } of kernelFiles(new URL('..', import.meta.url))) {
  if (release) copyFileSync(inside(`build/kernels/${name}.wasm`), inside(`dist/kernels/${name}.wasm`));
}
chmodSync(inside('dist/cli.js'), 0o755);
console.log(`built dist/ in ${((performance.now() - started) / 1000).toFixed(1)} s`);
