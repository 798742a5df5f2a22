// npm run bench:peers [-- --cells=LSTM --modes=step --sizes=8x32 --builds=simd --peers=onnxruntime-web --json=FILE]
// Rivulet beside the peers, on the same weights in the same process, in interleaved rounds; installs them first.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, settle } from './lib/host.mjs';
import { PEERS } from './peers/peers.mjs';

settle();
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
execFileSync(process.execPath, [path('../scripts/build.mjs'), '--if-stale'], { stdio: ['ignore', 2, 2] });
if (!existsSync(path('peers/node_modules'))) {
  console.error('installing the peers into bench/peers ...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // No install scripts: the one that there is downloads GPU libraries.
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
  execFileSync(npm, args, { cwd: path('peers'), stdio: ['ignore', 'ignore', 'inherit'] });
}
const { describe, OPTIONS, runSuite } = await import('./lib/suite.mjs');
const { values: options } = parseArgs({
  options: { ...OPTIONS, peers: { type: 'string', default: Object.keys(PEERS).join(',') } },
});

const host = machine();
const peers = [];
for (const name of options.peers.split(',')) peers.push(await PEERS[name]());
host.peers = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
console.log(`${host.cpu}, ${host.system}, Node ${host.node} (V8 ${host.v8}), rivulet ${host.rivulet}`);
console.log(`${peers.map(({ name, version }) => `${name} ${version}`).join(', ')}; one thread each`);
console.log(`microseconds per step of one stream, float32: median [quartiles] of ${options.rounds} rounds\n`);
const results = [];
const names = peers.map(({ name }) => name);
await runSuite(options, peers, (result) => {
  results.push(result);
  console.log(`${describe(result, options.builds.split(','), names)}\n`);
});
if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine: host, results }, null, 2)}\n`);
