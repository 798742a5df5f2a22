// Products of two matrices of which neither is packed: both computed, or one a constant as the file has it.

import { arg } from './memory';
import { loadSplat, multiplyAdd, splat } from './vector';

/**
 * For each of `batches` pairs: y [M][N] = a [M][K] b [K][N], y one after the other. Lanes are outputs, k ascends, each sum
 * begins with 0.
 * Argument words: 0 a, 1 a stride, 2 b, 3 b stride, 4 y, 5 y stride, 6 list of byte offsets [batches][a, b], 7 batches,
 * 8 M, 9 K, 10 N.
 */
export function matMulStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const rows = <i32>arg(args, 8), depth = arg(args, 9), columns = arg(args, 10);
  const list = arg(args, 6), end = list + (arg(args, 7) << 3);
  let a = arg(args, 0), b = arg(args, 2), yRow = arg(args, 4);
  for (let r = n * steps; r > 0; r--, a += arg(args, 1), b += arg(args, 3), yRow += arg(args, 5)) {
    let y = yRow;
    for (let pair = list; pair < end; pair += 8) {
      let x = a + <usize>load<u32>(pair);
      const w = b + <usize>load<u32>(pair, 4);
      for (let m = 0; m < rows; m++, x += depth << 2, y += columns << 2) vectorTimesMatrix<V>(y, x, w, depth, columns);
    }
  }
}

/** y [N] = x [K] times w [K][N]: 16 columns at a time, then 4, then 1. */
function vectorTimesMatrix<V>(y: usize, x: usize, w: usize, depth: usize, columns: usize): void {
  const end = x + (depth << 2), next = columns << 2;
  let left = <i32>columns;
  const wide = 4 * <i32>(sizeof<V>() >> 2);
  for (; left >= wide; left -= wide, y += 4 * sizeof<V>(), w += 4 * sizeof<V>()) {
    let s0 = splat<V>(0), s1 = s0, s2 = s0, s3 = s0;
    for (let k = x, at = w; k < end; k += 4, at += next) {
      const v = loadSplat<V>(k);
      s0 = multiplyAdd<V>(v, load<V>(at, 0), s0);
      s1 = multiplyAdd<V>(v, load<V>(at, sizeof<V>()), s1);
      s2 = multiplyAdd<V>(v, load<V>(at, 2 * sizeof<V>()), s2);
      s3 = multiplyAdd<V>(v, load<V>(at, 3 * sizeof<V>()), s3);
    }
    store<V>(y, s0, 0);
    store<V>(y, s1, sizeof<V>());
    store<V>(y, s2, 2 * sizeof<V>());
    store<V>(y, s3, 3 * sizeof<V>());
  }
  for (; left >= <i32>(sizeof<V>() >> 2); left -= <i32>(sizeof<V>() >> 2), y += sizeof<V>(), w += sizeof<V>()) {
    let sum = splat<V>(0);
    for (let k = x, at = w; k < end; k += 4, at += next) sum = multiplyAdd<V>(loadSplat<V>(k), load<V>(at), sum);
    store<V>(y, sum);
  }
  for (; left > 0; left--, y += 4, w += 4) {
    let sum: f32 = 0;
    for (let k = x, at = w; k < end; k += 4, at += next) sum = multiplyAdd<f32>(load<f32>(k), load<f32>(at), sum);
    store<f32>(y, sum);
  }
}
