// npm run bench:browser [-- --browsers=chromium,firefox --cells=LSTM --modes=step --sizes=8x32 --peers=onnxruntime-web --json=FILE]
// The suite in browsers, headless, one after the other; --browsers=none serves the page for one opened by hand. FILE is for
// the last of them.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BROWSER_NAMES, browser } from '../scripts/browsers.mjs';
import { ISOLATION, serve } from '../scripts/serve.mjs';
import { build, keep, machine, settle } from './lib/host.mjs';
import { installPeers } from './peers/peers.mjs';

settle();
build();
installPeers();
const { OPTIONS } = await import('./lib/suite.mjs');
const { browsers, json, ...query } = parseArgs({
  options: {
    ...OPTIONS,
    cells: { type: 'string', default: 'LSTM' },
    modes: { type: 'string', default: 'step' },
    peers: { type: 'string', default: 'onnxruntime-web,tfjs-wasm,LiteRT.js' },
    browsers: { type: 'string', default: BROWSER_NAMES.join(',') },
    json: { type: 'string' },
  },
}).values;

for (const name of browsers.split(',')) await measureIn(name);

async function measureIn(name) {
  const take = { '/line': (text) => console.log(`${text}\n`) };
  const finished = new Promise((resolve, reject) => {
    take['/results'] = resolve;
    take['/failure'] = (text) => reject(new Error(`${name}: ${text}`));
  });
  const root = fileURLToPath(new URL('..', import.meta.url));
  const allow = /^\/(?:bench|build\/ts|dist|node_modules\/binaryen)\//;
  const onPost = (path, body) => take[path]?.(JSON.parse(body));
  const server = await serve({ folder: root, allow, headers: ISOLATION, onPost });
  const address = `${server.url}/bench/page/?${new URLSearchParams(query)}`;
  const host = machine();
  const started = name === 'none' ? undefined : start(name, address);
  try {
    if (started) host.browser = started.version;
    console.log(`${started?.version ?? `open ${address}`}\n${host.cpu}, ${host.system}, rivulet ${host.rivulet}\n`);
    started?.child.once('exit', (code) => take['/failure'](`it ended with code ${code}`));
    const { userAgent, peers, results } = await finished;
    Object.assign(host, { userAgent, peers });
    keep(json, host, results);
  } finally {
    started?.child.removeAllListeners('exit');
    await started?.close();
    await server.close();
  }
}

function start(name, address) {
  const { path, flags, start: onProfile, preferences } = browser(name);
  if (!path) throw new Error(`${name} is not installed; ${name.toUpperCase()} in the environment may name it`);
  const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const profile = mkdtempSync(join(tmpdir(), 'rivulet-bench-'));
  const lines = Object.entries(preferences).map(([key, value]) => `user_pref("${key}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  const child = spawn(path, [...flags, ...onProfile(profile), address], { stdio: 'ignore' });
  return {
    version,
    child,
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.kill()) await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}
