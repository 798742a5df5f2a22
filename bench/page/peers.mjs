// The peers as a page loads them: what bench/peers/node_modules holds, served.
import { litertPeer } from '../peers/litert.mjs';
import { onnxruntimePeer } from '../peers/onnxruntime.mjs';
import { tensorflowPeer } from '../peers/tensorflow.mjs';

const folderOf = (name) => new URL(`../peers/node_modules/${name}/`, import.meta.url).href;
const versionOf = async (name) => (await (await fetch(`${folderOf(name)}package.json`)).json()).version;

/** Runs a script that makes globals. */
function runScript(src) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src, onload: resolve });
    script.onerror = () => reject(new Error(`${src} does not load`));
    document.head.append(script);
  });
}

async function onnxruntimeWeb(name, variant) {
  const ort = await import(`${folderOf('onnxruntime-web')}dist/ort.wasm.bundle.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const options = { executionProviders: ['wasm'] };
  return onnxruntimePeer(name, await versionOf('onnxruntime-web'), ort, options, variant);
}

async function tensorflow(name) {
  for (const part of ['core', 'backend-cpu', 'backend-wasm']) {
    await runScript(`${folderOf(`@tensorflow/tfjs-${part}`)}dist/tf-${part}.min.js`);
  }
  const { tf } = globalThis;
  tf.wasm.setWasmPaths(`${folderOf('@tensorflow/tfjs-backend-wasm')}dist/`);
  tf.wasm.setThreadsCount(1);
  return tensorflowPeer(name, await versionOf('@tensorflow/tfjs-core'), tf, name.replace('tfjs-', ''));
}

let loadedLitert;

async function litert(name, variant) {
  const folder = folderOf('@litertjs/core');
  if (!loadedLitert) {
    loadedLitert = await import(`${folder}dist/index.js`);
    await loadedLitert.loadLiteRt(`${folder}wasm/`);
  }
  return litertPeer(name, await versionOf('@litertjs/core'), loadedLitert, variant);
}

const int8 = { int8: true };
const PEERS = {
  'onnxruntime-web': onnxruntimeWeb,
  'onnxruntime-web-int8': (name) => onnxruntimeWeb(name, int8),
  'tfjs-wasm': tensorflow,
  'LiteRT.js': litert,
  'LiteRT.js-int8': (name) => litert(name, int8),
};

/** The peers of the names in `list`, loaded. */
export async function loadPeers(list) {
  const peers = [];
  for (const name of list.split(',').filter(Boolean)) peers.push(await PEERS[name](name));
  return peers;
}
