// Pooling: the largest or the mean of a sliding window, for each channel by itself.

import { arg } from './memory';

/** The largest of x, NaN where one of them is. */
// @ts-ignore: decorator
@inline export function larger(best: f32, x: f32): f32 {
  return x > best || x != x ? (best != best ? best : x) : best;
}

/**
 * Rows are [planes][H][W] and [planes][P][Q]. The mean divides by the window's elements inside the input, or, with
 * `padding` 1, inside the input and its declared padding.
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 planes, 5 H, 6 W, 7 P, 8 Q, 9 kernel H, 10 kernel W, 11 stride H,
 * 12 stride W, 13 dilation H, 14 dilation W, 15 top, 16 left, 17 bottom, 18 right, 19 what: 0 largest, 1 mean, 20 padding.
 */
export function poolStep(args: usize, slots: usize, n: i32, steps: i32): void {
  const height = <i32>arg(args, 5), width = <i32>arg(args, 6), rows = <i32>arg(args, 7), columns = <i32>arg(args, 8);
  const kernelH = <i32>arg(args, 9), kernelW = <i32>arg(args, 10), strideH = <i32>arg(args, 11), strideW = <i32>arg(args, 12);
  const dilationH = <i32>arg(args, 13), dilationW = <i32>arg(args, 14), top = <i32>arg(args, 15), left = <i32>arg(args, 16);
  const bottom = height + <i32>arg(args, 17), right = width + <i32>arg(args, 18);
  const mean = arg(args, 19) != 0, padding = arg(args, 20) != 0;
  let xRow = arg(args, 0), yRow = arg(args, 2);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    let x = xRow, y = yRow;
    for (let plane = arg(args, 4); plane > 0; plane--, x += <usize>(height * width) << 2) {
      for (let p = 0; p < rows; p++) {
        for (let q = 0; q < columns; q++, y += 4) {
          let best: f32 = -Infinity, sum: f32 = 0;
          let inside = 0, padded = 0;
          for (let i = 0, row = p * strideH - top; i < kernelH; i++, row += dilationH) {
            for (let j = 0, column = q * strideW - left; j < kernelW; j++, column += dilationW) {
              padded += i32(row < bottom && column < right);
              if (<u32>row >= <u32>height || <u32>column >= <u32>width) continue;
              const value = load<f32>(x + (<usize>(row * width + column) << 2));
              best = larger(best, value);
              sum += value;
              inside++;
            }
          }
          store<f32>(y, mean ? sum / <f32>(padding ? padded : inside) : best);
        }
      }
    }
  }
}
