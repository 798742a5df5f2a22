/** Packs of weights in fewer bits, as assembly/integer-product.ts and bfloat16-product.ts read them. */

import type { NarrowWeights } from '../graph/graph.js';
import type { Argument, Lowering } from './operator.js';
import { PANEL_WIDTH, roundUp } from './pack.js';

export type NarrowType = NarrowWeights['type'];

/** A matrix: element (output o, input k) stands at `offset + o * outputStride + k * inputStride` of the weights. */
export interface NarrowMatrix {
  weights: NarrowWeights;
  depth: number;
  offset: number;
  outputStride: number;
  inputStride: number;
  /** The axis of the weights along which inputs lie. */
  inputAxis: number;
}

/** The last words of a kernel's name: `lstm` + `Int8`. */
export const NARROW_KERNELS = { int8: 'Int8', bfloat16: 'Bfloat16' } as const;

/** Inputs that lie side by side in an int8 pack, a group, and float32 rows in a panel's heads. */
const GROUP = 4;
const INT8_HEADS = 3;

/** The greatest depth at which a sum of products of eight and seven bits stays within 32. */
export const INT8_DEPTH = 2 ** 18;

/** Whether a matrix has one scale for each output. */
export function hasOutputScales({ weights, inputAxis }: NarrowMatrix): boolean {
  return weights.type === 'bfloat16' || !weights.scaleAxes.includes(inputAxis);
}

/** Bytes of a row of `depth` numbers as the products take it: assembly/narrow.ts. */
export function stagedBytes(type: NarrowType, depth: number): number {
  return type === 'int8' ? 16 + roundUp(Math.ceil(depth / GROUP) * 8, 16) : roundUp(depth * 4, 16);
}

/**
 * The two packs of a matrix whose lanes are `order` (-1: padding): heads, with the biases, and weights.
 */
export function packNarrow(
  node: Lowering,
  label: string,
  matrix: NarrowMatrix,
  order: readonly number[],
  bias: (output: number) => number,
): { heads: Argument; weights: Argument } {
  const panels = Math.ceil(order.length / PANEL_WIDTH);
  const { weights, depth } = matrix;
  const int8 = weights.type === 'int8';
  const rows = int8 ? INT8_HEADS : 1;
  const heads = node.weights(`${label} heads`, panels * rows * PANEL_WIDTH, (target) => {
    packHeads(target, order, bias, matrix, rows);
  });
  const words = int8 ? Math.ceil(depth / GROUP) * PANEL_WIDTH : (depth * PANEL_WIDTH) / 2;
  const pack = node.weights(
    label,
    panels * words,
    (target) => {
      if (weights.type === 'int8') packInt8(target, order, matrix, weights.values);
      else packBfloat16(target, order, matrix, weights.values);
    },
    int8,
  );
  return { heads, weights: pack };
}

/** [panels][rows][16]: biases; for int8 also scales, and -64 times the sum of an output's weights as int32. */
function packHeads(
  target: Float32Array,
  order: readonly number[],
  bias: (output: number) => number,
  { weights, depth, offset, outputStride, inputStride }: NarrowMatrix,
  rows: number,
): void {
  const integers = new Int32Array(target.buffer, target.byteOffset, target.length);
  for (const [lane, output] of order.entries()) {
    if (output < 0) continue;
    const at = Math.floor(lane / PANEL_WIDTH) * rows * PANEL_WIDTH + (lane % PANEL_WIDTH);
    target[at] = bias(output);
    if (weights.type !== 'int8') continue;
    const first = offset + output * outputStride;
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += weights.values[first + k * inputStride];
    target[at + PANEL_WIDTH] = weights.scaleAt(first);
    integers[at + 2 * PANEL_WIDTH] = -64 * sum;
  }
}

/** [panels][groups][16 outputs][4 inputs]. */
function packInt8(target: Float32Array, order: readonly number[], matrix: NarrowMatrix, values: Int8Array): void {
  const bytes = new Int8Array(target.buffer, target.byteOffset, target.byteLength);
  const { depth, offset, outputStride, inputStride } = matrix;
  const panelBytes = Math.ceil(depth / GROUP) * GROUP * PANEL_WIDTH;
  for (const [lane, output] of order.entries()) {
    if (output < 0) continue;
    const to = Math.floor(lane / PANEL_WIDTH) * panelBytes + (lane % PANEL_WIDTH) * GROUP;
    packLine(bytes, to, values, offset + output * outputStride, inputStride, depth);
  }
}

/** One output's int8. A loop of its own, so that the engine compiles it early. */
function packLine(bytes: Int8Array, to: number, values: Int8Array, from: number, stride: number, depth: number): void {
  for (let k = 0; k < depth; k++) {
    bytes[to + (k >> 2) * GROUP * PANEL_WIDTH + (k & 3)] = values[from + k * stride];
  }
}

/** [panels][K][16], outputs of eight in the order 0 4 1 5 2 6 3 7. */
function packBfloat16(target: Float32Array, order: readonly number[], matrix: NarrowMatrix, values: Uint16Array): void {
  const halves = new Uint16Array(target.buffer, target.byteOffset, target.length * 2);
  const { depth, offset, outputStride, inputStride } = matrix;
  for (const [lane, output] of order.entries()) {
    if (output < 0) continue;
    const eight = lane & 8;
    const place = eight + 2 * (lane & 3) + ((lane >> 2) & 1);
    let to = Math.floor(lane / PANEL_WIDTH) * depth * PANEL_WIDTH + place;
    let from = offset + output * outputStride;
    for (let k = 0; k < depth; k++, to += PANEL_WIDTH, from += inputStride) halves[to] = values[from];
  }
}
