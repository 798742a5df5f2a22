import { RivuletError } from '../errors.js';
import { shown } from '../options.js';
import type { PlanPort } from '../plan/plan.js';
import type { Arena } from './arena.js';
import type { KernelExports } from './kernels.js';
import type { Program } from './program.js';

/** Rows up to this long are copied by a loop; a typed array's `set` costs about as much as copying 16 numbers. */
const SHORT = 16;
/** Numbers that are checked in one call. */
const BLOCK = 4096;
const NOTHING = new Float32Array(0);

/**
 * Where a port's numbers come from or go to during one call: an array of the caller's on one side, rows of the arena on
 * the other. Element `base(stream, step) + i` (or `+ inner[i]`) of `data` is number i of that row.
 */
export class Channel {
  /** float32 index of the port's first row, and float32 from a row to the next. */
  private index = 0;
  private stride = 0;
  private readonly integer: boolean;
  data: ArrayLike<number> = NOTHING;
  streamStride = 0;
  stepStride = 0;
  inner: Int32Array | undefined;
  private readonly one = new Float64Array(1);
  /** The views that `firstRows` made, by the number of rows, and of which memory. */
  private views: (Float32Array | undefined)[] = [];
  private viewsOf: Float32Array | undefined;

  constructor(readonly port: PlanPort) {
    this.integer = port.type !== 'float32';
  }

  /** Finds the rows again after the program was laid out anew. */
  bind(program: Program): void {
    this.index = program.indexOf(this.port.value);
    this.stride = program.strideOf(this.port.value);
    this.viewsOf = undefined;
  }

  /** Points at the caller's array, [streams][steps][size], the usual order, or a number alone. */
  attach(data: number | ArrayLike<number>, steps: number): void {
    if (typeof data === 'number') {
      this.one[0] = data;
      this.data = this.one;
    } else this.data = data;
    this.stepStride = this.port.size;
    this.streamStride = this.port.size * steps;
    this.inner = undefined;
  }

  /** Lets go of the caller's array, which may be large. */
  detach(): void {
    this.data = NOTHING;
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
    else if (size > SHORT && data instanceof Float32Array && !this.integer) {
      arena.f32.set(data.length === size ? data : data.subarray(from, from + size), to);
    } else if (data instanceof Float32Array) copyFloat32(target, to, data, from, size);
    else if (data instanceof Float64Array) copyFloat64(target, to, data, from, size);
    else for (let i = 0; i < size; i++) target[to + i] = data[from + i];
  }

  /** Copies in the row of a single step; false if it holds NaN or infinities. */
  writeStep(arena: Arena, kernels: KernelExports): boolean {
    const { data, index, integer } = this;
    const { size } = this.port;
    if (size > SHORT || integer || !(data instanceof Float32Array)) {
      this.checkNumbers(data);
      this.write(arena, 0, 0, 0);
      return integer || kernels.finite(index * 4, size) === 1;
    }
    // Short rows are checked here: a call of a kernel costs as much as a few numbers.
    const { f32 } = arena;
    let zeros = 0;
    for (let i = 0; i < size; i++) {
      const x = data[i];
      f32[index + i] = x;
      zeros += x * 0;
    }
    return zeros === 0;
  }

  /** Copies out the row of a single step. */
  readStep({ f32 }: Arena): void {
    const data = this.data as Float32Array;
    const { size } = this.port;
    if (size > SHORT) data.set(this.firstRows(f32, 1));
    else copyFloat32(data, 0, f32, this.index, size);
  }

  /** Copies in `steps` rows of each of `count` streams, from row 0 on: row = step * count + stream. */
  writeRows(arena: Arena, first: number, count: number, step: number, steps: number): void {
    const { data, streamStride, stepStride } = this;
    const { size } = this.port;
    const plain = data instanceof Float32Array && !this.integer && !this.inner;
    if (plain && this.isBlock(count)) {
      const from = first * streamStride + step * stepStride;
      arena.f32.set(data.subarray(from, from + count * steps * size), this.index);
      return;
    }
    for (let t = 0; t < steps; t++) {
      const row = t * count;
      if (plain && size <= SHORT) {
        const from = first * streamStride + (step + t) * stepStride;
        copyRows(arena.f32, this.index + row * this.stride, this.stride, data, from, streamStride, size, count);
      } else for (let s = 0; s < count; s++) this.write(arena, row + s, first + s, step + t);
    }
  }

  /** Copies one row out. */
  read(arena: Arena, row: number, stream: number, step: number): void {
    const { inner } = this;
    const data = this.data as Float32Array;
    const { f32 } = arena;
    const to = stream * this.streamStride + step * this.stepStride;
    const from = this.index + row * this.stride;
    const { size } = this.port;
    if (inner) for (let i = 0; i < size; i++) data[to + inner[i]] = f32[from + i];
    else copyFloat32(data, to, f32, from, size);
  }

  /** Copies out the rows that `writeRows` copies in. */
  readRows(arena: Arena, first: number, count: number, step: number, steps: number): void {
    if (this.isBlock(count)) {
      const data = this.data as Float32Array;
      data.set(this.firstRows(arena.f32, count * steps), first * this.streamStride + step * this.stepStride);
      return;
    }
    for (let t = 0; t < steps; t++) {
      for (let s = 0; s < count; s++) this.read(arena, t * count + s, first + s, step + t);
    }
  }

  /** Whether rows of `count` streams follow one another, in the same order and without gaps, on both sides. */
  private isBlock(count: number): boolean {
    const { size } = this.port;
    return !this.inner && this.stride === size && (count === 1 || this.streamStride === size);
  }

  /** A view of the first rows, kept: copying out must not cost an object. Made anew when memory or layout change. */
  private firstRows(f32: Float32Array, rows: number): Float32Array {
    if (this.viewsOf !== f32) {
      this.views = [];
      this.viewsOf = f32;
    }
    return (this.views[rows] ??= f32.subarray(this.index, this.index + rows * this.port.size));
  }

  /** Refuses an array of the wrong length. */
  checkLength(data: ArrayLike<number>, expected: number, what: string): void {
    if (data?.length === expected) return;
    throw new RivuletError('INVALID_INPUT', `${what} "${this.port.name}" has the wrong length`, {
      tensor: this.port.name,
      expected: `${expected} numbers (${this.port.size} a step)`,
      found: `${data?.length ?? data}`,
    });
  }

  /** Refuses what isn't a Float32Array of the right length to write to. */
  checkOut(out: Float32Array, expected: number): void {
    if (!(out instanceof Float32Array)) {
      throw new RivuletError('INVALID_INPUT', `out "${this.port.name}"`, {
        tensor: this.port.name,
        expected: 'a Float32Array',
        found: shown(out),
      });
    }
    this.checkLength(out, expected, 'out');
  }

  /** Refuses what would become a number on its way into the memory, as null does 0. */
  checkNumbers(data: ArrayLike<number>): void {
    if (ArrayBuffer.isView(data) && typeof data[0] !== 'bigint') return;
    for (let i = 0; i < data.length; i++) {
      if (typeof data[i] === 'number') continue;
      throw new RivuletError('INVALID_INPUT', `number ${i} of "${this.port.name}" is none`, {
        tensor: this.port.name,
        expected: 'a number',
        found: shown(data[i]),
      });
    }
  }

  /**
   * Refuses token numbers that are none, and, in a call of `steps` steps, lengths beyond them; of other integers, what 32 bits
   * do not hold.
   */
  checkTokens(data: ArrayLike<number>, steps = 1): void {
    if (!this.integer) return;
    this.checkNumbers(data);
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

/** `count` rows of `size` numbers, `stride` apart in `target`, `step` apart in `data`. */
function copyRows(
  target: Float32Array,
  to: number,
  stride: number,
  data: Float32Array,
  from: number,
  step: number,
  size: number,
  count: number,
): void {
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < size; i++) target[to + i] = data[from + i];
    to += stride;
    from += step;
  }
}

/** In blocks: of a function that it has met once, in a long loop, an engine compiles the loop alone, and leaves it at its end. */
function allFinite(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i += BLOCK)
    if (!isFiniteUpTo(data, i, Math.min(i + BLOCK, data.length))) return false;
  return true;
}

/** A sum of float32 in float64 can't overflow: it is finite where all of them are. Four sums, as each waits for the one before. */
function isFiniteUpTo(data: Float32Array, first: number, end: number): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = first;
  for (; i + 3 < end; i += 4) {
    a += data[i];
    b += data[i + 1];
    c += data[i + 2];
    d += data[i + 3];
  }
  for (; i < end; i++) a += data[i];
  return Number.isFinite(a + b + c + d);
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
