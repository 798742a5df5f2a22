// Rows moved about: embedding look-up, slices and concatenation, explicit states.

import { arg, copyWords, slotOf } from './memory';

/**
 * y = table[x], the embedding. A negative number counts from the end; one out of range gives zeros (token numbers that
 * come from outside are checked before they get here).
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 table, 5 table rows, 6 bytes of a table row, 7 indices in a row.
 */
export function gatherStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let xRow = arg(args, 0), yRow = arg(args, 2);
  const table = arg(args, 4), rows = <i32>arg(args, 5), bytes = arg(args, 6), indices = arg(args, 7);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    for (let i: usize = 0; i < indices; i++) {
      let token = load<i32>(xRow + (i << 2));
      if (token < 0) token += rows;
      const to = yRow + i * bytes;
      if (<u32>token < <u32>rows) copyWords(to, table + <usize>token * bytes, bytes);
      else memory.fill(to, 0, bytes);
    }
  }
}

/**
 * `count` pieces of `bytes` (a multiple of 4) from each row to each row: a slice, or one part of a concatenation.
 * Argument words: 0 from, 1 from stride, 2 to, 3 to stride, 4 bytes, 5 count, 6 distance of pieces in `from`, 7 in `to`.
 */
export function copyStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let from = arg(args, 0), to = arg(args, 2);
  const bytes = arg(args, 4), count = <i32>arg(args, 5), fromNext = arg(args, 6), toNext = arg(args, 7);
  for (let r = n * steps; r > 0; r--, from += arg(args, 1), to += arg(args, 3)) {
    let p = from, q = to;
    for (let i = 0; i < count; i++, p += fromNext, q += toNext) copyWords(q, p, bytes);
  }
}

/** A state out of the slots into the rows of the last step. Argument words: 0 to, 1 to stride, 2 in the slot, 3 bytes. */
export function readStateStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let to = arg(args, 0) + <usize>((steps - 1) * n) * arg(args, 1);
  for (let s = 0; s < n; s++, to += arg(args, 1)) copyWords(to, slotOf(slots, s) + arg(args, 2), arg(args, 3));
}

/** The rows of the last step into a state in the slots. Argument words: 0 from, 1 from stride, 2 in the slot, 3 bytes. */
export function writeStateStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let from = arg(args, 0) + <usize>((steps - 1) * n) * arg(args, 1);
  for (let s = 0; s < n; s++, from += arg(args, 1)) copyWords(slotOf(slots, s) + arg(args, 2), from, arg(args, 3));
}
