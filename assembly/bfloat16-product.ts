// The product of bfloat16 weights, which are the upper halves of float32: expanded in the loop, half the bytes where
// float32 leaves the caches. The order of summation is product.ts's (lanes are outputs, k ascends, bias first), so the
// bits are those of the same weights expanded at load.
//
// Weights: [panels][K][8 words]; the words of a row hold outputs (0, 4), (1, 5), (2, 6), (3, 7), (8, 12), ... (11, 15), the
// first in the low half: a shift and a mask make two vectors of one load. Biases: float32 [panels][16].

import { PANEL } from './product';
import { loadSplat, multiplyAdd } from './vector';

const UPPER: usize = memory.data<u32>([0xffff0000], 4);

/** For each of `rows` rows: y[16 * panels] = (continued ? y : bias) + W x. Panels outside: a weight comes from memory once. */
export function bfloat16Product<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32,
  biases: usize, halves: usize, panels: i32, depth: i32, continued: bool,
): void {
  const panelBytes = <usize>depth << 5;
  if (rows == 1) {
    panelsOfRow<V>(y, x, biases, halves, panels, depth, continued);
    return;
  }
  for (let p = 0; p < panels; p++, y += PANEL, biases += PANEL, halves += panelBytes) {
    let to = y, row = x;
    for (let r = 0; r < rows; r++, to += yStride, row += xStride) panelsOfRow<V>(to, row, biases, halves, 1, depth, continued);
  }
}

function panelsOfRow<V>(y: usize, x: usize, biases: usize, w: usize, panels: i32, depth: i32, continued: bool): void {
  const last = x + (<usize>depth << 2);
  for (let p = 0; p < panels; p++, y += PANEL, biases += PANEL) {
    const init = continued ? y : biases;
    if (isVector<V>()) {
      // From memory: V8 builds a constant anew in each round.
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
