// onnxruntime-web's wasm backend and onnxruntime-node's native one: the same API, each on one thread.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writeCellOnnx, writeQuantizedLstmOnnx } from '../lib/onnx.mjs';

const modules = join(dirname(fileURLToPath(import.meta.url)), 'node_modules');

/** Both are loaded by path, as no package of the project's own may depend on them. */
async function importPackage(name, entry) {
  const folder = join(modules, name);
  const { version, exports, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const module = await import(pathToFileURL(join(folder, entry(exports) ?? main)).href);
  return { ort: module.InferenceSession ? module : module.default, version };
}

export async function loadWeb() {
  const { ort, version } = await importPackage('onnxruntime-web', (exports) => exports['.'].node.import);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return peer('onnxruntime-web', version, ort, { executionProviders: ['wasm'] });
}

export async function loadNative() {
  const { ort, version } = await importPackage('onnxruntime-node', () => undefined);
  const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 };
  return peer('onnxruntime-node', version, ort, options);
}

const peer = (name, version, ort, options) => ({
  name,
  version,
  /** A session of a model file, and what makes the tensors that it takes. */
  async openFile(bytes) {
    const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'all', ...options });
    return { session, tensor: (type, data, shape) => new ort.Tensor(type, data, shape) };
  },
  /** A session that runs `steps` steps of `streams` streams in one call and carries their states. */
  async open(cell, steps, streams, { int8 = false } = {}) {
    const file = (int8 ? writeQuantizedLstmOnnx : writeCellOnnx)(cell, steps, streams);
    const session = await ort.InferenceSession.create(file, { graphOptimizationLevel: 'all', ...options });
    const zeros = () => {
      const shape = [1, streams, cell.hidden];
      return new ort.Tensor('float32', new Float32Array(streams * cell.hidden), shape);
    };
    const states = cell.op === 'LSTM' ? ['h', 'c'] : ['h'];
    const feeds = {};
    const reset = () => {
      for (const state of states) feeds[`initial_${state}`] = zeros();
    };
    reset();
    return {
      /** The caller's numbers [steps, streams, I], made ready outside of what is timed. */
      input: (xs) => new ort.Tensor('float32', xs, [steps, streams, cell.inputs]),
      async run(X) {
        feeds.X = X;
        const results = await session.run(feeds);
        for (const state of states) feeds[`initial_${state}`] = results[`Y_${state}`];
        return results.Y.data;
      },
      reset,
      release: () => session.release(),
    };
  },
});
