// Runs in a folder where the packed tarball is installed: what a reader of the README would type. Prints one line of
// JSON. Everything in it must be the same under every version of Node.
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { loadModel, RivuletError } from 'rivulet';
import { loadModel as loadInBrowser } from 'rivulet/browser';
import { sequenceBatches } from 'rivulet/sequences';
import { generate, Vocabulary } from 'rivulet/text';

const bits = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
const tokens = [2, 5, 3, 3, 0, 6, 1, 4, 2];

const model = await loadModel('model.safetensors', { kernels: 'simd' });
assert.equal(model.kernels, 'simd');
assert.equal(model.inputs[0].name, 'tokens');
assert.match(model.summary(), /LSTM/);

const stream = model.createStream();
const steps = tokens.map((token) => bits(stream.step(token)));
stream.reset();
const run = stream.run(tokens);
assert.equal(bits(run), steps.join(''));

const saved = stream.save();
const next = bits(stream.step(1));
stream.restore(saved);
const twin = stream.clone();
assert.equal(bits(stream.step(1)), next);
assert.equal(bits(model.stepMany([twin], [1])), next);

// Every other way to the same numbers: bytes, the scalar build, a compiled module, the single-file build.
const file = await readFile('model.safetensors');
const wasm = await WebAssembly.compile(
  await readFile(createRequire(import.meta.url).resolve('rivulet/kernels/simd.wasm')),
);
const others = [
  await loadModel(file),
  await loadModel(new URL('model.safetensors', import.meta.url)),
  await loadModel(new Blob([file]), { kernels: 'scalar' }),
  await loadModel(file, { kernels: wasm }),
  await loadInBrowser(file),
];
for (const other of others) assert.equal(bits(other.createStream().run(tokens)), bits(run));

await assert.rejects(loadModel(file.subarray(0, 40)), RivuletError);

const [batch] = sequenceBatches(tokens, { batchSize: 1, sequenceLength: 8 });
assert.equal(bits(model.runMany([model.createStream()], batch.inputs, batch.steps)), steps.slice(0, 8).join(''));

let text = '';
for await (const piece of generate(model.createStream(), Vocabulary.of(model), { seed: 1, length: 40 })) text += piece;
assert.equal([...text].length, 40);

const { version } = JSON.parse(await readFile(fileURLToPath(import.meta.resolve('rivulet/package.json')), 'utf8'));
for (const one of [stream, twin]) one.dispose();
model.dispose();
console.log(JSON.stringify({ version, logits: bits(run), text }));
