/** What LSTM, GRU and RNN have in common: ONNX's inputs X, W, R, B, sequence_lens, initial_h, ... and attributes. */

import { BATCH, type Dim, TIME } from '../graph/graph.js';
import { ACTIVATIONS, type ActivationArguments, activationArguments } from './activations.js';
import type { NodeReader } from './node.js';
import type { Argument, GraphNode, Lowering, ReferenceTensor, StateHandle, ValueType } from './operator.js';
import { roundUp } from './pack.js';

/** Operators that carry a state from step to step. */
export const CELLS: ReadonlySet<string> = new Set(['LSTM', 'LSTMP', 'GRU', 'RNN']);

export const RECURRENT_ATTRIBUTES = [
  'activation_alpha',
  'activation_beta',
  'activations',
  'clip',
  'direction',
  'hidden_size',
  'layout',
] as const;

/** Inputs by ONNX's position. */
export const X = 0;
export const W = 1;
export const R = 2;
export const B = 3;
export const SEQUENCE_LENS = 4;
const INITIAL_H = 5;
export const PEEPHOLES = 7;
export const PROJECTION = 8;

/** A recurrent node's sizes, checked against its weights' shapes. */
export interface Recurrent {
  inputs: number;
  hidden: number;
  /** What the recurrence feeds back: `hidden`, or the projected size. */
  recurrent: number;
  directions: number;
  /** Whether direction d runs from the last step to the first. */
  backwards(d: number): boolean;
  clip: number;
}

/** Reads and checks what all recurrent nodes share. `gates` is the number of gate blocks in W. */
export function readRecurrent(node: NodeReader, gates: number): Recurrent {
  const direction = node.text('direction', 'forward', ['forward', 'reverse', 'bidirectional']);
  const directions = direction === 'bidirectional' ? 2 : 1;
  // Before anything is sized by them: a value that is computed may declare any shape.
  for (const i of [W, R, B, PEEPHOLES, PROJECTION]) if (node.has(i)) node.expectConstant(i);
  const [, rows, inputs] = node.shape(W);
  const hidden = node.integer('hidden_size', Number(rows) / gates);
  const recurrent = Number(node.shape(R)[2]);
  const x = node.shape(X);
  const rowWidth = x.length === 3 ? x[2] : undefined;
  if (rowWidth !== inputs) {
    throw node.malformed('X has the wrong shape', `[T, N, ${inputs}]`, `[${x.join(', ')}]`, X);
  }
  node.expectShape(W, 'W', [directions, gates * hidden, inputs]);
  node.expectShape(R, 'R', [directions, gates * hidden, recurrent]);
  if (node.has(B)) node.expectShape(B, 'B', [directions, 2 * gates * hidden]);
  if (node.has(SEQUENCE_LENS)) checkLengths(node);
  const clip = node.number('clip', 0);
  if (!(clip >= 0)) throw node.wrongAttribute('clip', 'a positive number');
  return {
    inputs: Number(inputs),
    hidden,
    recurrent,
    directions,
    backwards: (d) => direction === 'reverse' || d === 1,
    clip,
  };
}

/** Lengths of sequences: integers, one for each. */
function checkLengths(node: NodeReader): void {
  const { type, shape } = node.typeOf(SEQUENCE_LENS);
  const [time, batch] = node.shape(X);
  if (node.constant(SEQUENCE_LENS)) {
    const hint = 'Make them an input, or leave them out where every sequence has all steps';
    throw node.unsupported('sequence_lens is a constant', 'an input', `[${shape.join(', ')}]`, hint);
  }
  const sequences = node.integer('layout', 0) === 1 ? time : batch;
  if ((type === 'int32' || type === 'int64') && shape.length === 1 && shape[0] === sequences) return;
  const found = `${type} [${shape.join(', ')}]`;
  throw node.malformed('sequence_lens has the wrong shape', `int32 [${sequences}]`, found, SEQUENCE_LENS);
}

const recurrentInputs = (node: NodeReader): Dim => node.shape(W)[2];

/** Types of Y, Y_h and, for an LSTM, Y_c. */
export function inferRecurrent(node: NodeReader, gates: number, cell: boolean): ValueType[] {
  const { hidden, recurrent, directions } = readRecurrent(node, gates);
  const [time, batch] = node.shape(X);
  const layout = node.integer('layout', 0);
  if (layout !== 0 && layout !== 1) throw node.wrongAttribute('layout', '0 or 1');
  const batchFirst = layout === 1;
  const fixed = [time, batch].some((dim) => typeof dim === 'number' && dim !== 1);
  if (fixed) {
    throw node.unsupported(
      'a fixed number of steps or sequences',
      batchFirst ? `[N, T, ${recurrentInputs(node)}]` : `[T, N, ${recurrentInputs(node)}]`,
      `[${node.shape(X).join(', ')}]`,
      'Export it with T and N as symbols',
    );
  }
  if (batchFirst ? time !== BATCH && batch === BATCH : time !== TIME && batch === TIME) {
    throw node.malformed(
      'X has its axes the wrong way round',
      batchFirst ? '[N, T, I]' : '[T, N, I]',
      `[${node.shape(X).join(', ')}]`,
    );
  }
  const sequences = batchFirst ? time : batch;
  const state = (size: number): Dim[] => (batchFirst ? [sequences, directions, size] : [directions, sequences, size]);
  const y: Dim[] = batchFirst ? [time, batch, directions, recurrent] : [time, directions, batch, recurrent];
  const type = 'float32' as const;
  const types: ValueType[] = [
    { type, shape: y },
    { type, shape: state(recurrent) },
  ];
  if (cell) types.push({ type, shape: state(hidden) });
  return types;
}

/** The activations of one direction, or undefined where they are the operator's defaults. */
export function readActivations(
  node: NodeReader,
  defaults: readonly string[],
  directions: number,
  d: number,
): ActivationArguments[] | undefined {
  const names = node.list('activations', 'string') ?? Array.from({ length: directions }, () => defaults).flat();
  const alphas = node.list('activation_alpha', 'number') ?? [];
  const betas = node.list('activation_beta', 'number') ?? [];
  if (names.length !== defaults.length * directions) {
    throw node.wrongAttribute('activations', `${defaults.length * directions} names`);
  }
  // ONNX gives alphas and betas only for the functions that take one, in the order in which those stand.
  let alphaAt = 0;
  let betaAt = 0;
  const all = names.map((name) => {
    const known = Object.keys(ACTIVATIONS).find((key) => key.toLowerCase() === name.toLowerCase());
    if (!known) throw node.wrongAttribute('activations', `names among ${Object.keys(ACTIVATIONS).join(', ')}`);
    const { alpha, beta } = ACTIVATIONS[known];
    return activationArguments(
      known,
      alpha === undefined ? undefined : alphas[alphaAt++],
      beta === undefined ? undefined : betas[betaAt++],
    );
  });
  const mine = all.slice(d * defaults.length, (d + 1) * defaults.length);
  const usual = defaults.map((name) => activationArguments(name));
  return mine.every((a, i) => a.code === usual[i].code) ? undefined : mine;
}

/** What the three kernels' calls begin with (words 0 to 3 and 5 to 7 in assembly/), for direction d. */
export interface RecurrentCall {
  rows: { x: Argument; xStride: Argument; y: Argument; yStride: Argument };
  sizes: { I: number; H: number; h: Argument };
  backwards: number;
  /** What the three kernels' calls end with: the lengths of the sequences, where they differ. */
  lengths: { lengths: Argument; lengthStride: Argument };
  /** The state h, and the value that holds Y. */
  h: StateHandle;
  yValue: string;
}

/** Allots Y and the hidden states, one for each direction. */
export function recurrentCalls(node: Lowering, shape: Recurrent): RecurrentCall[] {
  const { inputs, hidden, recurrent, directions, backwards } = shape;
  if (directions > 1) node.needsWholeSequence('it runs in both directions');
  else if (backwards(0)) node.needsWholeSequence('it runs backwards');
  else if (node.has(SEQUENCE_LENS)) node.needsWholeSequence('it is told the length of every sequence');
  const x = node.input(X);
  const y = node.wanted(0) ? node.output(0) : node.temporary('Y', directions * recurrent);
  const { value } = y.address as { value: string };
  const given = node.has(SEQUENCE_LENS) ? node.input(SEQUENCE_LENS) : { address: 0, stride: 0 };
  const lengths = { lengths: given.address, lengthStride: given.stride };
  return Array.from({ length: directions }, (_, d) => {
    const h = node.recurrentState(directions > 1 ? `h${d}` : 'h', recurrent, INITIAL_H, 1, d, directions);
    return {
      rows: { x: x.address, xStride: x.stride, y: { value, offset: d * recurrent * 4 }, yStride: y.stride },
      sizes: { I: inputs, H: hidden, h: { state: h.name } },
      backwards: backwards(d) ? 1 : 0,
      lengths,
      h,
      yValue: value,
    };
  });
}

/**
 * Y_h: the rows of Y where the cell runs forward alone over all steps (each row is the state after it), else copied from
 * the states.
 */
export function lowerFinalHidden(node: Lowering, calls: readonly RecurrentCall[]): void {
  if (!node.wanted(1)) return;
  if (calls.length === 1 && !calls[0].backwards && !node.has(SEQUENCE_LENS)) node.alias(1, calls[0].yValue);
  else for (const [d, { h }] of calls.entries()) node.readState(1, h, d * h.size * 4);
}

/** The words that describe activations in a record of extras: code, alpha, beta of each (see assembly/lstm.ts). */
export const activationExtras = (activations: readonly ActivationArguments[]): Argument[] =>
  activations.flatMap(({ code, alpha, beta }) => [code, { float: alpha }, { float: beta }]);

/** Scratch bytes of the product buffers, rounded as the kernels round them. */
export const align16 = (bytes: number): number => roundUp(bytes, 16);

/** The sum of ONNX's two bias vectors for one direction, by weight row. */
export function summedBias(node: NodeReader, rows: number, d: number): (row: number) => number {
  if (!node.has(B)) return () => 0;
  const b = node.floats(B);
  return (row) => b[2 * rows * d + row] + b[2 * rows * d + rows + row];
}

// ---- float64 references -------------------------------------------------------------------------------------------

/** The loop that the three references share: one step at a time over [T, N], each direction on its own. */
export function referenceRecurrence(
  node: GraphNode,
  inputs: (ReferenceTensor | undefined)[],
  gates: number,
  cells: number,
  step: (context: ReferenceStep) => void,
): ReferenceTensor[] {
  const x = inputs[X]!;
  const w = inputs[W]!;
  const r = inputs[R]!;
  const batchFirst = node.attributes.layout === 1;
  const [T, N] = batchFirst ? [x.shape[1], x.shape[0]] : x.shape;
  const I = x.shape[2];
  const direction = node.attributes.direction ?? 'forward';
  const D = w.shape[0];
  const H = w.shape[1] / gates;
  const P = r.shape[2];
  const y = new Float64Array(T * D * N * P);
  const finalH = new Float64Array(D * N * P);
  const finalC = new Float64Array(D * N * H);
  const stateAt = (d: number, n: number) => (batchFirst ? n * D + d : d * N + n);
  for (let d = 0; d < D; d++) {
    const rows = gates * H;
    const W = w.data.subarray(d * rows * I, (d + 1) * rows * I);
    const R = r.data.subarray(d * rows * P, (d + 1) * rows * P);
    const bias = inputs[B]?.data.subarray(d * 2 * rows, (d + 1) * 2 * rows) ?? new Float64Array(2 * rows);
    for (let n = 0; n < N; n++) {
      const at = stateAt(d, n);
      const h = (inputs[INITIAL_H]?.data ?? finalH).slice(at * P, (at + 1) * P);
      const c = (inputs[6]?.data ?? finalC).slice(at * H, (at + 1) * H);
      const length = inputs[SEQUENCE_LENS]?.data[n] ?? T;
      for (let i = 0; i < length; i++) {
        const t = direction === 'reverse' || d === 1 ? length - 1 - i : i;
        const from = (batchFirst ? n * T + t : t * N + n) * I;
        const row = x.data.subarray(from, from + I);
        const previous = h.slice();
        step({
          node,
          inputs,
          d,
          D,
          H,
          P,
          h,
          c,
          product: (gate, unit, state = previous) => dotRows(W, R, row, state, gate * H + unit),
          input: (gate, unit) => dotRow(W, row, gate * H + unit),
          recurrent: (gate, unit, state = previous) => dotRow(R, state, gate * H + unit),
          inputBias: (gate, unit) => bias[gate * H + unit],
          recurrentBias: (gate, unit) => bias[rows + gate * H + unit],
        });
        y.set(h, (batchFirst ? (n * T + t) * D + d : (t * D + d) * N + n) * P);
      }
      finalH.set(h, at * P);
      finalC.set(c, at * H);
    }
  }
  const stateShape = (size: number) => (batchFirst ? [N, D, size] : [D, N, size]);
  const results: ReferenceTensor[] = [
    { shape: batchFirst ? [N, T, D, P] : [T, D, N, P], data: y },
    { shape: stateShape(P), data: finalH },
  ];
  if (cells) results.push({ shape: stateShape(H), data: finalC });
  return results;
}

/** One step of one sequence in one direction. `h` and `c` are read, then overwritten. */
export interface ReferenceStep {
  node: GraphNode;
  inputs: (ReferenceTensor | undefined)[];
  d: number;
  D: number;
  H: number;
  P: number;
  h: Float64Array;
  c: Float64Array;
  /** W x + R h of one gate of one unit. */
  product(gate: number, unit: number, state?: Float64Array): number;
  input(gate: number, unit: number): number;
  recurrent(gate: number, unit: number, state?: Float64Array): number;
  inputBias(gate: number, unit: number): number;
  recurrentBias(gate: number, unit: number): number;
}

function dotRow(matrix: Float64Array, vector: Float64Array, row: number): number {
  let sum = 0;
  for (let k = 0; k < vector.length; k++) sum += matrix[row * vector.length + k] * vector[k];
  return sum;
}

function dotRows(w: Float64Array, r: Float64Array, x: Float64Array, h: Float64Array, row: number): number {
  return dotRow(w, x, row) + dotRow(r, h, row);
}

/** The activation functions of a reference step's direction. */
export function referenceActivations(node: GraphNode, defaults: readonly string[], D: number, d: number) {
  const names =
    (node.attributes.activations as string[] | undefined) ?? Array.from({ length: D }, () => defaults).flat();
  const alphas = [...((node.attributes.activation_alpha as number[] | undefined) ?? [])];
  const betas = [...((node.attributes.activation_beta as number[] | undefined) ?? [])];
  const functions = names.map((name) => {
    const spec = Object.entries(ACTIVATIONS).find(([key]) => key.toLowerCase() === name.toLowerCase())![1];
    const alpha = (spec.alpha === undefined ? undefined : alphas.shift()) ?? spec.alpha ?? 0;
    const beta = (spec.beta === undefined ? undefined : betas.shift()) ?? spec.beta ?? 0;
    return (x: number) => spec.reference(x, alpha, beta);
  });
  return functions.slice(d * defaults.length, (d + 1) * defaults.length);
}

export const referenceClip = (node: GraphNode) => {
  const clip = (node.attributes.clip as number | undefined) ?? 0;
  return (x: number) => (clip > 0 ? Math.max(-clip, Math.min(clip, x)) : x);
};
