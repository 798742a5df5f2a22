// What a model's weights pass through while it is loaded, before any JavaScript has run often enough to be compiled. Both are
// told addresses alone and allocate nothing.

/**
 * 16 rows of `depth` words at `from`, [16][depth], as the columns of `depth` rows at `to`, [depth][16]: a part of a panel
 * (product.ts).
 */
export function packRows(to: usize, from: usize, depth: usize): void {
  const bytes = depth << 2;
  for (const end = to + 64; to < end; to += 4, from += bytes) {
    for (let p = from, q = to; p < from + bytes; p += 4, q += 64) store<u32>(q, load<u32>(p));
  }
}

/** Mixes `count` words at `words` into the two lanes at `lanes`: Hash of src/runtime/hash.ts. */
export function mixWords(lanes: usize, words: usize, count: usize): void {
  let a = load<u32>(lanes), b = load<u32>(lanes, 4);
  for (const end = words + (count << 2); words < end; words += 4) {
    const word = load<u32>(words);
    a = rotl<u32>(a ^ rotl<u32>(word * 0xcc9e2d51, 15), 13) * 5 + 0x5bd1e995;
    b = (b ^ word ^ (b >> 15)) * 0x85ebca6b;
  }
  store<u32>(lanes, a);
  store<u32>(lanes, b, 4);
}
