// The product of int8 weights and staged rows (quantize.ts): y = init + (row's scale * output's scale) * sum of w q.
// The sum is an integer: exact in any order (|w| <= 127, |q| <= 63 and 2^31 bound the depth to 268,000), so every build
// gives the same bits by its own fastest way.
//
// Weights: bytes [panels][ceil(K / 4)][16 outputs][4 k], and heads [panels][3][16] of float32 biases, float32 scales and
// int32 -64 * (sum of the output's weights).
//
// simd has a multiply and add of 16-bit pairs, and no cheap way to widen bytes. Read as 16-bit words, bytes (e, o) are
// 256 o + e with e unsigned: times q_e that is 256 o q_e too much, which the second product, of the word's high byte,
// takes away by its factor q_o - 256 q_e. `layOut` flips the top bit of the even bytes once, which makes e = w + 128
// unsigned; `start` takes 128 q_e away. Two products and one shift for 16 weights, where widening costs two shifts more:
// 40 multiply-adds a nanosecond instead of 30.
// With relaxed instructions q + 64 is of seven bits without a sign, and the heads' third row takes 64 w away. Where an
// engine adds up four products by one instruction (x86 with VNNI, arm64), that: two panels of a row, or two rows, are eight sums,
// so that loads bound it. 70 to 90 a nanosecond, old and new in turn: a step of (256, 512) takes 0.7 of the time, 32 streams 0.6.
// Where it makes that of others (x86 without VNNI, V8 before 13), it takes longer (41) than the pairs of products that there are
// as well (52).

import { PANEL } from './product';
import { STAGED_HEAD } from './quantize';

const HEAD: usize = 3 * PANEL;
const ONES: usize = memory.data<i16>([1, 1], 4);
const LEAST_BYTES: usize = memory.data<u32>([0x80808080], 4);
const MOST_BYTES: usize = memory.data<u32>([0xffffffff], 4);

let fourAtOnce: bool = addsFour();

/**
 * Whether the engine has one instruction for four products. Beyond seven bits its results show how it comes by them: VNNI adds
 * up four times -128 * 255, arm64 four times -128 * -1. Where x86 goes by pairs, each is cut off at -2^15; V8 11's first compiler,
 * behind a flag, is wrong.
 */
function addsFour(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  const least = v128.load32_splat(LEAST_BYTES), most = v128.load32_splat(MOST_BYTES);
  const sum = i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(least, most, i32x4.splat(0)), 0);
  return sum == 4 * -128 * 255 || sum == 4 * 128;
}

/** Overrules what the engine is best at; the bits are the same. */
export function useFourAtOnce(yes: bool): void {
  fourAtOnce = yes;
}

/** Lays weights out for this build, in place, once after they were packed. */
export function layOutBytes(address: usize, bytes: usize): void {
  if (ASC_FEATURE_SIMD && !ASC_FEATURE_RELAXED_SIMD) {
    for (const end = address + bytes; address < end; address += 16) {
      v128.store(address, v128.xor(v128.load(address), i16x8.splat(0x80)));
    }
  }
}

/**
 * For each of `rows` staged rows: y[16 * panels] = (continued ? y : bias) + W x. Panels outside, rows inside: a weight
 * comes from memory once.
 */
export function integerProduct<V>(
  y: usize, yStride: usize, staged: usize, stagedStride: usize, rows: i32,
  heads: usize, bytes: usize, panels: i32, depth: i32, continued: bool,
): void {
  const groups = <usize>((depth + 3) >> 2);
  const panelBytes = groups << 6;
  if (rows == 1) {
    if (ASC_FEATURE_RELAXED_SIMD && fourAtOnce) {
      const pairs = <usize>(panels >> 1);
      pairsOfPanels(y, staged, heads, bytes, pairs, groups, continued);
      y += 2 * pairs * PANEL;
      heads += 2 * pairs * HEAD;
      bytes += 2 * pairs * panelBytes;
      panels &= 1;
    }
    panelsOfRow<V>(y, staged, heads, bytes, panels, groups, continued);
    return;
  }
  for (let p = 0; p < panels; p++, y += PANEL, heads += HEAD, bytes += panelBytes) {
    let to = y, row = staged, left = rows;
    if (ASC_FEATURE_RELAXED_SIMD && fourAtOnce) {
      for (; left > 1; left -= 2, to += yStride << 1, row += stagedStride << 1) {
        twoRows(to, yStride, row, stagedStride, heads, bytes, groups, continued);
      }
    }
    for (; left > 0; left--, to += yStride, row += stagedStride) {
      panelsOfRow<V>(to, row, heads, bytes, 1, groups, continued);
    }
  }
}

/** Panel p and panel p + pairs together, for one row. */
function pairsOfPanels(y: usize, row: usize, heads: usize, w: usize, pairs: usize, groups: usize, continued: bool): void {
  const first = row + STAGED_HEAD, last = first + (groups << 2);
  let u = w + pairs * (groups << 6);
  for (const end = y + pairs * PANEL; y < end; y += PANEL, heads += HEAD) {
    const others = heads + pairs * HEAD;
    let a0 = v128.load(heads, 128), a1 = v128.load(heads, 144), a2 = v128.load(heads, 160), a3 = v128.load(heads, 176);
    let b0 = v128.load(others, 128), b1 = v128.load(others, 144), b2 = v128.load(others, 160), b3 = v128.load(others, 176);
    for (let k = first; k < last; k += 4, w += 64, u += 64) {
      const q = v128.load32_splat(k);
      a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(w, 0), q, a0);
      a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(w, 16), q, a1);
      a2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(w, 32), q, a2);
      a3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(w, 48), q, a3);
      b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(u, 0), q, b0);
      b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(u, 16), q, b1);
      b2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(u, 32), q, b2);
      b3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(u, 48), q, b3);
    }
    storeScaled(y, row, heads, a0, a1, a2, a3, continued);
    storeScaled(y + pairs * PANEL, row, others, b0, b1, b2, b3, continued);
  }
}

/** One panel for two rows. */
function twoRows(
  y: usize, yStride: usize, row: usize, stagedStride: usize, heads: usize, w: usize, groups: usize, continued: bool,
): void {
  let a0 = v128.load(heads, 128), a1 = v128.load(heads, 144), a2 = v128.load(heads, 160), a3 = v128.load(heads, 176);
  let b0 = a0, b1 = a1, b2 = a2, b3 = a3;
  const other = row + stagedStride;
  let k = row + STAGED_HEAD, l = other + STAGED_HEAD;
  for (const last = k + (groups << 2); k < last; k += 4, l += 4, w += 64) {
    const w0 = v128.load(w, 0), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    const q = v128.load32_splat(k);
    a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, q, a0);
    a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, q, a1);
    a2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w2, q, a2);
    a3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w3, q, a3);
    const r = v128.load32_splat(l);
    b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, r, b0);
    b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, r, b1);
    b2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w2, r, b2);
    b3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w3, r, b3);
  }
  storeScaled(y, row, heads, a0, a1, a2, a3, continued);
  storeScaled(y + yStride, other, heads, b0, b1, b2, b3, continued);
}

function panelsOfRow<V>(y: usize, row: usize, heads: usize, w: usize, panels: i32, groups: usize, continued: bool): void {
  const first = row + STAGED_HEAD;
  if (isVector<V>()) {
    const last = first + (ASC_FEATURE_RELAXED_SIMD ? groups << 2 : groups << 3);
    // From memory: V8 builds a constant anew in each round.
    const one = v128.load32_splat(ONES);
    for (let p = 0; p < panels; p++, y += PANEL, heads += HEAD) {
      let a0: v128, a1: v128, a2: v128, a3: v128;
      let k = first;
      if (ASC_FEATURE_RELAXED_SIMD) {
        a0 = v128.load(heads, 128), a1 = v128.load(heads, 144), a2 = v128.load(heads, 160), a3 = v128.load(heads, 176);
        for (; k < last; k += 4, w += 64) {
          const q = v128.load32_splat(k);
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(w, 0), q), one));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(w, 16), q), one));
          a2 = i32x4.add(a2, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(w, 32), q), one));
          a3 = i32x4.add(a3, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(w, 48), q), one));
        }
      } else {
        a0 = v128.load32_splat(row, 4), a1 = a0, a2 = a0, a3 = a0;
        for (; k < last; k += 8, w += 64) {
          const even = v128.load32_splat(k), odd = v128.load32_splat(k, 4);
          let word = v128.load(w, 0);
          a0 = i32x4.add(a0, i32x4.add(i32x4.dot_i16x8_s(word, even), i32x4.dot_i16x8_s(i16x8.shr_s(word, 8), odd)));
          word = v128.load(w, 16);
          a1 = i32x4.add(a1, i32x4.add(i32x4.dot_i16x8_s(word, even), i32x4.dot_i16x8_s(i16x8.shr_s(word, 8), odd)));
          word = v128.load(w, 32);
          a2 = i32x4.add(a2, i32x4.add(i32x4.dot_i16x8_s(word, even), i32x4.dot_i16x8_s(i16x8.shr_s(word, 8), odd)));
          word = v128.load(w, 48);
          a3 = i32x4.add(a3, i32x4.add(i32x4.dot_i16x8_s(word, even), i32x4.dot_i16x8_s(i16x8.shr_s(word, 8), odd)));
        }
      }
      storeScaled(y, row, heads, a0, a1, a2, a3, continued);
    }
  } else {
    const scale = load<f32>(row);
    for (let p = 0; p < panels; p++, y += PANEL, heads += HEAD, w += groups << 6) {
      const init = continued ? y : heads;
      for (let output: usize = 0; output < 16; output++) {
        const at = output << 2;
        const sum = dotBytes(w + at, first, groups);
        store<f32>(y + at, load<f32>(init + at) + scale * load<f32>(heads + at, 64) * <f32>sum);
      }
    }
  }
}

/** y = (continued ? y : biases) + (row's scale * outputs' scales) * sums, for a panel. */
// @ts-ignore: decorator
@inline function storeScaled(
  y: usize, row: usize, heads: usize, a0: v128, a1: v128, a2: v128, a3: v128, continued: bool,
): void {
  const scale = v128.load32_splat(row);
  const init = continued ? y : heads;
  v128.store(y, scaled(v128.load(init, 0), scale, v128.load(heads, 64), a0), 0);
  v128.store(y, scaled(v128.load(init, 16), scale, v128.load(heads, 80), a1), 16);
  v128.store(y, scaled(v128.load(init, 32), scale, v128.load(heads, 96), a2), 32);
  v128.store(y, scaled(v128.load(init, 48), scale, v128.load(heads, 112), a3), 48);
}

// @ts-ignore: decorator
@inline function scaled(init: v128, rowScale: v128, outputScale: v128, sum: v128): v128 {
  return f32x4.add(init, f32x4.mul(f32x4.mul(rowScale, outputScale), f32x4.convert_i32x4_s(sum)));
}

/** One output: four bytes of each of `groups` groups of 64. */
function dotBytes(w: usize, q: usize, groups: usize): i32 {
  let sum: i32 = 0;
  for (const end = q + (groups << 2); q < end; q += 4, w += 64) {
    sum += <i32>load<i8>(w, 0) * <i32>load<i8>(q, 0) + <i32>load<i8>(w, 1) * <i32>load<i8>(q, 1)
      + <i32>load<i8>(w, 2) * <i32>load<i8>(q, 2) + <i32>load<i8>(w, 3) * <i32>load<i8>(q, 3);
  }
  return sum;
}
