import { RivuletError } from '../errors.js';
import type { PlanPort } from '../plan/plan.js';
import type { Arena } from './arena.js';
import type { KernelExports } from './kernels.js';
import type { Program } from './program.js';

/** Rows up to this long are copied by a loop; a typed array's `set` costs about as much as copying 16 numbers. */
const SHORT = 16;

/**
 * Where a port's numbers come from or go to during one call: an array of the caller's on one side, rows of the arena on
 * the other. Element `base(stream, step) + i` (or `+ inner[i]`) of `data` is number i of that row.
 */
export class Channel {
  /** float32 index of the port's first row, and float32 from a row to the next. */
  private index = 0;
  private stride = 0;
  private readonly integer: boolean;
  data: ArrayLike<number> = [];
  streamStride = 0;
  stepStride = 0;
  inner: Int32Array | undefined;
  /** The view that `firstRow` made, and of which memory. */
  private row: Float32Array | undefined;
  private rowOf: Float32Array | undefined;

  constructor(readonly port: PlanPort) {
    this.integer = port.type !== 'float32';
  }

  /** Finds the rows again after the program was laid out anew. */
  bind(program: Program): void {
    this.index = program.indexOf(this.port.value);
    this.stride = program.strideOf(this.port.value);
    this.row = undefined;
  }

  /** Points at the caller's array: [streams][steps][size], the usual order. */
  attach(data: ArrayLike<number>, steps: number): void {
    this.data = data;
    this.stepStride = this.port.size;
    this.streamStride = this.port.size * steps;
    this.inner = undefined;
  }

  /** Copies one row in. Numbers are rounded to float32, tokens kept as integers. */
  write(arena: Arena, row: number, stream: number, step: number): void {
    const { data, inner } = this;
    const { size } = this.port;
    const from = stream * this.streamStride + step * this.stepStride;
    const to = this.index + row * this.stride;
    const target = this.integer ? arena.u32 : arena.f32;
    if (inner) for (let i = 0; i < size; i++) target[to + i] = data[from + inner[i]];
    else if (size > SHORT && data instanceof Float32Array) {
      arena.f32.set(data.length === size ? data : data.subarray(from, from + size), to);
    } else if (data instanceof Float32Array) copyFloat32(target, to, data, from, size);
    else if (data instanceof Float64Array) copyFloat64(target, to, data, from, size);
    else for (let i = 0; i < size; i++) target[to + i] = data[from + i];
  }

  /** Copies one row out. */
  read(arena: Arena, row: number, stream: number, step: number): void {
    const { inner } = this;
    const data = this.data as Float32Array;
    const { f32 } = arena;
    const to = stream * this.streamStride + step * this.stepStride;
    const from = this.index + row * this.stride;
    const { size } = this.port;
    if (row === 0 && size > SHORT && data.length === size && !inner) data.set(this.firstRow(f32));
    else if (inner) for (let i = 0; i < size; i++) data[to + inner[i]] = f32[from + i];
    else copyFloat32(data, to, f32, from, size);
  }

  /** A view of row 0, kept: what a step copies out must not cost it an object. Made anew when memory or layout change. */
  private firstRow(f32: Float32Array): Float32Array {
    if (this.row === undefined || this.rowOf !== f32) {
      this.row = f32.subarray(this.index, this.index + this.port.size);
      this.rowOf = f32;
    }
    return this.row;
  }

  /** Whether row 0, already written, holds finite numbers alone. */
  rowIsFinite(kernels: KernelExports): boolean {
    return this.integer || kernels.finite(this.index * 4, this.port.size) === 1;
  }

  /** Refuses an array of the wrong length. */
  checkLength(data: ArrayLike<number>, expected: number, what: string): void {
    if (data.length === expected) return;
    throw new RivuletError('INVALID_INPUT', `${what} "${this.port.name}" has the wrong length`, {
      tensor: this.port.name,
      expected: `${expected} numbers (${this.port.size} a step)`,
      found: `${data.length}`,
    });
  }

  /**
   * Refuses token numbers that are none, and, in a call of `steps` steps, lengths beyond them; of other integers, what 32 bits
   * do not hold.
   */
  checkTokens(data: ArrayLike<number>, steps = 1): void {
    if (!this.integer) return;
    const limit = this.port.lengths ? steps + 1 : (this.port.limit ?? 2 ** 31);
    const least = limit < 2 ** 31 ? 0 : -limit;
    if (data instanceof Float64Array && allTokens64(data, least, limit)) return;
    if (data instanceof Float32Array && allTokens32(data, least, limit)) return;
    for (let i = 0; i < data.length; i++) {
      if (Number.isInteger(data[i]) && data[i] >= least && data[i] < limit) continue;
      throw new RivuletError(
        'INVALID_INPUT',
        `number ${i} of "${this.port.name}" is no ${this.port.lengths ? 'length' : 'token'}`,
        {
          tensor: this.port.name,
          expected: `an integer from ${least} to ${limit - 1}`,
          found: String(data[i]),
        },
      );
    }
  }

  checkFinite(data: ArrayLike<number>): void {
    if (!this.integer) checkFinite(this.port.name, data);
  }
}

/** Refuses NaN, infinities and what becomes one as float32. */
export function checkFinite(name: string, data: ArrayLike<number>): void {
  if (data instanceof Float32Array && allFinite(data)) return;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(Math.fround(data[i]))) continue;
    throw new RivuletError('NON_FINITE_INPUT', `number ${i} of "${name}" is not finite`, {
      tensor: name,
      expected: 'finite float32',
      found: String(data[i]),
      hint: "Clean the data, or load the model with nonFinite: 'propagate'",
    });
  }
}

// One loop for each kind of array that a step is given: an engine that has seen many kinds in one loop reads numbers from
// it as objects of their own, and a step would allocate.

type Words = Float32Array | Uint32Array;

function copyFloat32(target: Words, to: number, data: Float32Array, from: number, size: number): void {
  for (let i = 0; i < size; i++) target[to + i] = data[from + i];
}

function copyFloat64(target: Words, to: number, data: Float64Array, from: number, size: number): void {
  for (let i = 0; i < size; i++) target[to + i] = data[from + i];
}

/** x * 0 is 0 where x is finite, NaN elsewhere; four sums, as each waits for the one before. */
function allFinite(data: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < data.length; i += 4) {
    a += data[i] * 0;
    b += data[i + 1] * 0;
    c += data[i + 2] * 0;
    d += data[i + 3] * 0;
  }
  for (; i < data.length; i++) a += data[i] * 0;
  return a + b + c + d === 0;
}

function allTokens32(data: Float32Array, least: number, limit: number): boolean {
  for (let i = 0; i < data.length; i++)
    if (!(data[i] >= least && data[i] < limit && Math.floor(data[i]) === data[i])) return false;
  return true;
}

function allTokens64(data: Float64Array, least: number, limit: number): boolean {
  for (let i = 0; i < data.length; i++)
    if (!(data[i] >= least && data[i] < limit && Math.floor(data[i]) === data[i])) return false;
  return true;
}
