// TensorFlow.js: the cells written with its operations, which is faster than its layers; backends `wasm` and `cpu`.
import { GATES } from '../lib/cells.mjs';

const UPDATES = { LSTM: updateLstm, GRU: updateGru, RNN: updateRnn };

/** A peer of the package `tf`, whose backends are loaded. */
export const tensorflowPeer = (name, version, tf, backend) => ({
  name,
  version,
  refuses: ({ op }) => (op in UPDATES ? undefined : `${op} is not written here with its operations`),
  open: (...args) => open(tf, backend, ...args),
});

async function open(tf, backend, cell, steps, streams) {
  await tf.setBackend(backend);
  const { op, inputs: I, hidden: H } = cell;
  const rows = GATES[op] * H;
  const W = tf.tidy(() => tf.transpose(tf.tensor2d(cell.W, [rows, I])));
  const R = tf.tidy(() => tf.transpose(tf.tensor2d(cell.R, [rows, H])));
  const inputBias = tf.tensor1d(cell.B.slice(0, rows));
  const stateBias = tf.tensor1d(cell.B.slice(rows));
  const update = UPDATES[op];
  let states = [];
  const reset = () => {
    tf.dispose(states);
    states = op === 'LSTM' ? [tf.zeros([streams, H]), tf.zeros([streams, H])] : [tf.zeros([streams, H])];
  };
  reset();
  return {
    input: (xs) => Array.from({ length: steps }, (_, t) => xs.slice(t * streams * I, (t + 1) * streams * I)),
    async run(X) {
      // The backend is the process's: contenders take turns.
      if (tf.getBackend() !== backend) await tf.setBackend(backend);
      const out = new Float32Array(steps * streams * H);
      for (let t = 0; t < steps; t++) {
        const next = tf.tidy(() => {
          const fromInput = tf.add(tf.matMul(tf.tensor2d(X[t], [streams, I]), W), inputBias);
          return update(tf, fromInput, tf.add(tf.matMul(states[0], R), stateBias), states);
        });
        tf.dispose(states);
        states = next;
        out.set(states[0].dataSync(), t * streams * H);
      }
      return out;
    },
    reset,
    release: () => tf.dispose([W, R, inputBias, stateBias, ...states]),
  };
}

function updateLstm(tf, x, r, [, c]) {
  const [i, o, f, g] = tf.split(tf.add(x, r), 4, 1);
  const cell = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
  return [tf.mul(tf.sigmoid(o), tf.tanh(cell)), cell];
}

function updateGru(tf, x, r, [h]) {
  const [xz, xr, xh] = tf.split(x, 3, 1);
  const [rz, rr, rh] = tf.split(r, 3, 1);
  const z = tf.sigmoid(tf.add(xz, rz));
  const candidate = tf.tanh(tf.add(xh, tf.mul(tf.sigmoid(tf.add(xr, rr)), rh)));
  return [tf.add(candidate, tf.mul(z, tf.sub(h, candidate)))];
}

function updateRnn(tf, x, r) {
  return [tf.tanh(tf.add(x, r))];
}
