// A row of float32 as integers of seven bits, made anew for each row that meets int8 weights: q = round(63 x / max |x|),
// ties to even, so |q| <= 63 and x is about q * scale with scale = max |x| / 63. The row alone decides, so whoever else
// is in the call changes nothing. A row that holds a NaN or an infinity gets the scale NaN, and gives NaN throughout.
//
// A staged row: 0 scale (f32), 4 start (i32), 16.. groups of four integers, as the build's product wants them
// (integer-product.ts); the last group is filled up with zeros.
//   simd: i16 q0, q2, q1 - 256 q0, q3 - 256 q2; start is -128 (q0 + q2) summed over the groups.
//   relaxed: u8 q + 64. scalar: i8 q. Both have start 0.

/** The largest |q|: seven bits, which is what the relaxed integer dot product multiplies alike on every engine. */
const MOST: f32 = 63;
/** Below this the scale is that of a row this large, so that its inverse is finite. 2^-100. */
const LEAST: f32 = 7.888609052210118e-31;
const INFINITE: i32 = 0x7f800000;
/** Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum; 0x4b400000 is that float's pattern. */
const ROUNDER: f32 = 12582912;
const ROUNDER_BITS: i32 = 0x4b400000;

/** Where the integers of a staged row begin. */
export const STAGED_HEAD: usize = 16;

/** Bytes of a staged row of `depth` numbers: enough for every build. */
// @ts-ignore: decorator
@inline export function stagedBytes(depth: i32): usize {
  return STAGED_HEAD + ((<usize>((depth + 3) >> 2) << 3) + 15 & ~15);
}

/** Stages `depth` float32 at `x` into `row`. */
export function stageRow<V>(row: usize, x: usize, depth: i32): void {
  const bits = largestBits<V>(x, depth);
  const most = bits < INFINITE ? max<f32>(reinterpret<f32>(bits), LEAST) : f32.NaN;
  store<f32>(row, most / MOST);
  const inverse: f32 = MOST / most;
  if (isVector<V>()) stageVectors(row, x, depth, inverse);
  else {
    store<i32>(row, 0, 4);
    const whole = row + STAGED_HEAD + (<usize>(depth + 3) & ~3);
    let to = row + STAGED_HEAD;
    for (const end = to + <usize>depth; to < end; to++, x += 4) store<i8>(to, <i8>rounded(load<f32>(x), inverse));
    for (; to < whole; to++) store<i8>(to, 0);
  }
}

// @ts-ignore: decorator
@inline function rounded(x: f32, inverse: f32): i32 {
  return reinterpret<i32>(x * inverse + ROUNDER) - ROUNDER_BITS;
}

/** The largest bit pattern of |x|: floats without sign are ordered as their patterns are, NaN above infinity. */
// @ts-ignore: decorator
@inline function largestBits<V>(x: usize, depth: i32): i32 {
  const end = x + (<usize>depth << 2);
  let most: i32 = 0;
  if (isVector<V>()) {
    const unsigned = i32x4.splat(0x7fffffff);
    let lanes = i32x4.splat(0);
    for (const whole = x + (<usize>(depth & ~3) << 2); x < whole; x += 16) {
      lanes = i32x4.max_s(lanes, v128.and(v128.load(x), unsigned));
    }
    lanes = i32x4.max_s(lanes, v128.shuffle<i32>(lanes, lanes, 2, 3, 0, 1));
    most = max(i32x4.extract_lane(lanes, 0), i32x4.extract_lane(lanes, 1));
  }
  for (; x < end; x += 4) most = max(most, load<i32>(x) & 0x7fffffff);
  return most;
}

function stageVectors(row: usize, x: usize, depth: i32, inverse: f32): void {
  let sums = i32x4.splat(0);
  let to = row + STAGED_HEAD;
  for (const whole = x + (<usize>(depth & ~3) << 2); x < whole; x += 16) {
    const q = roundedLanes(v128.load(x), inverse);
    sums = i32x4.add(sums, q);
    to = stageGroup(to, q);
  }
  const rest = depth & 3;
  if (rest > 0) {
    let last = v128.load32_zero(x);
    if (rest > 1) last = v128.load32_lane(x, last, 1, 4);
    if (rest > 2) last = v128.load32_lane(x, last, 2, 8);
    const q = roundedLanes(last, inverse);
    sums = i32x4.add(sums, q);
    stageGroup(to, q);
  }
  store<i32>(row, -128 * (i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2)), 4);
}

// @ts-ignore: decorator
@inline function roundedLanes(x: v128, inverse: f32): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, f32x4.splat(inverse)), f32x4.splat(ROUNDER)), i32x4.splat(ROUNDER_BITS));
}

/** Four integers to `to`; returns the address behind them. */
// @ts-ignore: decorator
@inline function stageGroup(to: usize, q: v128): usize {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const wide = i32x4.add(q, i32x4.splat(64));
    const narrow = i16x8.narrow_i32x4_s(wide, wide);
    v128.store32_lane(to, i8x16.narrow_i16x8_u(narrow, narrow), 0);
    return to + 4;
  }
  const narrow = i16x8.narrow_i32x4_s(q, q); // q0 q1 q2 q3, twice
  const even = i16x8.shl(v128.shuffle<i16>(narrow, i16x8.splat(0), 8, 9, 0, 2, 8, 9, 10, 11), 8); // 0 0 256q0 256q2
  v128.store64_lane(to, i16x8.sub(v128.shuffle<i16>(narrow, narrow, 0, 2, 1, 3, 4, 5, 6, 7), even), 0);
  return to + 8;
}
