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
