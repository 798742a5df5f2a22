// LiteRT.js on its CPU backend: a step is one run of the cell's graph (../lib/tflite.mjs), many steps are many runs.
import { BODIES, writeCellTflite } from '../lib/tflite.mjs';

/** A peer of the package `litert`, which is loaded. `int8`: weights as dynamic-range quantisation leaves them. */
export const litertPeer = (name, version, { loadAndCompile, Tensor }, { int8 = false } = {}) => ({
  name,
  version,
  int8,
  refuses: ({ op }) => (op in BODIES ? undefined : `${op} is not written here with its operators`),
  async open(cell, steps, streams) {
    const { op, inputs: I, hidden: H } = cell;
    const model = await loadAndCompile(writeCellTflite(cell, streams, { int8 }), { accelerator: 'wasm' });
    let states = [];
    const keep = (next) => {
      for (const state of states) state.delete();
      states = next;
    };
    const reset = () =>
      keep((op === 'LSTM' ? ['h', 'c'] : ['h']).map(() => new Tensor(new Float32Array(streams * H), [streams, H])));
    reset();
    return {
      input: (xs) => Array.from({ length: steps }, (_, t) => xs.slice(t * streams * I, (t + 1) * streams * I)),
      async run(X) {
        const out = new Float32Array(steps * streams * H);
        for (let t = 0; t < steps; t++) {
          const x = new Tensor(X[t], [streams, I]);
          keep(await model.run([x, ...states]));
          x.delete();
          out.set(states[0].toTypedArray(), t * streams * H);
        }
        return out;
      },
      reset,
      release() {
        keep([]);
        model.delete();
      },
    };
  },
});
