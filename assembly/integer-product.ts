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
// With relaxed instructions there are u7 x i8 -> i16 pairs: q + 64 there, and the heads' third row takes 64 w away. 52 a
// nanosecond. (The instruction that adds up four products by itself takes longer on x86 without VNNI: 41.)

import { PANEL } from './product';
import { STAGED_HEAD } from './quantize';

const HEAD: usize = 3 * PANEL;
const ONES: usize = memory.data<i16>([1, 1], 4);

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
  if (rows == 1) {
    panelsOfRow<V>(y, staged, heads, bytes, panels, groups, continued);
    return;
  }
  for (let p = 0; p < panels; p++, y += PANEL, heads += HEAD, bytes += groups << 6) {
    let to = y, row = staged;
    for (let r = 0; r < rows; r++, to += yStride, row += stagedStride) {
      panelsOfRow<V>(to, row, heads, bytes, 1, groups, continued);
    }
  }
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
      const scale = v128.load32_splat(row);
      const init = continued ? y : heads;
      v128.store(y, scaled(v128.load(init, 0), scale, v128.load(heads, 64), a0), 0);
      v128.store(y, scaled(v128.load(init, 16), scale, v128.load(heads, 80), a1), 16);
      v128.store(y, scaled(v128.load(init, 32), scale, v128.load(heads, 96), a2), 32);
      v128.store(y, scaled(v128.load(init, 48), scale, v128.load(heads, 112), a3), 48);
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
