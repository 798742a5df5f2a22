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

/** The same argument without what a message would carry along: the rest of the buffer that an array is a part of. */
export function compact<T>(argument: T): T {
  if (ArrayBuffer.isView(argument)) {
    const isPart = argument.byteLength < argument.buffer.byteLength && 'slice' in argument;
    return isPart ? ((argument as unknown as Uint8Array).slice() as T) : argument;
  }
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument)) return argument;
  return Object.fromEntries(Object.entries(argument).map(([name, value]) => [name, compact(value)])) as T;
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
