// The product of bfloat16 weights, which are the upper halves of float32: expanded in the loop, half the bytes where
// float32 leaves the caches. The order of summation is product.ts's (lanes are outputs, k ascends, bias first), so the
// bits are those of the same weights expanded at load.
//
// Weights: [panels][K][8 words]; the words of a row hold outputs (0, 4), (1, 5), (2, 6), (3, 7), (8, 12), ... (11, 15), the
// first in the low half: a shift and a mask make two vectors of one load. Biases: float32 [panels][16].

import { PANEL } from './product';
import { loadSplat, multiplyAdd } from './vector';

const UPPER: usize = memory.data<u32>([0xffff0000], 4);

/**
 * For each of `rows` rows: y[16 * panels] = (continued ? y : bias) + W x. Panels outside: a weight comes from memory once. Eight
 * chains of additions, as in product.ts: with the four of one panel fused products wait for each other (`relaxed`: half as long again).
 */
export function bfloat16Product<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32,
  biases: usize, halves: usize, panels: i32, depth: i32, continued: bool,
): void {
  const panelBytes = <usize>depth << 5;
  if (rows == 1) {
    if (isVector<V>()) {
      const pairs = <usize>(panels >> 1);
      pairsOfPanels<V>(y, x, biases, halves, pairs, depth, continued);
      y += 2 * pairs * PANEL;
      biases += 2 * pairs * PANEL;
      halves += 2 * pairs * panelBytes;
      panels &= 1;
    }
    panelsOfRow<V>(y, x, biases, halves, panels, depth, continued);
    return;
  }
  for (let p = 0; p < panels; p++, y += PANEL, biases += PANEL, halves += panelBytes) {
    let to = y, row = x, left = rows;
    if (isVector<V>()) {
      for (; left > 1; left -= 2, to += yStride << 1, row += xStride << 1) {
        twoRows<V>(to, yStride, row, xStride, biases, halves, depth, continued);
      }
    }
    for (; left > 0; left--, to += yStride, row += xStride) {
      panelsOfRow<V>(to, row, biases, halves, 1, depth, continued);
    }
  }
}

/** Panel p and panel p + pairs together, for one row. */
function pairsOfPanels<V>(y: usize, x: usize, biases: usize, w: usize, pairs: usize, depth: i32, continued: bool): void {
  const last = x + (<usize>depth << 2);
  let u = w + pairs * (<usize>depth << 5);
  const apart = pairs * PANEL;
  // From memory: V8 builds a constant anew in each round.
  const mask = v128.load32_splat(UPPER);
  for (const end = y + apart; y < end; y += PANEL, biases += PANEL) {
    const init = continued ? y : biases;
    let a0 = load<V>(init, 0), a1 = load<V>(init, 16), a2 = load<V>(init, 32), a3 = load<V>(init, 48);
    const other = init + apart;
    let b0 = load<V>(other, 0), b1 = load<V>(other, 16), b2 = load<V>(other, 32), b3 = load<V>(other, 48);
    for (let k = x; k < last; k += 4) {
      const s = loadSplat<V>(k);
      let v = v128.load(w, 0);
      a0 = multiplyAdd<V>(s, i32x4.shl(v, 16), a0);
      a1 = multiplyAdd<V>(s, v128.and(v, mask), a1);
      v = v128.load(w, 16);
      a2 = multiplyAdd<V>(s, i32x4.shl(v, 16), a2);
      a3 = multiplyAdd<V>(s, v128.and(v, mask), a3);
      v = v128.load(u, 0);
      b0 = multiplyAdd<V>(s, i32x4.shl(v, 16), b0);
      b1 = multiplyAdd<V>(s, v128.and(v, mask), b1);
      v = v128.load(u, 16);
      b2 = multiplyAdd<V>(s, i32x4.shl(v, 16), b2);
      b3 = multiplyAdd<V>(s, v128.and(v, mask), b3);
      w += 32;
      u += 32;
    }
    store<V>(y, a0, 0);
    store<V>(y, a1, 16);
    store<V>(y, a2, 32);
    store<V>(y, a3, 48);
    store<V>(y + apart, b0, 0);
    store<V>(y + apart, b1, 16);
    store<V>(y + apart, b2, 32);
    store<V>(y + apart, b3, 48);
  }
}

/**
 * One panel for two rows: a weight is expanded once for both. The exit that is never taken keeps V8 before 13 from loading both
 * halves at once, for which registers lack: a fifth of the time on Node 20 and 22.
 */
function twoRows<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, biases: usize, w: usize, depth: i32, continued: bool,
): void {
  const last = x + (<usize>depth << 2);
  const mask = v128.load32_splat(UPPER);
  const z = y + yStride;
  const i0 = continued ? y : biases, i1 = continued ? z : biases;
  let a0 = load<V>(i0, 0), a1 = load<V>(i0, 16), a2 = load<V>(i0, 32), a3 = load<V>(i0, 48);
  let b0 = load<V>(i1, 0), b1 = load<V>(i1, 16), b2 = load<V>(i1, 32), b3 = load<V>(i1, 48);
  let l = x + xStride;
  for (let k = x; k < last; k += 4, l += 4, w += 32) {
    const s = loadSplat<V>(k), t = loadSplat<V>(l);
    let v = v128.load(w, 0);
    let e = i32x4.shl(v, 16);
    a0 = multiplyAdd<V>(s, e, a0);
    b0 = multiplyAdd<V>(t, e, b0);
    e = v128.and(v, mask);
    a1 = multiplyAdd<V>(s, e, a1);
    b1 = multiplyAdd<V>(t, e, b1);
    if (k == w) break;
    v = v128.load(w, 16);
    e = i32x4.shl(v, 16);
    a2 = multiplyAdd<V>(s, e, a2);
    b2 = multiplyAdd<V>(t, e, b2);
    e = v128.and(v, mask);
    a3 = multiplyAdd<V>(s, e, a3);
    b3 = multiplyAdd<V>(t, e, b3);
  }
  store<V>(y, a0, 0);
  store<V>(y, a1, 16);
  store<V>(y, a2, 32);
  store<V>(y, a3, 48);
  store<V>(z, b0, 0);
  store<V>(z, b1, 16);
  store<V>(z, b2, 32);
  store<V>(z, b3, 48);
}

function panelsOfRow<V>(y: usize, x: usize, biases: usize, w: usize, panels: i32, depth: i32, continued: bool): void {
  const last = x + (<usize>depth << 2);
  for (let p = 0; p < panels; p++, y += PANEL, biases += PANEL) {
    const init = continued ? y : biases;
    if (isVector<V>()) {
      const mask = v128.load32_splat(UPPER);
      let a0 = load<V>(init, 0), a1 = load<V>(init, 16), a2 = load<V>(init, 32), a3 = load<V>(init, 48);
      for (let k = x; k < last; k += 4, w += 32) {
        const s = loadSplat<V>(k);
        const v = v128.load(w, 0), u = v128.load(w, 16);
        a0 = multiplyAdd<V>(s, i32x4.shl(v, 16), a0);
        a1 = multiplyAdd<V>(s, v128.and(v, mask), a1);
        a2 = multiplyAdd<V>(s, i32x4.shl(u, 16), a2);
        a3 = multiplyAdd<V>(s, v128.and(u, mask), a3);
      }
      store<V>(y, a0, 0);
      store<V>(y, a1, 16);
      store<V>(y, a2, 32);
      store<V>(y, a3, 48);
    } else {
      for (let half: usize = 0; half < 2; half++) {
        for (let word: usize = 0; word < 4; word++) {
          const low = (half << 5) + (word << 2);
          let a = load<f32>(init + low), b = load<f32>(init + low, 16);
          let from = w + (half << 4) + (word << 2);
          for (let k = x; k < last; k += 4, from += 32) {
            const s = load<f32>(k);
            const pair = load<u32>(from);
            a = multiplyAdd<f32>(s, reinterpret<f32>(pair << 16), a);
            b = multiplyAdd<f32>(s, reinterpret<f32>(pair & 0xffff0000), b);
          }
          store<f32>(y + low, a);
          store<f32>(y + low, b, 16);
        }
      }
      w += <usize>depth << 5;
    }
  }
}
