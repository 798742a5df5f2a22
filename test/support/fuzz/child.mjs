// The process in which files are loaded: it may run out of memory, hang or crash without taking the test with it. It gets
// { first, cases: [{ bytes, options }] }, where `first` is the number of the first case, and answers with how each ended, in the
// same order, and what all cost together.
import { readGraph } from '../../../dist/convert.js';
import { loadModel, RivuletError } from '../../../dist/index.js';

/** Rows of inputs that a loaded model is tried with, at most this many numbers in all. */
const MOST_NUMBERS = 100_000;

/** One run of whatever was loaded: a plan that reads outside its memory would show here. */
function exercise(model) {
  model.summary();
  const size = model.inputs.reduce((sum, input) => sum + input.size, 0);
  if (size > MOST_NUMBERS || model.stateBytes > 4 * MOST_NUMBERS) return;
  if (model.streamable) {
    const stream = model.createStream();
    const record = (steps) =>
      Object.fromEntries(model.inputs.map((input) => [input.name, new Float32Array(input.size * steps)]));
    stream.step(record(1));
    if (model.inputs.length > 0) stream.run(record(3));
    stream.restore(stream.save());
    return;
  }
  const shaped = model.inputs.map(({ name, shape, size }) => {
    const lengths = shape.map((dim) => (typeof dim === 'number' ? dim : dim === 'T' ? 2 : 1));
    return [name, { shape: lengths, data: new Float32Array(shape.includes('T') ? 2 * size : size) }];
  });
  model.run(Object.fromEntries(shaped));
}

/** @param all whether a reader goes on behind what it refuses first, as `rivulet inspect` has it. */
async function outcomeOf(bytes, options, all) {
  try {
    if (all) await readGraph(bytes, { ...options, onRefusal: () => undefined });
    const model = await loadModel(bytes, { nonFinite: 'propagate', ...options });
    exercise(model);
    model.dispose();
    return { outcome: 'loaded' };
  } catch (error) {
    if (error instanceof RivuletError) return { outcome: error.code };
    return { outcome: 'threw', error: String(error?.stack ?? error) };
  }
}

let queue = Promise.resolve();

process.on('message', ({ first, cases }) => {
  queue = queue.then(async () => {
    // Processor time, not the clock's: another process may hold the core.
    const before = process.cpuUsage();
    const outcomes = [];
    for (const [i, { bytes, options }] of cases.entries()) {
      const started = performance.now();
      const result = await outcomeOf(bytes, options, (first + i) % 2 === 1);
      outcomes.push({ ...result, milliseconds: performance.now() - started });
    }
    const { user, system } = process.cpuUsage(before);
    process.send({
      outcomes,
      milliseconds: (user + system) / 1000,
      // The peak since the process began; it only ever grows, so whoever raises it is seen.
      megabytes: process.resourceUsage().maxRSS / 1024,
    });
  });
});
