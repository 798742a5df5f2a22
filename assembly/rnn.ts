// The vanilla (Elman) RNN as ONNX defines it: h' = f(W x + R h + b), b the sum of ONNX's Wb and Rb.
//
// Weights: [ceil(H / 16)][1 + I + H][16]; row 0 of a panel is the bias.
// Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights, 5 I, 6 H, 7 h in the slot, 8 unused, 9 scratch,
// 10 steps run backwards, 11 activation code, 12 alpha, 13 beta, 14 clip (f32, 0 for none), 15 lengths of sequences or 0,
// 16 stride of the lengths. Past the end of its sequence a stream keeps its state, and its outputs are 0.
// Scratch: [rows][panels * 64 bytes] pre-activations, then [n] rows of h (or x beside h, for one row).

import { activateRow } from './activation';
import { clipped } from './lstm';
import { align16, arg, argFloat, copyWords, ended, slotOf } from './memory';
import { PANEL, product, rowProduct } from './product';

export function rnnStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const x = arg(args, 0), xStride = arg(args, 1), y = arg(args, 2), yStride = arg(args, 3);
  const weights = arg(args, 4);
  const inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const code = <i32>arg(args, 11);
  const alpha = argFloat(args, 12), beta = argFloat(args, 13), clip = argFloat(args, 14);
  const lengths = arg(args, 15), lengthStride = arg(args, 16);

  const panels = (hidden + 15) >> 4;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const panelBytes = <usize>(1 + inputs + hidden) * PANEL;
  const hBytes = <usize>hidden << 2;
  const hStride = align16(hBytes);
  const gathered = scratch + <usize>rows * preStride;
  const inputBytes = <usize>inputs << 2;
  if (rows == 1) {
    copyWords(gathered, x, inputBytes);
    copyWords(gathered + inputBytes, slotOf(slots, 0) + hAt, hBytes);
    rowProduct<V>(scratch, gathered, weights + PANEL, panelBytes, panels, inputs + hidden, false);
  } else {
    product<V>(scratch, preStride, x, xStride, rows, weights + PANEL, panelBytes, panels, inputs, false);
  }
  for (let step = 0; step < steps; step++) {
    const time = backwards ? steps - 1 - step : step;
    const first = time * n;
    const pre = scratch + <usize>first * preStride;
    if (rows > 1) {
      for (let s = 0; s < n; s++) copyWords(gathered + <usize>s * hStride, slotOf(slots, s) + hAt, hBytes);
      const recurrentWeights = weights + <usize>(1 + inputs) * PANEL;
      product<V>(pre, preStride, gathered, hStride, n, recurrentWeights, panelBytes, panels, hidden, true);
    }
    for (let s = 0; s < n; s++) {
      const row = pre + <usize>s * preStride;
      if (ended(lengths, lengthStride, s, time)) {
        memory.fill(y + <usize>(first + s) * yStride, 0, hBytes);
        continue;
      }
      if (clip > 0) {
        for (let at = row; at < row + hStride; at += sizeof<V>()) store<V>(at, clipped<V>(load<V>(at), clip));
      }
      const h = slotOf(slots, s) + hAt;
      // Padded units are 0 before the activation; they are never read, as `hidden` bounds every product.
      activateRow<V>(code, h, row, hStride, alpha, beta);
      copyWords(y + <usize>(first + s) * yStride, h, hStride);
    }
  }
}
