// A row's numbers in another order.

import { arg, copyWords } from './memory';

/**
 * y = pieces of x, in the order of a list: [pieces] i32, each the offset in bytes of a piece in a row of x, or negative
 * for a piece that is `fill` throughout. x and y may not overlap.
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 list, 5 pieces, 6 bytes of a piece, 7 fill (any word).
 */
export function moveStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let x = arg(args, 0), y = arg(args, 2);
  const list = arg(args, 4), bytes = arg(args, 6), fill = <u32>arg(args, 7);
  const end = list + (arg(args, 5) << 2);
  for (let r = n * steps; r > 0; r--, x += arg(args, 1), y += arg(args, 3)) {
    let to = y;
    for (let at = list; at < end; at += 4, to += bytes) {
      const from = load<i32>(at);
      if (from < 0) {
        for (let word: usize = 0; word < bytes; word += 4) store<u32>(to + word, fill);
      } else if (bytes == 4) store<u32>(to, load<u32>(x + from));
      else copyWords(to, x + from, bytes);
    }
  }
}

/** y = x with its steps the other way round. Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 bytes of a row. */
export function reverseTimeStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let x = arg(args, 0) + <usize>(n * (steps - 1)) * arg(args, 1), y = arg(args, 2);
  const xStride = arg(args, 1), yStride = arg(args, 3), bytes = arg(args, 4);
  for (let t = 0; t < steps; t++, x -= xStride * <usize>(2 * n)) {
    for (let s = 0; s < n; s++, x += xStride, y += yStride) copyWords(y, x, bytes);
  }
}

/**
 * y[i] = x[base[i] + index * stride], where index stands at place[i] of a row of whole numbers. A negative index counts
 * from the end of the axis, which has `length` elements; one out of range gives 0.
 * Argument words: 0 x, 1 x stride, 2 indices, 3 their stride, 4 y, 5 y stride, 6 list [numbers][base in bytes, place in
 * bytes], 7 numbers in a row of y, 8 stride in bytes, 9 length.
 */
export function takeStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let x = arg(args, 0), indices = arg(args, 2), y = arg(args, 4);
  const list = arg(args, 6), end = list + (arg(args, 7) << 3), stride = arg(args, 8), length = <i32>arg(args, 9);
  for (let r = n * steps; r > 0; r--, x += arg(args, 1), indices += arg(args, 3), y += arg(args, 5)) {
    let to = y;
    for (let at = list; at < end; at += 8, to += 4) {
      let index = load<i32>(indices + <usize>load<u32>(at, 4));
      if (index < 0) index += length;
      store<u32>(to, <u32>index < <u32>length ? load<u32>(x + <usize>load<u32>(at) + <usize>index * stride) : 0);
    }
  }
}
