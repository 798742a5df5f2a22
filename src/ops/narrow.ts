/**
 * Operators that hold their weights in fewer bits, where the graph gives them so (`Tensor.narrow`): the calls of
 * assembly/quantized.ts. Where it does not, or a form is not among them, the operator lowers as it does in float32.
 */

import { activationWords } from './activations.js';
import { GATES as GRU_GATES, type GruWords, gru, lowerGru } from './gru.js';
import { broadcastBias, linear, linearActivation } from './linear.js';
import { GATES as LSTM_GATES, type LstmCall, lowerLstm, lstm, lstmp, packExtras } from './lstm.js';
import {
  hasOutputScales,
  INT8_DEPTH,
  NARROW_KERNELS,
  type NarrowMatrix,
  type NarrowType,
  packNarrow,
  stagedBytes,
} from './narrow-pack.js';
import type { Argument, Lowering, Operator } from './operator.js';
import { gateOrder, PANEL_WIDTH, plainOrder, roundUp } from './pack.js';
import { B, PROJECTION, R, type Recurrent, type RecurrentCall, SEQUENCE_LENS, summedBias, W } from './recurrent.js';
import { lowerRnn, type RnnWords, rnn } from './rnn.js';
import { gather, isLookUp } from './select.js';

/** `operator`, or `lower` where all of these inputs are narrow, alike, and have a scale for each output. */
function narrowed(
  operator: Operator,
  inputs: readonly number[],
  lower: (node: Lowering, type: NarrowType) => void,
  matrixOf: (node: Lowering, input: number) => NarrowMatrix | undefined = lineMatrix,
): Operator {
  return {
    ...operator,
    lower(node) {
      const matrices = inputs.filter((i) => node.has(i)).map((i) => matrixOf(node, i));
      const [first] = matrices;
      const fits = (matrix: NarrowMatrix | undefined) =>
        matrix !== undefined &&
        matrix.weights.type === first?.weights.type &&
        matrix.depth <= INT8_DEPTH &&
        hasOutputScales(matrix);
      if (first && matrices.every(fits)) lower(node, first.weights.type);
      else operator.lower(node);
    },
  };
}

/** Input i as a matrix whose outputs are lines along its last axis; `line` is the first, of a direction. */
function lineMatrix(node: Lowering, i: number, line = 0): NarrowMatrix | undefined {
  const weights = node.constant(i)?.narrow;
  if (!weights || (i !== 0 && node.has(SEQUENCE_LENS))) return undefined;
  const inputAxis = node.shape(i).length - 1;
  const depth = Number(node.shape(i)[inputAxis]);
  return { weights, depth, offset: line * depth, outputStride: depth, inputStride: 1, inputAxis };
}

/** A cell's matrices, packed with the order of their lanes. */
function packCell(node: Lowering, d: number, gates: number, { hidden }: Recurrent) {
  const lines = gates * hidden;
  return (label: string, input: number, order: readonly number[], bias: (row: number) => number) =>
    packNarrow(node, `${label}${d}`, lineMatrix(node, input, d * lines)!, order, bias);
}

const none = (): number => 0;

function lowerNarrowLstm(node: Lowering, type: NarrowType): void {
  lowerLstm(node, ({ shape, d, call: { rows, sizes, backwards }, c, projected }: LstmCall) => {
    const { inputs, hidden, recurrent } = shape;
    const order = gateOrder(hidden, LSTM_GATES, (gate, unit) => gate * hidden + unit);
    const pack = packCell(node, d, LSTM_GATES, shape);
    const input = pack('input', W, order, summedBias(node, LSTM_GATES * hidden, d));
    const state = pack('recurrent', R, order, none);
    const projection = projected
      ? packNarrow(node, `projection${d}`, lineMatrix(node, PROJECTION, d * recurrent)!, plainOrder(recurrent), none)
      : { heads: 0, weights: 0 };
    const panels = Math.ceil(hidden / 4);
    node.call(`lstm${NARROW_KERNELS[type]}`, {
      ...rows,
      heads: input.heads,
      ...sizes,
      c,
      scratch: node.scratch(
        panels * 64 + stagedBytes(type, inputs),
        stagedBytes(type, recurrent) + (projected ? panels * 16 : 0),
        projected ? stagedBytes(type, hidden) + roundUp(recurrent, PANEL_WIDTH) * 4 : 0,
      ),
      backwards,
      extras: packExtras(node, shape, d),
      weights: input.weights,
      recurrentHeads: state.heads,
      recurrentWeights: state.weights,
      projection: projection.heads,
      projectionWeights: projection.weights,
      P: projected ? recurrent : 0,
    });
  });
}

function lowerNarrowGru(node: Lowering, type: NarrowType): void {
  const staged = ({ inputs, hidden }: Recurrent) => [stagedBytes(type, inputs), stagedBytes(type, hidden)] as const;

  const resetAfter = (node: Lowering, shape: Recurrent, d: number, words: GruWords) => {
    const { hidden } = shape;
    const rows = GRU_GATES * hidden;
    const order = gateOrder(hidden, GRU_GATES, (gate, unit) => gate * hidden + unit);
    const bias = node.has(B) ? node.floats(B).subarray(2 * rows * d) : new Float32Array(2 * rows);
    const pack = packCell(node, d, GRU_GATES, shape);
    const input = pack('input', W, order, (row) => bias[row]);
    const state = pack('recurrent', R, order, (row) => bias[rows + row]);
    const width = roundUp(order.length, PANEL_WIDTH) * 4;
    const [ofInputs, ofState] = staged(shape);
    node.call(`gru${NARROW_KERNELS[type]}`, {
      ...words.rows,
      heads: input.heads,
      ...words.sizes,
      recurrentHeads: state.heads,
      scratch: node.scratch(width + ofInputs, width + ofState, 0),
      backwards: words.backwards,
      extras: words.extras,
      weights: input.weights,
      recurrentWeights: state.weights,
    });
  };

  const resetBefore = (node: Lowering, shape: Recurrent, d: number, words: GruWords) => {
    const { hidden } = shape;
    const bias = summedBias(node, GRU_GATES * hidden, d);
    const gates = gateOrder(hidden, 2, (gate, unit) => gate * hidden + unit);
    const candidate = plainOrder(hidden, 2 * hidden);
    const pack = packCell(node, d, GRU_GATES, shape);
    const inputGates = pack('input', W, gates, bias);
    const inputCandidate = pack('inputCandidate', W, candidate, bias);
    const stateGates = pack('recurrent', R, gates, none);
    const stateCandidate = pack('recurrentCandidate', R, candidate, none);
    const width = (roundUp(gates.length, PANEL_WIDTH) + roundUp(hidden, PANEL_WIDTH)) * 4;
    const [ofInputs, ofState] = staged(shape);
    node.call(`gruResetBefore${NARROW_KERNELS[type]}`, {
      ...words.rows,
      heads: inputGates.heads,
      ...words.sizes,
      candidateHeads: inputCandidate.heads,
      scratch: node.scratch(width + ofInputs, roundUp(hidden, 4) * 4 + ofState, 0),
      backwards: words.backwards,
      extras: words.extras,
      weights: inputGates.weights,
      candidateWeights: inputCandidate.weights,
      recurrentHeads: stateGates.heads,
      recurrentWeights: stateGates.weights,
      recurrentCandidateHeads: stateCandidate.heads,
      recurrentCandidateWeights: stateCandidate.weights,
    });
  };

  lowerGru(node, resetAfter, resetBefore);
}

function lowerNarrowRnn(node: Lowering, type: NarrowType): void {
  lowerRnn(node, (shape: Recurrent, d: number, { rows, sizes }: RecurrentCall, words: RnnWords) => {
    const { inputs, hidden } = shape;
    const pack = packCell(node, d, 1, shape);
    const input = pack('input', W, plainOrder(hidden), summedBias(node, hidden, d));
    const state = pack('recurrent', R, plainOrder(hidden), none);
    node.call(`rnn${NARROW_KERNELS[type]}`, {
      ...rows,
      heads: input.heads,
      ...sizes,
      weights: input.weights,
      scratch: node.scratch(roundUp(hidden, PANEL_WIDTH) * 4 + stagedBytes(type, inputs), stagedBytes(type, hidden), 0),
      ...words,
      recurrentHeads: state.heads,
      recurrentWeights: state.weights,
    });
  });
}

/** A Linear's matrix; none where it takes several vectors in a step. */
function linearMatrix(node: Lowering, i: number): NarrowMatrix | undefined {
  const weights = node.constant(i)?.narrow;
  const shape = node.shape(i).map(Number);
  if (!weights || shape.length !== 2) return undefined;
  const [rows, columns] = shape;
  const transposed = node.integer('transB', 0) !== 0;
  const depth = transposed ? columns : rows;
  if (node.width(0) !== depth) return undefined;
  return {
    weights,
    depth,
    offset: 0,
    outputStride: transposed ? depth : 1,
    inputStride: transposed ? 1 : columns,
    inputAxis: transposed ? 1 : 0,
  };
}

function lowerNarrowLinear(node: Lowering, type: NarrowType): void {
  const matrix = linearMatrix(node, 1)!;
  const outputs = node.outputWidth(0);
  const x = node.input(0);
  const y = node.output(0);
  const bias = node.has(2) ? broadcastBias(node, 2, outputs) : none;
  const { heads, weights } = packNarrow(node, 'weight', matrix, plainOrder(outputs), bias);
  node.call(`linear${NARROW_KERNELS[type]}`, {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    heads,
    I: matrix.depth,
    panels: roundUp(outputs, PANEL_WIDTH) / PANEL_WIDTH,
    ...activationWords(linearActivation(node)),
    weights,
    scratch: node.scratch(stagedBytes(type, matrix.depth), 0, 0),
  });
}

function lowerNarrowGather(node: Lowering, type: NarrowType): void {
  const [rows, width] = node.shape(0).map(Number);
  const { weights } = lineMatrix(node, 0)!;
  const x = node.input(1);
  const y = node.output(0);
  const table = node.weights('table', Math.ceil((rows * width * weights.values.BYTES_PER_ELEMENT) / 4), (target) => {
    const Elements = weights.type === 'int8' ? Int8Array : Uint16Array;
    new Elements(target.buffer as ArrayBuffer, target.byteOffset, weights.values.length).set(weights.values);
  });
  const scales: Argument =
    weights.type === 'int8'
      ? node.weights('scales', rows, (target) => {
          for (let row = 0; row < rows; row++) target[row] = weights.scaleAt(row * width);
        })
      : 0;
  node.call(`gather${NARROW_KERNELS[type]}`, {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    table,
    rows,
    width,
    indices: node.width(1),
    scales,
  });
}

export const narrowOperators: readonly Operator[] = [
  narrowed(lstm, [W, R], lowerNarrowLstm),
  narrowed(lstmp, [W, R, PROJECTION], lowerNarrowLstm),
  narrowed(gru, [W, R], lowerNarrowGru),
  narrowed(rnn, [W, R], lowerNarrowRnn),
  narrowed(linear, [1], lowerNarrowLinear, linearMatrix),
  narrowed(gather, [0], lowerNarrowGather, (node, i) => (isLookUp(node) ? lineMatrix(node, i) : undefined)),
];
