// npm run bench:weights [-- --cells=LSTM --modes=step,many --sizes=64x128 --kernels=simd --no-peers --rounds=15 --json=FILE]
// Weights in fewer bits beside float32: one step of one stream, and 32 streams; for an LSTM, onnxruntime-web's float32 and
// int8 on the same weights in the same process. `npm run bench:peers` installs it.
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeCell, multiplyAdds } from './lib/cells.mjs';
import { makeCase, openPeer, openRivulet, sink } from './lib/contenders.mjs';
import { machine, settle } from './lib/host.mjs';
import { measure } from './lib/timing.mjs';

settle();

/** Far from float64 as int8 may be: a fault is seen, a rounding is not. */
const INT8_TOLERANCE = 0.1;
const BFLOAT16_TOLERANCE = 0.02;

const { values: options } = parseArgs({
  options: {
    cells: { type: 'string', default: 'LSTM' },
    modes: { type: 'string', default: 'step' },
    sizes: { type: 'string', default: '8x32,40x64,64x128,128x256,256x512,512x1024' },
    kernels: { type: 'string', default: 'auto' },
    'no-peers': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
});

const host = machine();
const installed = existsSync(fileURLToPath(new URL('peers/node_modules', import.meta.url)));
const peer = installed && !options['no-peers'] ? await (await import('./peers/onnxruntime.mjs')).loadWeb() : undefined;
console.log(`${host.cpu}, ${host.system}, Node ${host.node} (V8 ${host.v8}), rivulet ${host.rivulet}`);
console.log(peer ? `onnxruntime-web ${peer.version}, one thread` : 'no peers');
console.log(`microseconds per step of one stream: median [quartiles] of ${options.rounds} rounds\n`);

const int8Peer = peer && {
  ...peer,
  name: 'onnxruntime-web int8',
  open: (...args) => peer.open(...args, { int8: true }),
};
const results = [];
for (const mode of options.modes.split(',')) {
  for (const op of options.cells.split(',')) {
    for (const size of options.sizes.split(',')) {
      const [inputs, hidden] = size.split('x').map(Number);
      await measureCase(makeCase(makeCell(op, inputs, hidden), mode));
    }
  }
}
if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine: host, results }, null, 2)}\n`);
if (!Number.isFinite(sink.sum)) throw new Error('a step gave a number that is not finite');

async function measureCase(kase) {
  const { cell, mode, steps, streams } = kase;
  const opened = [];
  for (const kernels of options.kernels.split(',')) {
    const open = (weights, tolerance) => openRivulet(kase, kernels, `${kernels} ${weights}`, { weights, tolerance });
    opened.push(await open('float32'), await open('bfloat16', BFLOAT16_TOLERANCE), await open('int8', INT8_TOLERANCE));
  }
  if (peer && cell.op === 'LSTM') {
    opened.push(await openPeer(kase, peer), await openPeer(kase, int8Peer, INT8_TOLERANCE));
  }
  const contenders = opened.filter(Boolean);
  const times = await measure(contenders, { rounds: Number(options.rounds) });
  for (const { release } of contenders) await release();
  const perStep = steps * streams;
  const { op, inputs, hidden } = cell;
  console.log(`${op} (${inputs}, ${hidden}), ${mode}: ${multiplyAdds(cell)} multiply-adds`);
  const shown = {};
  for (const { name } of contenders) {
    const { median, low, high } = times.get(name);
    shown[name] = { median: median / perStep, low: low / perStep, high: high / perStep };
    const digits = (value) => (value / perStep).toPrecision(3);
    const rate = (multiplyAdds(cell) * perStep) / median / 1000;
    const against = [`${options.kernels.split(',')[0]} float32`, 'onnxruntime-web', 'onnxruntime-web int8']
      .filter((other) => times.has(other) && other !== name)
      .map((other) => `${(times.get(other).median / median).toFixed(2)} x ${other}`);
    const time = `${digits(median)} [${digits(low)}, ${digits(high)}]`;
    console.log(`  ${name.padEnd(22)}${time.padEnd(24)}${rate.toFixed(1).padStart(5)} G/s  ${against.join(', ')}`);
  }
  console.log();
  results.push({ op, inputs, hidden, mode, times: shown });
}
