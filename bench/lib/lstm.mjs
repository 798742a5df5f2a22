// One LSTM as plain data, in ONNX's layout, and what its outputs should be.
import { uniform } from './random.mjs';

/**
 * Seeded weights of an LSTM with `inputs` and `hidden` units: W [4H, I], R [4H, H], B [8H] (the input's bias, then the
 * recurrent one), gates in the order i, o, f, c. Scaled as trainers initialise them, so the state neither dies nor saturates.
 */
export function makeLstm(inputs, hidden, seed) {
  const random = uniform(seed);
  const scale = 1 / Math.sqrt(hidden);
  return {
    inputs,
    hidden,
    W: random(4 * hidden * inputs, scale),
    R: random(4 * hidden * hidden, scale),
    B: random(8 * hidden, scale),
  };
}

/** Bytes that a step has to read: both matrices and one bias, the sum of the two, in float32. */
export const weightBytes = ({ inputs, hidden }) => 4 * (4 * hidden * (inputs + hidden) + 4 * hidden);

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The hidden states [steps, H] in float64 for inputs [steps, I], from a zero state. */
export function reference({ inputs, hidden, W, R, B }, xs) {
  const steps = xs.length / inputs;
  const out = new Float64Array(steps * hidden);
  const h = new Float64Array(hidden);
  const c = new Float64Array(hidden);
  const gates = new Float64Array(4 * hidden); // [4 gates i,o,f,c][H]
  for (let t = 0; t < steps; t++) {
    for (let row = 0; row < 4 * hidden; row++) {
      let sum = B[row] + B[4 * hidden + row];
      for (let k = 0; k < inputs; k++) sum += W[row * inputs + k] * xs[t * inputs + k];
      for (let k = 0; k < hidden; k++) sum += R[row * hidden + k] * h[k];
      gates[row] = sum;
    }
    for (let j = 0; j < hidden; j++) {
      const [i, o, f] = [0, 1, 2].map((gate) => sigmoid(gates[gate * hidden + j]));
      c[j] = f * c[j] + i * Math.tanh(gates[3 * hidden + j]);
      h[j] = o * Math.tanh(c[j]);
    }
    out.set(h, t * hidden);
  }
  return out;
}

/** Throws unless every output is within `tolerance` of the reference. */
export function checkOutputs(name, actual, expected, tolerance = 1e-5) {
  if (actual.length !== expected.length) throw new Error(`${name}: ${actual.length} outputs, not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    // Written so that NaN fails too.
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance)) {
      throw new Error(`${name}: output ${i} is ${actual[i]}, the float64 reference has ${expected[i]}`);
    }
  }
}
