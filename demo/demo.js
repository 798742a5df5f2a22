// A page that generates text as it goes. ?prompt=, ?temperature=, ?seed= and ?length= preset it; with a length it
// starts by itself, at full pace.
import { loadModel } from '../dist/index.js';
import { generate, Vocabulary } from '../dist/text.js';

const MODEL = new URL('../models/shakespeare/model.safetensors', import.meta.url);
const LONGEST = 20_000; // characters
const $ = (id) => document.getElementById(id);
const preset = new URLSearchParams(location.search);

let stop = new AbortController();

function setState(state) {
  document.body.dataset.state = state;
  $('go').textContent = state === 'writing' ? 'Stop' : 'Write';
}

function fail(error) {
  $('error').textContent = error.message;
  $('error').hidden = false;
  setState('failed');
}

/** Microseconds of one step, timed apart from the page's own work. */
function timeStep(model) {
  const stream = model.createStream();
  const count = 200;
  for (let i = 0; i < count; i++) stream.step(i % 10);
  const started = performance.now();
  for (let i = 0; i < count; i++) stream.step(i % 10);
  const took = performance.now() - started;
  stream.dispose();
  return (1000 * took) / count;
}

async function write(model, vocabulary, length, pace) {
  stop = new AbortController();
  const { signal } = stop;
  const prompt = $('prompt').value;
  const options = {
    prompt,
    length,
    temperature: Number($('temperature').value),
    seed: Number($('seed').value),
    signal,
  };
  const text = $('text');
  $('error').hidden = true;
  const stream = model.createStream();
  let shown = prompt;
  let count = 0;
  let drawn = performance.now();
  const draw = () => {
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
    text.textContent = shown;
    if (atEnd) text.scrollTop = text.scrollHeight;
    $('count').textContent = `${count.toLocaleString('en')} letters`;
  };
  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));

  try {
    const pieces = generate(stream, vocabulary, options);
    setState('writing');
    text.scrollTop = 0;
    const started = performance.now();
    for await (const piece of pieces) {
      shown += piece;
      count += piece.length;
      while (!signal.aborted && count > ((performance.now() - started) / 1000) * pace) {
        draw();
        await nextFrame();
      }
      if (performance.now() - drawn > 30) {
        draw();
        await nextFrame();
        drawn = performance.now();
      }
    }
    setState('done');
  } catch (error) {
    if (error.code !== 'ABORTED') return fail(error);
    setState('ready');
  } finally {
    draw();
    stream.dispose();
  }
}

async function main() {
  for (const name of ['prompt', 'temperature', 'seed']) if (preset.has(name)) $(name).value = preset.get(name);
  const showTemperature = () => {
    $('temperature-value').textContent = Number($('temperature').value).toFixed(1);
  };
  showTemperature();
  $('temperature').addEventListener('input', showTemperature);

  const model = await loadModel(MODEL, {
    onProgress: ({ loaded, total }) => {
      if (total) $('progress').value = loaded / total;
    },
  });
  const vocabulary = Vocabulary.of(model);
  $('kernels').textContent = model.kernels;
  $('parameters').textContent = model.parameterCount.toLocaleString('en');
  $('step').textContent = `${timeStep(model).toFixed(0)} µs`;
  $('go').disabled = false;
  setState('ready');

  $('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    if (document.body.dataset.state === 'writing') stop.abort();
    else write(model, vocabulary, LONGEST, Number($('pace').value));
  });
  if (preset.has('length')) await write(model, vocabulary, Number(preset.get('length')), Number.POSITIVE_INFINITY);
}

main().catch(fail);
