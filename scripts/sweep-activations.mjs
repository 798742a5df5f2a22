// Measures exp, sigmoid and tanh over all 2^32 float32 against the correctly rounded result, and fails where a promise
// is broken: at most 1 ulp for exp, 2 for sigmoid and tanh, nothing outside the range, NaN for NaN and only for it.
//
//   node scripts/sweep-activations.mjs [--build simd|scalar|relaxed] [--threads n] [--every n] [exp] [sigmoid] [tanh]
//
// Takes minutes. `--every 64` looks at one block of 2^16 in 64. The reference is float64 rounded to float32, which is
// the correctly rounded result except where float64 falls on the wrong side of a tie: 1 ulp, about once in 10^8 inputs.
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** e^x / (1 + e^x) below zero, where the first form would cancel. */
const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

const FUNCTIONS = {
  exp: { code: 10, reference: Math.exp, low: 0, high: Number.POSITIVE_INFINITY, promise: 1 },
  sigmoid: { code: 1, reference: sigmoid, low: 0, high: 1, promise: 2 },
  tanh: { code: 2, reference: Math.tanh, low: -1, high: 1, promise: 2 },
};
const BLOCK = 1 << 16;
const BLOCKS = 2 ** 32 / BLOCK;
const BINS = 8;

/** Largest difference, where, a histogram of differences, and what fell outside of what is promised. */
const empty = () => ({ worst: 0, at: 0, histogram: new Array(BINS).fill(0), outside: 0, nan: 0 });

function sweep({ build, names, first, step }) {
  const memory = new WebAssembly.Memory({ initial: 16 });
  const module = new WebAssembly.Module(readFileSync(new URL(`../build/kernels/${build}.wasm`, import.meta.url)));
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 256 });
  const kernels = new WebAssembly.Instance(module, { env: { memory, table } }).exports;
  const args = Math.ceil(kernels.heapBase() / 64) * 64;
  const x = args + 64;
  const y = x + BLOCK * 4;
  const xs = new Float32Array(memory.buffer, x, BLOCK);
  const bits = new Uint32Array(memory.buffer, x, BLOCK);
  const ys = new Float32Array(memory.buffer, y, BLOCK);
  const found = new Int32Array(memory.buffer, y, BLOCK);
  const rounded = new Float32Array(BLOCK);
  const expected = new Int32Array(rounded.buffer);
  const results = Object.fromEntries(names.map((name) => [name, empty()]));
  for (let block = first; block < BLOCKS; block += step) {
    for (let i = 0; i < BLOCK; i++) bits[i] = block * BLOCK + i;
    for (const name of names) {
      new Uint32Array(memory.buffer, args, 8).set([x, 0, y, 0, BLOCK * 4, FUNCTIONS[name].code, 0, 0]);
      kernels.activation(args, 0, 1, 1);
      check(FUNCTIONS[name], results[name], { xs, ys, found, rounded, expected });
    }
    if ((block - first) % (step * 256) === 0) parentPort.postMessage({ done: (block - first) / step });
  }
  return results;
}

function check({ reference, low, high }, result, { xs, ys, found, rounded, expected }) {
  for (let i = 0; i < BLOCK; i++) rounded[i] = reference(xs[i]);
  let right = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (found[i] === expected[i]) {
      right++;
      continue;
    }
    if (Number.isNaN(xs[i]) || Number.isNaN(ys[i])) {
      if (!(Number.isNaN(xs[i]) && Number.isNaN(ys[i]))) result.nan++;
      else right++;
      continue;
    }
    if (!(ys[i] >= low && ys[i] <= high)) result.outside++;
    // Both functions keep the sign of what they should give, so the distance is that of the patterns.
    const distance = (found[i] ^ expected[i]) < 0 ? Number.POSITIVE_INFINITY : Math.abs(found[i] - expected[i]);
    result.histogram[Math.min(distance, BINS - 1)]++;
    if (distance > result.worst) {
      result.worst = distance;
      result.at = xs[i];
    }
  }
  result.histogram[0] += right;
}

function join(results) {
  const total = empty();
  for (const { worst, at, histogram, outside, nan } of results) {
    if (worst > total.worst) Object.assign(total, { worst, at });
    for (let bin = 0; bin < BINS; bin++) total.histogram[bin] += histogram[bin];
    total.outside += outside;
    total.nan += nan;
  }
  return total;
}

async function main() {
  const words = process.argv.slice(2);
  const option = (name, fallback) => {
    const at = words.indexOf(`--${name}`);
    return at < 0 ? fallback : words.splice(at, 2)[1];
  };
  const build = option('build', 'simd');
  const threads = Number(option('threads', '2'));
  const every = Number(option('every', '1'));
  const names = words.length > 0 ? words : Object.keys(FUNCTIONS);
  const started = performance.now();
  let done = 0;
  const workers = Array.from({ length: threads }, (_, thread) => {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { build, names, first: thread * every, step: threads * every },
      });
      worker.on('error', reject);
      worker.on('message', (message) => {
        if (message.results) return resolve(message.results);
        done = Math.max(done, message.done);
        const share = (100 * done * threads * every) / BLOCKS;
        if (process.stderr.isTTY) process.stderr.write(`\r${share.toFixed(1)}%`);
      });
    });
  });
  const results = await Promise.all(workers);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${build}, ${2 ** 32 / every} float32 each, ${seconds.toFixed(0)} s, Node ${process.versions.node}`);
  for (const name of names) {
    const { worst, at, histogram, outside, nan } = join(results.map((result) => result[name]));
    const shares = histogram.map((count, ulp) => `${ulp}${ulp === BINS - 1 ? '+' : ''}: ${count}`).join('  ');
    console.log(`${name}: at most ${worst} ulp, at ${at}; outside the range ${outside}, NaN wrong ${nan}`);
    console.log(`  ulp ${shares}`);
    if (worst > FUNCTIONS[name].promise || outside > 0 || nan > 0) process.exitCode = 1;
  }
}

if (isMainThread) await main();
else parentPort.postMessage({ results: sweep(workerData) });
