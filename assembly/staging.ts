// What a model's weights pass through while it is loaded, before any JavaScript has run often enough to be compiled. Both are
// told addresses alone and allocate nothing.

/**
 * 16 rows of `depth` words at `from`, [16][depth], as the columns of `depth` rows at `to`, [depth][16]: a part of a panel
 * (product.ts).
 */
export function packRows(to: usize, from: usize, depth: usize): void {
  const bytes = depth << 2;
  if (ASC_FEATURE_SIMD) {
    for (const end = to + 64; to < end; to += 16, from += bytes << 2) packFourRows(to, from, bytes);
  } else {
    for (const end = to + 64; to < end; to += 4, from += bytes) packRow(to, from, from + bytes);
  }
}

// @ts-ignore: decorator
@inline function packRow(to: usize, from: usize, end: usize): void {
  for (; from < end; from += 4, to += 64) store<u32>(to, load<u32>(from));
}

/** Four by four words at a time: what runs here is code that the engine has not optimised yet. */
function packFourRows(to: usize, from: usize, bytes: usize): void {
  const whole = from + (bytes & ~15);
  let q = to;
  for (let p = from; p < whole; p += 16, q += 256) {
    const a = v128.load(p), b = v128.load(p + bytes), c = v128.load(p + 2 * bytes), d = v128.load(p + 3 * bytes);
    const ab = i32x4.shuffle(a, b, 0, 4, 1, 5), cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
    const AB = i32x4.shuffle(a, b, 2, 6, 3, 7), CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
    v128.store(q, i64x2.shuffle(ab, cd, 0, 2));
    v128.store(q, i64x2.shuffle(ab, cd, 1, 3), 64);
    v128.store(q, i64x2.shuffle(AB, CD, 0, 2), 128);
    v128.store(q, i64x2.shuffle(AB, CD, 1, 3), 192);
  }
  const rest = bytes & 15;
  for (let lane: usize = 0, p = whole; lane < 16; lane += 4, p += bytes) packRow(q + lane, p, p + rest);
}

/** Mixes `count` words at `words` into the two lanes at `lanes`: Hash of src/runtime/hash.ts. */
export function mixWords(lanes: usize, words: usize, count: usize): void {
  let a = load<u32>(lanes), b = load<u32>(lanes, 4);
  for (const end = words + (count << 2); words < end; words += 4) {
    const word = load<u32>(words);
    // Rotations by shifts: V8's first compiler calls a function of the engine for a rotation.
    const k = word * 0xcc9e2d51;
    const mixed = a ^ ((k << 15) | (k >> 17));
    a = ((mixed << 13) | (mixed >> 19)) * 5 + 0x5bd1e995;
    b = (b ^ word ^ (b >> 15)) * 0x85ebca6b;
  }
  store<u32>(lanes, a);
  store<u32>(lanes, b, 4);
}
