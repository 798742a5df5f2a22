// npm run bench:pool [-- --streams=10000 --inputs=8 --hidden=32 --rounds=25]
// One step of many streams of an LSTM: in turn, together, and by pools of one worker and of two. Rounds of a tenth of a second:
// what is sustained, not the first calls, which find the streams in no cache.
import { parseArgs } from 'node:util';
import { makeCell } from './lib/cells.mjs';
import { build, machine } from './lib/host.mjs';
import { writeCell } from './lib/rivulet.mjs';
import { measure } from './lib/timing.mjs';

const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '10000' },
    inputs: { type: 'string', default: '8' },
    hidden: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '25' },
  },
});
const [count, inputs, hidden] = [options.streams, options.inputs, options.hidden].map(Number);
build();
const { loadModel } = await import('../dist/index.js');
const { createPool } = await import('../dist/pool.js');

const bytes = writeCell(makeCell('LSTM', inputs, hidden));
const model = await loadModel(bytes);
const streams = Array.from({ length: count }, () => model.createStream());
const pools = await Promise.all([1, 2].map((workers) => createPool(bytes, { workers })));
const spread = await Promise.all(pools.map((pool) => pool.createStreams(count)));
const data = Float32Array.from({ length: count * inputs }, (_, i) => Math.sin(i));
const rows = streams.map((_, i) => data.subarray(i * inputs, (i + 1) * inputs));
const out = new Float32Array(count * hidden);
const row = new Float32Array(hidden);

/** A contender of `measure`, `step` being a step of every stream. */
const contender = (name, step) => ({
  name,
  async run(times) {
    for (let i = 0; i < times; i++) await step();
  },
});
const contenders = [
  contender('step in turn', () => {
    for (let i = 0; i < count; i++) streams[i].step(rows[i], row);
  }),
  contender('stepMany', () => model.stepMany(streams, data, out)),
  ...pools.map((pool, i) => contender(`pool of ${i + 1}`, () => pool.stepMany(spread[i], data, out))),
];
const { cpu, node } = machine();
console.log(`${cpu}, Node ${node}: ${count} streams of LSTM (${inputs}, ${hidden}), million stream-steps a second`);
for (const [name, { low, median, high }] of await measure(contenders, {
  rounds: Number(options.rounds),
  roundMs: 100,
})) {
  const [least, middle, most] = [high, median, low].map((microseconds) => (count / microseconds).toFixed(2));
  console.log(`  ${name.padEnd(14)}${middle} [${least}, ${most}]`);
}
for (const pool of pools) pool.dispose();
