// npm run bench [-- --cells=LSTM --modes=step --sizes=8x32 --builds=scalar,simd,relaxed --weights=float32,int8 --rounds=15]
// npm run bench:peers [-- --peers=onnxruntime-web,LiteRT.js --json=FILE]
// One step, 100 steps in one call, 32 streams: Rivulet by itself, beside the floor; or beside peers, on the same weights in
// the same process, in interleaved rounds.
import { parseArgs } from 'node:util';
import { build, keep, machine, settle } from './lib/host.mjs';
import { installPeers, loadPeers, PEERS } from './peers/peers.mjs';

settle();
build();
const { describe, OPTIONS, ours, runSuite } = await import('./lib/suite.mjs');
const { values: options } = parseArgs({
  options: { ...OPTIONS, peers: { type: 'string', default: '' }, json: { type: 'string' } },
});

const host = machine();
if (options.peers) installPeers();
const peers = await loadPeers(options.peers === 'all' ? Object.keys(PEERS).join(',') : options.peers);
host.peers = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
console.log(`${host.cpu}, ${host.system}, Node ${host.node} (V8 ${host.v8}), rivulet ${host.rivulet}`);
for (const { name, version } of peers) console.log(`${name} ${version}`);
console.log(`microseconds per step of one stream, one thread: median [quartiles] of ${options.rounds} rounds`);
console.log('floor: the bytes of weights over the read bandwidth of a WebAssembly loop on as many bytes, or the');
console.log("multiply-adds over such a loop's peak, whichever is more\n");
const results = [];
await runSuite(options, peers, (result) => {
  results.push(result);
  console.log(`${describe(result, ours(options), peers)}\n`);
});
keep(options.json, host, results);
