// Reductions: many numbers to one, in float64 where they are added up, in the order in which they lie.

import { expCall, logOf } from './activation';
import { arg } from './memory';
import { larger } from './pooling';

/** What a reduction makes of its numbers; src/ops/reduction.ts has the same table with ONNX's names. */
const enum Reduction {
  Sum = 0,
  Mean = 1,
  SumSquare = 2,
  L1 = 3,
  L2 = 4,
  Prod = 5,
  LogSum = 6,
  LogSumExp = 7,
  Max = 8,
  Min = 9,
  ArgMax = 10,
  ArgMin = 11,
}

/** `count` numbers from `x` on, `next` bytes apart. */
function reduce(what: i32, x: usize, next: usize, count: i32): f32 {
  if (what == Reduction.Max || what == Reduction.Min || what == Reduction.LogSumExp) {
    const sign: f32 = what == Reduction.Min ? -1 : 1;
    let best: f32 = -Infinity;
    let at = x;
    for (let i = 0; i < count; i++, at += next) best = larger(best, sign * load<f32>(at));
    if (what != Reduction.LogSumExp) return sign * best;
    // Against the largest, so that no exponential overflows; infinite, it is the answer.
    if (!(abs<f32>(best) < Infinity)) return best;
    let sum: f64 = 0;
    for (let i = 0; i < count; i++, x += next) sum += <f64>expCall<f32>(load<f32>(x) - best);
    return best + logOf(<f32>sum);
  }
  if (what == Reduction.Prod) {
    let product: f64 = 1;
    for (let i = 0; i < count; i++, x += next) product *= <f64>load<f32>(x);
    return <f32>product;
  }
  let sum: f64 = 0;
  for (let i = 0; i < count; i++, x += next) {
    const v = <f64>load<f32>(x);
    if (what == Reduction.L1) sum += abs<f64>(v);
    else if (what == Reduction.SumSquare || what == Reduction.L2) sum += v * v;
    else sum += v;
  }
  if (what == Reduction.Mean) return <f32>(sum / <f64>count);
  if (what == Reduction.L2) return <f32>sqrt<f64>(sum);
  if (what == Reduction.LogSum) return logOf(<f32>sum);
  return <f32>sum;
}

/** Place of the largest or the smallest; of several the first, or the last. A NaN counts as the largest of all. */
function placeOf(what: i32, x: usize, next: usize, count: i32, last: bool): i32 {
  const sign: f32 = what == Reduction.ArgMin ? -1 : 1;
  let best = sign * load<f32>(x);
  let place = 0;
  for (let i = 1; i < count; i++) {
    x += next;
    const v = sign * load<f32>(x);
    if (v > best || (v != v && best == best) || (last && v == best)) {
      best = v;
      place = i;
    }
  }
  return place;
}

/**
 * Rows are [outer][count][inner] and [outer][inner].
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 outer, 5 count, 6 inner, 7 what, 8 nonzero for the last of equals.
 */
export function reduceStep(args: usize, slots: usize, n: i32, steps: i32): void {
  const count = <i32>arg(args, 5), inner = <i32>arg(args, 6), what = <i32>arg(args, 7);
  const next = <usize>inner << 2;
  let xRow = arg(args, 0), yRow = arg(args, 2);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    let x = xRow, y = yRow;
    for (let o = arg(args, 4); o > 0; o--, x += next * <usize>(count - 1)) {
      for (let i = 0; i < inner; i++, x += 4, y += 4) {
        if (what < Reduction.ArgMax) store<f32>(y, reduce(what, x, next, count));
        else store<i32>(y, placeOf(what, x, next, count, arg(args, 8) != 0));
      }
    }
  }
}

/**
 * The same over the steps of whole sequences: row by row of each stream, and the result in the rows of every step.
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 numbers in a row, 5 what.
 */
export function reduceTimeStep(args: usize, slots: usize, n: i32, steps: i32): void {
  const xStride = arg(args, 1), yStride = arg(args, 3), width = arg(args, 4), what = <i32>arg(args, 5);
  for (let s = 0; s < n; s++) {
    let x = arg(args, 0) + <usize>s * xStride, y = arg(args, 2) + <usize>s * yStride;
    for (let i: usize = 0; i < width; i++, x += 4, y += 4) {
      const result = reduce(what, x, xStride * <usize>n, steps);
      let to = y;
      for (let t = 0; t < steps; t++, to += yStride * <usize>n) store<f32>(to, result);
    }
  }
}

/**
 * Sums of all numbers up to each, along the middle of [outer][count][inner].
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 outer, 5 count, 6 inner, 7 nonzero to leave out the number itself,
 * 8 nonzero to go from the end.
 */
export function cumulativeSumStep(args: usize, slots: usize, n: i32, steps: i32): void {
  const count = <i32>arg(args, 5), inner = <usize>arg(args, 6);
  const exclusive = arg(args, 7) != 0, reverse = arg(args, 8) != 0;
  let xRow = arg(args, 0), yRow = arg(args, 2);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    for (let o: usize = 0; o < arg(args, 4); o++) {
      for (let i: usize = 0; i < inner; i++) {
        let sum: f64 = 0;
        for (let k = 0; k < count; k++) {
          const place = <usize>(reverse ? count - 1 - k : k);
          const at = ((o * <usize>count + place) * inner + i) << 2;
          const value = <f64>load<f32>(xRow + at);
          store<f32>(yRow + at, <f32>(exclusive ? sum : sum + value));
          sum += value;
        }
      }
    }
  }
}
