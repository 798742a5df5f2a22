// `npm run fuzz -- [reader ...] [--count N] [--seed N] [--first N]`: the fuzz tests of the readers named (of all, where none is)
// with as many files as asked for. A reader of two kinds of file has a campaign for each, called reader-kind: they run together.
// See test/support/fuzz/campaign.ts.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const option = { type: 'string' };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: option, seed: option, first: option },
});

function node(script, args, env = {}) {
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } };
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], options);
  if (status !== 0) process.exit(status ?? 1);
}

const env = Object.fromEntries(Object.entries(values).map(([name, n]) => [`RIVULET_FUZZ_${name.toUpperCase()}`, n]));
const files = positionals.length > 0 ? positionals.map((name) => `/${name.split('-')[0]}/fuzz.test.ts`) : ['formats/'];
node('scripts/build.mjs', ['--if-stale']);
node('node_modules/vitest/vitest.mjs', ['run', ...files, '-t', 'hostile files', '--reporter=verbose'], env);
