// Normalisation of groups of numbers inside a row, each number with its own scale and shift: what InstanceNormalization,
// GroupNormalization, RMSNormalization and LayerNormalization over several axes have in common.

import { arg, argFloat } from './memory';

/**
 * y = (x - mean) / sqrt(variance + epsilon) * scale + shift; or, of the root mean square, x / sqrt(mean square + epsilon).
 * Sums run in float64, in the order of the numbers.
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 groups in a row, 5 width, 6 scale [groups][width],
 * 7 shift [groups][width], 8 epsilon (f32), 9 nonzero for the root mean square.
 */
export function normalizationStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let xRow = arg(args, 0), yRow = arg(args, 2);
  const groups = <i32>arg(args, 4), bytes = arg(args, 5) << 2, width = <f64>arg(args, 5);
  const epsilon = <f64>argFloat(args, 8);
  const centred = arg(args, 9) == 0;
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    let x = xRow, y = yRow, scale = arg(args, 6), shift = arg(args, 7);
    for (let g = 0; g < groups; g++, x += bytes, y += bytes, scale += bytes, shift += bytes) {
      let mean: f64 = 0, squares: f64 = 0;
      if (centred) {
        for (let at: usize = 0; at < bytes; at += 4) mean += <f64>load<f32>(x + at);
        mean /= width;
      }
      for (let at: usize = 0; at < bytes; at += 4) {
        const d = <f64>load<f32>(x + at) - mean;
        squares += d * d;
      }
      const deviation = sqrt<f64>(squares / width + epsilon);
      for (let at: usize = 0; at < bytes; at += 4) {
        const normal = (<f64>load<f32>(x + at) - mean) / deviation;
        store<f32>(y + at, <f32>normal * load<f32>(scale + at) + load<f32>(shift + at));
      }
    }
  }
}
