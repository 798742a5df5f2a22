// npm run bench:models [-- --silero=FILE --dtln=FOLDER --rounds=15 --peers=onnxruntime-web]
// Whole models, a step at a time as they are used: those that ship, and an amplifier of 40 units as players train it (of
// random weights), a sample of 48 kHz a step. Given their files, models of others too, beside onnxruntime (npm ci --prefix
// bench/peers). Silero VAD:
// silero_vad_16k_op15.onnx, 32 ms of sound at 16 kHz a step. DTLN: model_1.onnx and model_2.onnx, 8 ms a step each.
// Outputs of both are compared for 50 steps before they are timed.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadModel } from '../dist/index.js';
import { machine, settle } from './lib/host.mjs';
import { uniform } from './lib/random.mjs';
import { measure } from './lib/timing.mjs';
import { loadPeers } from './peers/peers.mjs';

settle();
const { values: options } = parseArgs({
  options: {
    silero: { type: 'string' },
    dtln: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    peers: { type: 'string', default: 'onnxruntime-web' },
  },
});

/** Each model: its file, how Rivulet loads it, one step's input, and the state that a peer carries by hand. */
const cases = [
  options.silero && {
    what: 'Silero VAD, 32 ms',
    file: options.silero,
    load: { shapes: { input: ['N', 576] } },
    input: 'input',
    shape: [1, 576],
    beside: { sr: 16000 },
    state: ['state', 'stateN', [2, 1, 128]],
    output: 'output',
  },
  ...(options.dtln
    ? [
        ['model_1.onnx', 'input_2', [1, 1, 257], ['input_3', 'tf_op_layer_stack_2', [1, 2, 128, 2]], 'activation_2'],
        ['model_2.onnx', 'input_4', [1, 1, 512], ['input_5', 'tf_op_layer_stack_5', [1, 2, 128, 2]], 'conv1d_3'],
      ].map(([name, input, shape, state, output]) => ({
        what: `DTLN ${name}, 8 ms`,
        file: join(options.dtln, name),
        load: { states: { [state[0]]: state[1] } },
        input,
        shape,
        beside: {},
        state,
        output,
      }))
    : []),
].filter(Boolean);

const STEPS = 50;
const TOLERANCE = 1e-4;
let sink = 0;

async function openRivulet({ file, load, input, beside, output }, kernels) {
  const model = await loadModel(file, { ...load, kernels });
  const stream = model.createStream();
  const record = { ...beside };
  const out = Object.fromEntries(model.outputs.map(({ name, size }) => [name, new Float32Array(size)]));
  return {
    name: `rivulet ${kernels}`,
    step(x) {
      record[input] = x;
      return stream.step(record, out)[output];
    },
  };
}

async function openPeer({ file, input, shape, beside, state: [before, after, stateShape], output }, name) {
  const [peer] = await loadPeers(name);
  const { session, tensor } = await peer.openFile(readFileSync(file));
  const zeros = new Float32Array(stateShape.reduce((a, b) => a * b));
  const feeds = { [before]: tensor('float32', zeros, stateShape) };
  for (const [key, value] of Object.entries(beside)) feeds[key] = tensor('int64', BigInt64Array.of(BigInt(value)), []);
  return {
    name: `${peer.name} ${peer.version}`,
    async step(x) {
      feeds[input] = tensor('float32', x, shape);
      const results = await session.run(feeds);
      feeds[before] = results[after];
      return results[output].data;
    },
  };
}

/** Prints a step's time, and how many times faster it is than what it follows, where that is given, in microseconds. */
async function timeAlone(model, name, period) {
  const [{ size, type }] = model.inputs;
  const random = uniform(7);
  const inputs = Array.from({ length: STEPS }, (_, i) => (type === 'float32' ? random(size, 0.1) : i % 8));
  const stream = model.createStream();
  const run = (count) => {
    for (let i = 0; i < count; i++) sink += stream.step(inputs[i % STEPS])[0];
  };
  const [{ median, low, high }] = (await measure([{ name, run }], { rounds: Number(options.rounds) })).values();
  const times = period ? `  ${(period / median).toFixed(1)} times real time` : '';
  console.log(`${name.padEnd(38)}${[median, low, high].map((time) => time.toPrecision(3)).join(' ')}${times}`);
}

/** A file as Automated-GuitarAmpModelling writes it. */
function amplifierFile(hidden) {
  const random = uniform(3);
  const matrix = (rows, columns) => Array.from({ length: rows }, () => [...random(columns, 0.2)]);
  return new TextEncoder().encode(
    JSON.stringify({
      model_data: {
        ...{ model: 'SimpleRNN', unit_type: 'LSTM', skip: 1, num_layers: 1, bias_fl: true },
        ...{ input_size: 1, output_size: 1, hidden_size: hidden },
      },
      state_dict: {
        'rec.weight_ih_l0': matrix(4 * hidden, 1),
        'rec.weight_hh_l0': matrix(4 * hidden, hidden),
        'rec.bias_ih_l0': [...random(4 * hidden, 0.2)],
        'rec.bias_hh_l0': [...random(4 * hidden, 0.2)],
        'lin.weight': matrix(1, hidden),
        'lin.bias': [...random(1, 0.2)],
      },
    }),
  );
}

/** Throws where two runtimes do not agree over the first steps. */
async function compare([first, ...others], inputs) {
  for (const x of inputs.slice(0, STEPS)) {
    const expected = Float32Array.from(await first.step(x));
    for (const { name, step } of others) {
      const found = await step(x);
      for (const [i, number] of expected.entries()) {
        if (!(Math.abs(found[i] - number) <= TOLERANCE)) {
          throw new Error(`${name} gives ${found[i]} where ${first.name} gives ${number}`);
        }
      }
    }
  }
}

const host = machine();
console.log(`${host.cpu}, ${host.system}, Node ${host.node} (V8 ${host.v8}), rivulet ${host.rivulet}`);
console.log(`microseconds a step of one stream: median [quartiles] of ${options.rounds} rounds, one thread each\n`);
const SAMPLE = 1e6 / 48_000;
const amplifier = await loadModel(amplifierFile(40), { name: 'an amplifier, LSTM (1, 40), 48 kHz' });
await timeAlone(amplifier, amplifier.name, SAMPLE);
const folder = new URL('../models/', import.meta.url);
for (const { name } of readdirSync(folder, { withFileTypes: true })) {
  const file = new URL(`${name}/model.safetensors`, folder);
  const model = await loadModel(file).catch((error) => (error.code === 'IO' ? undefined : Promise.reject(error)));
  if (model) await timeAlone(model, `models/${name}`);
}
console.log('');
for (const one of cases) {
  const random = uniform(7);
  const size = one.shape.reduce((a, b) => a * b);
  const inputs = Array.from({ length: STEPS }, () => random(size, 0.1));
  const all = [];
  for (const kernels of ['simd', 'relaxed']) {
    try {
      all.push(await openRivulet(one, kernels));
    } catch (error) {
      if (error.code !== 'UNSUPPORTED_HOST') throw error;
    }
  }
  for (const name of options.peers.split(',')) all.push(await openPeer(one, name));
  await compare(all, inputs);
  const timed = all.map(({ name, step }) => ({
    name,
    async run(count) {
      for (let i = 0; i < count; i++) {
        const made = step(inputs[i % STEPS]);
        sink += (made instanceof Float32Array ? made : await made)[0];
      }
    },
  }));
  const times = await measure(timed, { rounds: Number(options.rounds) });
  console.log(one.what);
  const [ours] = times.values();
  for (const [name, { median, low, high }] of times) {
    const show = (number) => number.toPrecision(3);
    const ratio = median / ours.median;
    console.log(`  ${name.padEnd(26)}${show(median)} [${show(low)}, ${show(high)}]  ${ratio.toFixed(2)}x`);
  }
}
if (Number.isNaN(sink)) throw new Error('a result is no number');
