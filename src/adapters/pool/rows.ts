// What goes between the caller's arrays and the workers' buffers.

import type { PlanPort } from '../../plan/plan.js';
import type { Rows } from './messages.js';

/** Whether threads can share memory here: a page has to be cross-origin isolated for it. */
const SHARED =
  typeof SharedArrayBuffer === 'function' &&
  (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** Buffers for one worker's share of a call, kept for the next: shared memory, or sent there and back. */
export class RowBuffers {
  private readonly free: Rows[] = [];

  constructor(private readonly integer: boolean) {}

  /** Room for at least so many numbers each way. */
  take(inputs: number, outputs: number): Rows {
    const kept = this.free.pop();
    if (kept && kept.input.length >= inputs && kept.output.length >= outputs) return kept;
    const input = allocate(inputs * (this.integer ? 8 : 4));
    return {
      input: this.integer ? new Float64Array(input) : new Float32Array(input),
      output: new Float32Array(allocate(outputs * 4)),
    };
  }

  give(rows: Rows): void {
    this.free.push(rows);
  }
}

const allocate = (bytes: number): ArrayBuffer =>
  (SHARED ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)) as ArrayBuffer;

/** The buffers that have to be handed over: none where memory is shared. */
export const transferred = ({ input, output }: Rows): ArrayBuffer[] =>
  SHARED ? [] : [input.buffer as ArrayBuffer, output.buffer as ArrayBuffer];

/**
 * The same argument without what a message would carry along: the rest of the buffer that an array is a part of. Looked for in
 * records of arrays, and records of these, which is what streams and `run` take.
 */
export function compact<T>(argument: T, depth = 2): T {
  if (ArrayBuffer.isView(argument)) {
    const isPart = argument.buffer instanceof ArrayBuffer && argument.byteLength < argument.buffer.byteLength;
    // Not the argument's own: a Buffer's gives a view again.
    return isPart && !(argument instanceof DataView) ? (Uint8Array.prototype.slice.call(argument) as T) : argument;
  }
  if (
    depth === 0 ||
    typeof argument !== 'object' ||
    argument === null ||
    Object.getPrototypeOf(argument) !== Object.prototype
  )
    return argument;
  return Object.fromEntries(
    Object.entries(argument as object).map(([key, value]) => [key, compact(value, depth - 1)]),
  ) as T;
}

export const isInteger = (port: PlanPort | undefined): boolean => port !== undefined && port.type !== 'float32';

type Numbers = Float32Array | Float64Array;

/** Rows that follow one another in the caller's arrays: [position of the first, how many], one pair after the other. */
export type Blocks = readonly number[];

/** Blocks of rows of `from`, `width` numbers each, to the first rows of `to`. */
export function gatherRows(to: Numbers, from: Numbers, blocks: Blocks, width: number): void {
  let at = 0;
  for (let b = 0; b < blocks.length; b += 2) {
    const start = blocks[b] * width;
    const length = blocks[b + 1] * width;
    to.set(from.subarray(start, start + length), at);
    at += length;
  }
}

/** The first rows of `from` to blocks of rows of `to`. */
export function scatterRows(to: Numbers, from: Numbers, blocks: Blocks, width: number): void {
  let at = 0;
  for (let b = 0; b < blocks.length; b += 2) {
    const length = blocks[b + 1] * width;
    to.set(from.subarray(at, at + length), blocks[b] * width);
    at += length;
  }
}
