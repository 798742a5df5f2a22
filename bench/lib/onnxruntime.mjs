// The peer: onnxruntime-web's wasm backend on one thread, from bench/peers, which is installed when first needed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writeLstmOnnx } from './onnx.mjs';

const peers = join(dirname(fileURLToPath(import.meta.url)), '..', 'peers');
const folder = join(peers, 'node_modules', 'onnxruntime-web');

/** The package and its version. */
export async function loadOnnxRuntime() {
  if (!existsSync(join(folder, 'package.json'))) {
    console.error('installing onnxruntime-web into bench/peers ...');
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    execFileSync(npm, ['ci', '--no-audit', '--no-fund'], { cwd: peers, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const { version, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const ort = await import(pathToFileURL(join(folder, exports['.'].node.import)).href);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return { ort, version };
}

/** A stream over an ONNX file of the LSTM: `step(x)` gives the hidden state [H] and carries both states. */
export async function openLstm(ort, lstm) {
  const session = await ort.InferenceSession.create(writeLstmOnnx(lstm), {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
  });
  const zeros = () => new ort.Tensor('float32', new Float32Array(lstm.hidden), [1, 1, lstm.hidden]);
  let h = zeros();
  let c = zeros();
  return {
    tensor: (x) => new ort.Tensor('float32', x, [1, 1, lstm.inputs]),
    reset() {
      h = zeros();
      c = zeros();
    },
    async step(X) {
      const result = await session.run({ X, initial_h: h, initial_c: c });
      h = result.Y_h;
      c = result.Y_c;
      return h.data;
    },
    release: () => session.release(),
  };
}
