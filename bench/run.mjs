// npm run bench [-- --cells=LSTM --modes=step --sizes=8x32 --builds=scalar,simd,relaxed --rounds=15 --json=FILE]
// Rivulet by itself: one step, 100 steps in one call, 32 streams; beside each figure the floor. Then start-up.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, settle } from './lib/host.mjs';

settle();
const script = (path) => fileURLToPath(new URL(path, import.meta.url));
execFileSync(process.execPath, [script('../scripts/build.mjs'), '--if-stale'], { stdio: ['ignore', 2, 2] });
const { describe, OPTIONS, runSuite } = await import('./lib/suite.mjs');
const { values: options } = parseArgs({ options: OPTIONS });

const host = machine();
console.log(`${host.cpu}, ${host.system}, Node ${host.node} (V8 ${host.v8}), rivulet ${host.rivulet}`);
console.log(`microseconds per step of one stream, float32: median [quartiles] of ${options.rounds} rounds`);
console.log('floor: the bytes of weights over the read bandwidth of a WebAssembly loop on as many bytes, or the');
console.log("multiply-adds over such a loop's peak, whichever is more\n");
const results = [];
await runSuite(options, [], (result) => {
  results.push(result);
  console.log(`${describe(result, [], [])}\n`);
});
if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine: host, results }, null, 2)}\n`);
execFileSync(process.execPath, [script('load.mjs')], { stdio: 'inherit' });
