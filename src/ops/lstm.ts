import { activationArguments } from './activations.js';
import type { Argument, Lowering, Operator, Reference } from './operator.js';
import { gateOrder, packedCount, packPanels, plainOrder, roundUp, rowMajor } from './pack.js';
import {
  activationExtras,
  align16,
  inferRecurrent,
  lowerFinalHidden,
  PEEPHOLES,
  PROJECTION,
  R,
  RECURRENT_ATTRIBUTES,
  type Recurrent,
  type RecurrentCall,
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

/** Gates i, o, f and the candidate c. */
export const GATES = 4;
const INITIAL_C = 6;
const DEFAULTS = ['Sigmoid', 'Tanh', 'Tanh'];

/** ONNX's LSTM; gates in the order i, o, f, c. */
export const lstm: Operator = {
  op: 'LSTM',
  attributes: [...RECURRENT_ATTRIBUTES, 'input_forget'],
  inputs: [3, 8],
  integers: [SEQUENCE_LENS],
  infer: (node) => inferRecurrent(node, GATES, true),
  lower: lowerFloat32,
};

/**
 * LSTM with a recurrent projection (Sak et al. 2014; PyTorch's `proj_size`): h = W_hr h'. Inputs as LSTM's with R
 * [D, 4H, P], and a ninth, W_hr [D, P, H]; Y and Y_h are P wide.
 */
export const lstmp: Operator = { ...lstm, op: 'LSTMP', inputs: [9, 9] };

/** One direction's call: what all LSTM kernels are told alike. */
export interface LstmCall {
  shape: Recurrent;
  d: number;
  call: RecurrentCall;
  /** The cell state. */
  c: Argument;
  projected: boolean;
}

/** Checks the node and allots its states; `lowerCall` makes the call of each direction. */
export function lowerLstm(node: Lowering, lowerCall: (call: LstmCall) => void): void {
  const shape = readRecurrent(node, GATES);
  const { hidden, recurrent, directions } = shape;
  const projected = node.has(PROJECTION);
  if (!projected && recurrent !== hidden) {
    throw node.malformed('R has the wrong shape', `[${directions}, ${4 * hidden}, ${hidden}]`, `[${node.shape(R)}]`, R);
  }
  if (projected) node.expectShape(PROJECTION, 'W_hr', [directions, recurrent, hidden]);
  const calls = recurrentCalls(node, shape);
  for (const [d, call] of calls.entries()) {
    const c = node.recurrentState(directions > 1 ? `c${d}` : 'c', hidden, INITIAL_C, 2, d, directions);
    lowerCall({ shape, d, call, c: { state: c.name }, projected });
    if (node.wanted(2)) {
      node.needsSingleSteps();
      node.readState(2, c, d * hidden * 4);
    }
  }
  lowerFinalHidden(node, calls);
}

function lowerFloat32(node: Lowering): void {
  lowerLstm(node, ({ shape, d, call: { rows, sizes, backwards, lengths }, c, projected }) => {
    const { inputs, hidden, recurrent } = shape;
    const panels = Math.ceil(hidden / 4);
    node.call('lstm', {
      ...rows,
      weights: packGates(node, shape, d),
      ...sizes,
      c,
      scratch: node.scratch(
        panels * 64,
        align16(recurrent * 4) + (projected ? panels * 16 : 0),
        align16((recurrent + inputs) * 4) + (projected ? roundUp(recurrent, 16) * 4 : 0),
      ),
      backwards,
      extras: packExtras(node, shape, d),
      projection: projected ? packProjection(node, shape, d) : 0,
      P: projected ? recurrent : 0,
      ...lengths,
    });
  });
}

function packGates(node: Lowering, { inputs, hidden, recurrent }: Recurrent, d: number): Argument {
  const rows = GATES * hidden;
  const order = gateOrder(hidden, GATES, (gate, unit) => gate * hidden + unit);
  return node.weights(`gates${d}`, packedCount(order.length, inputs + recurrent), (target, packRows) => {
    const matrices = [
      rowMajor(node.floats(W), inputs, d * rows * inputs),
      rowMajor(node.floats(R), recurrent, d * rows * recurrent),
    ];
    packPanels(target, order, summedBias(node, rows, d), matrices, packRows);
  });
}

function packProjection(node: Lowering, { hidden, recurrent }: Recurrent, d: number): Argument {
  return node.weights(`projection${d}`, packedCount(recurrent, hidden), (target, packRows) => {
    const matrix = rowMajor(node.floats(PROJECTION), hidden, d * recurrent * hidden);
    packPanels(target, plainOrder(recurrent), () => 0, [matrix], packRows);
  });
}

/** Peepholes, clip, coupling and other activations, or 0 where the plain kernel serves. */
export function packExtras(node: Lowering, { hidden, directions, clip }: Recurrent, d: number): Argument {
  const coupled = node.integer('input_forget', 0);
  const activations = readActivations(node, DEFAULTS, directions, d);
  const peepholes = node.has(PEEPHOLES);
  if (peepholes) node.expectShape(PEEPHOLES, 'P', [directions, 3 * hidden]);
  if (!coupled && !activations && !peepholes && clip === 0) return 0;
  const units = roundUp(hidden, 4);
  const address = peepholes
    ? node.weights(`peepholes${d}`, 3 * units, (target) => {
        const p = node.floats(PEEPHOLES);
        for (let gate = 0; gate < 3; gate++) {
          const from = (d * 3 + gate) * hidden;
          target.set(p.subarray(from, from + hidden), gate * units);
        }
      })
    : 0;
  return node.record(`extras${d}`, [
    address,
    { float: clip },
    coupled ? 1 : 0,
    ...activationExtras(activations ?? DEFAULTS.map((name) => activationArguments(name))),
  ]);
}

/** ONNX's equations in float64. */
export const lstmReference: Reference = (node, inputs) => {
  const clip = referenceClip(node);
  const results = referenceRecurrence(node, inputs, GATES, 1, (s) => {
    const [f, g, h] = referenceActivations(node, DEFAULTS, s.D, s.d);
    const p = inputs[PEEPHOLES]?.data.subarray(s.d * 3 * s.H);
    const w = inputs[PROJECTION]?.data.subarray(s.d * s.P * s.H);
    const sum = (gate: number, u: number) => s.product(gate, u) + s.inputBias(gate, u) + s.recurrentBias(gate, u);
    const hidden = new Float64Array(s.H);
    for (let u = 0; u < s.H; u++) {
      const before = s.c[u];
      const i = f(clip(sum(0, u) + (p ? p[u] * before : 0)));
      const forget = node.attributes.input_forget ? 1 - i : f(clip(sum(2, u) + (p ? p[2 * s.H + u] * before : 0)));
      s.c[u] = forget * before + i * g(clip(sum(3, u)));
      const o = f(clip(sum(1, u) + (p ? p[s.H + u] * s.c[u] : 0)));
      hidden[u] = o * h(s.c[u]);
    }
    if (!w) s.h.set(hidden);
    else for (let q = 0; q < s.P; q++) s.h[q] = hidden.reduce((total, value, u) => total + w[q * s.H + u] * value, 0);
  });
  return results;
};
