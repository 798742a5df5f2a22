import { activationArguments } from './activations.js';
import type { Argument, Lowering, Operator, Reference } from './operator.js';
import { gateOrder, packedCount, packPanels, plainOrder, rowMajor } from './pack.js';
import {
  activationExtras,
  align16,
  B,
  inferRecurrent,
  lowerFinalHidden,
  R,
  RECURRENT_ATTRIBUTES,
  type Recurrent,
  readActivations,
  readRecurrent,
  recurrentCalls,
  referenceActivations,
  referenceClip,
  referenceRecurrence,
  SEQUENCE_LENS,
  summedBias,
  W,
} from './recurrent.js';

/** Gates z, r and the candidate h. */
export const GATES = 3;
const DEFAULTS = ['Sigmoid', 'Tanh'];

/** ONNX's GRU; gates in the order z, r, h. `linear_before_reset` = 1 is the reset after the product. */
export const gru: Operator = {
  op: 'GRU',
  attributes: [...RECURRENT_ATTRIBUTES, 'linear_before_reset'],
  inputs: [3, 6],
  integers: [SEQUENCE_LENS],
  infer: (node) => inferRecurrent(node, GATES, false),
  lower: (node) => lowerGru(node, lowerResetAfter, lowerResetBefore),
};

/** One direction's call: what all GRU kernels are told alike. */
export interface GruWords {
  rows: Record<string, Argument>;
  sizes: Record<string, Argument>;
  backwards: number;
  extras: Argument;
  lengths: Record<string, Argument>;
}

export type LowerGruCall = (node: Lowering, shape: Recurrent, d: number, words: GruWords) => void;

/** Checks the node and allots its states; one of two makes the call of each direction. */
export function lowerGru(node: Lowering, resetAfter: LowerGruCall, resetBefore: LowerGruCall): void {
  const shape = readRecurrent(node, GATES);
  if (shape.recurrent !== shape.hidden)
    throw node.malformed('R has the wrong shape', `${shape.hidden} columns`, `${shape.recurrent}`, R);
  const calls = recurrentCalls(node, shape);
  const lowerCall = node.integer('linear_before_reset', 0) !== 0 ? resetAfter : resetBefore;
  for (const [d, { rows, sizes, backwards, lengths }] of calls.entries()) {
    lowerCall(node, shape, d, { rows, sizes, backwards, extras: packExtras(node, shape, d), lengths });
  }
  lowerFinalHidden(node, calls);
}

function lowerResetAfter(node: Lowering, { inputs, hidden }: Recurrent, d: number, words: GruWords): void {
  const gates = GATES * hidden;
  const order = gateOrder(hidden, GATES, (gate, unit) => gate * hidden + unit);
  const bias = node.has(B) ? node.floats(B).subarray(2 * gates * d) : new Float32Array(2 * gates);
  const pack = (label: string, input: number, depth: number, biasAt: number) =>
    node.weights(`${label}${d}`, packedCount(order.length, depth), (target, packRows) => {
      const matrix = rowMajor(node.floats(input), depth, d * gates * depth);
      packPanels(target, order, (row) => bias[biasAt + row], [matrix], packRows);
    });
  const width = packedCount(order.length, 0) * 4;
  node.call('gru', {
    ...words.rows,
    weights: pack('input', W, inputs, 0),
    ...words.sizes,
    recurrentWeights: pack('recurrent', R, hidden, gates),
    scratch: node.scratch(width, width + align16(hidden * 4), 0),
    backwards: words.backwards,
    extras: words.extras,
    ...words.lengths,
  });
}

function lowerResetBefore(node: Lowering, { inputs, hidden }: Recurrent, d: number, words: GruWords): void {
  const rows = GATES * hidden;
  const bias = summedBias(node, rows, d);
  const matrices = () => [
    rowMajor(node.floats(W), inputs, d * rows * inputs),
    rowMajor(node.floats(R), hidden, d * rows * hidden),
  ];
  const gates = gateOrder(hidden, 2, (gate, unit) => gate * hidden + unit);
  const candidate = plainOrder(hidden, 2 * hidden);
  const pack = (label: string, order: readonly number[]) =>
    node.weights(`${label}${d}`, packedCount(order.length, inputs + hidden), (target, packRows) =>
      packPanels(target, order, bias, matrices(), packRows),
    );
  node.call('gruResetBefore', {
    ...words.rows,
    weights: pack('gates', gates),
    ...words.sizes,
    candidateWeights: pack('candidate', candidate),
    scratch: node.scratch(packedCount(gates.length, 0) * 4 + packedCount(hidden, 0) * 4, align16(hidden * 4), 0),
    backwards: words.backwards,
    extras: words.extras,
    ...words.lengths,
  });
}

function packExtras(node: Lowering, { directions, clip }: Recurrent, d: number): Argument {
  const activations = readActivations(node, DEFAULTS, directions, d);
  if (!activations && clip === 0) return 0;
  const used = activations ?? DEFAULTS.map((name) => activationArguments(name));
  return node.record(`extras${d}`, [0, { float: clip }, 0, ...activationExtras(used)]);
}

/** ONNX's equations in float64. */
export const gruReference: Reference = (node, inputs) => {
  const clip = referenceClip(node);
  const after = Boolean(node.attributes.linear_before_reset);
  return referenceRecurrence(node, inputs, GATES, 0, (s) => {
    const [f, g] = referenceActivations(node, DEFAULTS, s.D, s.d);
    const before = s.h.slice();
    const bias = (gate: number, u: number) => s.inputBias(gate, u) + s.recurrentBias(gate, u);
    const gate = (index: number) => before.map((_, u) => f(clip(s.product(index, u) + bias(index, u))));
    const z = gate(0);
    const r = gate(1);
    const reset = before.map((value, u) => value * r[u]);
    for (let u = 0; u < s.H; u++) {
      const sum = after
        ? s.input(2, u) + s.inputBias(2, u) + r[u] * (s.recurrent(2, u) + s.recurrentBias(2, u))
        : s.product(2, u, reset) + bias(2, u);
      s.h[u] = (1 - z[u]) * g(clip(sum)) + z[u] * before[u];
    }
  });
};
