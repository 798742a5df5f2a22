// Element-wise functions of one row and of two, over whole padded rows.

import { activateRow } from './activation';
import { arg, argFloat } from './memory';
import { add, div, mul, sub } from './vector';

/** Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 bytes of a row (a multiple of 16), 5 code, 6 alpha, 7 beta. */
export function activationStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  let x = arg(args, 0), y = arg(args, 2);
  const xStride = arg(args, 1), yStride = arg(args, 3);
  for (let r = n * steps; r > 0; r--, x += xStride, y += yStride) {
    activateRow<V>(<i32>arg(args, 5), y, x, arg(args, 4), argFloat(args, 6), argFloat(args, 7));
  }
}

/**
 * y = a (op) b. A constant operand has stride 0.
 * Argument words: 0 a, 1 a stride, 2 b, 3 b stride, 4 y, 5 y stride, 6 bytes of a row (a multiple of 16),
 * 7 operator: 0 add, 1 subtract, 2 multiply, 3 divide.
 */
export function binaryStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  let a = arg(args, 0), b = arg(args, 2), y = arg(args, 4);
  const aStride = arg(args, 1), bStride = arg(args, 3), yStride = arg(args, 5), bytes = arg(args, 6);
  const operator = <i32>arg(args, 7);
  for (let r = n * steps; r > 0; r--, a += aStride, b += bStride, y += yStride) {
    for (let at: usize = 0; at < bytes; at += sizeof<V>()) {
      const p = load<V>(a + at), q = load<V>(b + at);
      let out: V;
      if (operator == 0) out = add<V>(p, q);
      else if (operator == 1) out = sub<V>(p, q);
      else if (operator == 2) out = mul<V>(p, q);
      else out = div<V>(p, q);
      store<V>(y + at, out);
    }
  }
}
