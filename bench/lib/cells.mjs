// Recurrent cells as plain data, in ONNX's layout, and what their outputs should be.
import { uniform } from './random.mjs';

/** Blocks of H rows in the weights, in ONNX's order: LSTM i, o, f, c; GRU z, r, h; RNN one. */
export const GATES = { LSTM: 4, GRU: 3, 'GRU-before': 3, RNN: 1 };

/** ONNX's operator and its attributes. */
export const onnxOf = ({ op, hidden }) => ({
  operator: op.split('-')[0],
  attributes: { hidden_size: hidden, ...(op === 'GRU' ? { linear_before_reset: 1 } : {}) },
});

/**
 * Seeded weights of a cell with `inputs` and `hidden` units: W [gH, I], R [gH, H], B [2gH] (the input's bias, then the
 * recurrent one). A GRU resets behind the product (`linear_before_reset`), as PyTorch's does, `GRU-before` before it; an RNN's
 * activation is tanh.
 * Scaled as trainers initialise them, so the state neither dies nor saturates.
 */
export function makeCell(op, inputs, hidden, seed = 1000 * inputs + hidden) {
  const random = uniform(seed);
  const scale = 1 / Math.sqrt(hidden);
  const rows = GATES[op] * hidden;
  return {
    op,
    inputs,
    hidden,
    W: random(rows * inputs, scale),
    R: random(rows * hidden, scale),
    B: random(2 * rows, scale),
  };
}

/** Multiply-adds of one step of one stream. */
export const multiplyAdds = ({ op, inputs, hidden }) => GATES[op] * hidden * (inputs + hidden);

/** Bytes that a step has to read: both matrices and the biases, summed where the cell lets them be, in float32. */
export const weightBytes = (cell) =>
  4 * (multiplyAdds(cell) + (cell.op === 'GRU' ? 2 : 1) * GATES[cell.op] * cell.hidden);

/** Bytes that `steps` steps have to read at least: the recurrent matrix at each of them, all else once. */
export const weightBytesRead = (cell, steps) =>
  weightBytes(cell) + (steps - 1) * 4 * GATES[cell.op] * cell.hidden * cell.hidden;

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The hidden states [steps, H] in float64 for inputs [steps, I], from a zero state. */
export function reference(cell, xs) {
  const { op, inputs, hidden, W, R, B } = cell;
  const steps = xs.length / inputs;
  const rows = GATES[op] * hidden;
  const out = new Float64Array(steps * hidden);
  const h = new Float64Array(hidden);
  const c = new Float64Array(hidden);
  const fromInput = new Float64Array(rows);
  const fromState = new Float64Array(rows);
  const update = { LSTM: updateLstm, GRU: updateGru, 'GRU-before': updateGruBefore, RNN: updateRnn }[op];
  for (let t = 0; t < steps; t++) {
    for (let row = 0; row < rows; row++) {
      let sum = B[row];
      for (let k = 0; k < inputs; k++) sum += W[row * inputs + k] * xs[t * inputs + k];
      fromInput[row] = sum;
      sum = B[rows + row];
      for (let k = 0; k < hidden; k++) sum += R[row * hidden + k] * h[k];
      fromState[row] = sum;
    }
    update(fromInput, fromState, h, c, cell);
    out.set(h, t * hidden);
  }
  return out;
}

function updateLstm(x, r, h, c) {
  const { length: H } = h;
  for (let j = 0; j < H; j++) {
    const [i, o, f, g] = [0, 1, 2, 3].map((gate) => x[gate * H + j] + r[gate * H + j]);
    c[j] = sigmoid(f) * c[j] + sigmoid(i) * Math.tanh(g);
    h[j] = sigmoid(o) * Math.tanh(c[j]);
  }
}

function updateGru(x, r, h) {
  const { length: H } = h;
  for (let j = 0; j < H; j++) {
    const z = sigmoid(x[j] + r[j]);
    const reset = sigmoid(x[H + j] + r[H + j]);
    h[j] = (1 - z) * Math.tanh(x[2 * H + j] + reset * r[2 * H + j]) + z * h[j];
  }
}

function updateGruBefore(x, r, h, _, { R, B }) {
  const { length: H } = h;
  const kept = h.map((value, j) => value * sigmoid(x[H + j] + r[H + j]));
  for (let j = 0; j < H; j++) {
    const z = sigmoid(x[j] + r[j]);
    let sum = B[5 * H + j];
    for (let k = 0; k < H; k++) sum += R[(2 * H + j) * H + k] * kept[k];
    h[j] = (1 - z) * Math.tanh(x[2 * H + j] + sum) + z * h[j];
  }
}

function updateRnn(x, r, h) {
  for (let j = 0; j < h.length; j++) h[j] = Math.tanh(x[j] + r[j]);
}

/** Throws unless every output is within `tolerance` of the reference. */
export function checkOutputs(name, actual, expected, tolerance) {
  if (actual.length !== expected.length) throw new Error(`${name}: ${actual.length} outputs, not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    // Written so that NaN fails too.
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance)) {
      throw new Error(`${name}: output ${i} is ${actual[i]}, the float64 reference has ${expected[i]}`);
    }
  }
}
