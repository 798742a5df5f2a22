// The process that measures: with the flags it needs, on one core, and the machine's name beside its figures.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

// Node 20 has the relaxed instructions behind a flag, which newer ones no longer know.
const RELAXED_FLAG = '--experimental-wasm-relaxed-simd';

/**
 * Starts this script again as it should be measured, and ends with its exit code; returns in the process that is so
 * already. Pinned to the last core, as a process that moves finds its caches empty, and before whatever else would run there,
 * where the system has `taskset` and `chrt` and lets us.
 */
export function settle({ pinned = true } = {}) {
  if (process.env.RIVULET_BENCH_SETTLED) return;
  const flags = process.versions.node.startsWith('20.') ? [RELAXED_FLAG] : [];
  const alone = [
    ['taskset', '-c', String(cpus().length - 1)],
    ['chrt', '--rr', '1'],
  ].filter(([tool, ...args]) => pinned && spawnSync(tool, [...args, 'true']).status === 0);
  const command = [...alone.flat(), process.execPath, ...flags, ...process.argv.slice(1)];
  const env = { ...process.env, RIVULET_BENCH_SETTLED: '1' };
  const { status } = spawnSync(command[0], command.slice(1), { stdio: 'inherit', env });
  process.exit(status ?? 1);
}

/** Builds dist/ where it is not newer than its sources. What imports it is imported after this. */
export function build() {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  execFileSync(process.execPath, [script, '--if-stale'], { stdio: ['ignore', 2, 2] });
}

/** Writes `{ machine, results }` where `--json=FILE` asked for it, figures to four digits. */
export function keep(file, host, results) {
  const short = (_, value) =>
    Number.isInteger(value) || typeof value !== 'number' ? value : Number(value.toPrecision(4));
  if (file) writeFileSync(file, `${JSON.stringify({ machine: host, results }, short, 2)}\n`);
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
