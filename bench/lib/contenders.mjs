// What is measured: each of the three ways in which a cell is run, by each runtime, checked before it is timed.
import { checkOutputs, reference } from './cells.mjs';
import { uniform } from './random.mjs';
import { openCell } from './rivulet.mjs';

/** One step of one stream; 100 steps in one call; one step of 32 streams together. */
export const MODES = { step: [1, 1], run: [100, 1], many: [1, 32] };

/** How far from float64 an output may be. Fewer bits may be far: a fault is seen, a rounding is not. */
const TOLERANCES = { float32: 1e-5, bfloat16: 0.02, int8: 0.1 };

/** Calls with different inputs, before they repeat. */
const CALLS = 16;

/** Keeps results alive, so that no engine drops the work. */
export const sink = { sum: 0 };

/** Inputs for one mode: `CALLS` arrays [steps, streams, I], and the outputs that float64 gives for them in turn. */
export function makeCase(cell, mode) {
  if (!Object.hasOwn(MODES, mode)) throw new Error(`--modes takes ${Object.keys(MODES).join(', ')}, not ${mode}`);
  const [steps, streams] = MODES[mode];
  const random = uniform(7);
  const calls = Array.from({ length: CALLS }, () => random(steps * streams * cell.inputs, 1));
  const { inputs: I, hidden: H } = cell;
  const expected = calls.map(() => new Float64Array(steps * streams * H));
  for (let s = 0; s < streams; s++) {
    const xs = new Float32Array(CALLS * steps * I);
    const row = (call, t) => (call * steps + t) * I;
    each(steps, (call, t) => {
      const from = (t * streams + s) * I;
      xs.set(calls[call].subarray(from, from + I), row(call, t));
    });
    const ys = reference(cell, xs);
    each(steps, (call, t) => {
      const from = (call * steps + t) * H;
      expected[call].set(ys.subarray(from, from + H), (t * streams + s) * H);
    });
  }
  return { cell, mode, steps, streams, calls, expected };
}

function each(steps, visit) {
  for (let call = 0; call < CALLS; call++) for (let t = 0; t < steps; t++) visit(call, t);
}

/**
 * Rivulet on a case, or undefined where the engine lacks the build. One stream's rows [steps, 1, I] are what `run`
 * takes, and one step's [1, streams, I] what `stepMany` takes.
 */
export async function openRivulet({ cell, mode, streams, calls, expected }, { name, build, weights }) {
  const model = await openCell(cell, build, weights);
  if (!model) return undefined;
  const all = Array.from({ length: streams }, () => model.createStream());
  const [stream] = all;
  const out = new Float32Array(expected[0].length);
  const call = {
    step: (x) => stream.step(x, out),
    run: (xs) => stream.run(xs, out),
    many: (xs) => model.stepMany(all, xs, out),
  }[mode];
  for (const [i, xs] of calls.entries()) {
    checkOutputs(`rivulet ${name}`, call(xs), expected[i], TOLERANCES[weights]);
  }
  return {
    name,
    stream,
    isNarrow: weights !== 'float32',
    run(count) {
      for (let i = 0; i < count; i++) sink.sum += call(calls[i % CALLS])[0];
    },
    release: () => model.dispose(),
  };
}

/** A peer on a case it does not refuse (see bench/peers). */
export async function openPeer({ cell, steps, streams, calls, expected }, peer) {
  const session = await peer.open(cell, steps, streams);
  const inputs = calls.map((xs) => session.input(xs));
  const tolerance = peer.int8 ? TOLERANCES.int8 : 1e-4;
  for (const [i, X] of inputs.entries()) {
    const found = await session.run(X);
    if (session.check) session.check(found, calls[i]);
    else checkOutputs(peer.name, found, expected[i], tolerance);
  }
  session.reset();
  return {
    name: peer.name,
    isNarrow: peer.int8,
    async run(count) {
      for (let i = 0; i < count; i++) sink.sum += (await session.run(inputs[i % CALLS]))[0];
    },
    release: () => session.release(),
  };
}
