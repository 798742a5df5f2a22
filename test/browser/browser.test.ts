import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { tinyCharacterModel } from '../support/tiny-model.js';
import { chromiumPath, openChromium } from './chromium.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = `${root}/dist/rivulet.browser.js`;
const isBuilt = existsSync(bundle);
const shakespeare = `${root}/models/shakespeare/model.safetensors`;
if (!isBuilt) console.warn('browser tests skipped: dist/ is not built (npm run build)');
if (!chromiumPath) console.warn('browser tests skipped: no Chromium found (install it, or name it in CHROMIUM)');

// A plain page, as a reader of the README would write it. The results go into the title's place: the document.
const PAGE = `<!doctype html><meta charset="utf-8"><title>Rivulet</title>
<script type="module">
  import { loadModel } from './rivulet.browser.js';
  const model = await loadModel('model.safetensors');
  const stream = model.createStream();
  const rows = TOKENS.map((token) => [...new Uint32Array(stream.step(token).slice().buffer)]);
  document.body.textContent = JSON.stringify({ kernels: model.kernels, rows });
</script><body></body>`;

const tokens = Array.from({ length: 200 }, (_, t) => (t * t + 3 * t) % 7);
const page = PAGE.replace('TOKENS', JSON.stringify(tokens));

/** The bits of every output in Node, by the simd build that ships. */
async function nodeRows(model: Uint8Array): Promise<number[][]> {
  const { loadModel } = await import(/* @vite-ignore */ pathToFileURL(bundle).href);
  const stream = (await loadModel(model, { kernels: 'simd' })).createStream();
  return tokens.map((token) => [...new Uint32Array(stream.step(token).slice().buffer)]);
}

async function browserRows(model: Uint8Array, flags: string[]): Promise<{ kernels: string; rows: number[][] }> {
  const pages = { '/': page, '/rivulet.browser.js': readFileSync(bundle), '/model.safetensors': model };
  const server = await serve({ pages: { ...pages, '/index.html': page, '/favicon.ico': '' } });
  const { context, close } = await openChromium(flags);
  try {
    const tab = await context.newPage();
    const errors: string[] = [];
    tab.on('pageerror', (error) => errors.push(String(error)));
    await tab.goto(`${server.url}/index.html`);
    await tab
      .waitForFunction(() => document.body.textContent !== '', undefined, { timeout: 20_000 })
      .catch((cause) => {
        throw new Error(`the page made nothing: ${errors.join('; ')}`, { cause });
      });
    expect(errors).toEqual([]);
    return JSON.parse((await tab.textContent('body')) as string);
  } finally {
    await close();
    await server.close();
  }
}

describe.skipIf(!isBuilt || !chromiumPath)('the single-file build in Chromium', () => {
  it.each([
    ['as it is', 'simd', []],
    ['without vector instructions', 'scalar', ['--js-flags=--no-enable-sse4-1']],
  ])(
    'gives the bits of Node, %s',
    async (_, kernels, flags) => {
      const model = tinyCharacterModel(13);
      const result = await browserRows(model, flags);
      expect(result.kernels).toBe(kernels);
      expect(result.rows).toEqual(await nodeRows(model));
    },
    60_000,
  );
});

// An AudioWorklet has neither fetch nor TextDecoder and can't wait: the model comes as bytes, the kernels as a module.
const WORKLET_PAGE = `<!doctype html><meta charset="utf-8"><title>Rivulet</title>
<script type="module">
  const show = (text) => { document.body.textContent ||= String(text); };
  addEventListener('unhandledrejection', ({ reason }) => show(reason));
  const fetched = async (path) => (await fetch(path)).arrayBuffer();
  const [bytes, module] = [await fetched('model.safetensors'), await WebAssembly.compile(await fetched('simd.wasm'))];
  const context = new OfflineAudioContext(1, 1280, 48000);
  await context.audioWorklet.addModule('worklet.js');
  const node = new AudioWorkletNode(context, 'rivulet', { processorOptions: { bytes, module } });
  node.onprocessorerror = () => show('the processor failed');
  node.port.onmessage = ({ data }) => show(data);
  node.connect(context.destination);
  const rendered = await context.startRendering();
  show(JSON.stringify([...new Uint32Array(rendered.getChannelData(0).slice().buffer)]));
</script><body></body>`;

// Sample i of the output is the first logit after token i mod 7.
const WORKLET = `import { loadModelSync } from './rivulet.browser.js';
registerProcessor('rivulet', class extends AudioWorkletProcessor {
  constructor({ processorOptions: { bytes, module } }) {
    super();
    this.count = 0;
    try {
      this.stream = loadModelSync(bytes, { kernels: module }).createStream();
    } catch (error) {
      this.port.postMessage(String(error));
    }
  }
  process(_, [[output]]) {
    if (this.stream) for (let i = 0; i < output.length; i++) output[i] = this.stream.step(this.count++ % 7)[0];
    return true;
  }
});`;

describe.skipIf(!isBuilt || !chromiumPath)('an AudioWorklet in Chromium', () => {
  it('loads a model at once and steps it for each sample', async () => {
    const model = tinyCharacterModel(13);
    const server = await serve({
      pages: {
        '/index.html': WORKLET_PAGE,
        '/worklet.js': WORKLET,
        '/rivulet.browser.js': readFileSync(bundle),
        '/simd.wasm': readFileSync(`${root}/dist/kernels/simd.wasm`),
        '/model.safetensors': model,
        '/favicon.ico': '',
      },
    });
    const { context, close } = await openChromium();
    try {
      const tab = await context.newPage();
      await tab.goto(`${server.url}/index.html`);
      await tab.waitForFunction(() => document.body.textContent !== '', undefined, { timeout: 20_000 });
      const { loadModel } = await import(/* @vite-ignore */ pathToFileURL(bundle).href);
      const stream = (await loadModel(model, { kernels: 'simd' })).createStream();
      const expected = Float32Array.from({ length: 1280 }, (_, i) => stream.step(i % 7)[0]);
      expect(await tab.textContent('body')).toBe(JSON.stringify([...new Uint32Array(expected.buffer)]));
    } finally {
      await close();
      await server.close();
    }
  }, 60_000);
});

describe.skipIf(!isBuilt || !chromiumPath || !existsSync(shakespeare))('the demo page', () => {
  it('writes text', async () => {
    const server = await serve({ pages: { '/favicon.ico': '' }, folder: root });
    const { context, close } = await openChromium();
    try {
      const tab = await context.newPage();
      const errors: string[] = [];
      tab.on('pageerror', (error) => errors.push(String(error)));
      await tab.goto(`${server.url}/demo/index.html?seed=1&length=200`);
      await tab.waitForFunction(() => document.body.dataset.state === 'done', undefined, { timeout: 30_000 });
      expect(errors).toEqual([]);
      expect(((await tab.textContent('#text')) as string).length).toBeGreaterThanOrEqual(200);
    } finally {
      await close();
      await server.close();
    }
  }, 60_000);
});
