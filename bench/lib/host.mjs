// The process that measures: with the flags it needs, on one core, and the machine's name beside its figures.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

// Node 20 has the relaxed instructions behind a flag, which newer ones no longer know.
const RELAXED_FLAG = '--experimental-wasm-relaxed-simd';

/**
 * Starts this script again as it should be measured, and ends with its exit code; returns in the process that is so
 * already. Pinned to the last core where the system has `taskset`: a process that moves finds its caches empty.
 */
export function settle({ pinned = true } = {}) {
  if (process.env.RIVULET_BENCH_SETTLED) return;
  const flags = process.versions.node.startsWith('20.') ? [RELAXED_FLAG] : [];
  let command = [process.execPath, ...flags, ...process.argv.slice(1)];
  const core = String(cpus().length - 1);
  if (pinned && spawnSync('taskset', ['-c', core, 'true']).status === 0) command = ['taskset', '-c', core, ...command];
  const env = { ...process.env, RIVULET_BENCH_SETTLED: '1' };
  const { status } = spawnSync(command[0], command.slice(1), { stdio: 'inherit', env });
  process.exit(status ?? 1);
}

/** Builds dist/ where it is not newer than its sources. What imports it is imported after this. */
export function build() {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  execFileSync(process.execPath, [script, '--if-stale'], { stdio: ['ignore', 2, 2] });
}

/** Writes `{ machine, results }` where `--json=FILE` asked for it. */
export function keep(file, host, results) {
  if (file) writeFileSync(file, `${JSON.stringify({ machine: host, results }, null, 2)}\n`);
}

/** What stands above every table. */
export function machine() {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    cpu: cpus()[0].model.trim(),
    cores: cpus().length,
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    rivulet: version,
  };
}
