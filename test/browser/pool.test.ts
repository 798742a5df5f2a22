import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ISOLATION, serve } from '../../scripts/serve.mjs';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../src/index.js';
import { cell, numbers } from '../support/graphs.js';
import { chromiumPath, openChromium } from './chromium.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(`${root}/dist/pool-worker.js`);
if (!isBuilt) console.warn('browser tests of the pool skipped: dist/ is not built (npm run build)');

const INPUTS = 5;
const HIDDEN = 9;
const STREAMS = 7;
const CALLS = 3;

// A pool of two Web Workers, its streams in a new order in each call; beside the outputs, how rows went to the workers.
const PAGE = `<!doctype html><meta charset="utf-8"><title>Rivulet</title>
<script type="module">
  import { createPool } from '/dist/pool.js';
  const ways = { shared: 0, sent: 0 };
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, transfer) {
    const isShared = typeof SharedArrayBuffer === 'function' &&
      Object.values(message.rows ?? {}).every(({ buffer }) => buffer instanceof SharedArrayBuffer);
    if (message.rows) ways[isShared ? 'shared' : 'sent']++;
    return post.call(this, message, transfer);
  };
  try {
    const pool = await createPool('/model.safetensors', { workers: 2, kernels: 'simd' });
    const streams = await pool.createStreams(${STREAMS});
    const inputs = Float32Array.from(await (await fetch('/inputs.json')).json());
    const outputs = [];
    for (let call = 0; call < ${CALLS}; call++) {
      const all = streams.map((_, i) => streams[(3 * i + call) % ${STREAMS}]);
      outputs.push(...new Uint32Array((await pool.stepMany(all, inputs)).buffer));
    }
    const alone = new Uint32Array((await streams[0].step(inputs.subarray(0, ${INPUTS}))).buffer);
    pool.dispose();
    document.body.textContent = JSON.stringify({ crossOriginIsolated, ways, outputs: [...outputs, ...alone] });
  } catch (error) {
    document.body.textContent = JSON.stringify(String(error));
  }
</script><body></body>`;

/** The same by `step`, in Node. */
async function bitsOfSteps(model: Uint8Array, inputs: Float32Array): Promise<number[]> {
  const loaded = await loadModel(model, { kernels: 'simd' });
  const streams = Array.from({ length: STREAMS }, () => loaded.createStream());
  const row = (i: number) => inputs.subarray(i * INPUTS, (i + 1) * INPUTS);
  const bits = (y: Float32Array) => [...new Uint32Array(y.slice().buffer)];
  const outputs = Array.from({ length: CALLS * STREAMS }, (_, at) => {
    const [call, i] = [Math.floor(at / STREAMS), at % STREAMS];
    return bits(streams[(3 * i + call) % STREAMS].step(row(i)));
  });
  return [...outputs.flat(), ...bits(streams[0].step(row(0)))];
}

describe.skipIf(!isBuilt || !chromiumPath)('a pool of Web Workers in Chromium', () => {
  it.each([
    ['with shared memory, where the page is isolated', ISOLATION, { shared: 2 * CALLS, sent: 0 }],
    ['with rows sent, where it is not', {}, { shared: 0, sent: 2 * CALLS }],
  ])(
    'gives the bits of step, %s',
    async (_, headers, ways) => {
      const model = writeNative(cell({ op: 'LSTM', inputs: INPUTS, hidden: HIDDEN }));
      const inputs = numbers(STREAMS * INPUTS, 1);
      const pages = {
        '/index.html': PAGE,
        '/model.safetensors': model,
        '/inputs.json': JSON.stringify([...inputs]),
        '/favicon.ico': '',
      };
      const server = await serve({ pages, folder: root, allow: /^\/dist\//, headers });
      const { context, close } = await openChromium();
      try {
        const tab = await context.newPage();
        await tab.goto(`${server.url}/index.html`);
        await tab.waitForFunction(() => document.body.textContent !== '', undefined, { timeout: 20_000 });
        expect(JSON.parse((await tab.textContent('body')) as string)).toEqual({
          crossOriginIsolated: headers === ISOLATION,
          ways,
          outputs: await bitsOfSteps(model, inputs),
        });
      } finally {
        await close();
        await server.close();
      }
    },
    60_000,
  );
});
