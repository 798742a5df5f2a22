// npm run bench [-- --no-peers] [--rounds=15] [--sizes=1x16,8x32] [--json=FILE]
// One step of one LSTM stream: each build of Rivulet, the reading floor, and onnxruntime-web on the same weights.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { floorContenders } from './lib/floor.mjs';
import { checkOutputs, makeLstm, reference, weightBytes } from './lib/lstm.mjs';
import { loadOnnxRuntime, openLstm as openPeer } from './lib/onnxruntime.mjs';
import { uniform } from './lib/random.mjs';
import { measure } from './lib/timing.mjs';

// Node 20 has the relaxed instructions behind a flag, which newer ones no longer know.
const RELAXED_FLAG = '--experimental-wasm-relaxed-simd';
if (process.versions.node.startsWith('20.') && !process.execArgv.includes(RELAXED_FLAG)) {
  const { status } = spawnSync(process.execPath, [RELAXED_FLAG, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values: options } = parseArgs({
  options: {
    'no-peers': { type: 'boolean', default: false },
    'no-rivulet': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '15' },
    sizes: { type: 'string', default: '1x16,8x32,40x64,64x128,128x256' },
    json: { type: 'string' },
  },
});
const sizes = options.sizes.split(',').map((size) => size.split('x').map(Number));
const BUILDS = ['scalar', 'simd', 'relaxed'];
const CHECKED_STEPS = 32;

if (!options['no-rivulet']) {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--if-stale'], { stdio: ['ignore', 2, 2] });
}
const rivulet = options['no-rivulet'] ? undefined : await import('./lib/rivulet.mjs');
const peer = options['no-peers'] ? undefined : await loadOnnxRuntime();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

console.log(`${cpus()[0].model.trim()}, ${process.platform} ${process.arch}`);
console.log(
  `Node ${process.versions.node} (V8 ${process.versions.v8}), rivulet ${version}` +
    (peer ? `, onnxruntime-web ${peer.version} (wasm, 1 thread)` : ''),
);
console.log(
  `microseconds per step, one stream, float32, state carried: median [quartiles] of ${options.rounds} rounds`,
);
console.log('floor: the bytes of weights over the read bandwidth that a WebAssembly loop reaches on as many bytes\n');

/** Shown as `1.23 [1.20, 1.31]`. */
const shown = ({ median, low, high }) => `${digits(median)} [${digits(low)}, ${digits(high)}]`;
const digits = (value) => value.toPrecision(value >= 1000 ? 4 : 3);

let sink = 0;
const results = [];
const lacking = new Set();

for (const [inputs, hidden] of sizes) {
  const lstm = makeLstm(inputs, hidden, 1000 * inputs + hidden);
  const bytes = weightBytes(lstm);
  const data = uniform(7)(CHECKED_STEPS * inputs, 1);
  const xs = Array.from({ length: CHECKED_STEPS }, (_, t) => data.slice(t * inputs, (t + 1) * inputs));
  const expected = reference(lstm, data);
  const contenders = [];
  const cleanup = [];

  for (const build of rivulet ? BUILDS : []) {
    const model = await rivulet.openLstm(lstm, build);
    if (!model) {
      lacking.add(build);
      continue;
    }
    const stream = model.createStream();
    checkOutputs(
      `rivulet ${build}`,
      xs.flatMap((x) => [...stream.step(x)]),
      expected,
    );
    cleanup.push(() => model.dispose());
    contenders.push({
      name: build,
      run(count) {
        for (let i = 0; i < count; i++) sink += stream.step(xs[i % CHECKED_STEPS])[0];
      },
    });
  }

  if (peer) {
    const stream = await openPeer(peer.ort, lstm);
    const tensors = xs.map(stream.tensor);
    const outputs = [];
    for (const X of tensors) outputs.push(...(await stream.step(X)));
    checkOutputs('onnxruntime-web', outputs, expected);
    stream.reset();
    cleanup.push(() => stream.release());
    contenders.push({
      name: 'onnxruntime-web',
      async run(count) {
        for (let i = 0; i < count; i++) sink += (await stream.step(tensors[i % CHECKED_STEPS]))[0];
      },
    });
  }

  const floors = floorContenders(bytes);
  const times = await measure([...contenders, ...floors], { rounds: Number(options.rounds) });
  const floor = Math.min(...floors.map(({ name, scale }) => times.get(name).median * scale));
  const onnx = times.get('onnxruntime-web');
  for (const clean of cleanup) await clean();

  console.log(
    `LSTM (${inputs}, ${hidden}): ${(bytes / 1024).toFixed(1)} KB of weights, ` +
      `floor ${digits(floor)} us at ${(bytes / floor / 1000).toFixed(0)} GB/s`,
  );
  const row = { inputs, hidden, bytes, floor, gigabytesPerSecond: bytes / floor / 1000, builds: {} };
  for (const { name } of contenders) {
    const time = times.get(name);
    const percent = (100 * floor) / time.median;
    row.builds[name] = { ...time, percentOfFloor: percent };
    let line = `  ${name.padEnd(16)}${shown(time).padEnd(26)}`;
    line += `${percent.toFixed(percent < 10 ? 1 : 0).padStart(5)}% of the floor's speed`;
    if (onnx && name !== 'onnxruntime-web') {
      row.builds[name].timesFasterThanOnnx = onnx.median / time.median;
      line += `, ${(onnx.median / time.median).toFixed(1)} times onnxruntime-web's`;
    }
    console.log(line);
  }
  console.log();
  results.push(row);
}

for (const build of lacking) console.log(`${build}: this engine lacks it`);
if (options.json) {
  const machine = { cpu: cpus()[0].model.trim(), node: process.versions.node, rivulet: version };
  writeFileSync(options.json, `${JSON.stringify({ ...machine, onnxruntimeWeb: peer?.version, results }, null, 2)}\n`);
}
// Using the results keeps the engine from dropping the work.
if (!Number.isFinite(sink)) throw new Error('a step gave a number that is not finite');
