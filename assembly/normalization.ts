// Softmax, log-softmax and layer normalisation over groups of `width` numbers inside a row.
//
// Sums run in four chains, element i in chain i mod 4, joined as (0 + 1) + (2 + 3): the same additions in every build.

import { expOf, expCall, logOf } from './activation';
import { arg, argFloat } from './memory';
import { div, mul, splat, sub } from './vector';

function sum(x: usize, width: i32): f32 {
  const end = x + (<usize>width << 2);
  const whole = x + (<usize>(width & ~3) << 2);
  let a: f32 = 0, b: f32 = 0, c: f32 = 0, d: f32 = 0;
  for (; x < whole; x += 16) {
    a += load<f32>(x, 0);
    b += load<f32>(x, 4);
    c += load<f32>(x, 8);
    d += load<f32>(x, 12);
  }
  if (x < end) a += load<f32>(x, 0);
  if (x + 4 < end) b += load<f32>(x, 4);
  if (x + 8 < end) c += load<f32>(x, 8);
  return a + b + (c + d);
}

/** The largest of `width` numbers; NaN if one of them is, since a NaN must not pass for a probability. */
function largest(x: usize, width: i32): f32 {
  let m = load<f32>(x);
  for (const end = x + (<usize>width << 2); x < end; x += 4) {
    const v = load<f32>(x);
    if (!(v <= m)) m = v == v ? (m == m ? v : m) : v;
  }
  return m;
}

/** y[i] = e^(x[i] - m), in vectors as far as they go. */
function expRow<V>(y: usize, x: usize, width: i32, m: f32): void {
  const end = x + (<usize>width << 2);
  const whole = x + (<usize>(width & ~3) << 2);
  const v = splat<V>(m);
  for (; x < whole; x += sizeof<V>(), y += sizeof<V>()) store<V>(y, expOf<V>(sub<V>(load<V>(x), v)));
  for (; x < end; x += 4, y += 4) store<f32>(y, expCall<f32>(load<f32>(x) - m));
}

/**
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 groups in a row, 5 width of a group, 6 nonzero for the logarithm.
 * softmax(x)[i] = e^(x[i] - m) / s with m the largest and s the sum of the exponentials; its logarithm is
 * (x[i] - m) - log s. x and y may not overlap.
 */
export function softmaxStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  let xRow = arg(args, 0), yRow = arg(args, 2);
  const xStride = arg(args, 1), yStride = arg(args, 3);
  const groups = <i32>arg(args, 4), width = <i32>arg(args, 5);
  const logarithm = arg(args, 6) != 0;
  const bytes = <usize>width << 2;
  for (let r = n * steps; r > 0; r--, xRow += xStride, yRow += yStride) {
    let x = xRow, y = yRow;
    for (let g = 0; g < groups; g++, x += bytes, y += bytes) {
      const m = largest(x, width);
      expRow<V>(y, x, width, m);
      const s = sum(y, width);
      if (logarithm) {
        const log = logOf(s);
        for (let at: usize = 0; at < bytes; at += 4) store<f32>(y + at, load<f32>(x + at) - m - log);
      } else {
        for (let at: usize = 0; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) / s);
      }
    }
  }
}

/**
 * y = (x - mean) / sqrt(variance + epsilon) * scale + shift, the variance over `width` (not width - 1).
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 groups in a row, 5 width, 6 scale [width], 7 shift [width],
 * 8 epsilon (f32). x and y may not overlap.
 */
export function layerNormalizationStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  let xRow = arg(args, 0), yRow = arg(args, 2);
  const xStride = arg(args, 1), yStride = arg(args, 3);
  const groups = <i32>arg(args, 4), width = <i32>arg(args, 5);
  const scale = arg(args, 6), shift = arg(args, 7);
  const epsilon = argFloat(args, 8);
  const bytes = <usize>width << 2;
  for (let r = n * steps; r > 0; r--, xRow += xStride, yRow += yStride) {
    let x = xRow, y = yRow;
    for (let g = 0; g < groups; g++, x += bytes, y += bytes) {
      const mean = sum(x, width) / <f32>width;
      for (let at: usize = 0; at < bytes; at += 4) {
        const d = load<f32>(x + at) - mean;
        store<f32>(y + at, d * d);
      }
      const deviation = sqrt<f32>(sum(y, width) / <f32>width + epsilon);
      for (let at: usize = 0; at < bytes; at += 4) {
        const normal = (load<f32>(x + at) - mean) / deviation;
        store<f32>(y + at, normal * load<f32>(scale + at) + load<f32>(shift + at));
      }
    }
  }
}
