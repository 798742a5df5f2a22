// Linear: y = activation(W x + b), one row or many.
//
// Weights: [ceil(O / 16)][1 + I][16]; row 0 of a panel is the bias. y rows hold whole panels.
// Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights, 5 I, 6 panels, 7 activation code, 8 alpha, 9 beta.

import { activateRow } from './activation';
import { arg, argFloat } from './memory';
import { PANEL, product } from './product';

export function linearStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const rows = n * steps;
  let y = arg(args, 2);
  const yStride = arg(args, 3);
  const inputs = <i32>arg(args, 5), panels = <i32>arg(args, 6), code = <i32>arg(args, 7);
  product<V>(y, yStride, arg(args, 0), arg(args, 1), rows, arg(args, 4) + PANEL, <usize>(1 + inputs) * PANEL, panels, inputs, false);
  if (code == 0) return;
  for (let r = 0; r < rows; r++, y += yStride) {
    activateRow<V>(code, y, y, <usize>panels * PANEL, argFloat(args, 8), argFloat(args, 9));
  }
}
