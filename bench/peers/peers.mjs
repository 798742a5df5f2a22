// The peers by name, as Node loads them: from bench/peers/node_modules, by path, as no package of the project's own may
// depend on them.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brainPeer } from './brain.mjs';
import { litertPeer } from './litert.mjs';
import { onnxruntimePeer } from './onnxruntime.mjs';
import { tensorflowPeer } from './tensorflow.mjs';

const require = createRequire(import.meta.url);
const folderOf = (name) => join(dirname(fileURLToPath(import.meta.url)), 'node_modules', name);
const manifest = (name) => JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8'));
const importFile = (...path) => import(pathToFileURL(join(...path)).href);

async function onnxruntimeWeb(name, variant) {
  const { version, exports } = manifest('onnxruntime-web');
  const ort = await importFile(folderOf('onnxruntime-web'), exports['.'].node.import);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return onnxruntimePeer(name, version, ort, { executionProviders: ['wasm'] }, variant);
}

async function onnxruntimeNode(name, variant) {
  const { version } = manifest('onnxruntime-node');
  const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 };
  return onnxruntimePeer(name, version, require('onnxruntime-node'), options, variant);
}

async function tensorflow(name) {
  const tf = require('@tensorflow/tfjs-core');
  require('@tensorflow/tfjs-backend-cpu');
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  wasm.setThreadsCount(1);
  return tensorflowPeer(name, manifest('@tensorflow/tfjs-core').version, tf, name.replace('tfjs-', ''));
}

let loadedLitert;

/** LiteRT.js is made for browsers: it asks for a script by URL, which is given here what scripts of Node have. */
async function loadLitert() {
  const folder = folderOf('@litertjs/core');
  const litert = await importFile(folder, 'dist/index.js');
  globalThis.self = globalThis;
  globalThis.importScripts = (path) => {
    const make = new Function(
      'require',
      '__filename',
      '__dirname',
      `${readFileSync(path, 'utf8')}; return ModuleFactory`,
    );
    globalThis.ModuleFactory = make(require, path, dirname(path));
  };
  // It logs what hardware it has not found.
  const { error, warn, info } = console;
  Object.assign(console, { error() {}, warn() {}, info() {} });
  await litert.loadLiteRt(join(folder, 'wasm'));
  Object.assign(console, { error, warn, info });
  delete globalThis.self;
  delete globalThis.importScripts;
  return litert;
}

async function litert(name, variant) {
  loadedLitert ??= await loadLitert();
  return litertPeer(name, manifest('@litertjs/core').version, loadedLitert, variant);
}

const int8 = { int8: true };

export const PEERS = {
  'onnxruntime-web': onnxruntimeWeb,
  'onnxruntime-web-int8': (name) => onnxruntimeWeb(name, int8),
  'onnxruntime-node': onnxruntimeNode,
  'onnxruntime-node-int8': (name) => onnxruntimeNode(name, int8),
  'tfjs-wasm': tensorflow,
  'tfjs-cpu': tensorflow,
  'brain.js': async (name) => {
    const { GRUTimeStep } = require('brain.js').recurrent;
    return brainPeer(name, manifest('brain.js').version, GRUTimeStep);
  },
  'LiteRT.js': litert,
  'LiteRT.js-int8': (name) => litert(name, int8),
};

/** Installs them, where they are not. */
export function installPeers() {
  if (existsSync(folderOf('.'))) return;
  console.error('installing the peers into bench/peers ...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // No install scripts: the one that there is downloads GPU libraries.
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
  execFileSync(npm, args, { cwd: dirname(folderOf('.')), stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The peers of the names in `list`, loaded. */
export async function loadPeers(list) {
  const peers = [];
  for (const name of list.split(',').filter(Boolean)) {
    if (!PEERS[name]) throw new Error(`there is no peer ${name}; there are ${Object.keys(PEERS).join(', ')}`);
    peers.push(await PEERS[name](name));
  }
  return peers;
}
