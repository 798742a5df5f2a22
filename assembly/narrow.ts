// Cells, linear layers and embeddings whose weights are held in fewer bits: W is i8 (integer-product.ts) or u16, bfloat16
// (bfloat16-product.ts). The equations, the order of lanes and what stands in scratch are those of the float32 cells
// (lstm.ts, gru.ts, rnn.ts), whose gates these share; states and activations stay float32.
//
// A matrix is two packs: heads (biases, and for int8 scales) and cells of weights. Input and recurrent weights are
// matrices of their own, and the second product goes on from what the first left: y = b + W x, then + R h. Every product
// takes its rows staged: integers for i8, copies side by side for u16.

import { activateRow } from './activation';
import { bfloat16Product } from './bfloat16-product';
import { gruGates, resetState, resetUpdate } from './gru';
import { integerProduct } from './integer-product';
import { clipped, gates } from './lstm';
import { align16, arg, argFloat, copyWords, slotOf } from './memory';
import { PANEL } from './product';
import { stagedBytes, stageRow } from './quantize';

/** Bytes of a row of `depth` numbers as the product takes it. */
// @ts-ignore: decorator
@inline function stride<W>(depth: i32): usize {
  return isSigned<W>() ? stagedBytes(depth) : align16(<usize>depth << 2);
}

// @ts-ignore: decorator
@inline function stage<V, W>(row: usize, x: usize, depth: i32): void {
  if (isSigned<W>()) stageRow<V>(row, x, depth);
  else copyWords(row, x, <usize>depth << 2);
}

/** y = (continued ? y : biases) + W x for rows that are staged. */
// @ts-ignore: decorator
@inline function multiply<V, W>(
  y: usize, yStride: usize, staged: usize, rows: i32,
  heads: usize, weights: usize, panels: i32, depth: i32, continued: bool,
): void {
  if (isSigned<W>()) integerProduct<V>(y, yStride, staged, stride<W>(depth), rows, heads, weights, panels, depth, continued);
  else bfloat16Product<V>(y, yStride, staged, stride<W>(depth), rows, heads, weights, panels, depth, continued);
}

/** y = biases + W x for `rows` rows at x. */
function inputProduct<V, W>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32, staged: usize,
  heads: usize, weights: usize, panels: i32, depth: i32,
): void {
  for (let r = 0, row = staged; r < rows; r++, x += xStride, row += stride<W>(depth)) stage<V, W>(row, x, depth);
  multiply<V, W>(y, yStride, staged, rows, heads, weights, panels, depth, false);
}

/** The states at `at` of n slots, staged. */
function stageStates<V, W>(staged: usize, slots: usize, n: i32, at: usize, depth: i32): void {
  for (let s = 0; s < n; s++, staged += stride<W>(depth)) stage<V, W>(staged, slotOf(slots, s) + at, depth);
}

/**
 * Argument words: 0 to 11 as lstm.ts's, 4 being the heads of W; 12 W, 13 heads of R, 14 R, 15 heads of the projection or
 * 0, 16 projection, 17 P. Scratch: [rows][panels * 64 bytes] pre-activations, staged rows [rows] of x or [n] of h, then,
 * with a projection, [n] rows of unprojected outputs, one of them staged, and a projected row of whole panels.
 */
export function narrowLstmStep<V, W>(args: usize, slots: usize, n: i32, steps: i32): void {
  const yStride = arg(args, 3), inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), cAt = arg(args, 8), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11), projection = arg(args, 15);
  const recurrent = projection ? <i32>arg(args, 17) : hidden;

  const panels = (hidden + 3) >> 2;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const staged = scratch + <usize>rows * preStride;
  const unprojected = staged + max(<usize>rows * stride<W>(inputs), <usize>n * stride<W>(recurrent));
  const unprojectedStride = <usize>panels << 4;
  inputProduct<V, W>(scratch, preStride, arg(args, 0), arg(args, 1), rows, staged, arg(args, 4), arg(args, 12), panels, inputs);
  for (let step = 0; step < steps; step++) {
    const first = <usize>((backwards ? steps - 1 - step : step) * n);
    const pre = scratch + first * preStride;
    let out = arg(args, 2) + first * yStride;
    stageStates<V, W>(staged, slots, n, hAt, recurrent);
    multiply<V, W>(pre, preStride, staged, n, arg(args, 13), arg(args, 14), panels, recurrent, true);
    for (let s = 0; s < n; s++, out += yStride) {
      const slot = slotOf(slots, s);
      const row = pre + <usize>s * preStride;
      if (projection) {
        const full = unprojected + <usize>s * unprojectedStride;
        gates<V>(row, slot + cAt, full, full, panels, extras);
        const again = unprojected + <usize>n * unprojectedStride;
        const short = again + stride<W>(hidden);
        stage<V, W>(again, full, hidden);
        multiply<V, W>(short, 0, again, 1, projection, arg(args, 16), (recurrent + 15) >> 4, hidden, false);
        copyWords(slot + hAt, short, <usize>recurrent << 2);
        copyWords(out, short, <usize>recurrent << 2);
      } else {
        gates<V>(row, slot + cAt, slot + hAt, out, panels, extras);
      }
    }
  }
}

/**
 * GRU with the reset after the product. Argument words: 0 to 11 as gru.ts's, 4 being the heads of W and 8 those of R; 12
 * W, 13 R. Scratch: pre-activations [rows] of W and [n] of R, then staged rows.
 */
export function narrowGruStep<V, W>(args: usize, slots: usize, n: i32, steps: i32): void {
  const yStride = arg(args, 3), inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11);

  const blocks = (hidden + 3) >> 2;
  const panels = (3 * blocks + 3) >> 2;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const recurrentPre = scratch + <usize>rows * preStride;
  const staged = recurrentPre + <usize>n * preStride;
  inputProduct<V, W>(scratch, preStride, arg(args, 0), arg(args, 1), rows, staged, arg(args, 4), arg(args, 12), panels, inputs);
  for (let step = 0; step < steps; step++) {
    const first = <usize>((backwards ? steps - 1 - step : step) * n);
    let pre = scratch + first * preStride;
    let out = arg(args, 2) + first * yStride;
    stageStates<V, W>(staged, slots, n, hAt, hidden);
    multiply<V, W>(recurrentPre, preStride, staged, n, arg(args, 8), arg(args, 13), panels, hidden, false);
    for (let s = 0; s < n; s++, pre += preStride, out += yStride) {
      gruGates<V>(pre, recurrentPre + <usize>s * preStride, slotOf(slots, s) + hAt, out, blocks, extras);
    }
  }
}

/**
 * GRU with the reset before the product. Argument words: 0 to 11 as gru.ts's, 4 being the heads of W's z and r, 8 those
 * of W's candidate; 12 and 13 the weights of these; 14 heads and 15 weights of R's z and r; 16 and 17 of R's candidate.
 * Scratch: pre-activations [rows] of gates and of candidates, [n] rows of r * h, then staged rows.
 */
export function narrowGruResetBeforeStep<V, W>(args: usize, slots: usize, n: i32, steps: i32): void {
  const x = arg(args, 0), xStride = arg(args, 1), yStride = arg(args, 3);
  const inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11);

  const blocks = (hidden + 3) >> 2;
  const gatePanels = (blocks + 1) >> 1, candidatePanels = (blocks + 3) >> 2;
  const rows = n * steps;
  const gateStride = <usize>gatePanels * PANEL, candidateStride = <usize>candidatePanels * PANEL;
  const candidates = scratch + <usize>rows * gateStride;
  const reset = candidates + <usize>rows * candidateStride;
  const resetStride = <usize>blocks << 4;
  const staged = reset + <usize>n * resetStride;
  inputProduct<V, W>(scratch, gateStride, x, xStride, rows, staged, arg(args, 4), arg(args, 12), gatePanels, inputs);
  multiply<V, W>(candidates, candidateStride, staged, rows, arg(args, 8), arg(args, 13), candidatePanels, inputs, false);
  for (let step = 0; step < steps; step++) {
    const first = <usize>((backwards ? steps - 1 - step : step) * n);
    const pre = scratch + first * gateStride;
    const candidate = candidates + first * candidateStride;
    const out = arg(args, 2) + first * yStride;
    stageStates<V, W>(staged, slots, n, hAt, hidden);
    multiply<V, W>(pre, gateStride, staged, n, arg(args, 14), arg(args, 15), gatePanels, hidden, true);
    for (let s = 0; s < n; s++) {
      const row = reset + <usize>s * resetStride;
      resetState<V>(pre + <usize>s * gateStride, row, slotOf(slots, s) + hAt, blocks, extras);
      stage<V, W>(staged + <usize>s * stride<W>(hidden), row, hidden);
    }
    multiply<V, W>(candidate, candidateStride, staged, n, arg(args, 16), arg(args, 17), candidatePanels, hidden, true);
    for (let s = 0; s < n; s++) {
      const row = <usize>s;
      resetUpdate<V>(
        pre + row * gateStride, candidate + row * candidateStride, slotOf(slots, s) + hAt, out + row * yStride, blocks, extras,
      );
    }
  }
}

/**
 * Argument words: 0 to 14 as rnn.ts's, 4 being the heads of W; 8 W, 15 heads of R, 16 R. Scratch: [rows][panels * 64 bytes]
 * pre-activations, then staged rows.
 */
export function narrowRnnStep<V, W>(args: usize, slots: usize, n: i32, steps: i32): void {
  const yStride = arg(args, 3), inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const clip = argFloat(args, 14);

  const panels = (hidden + 15) >> 4;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const hBytes = align16(<usize>hidden << 2);
  const staged = scratch + <usize>rows * preStride;
  inputProduct<V, W>(scratch, preStride, arg(args, 0), arg(args, 1), rows, staged, arg(args, 4), arg(args, 8), panels, inputs);
  for (let step = 0; step < steps; step++) {
    const first = <usize>((backwards ? steps - 1 - step : step) * n);
    let row = scratch + first * preStride;
    let out = arg(args, 2) + first * yStride;
    stageStates<V, W>(staged, slots, n, hAt, hidden);
    multiply<V, W>(row, preStride, staged, n, arg(args, 15), arg(args, 16), panels, hidden, true);
    for (let s = 0; s < n; s++, row += preStride, out += yStride) {
      if (clip > 0) for (let at = row; at < row + hBytes; at += sizeof<V>()) store<V>(at, clipped<V>(load<V>(at), clip));
      const h = slotOf(slots, s) + hAt;
      activateRow<V>(<i32>arg(args, 11), h, row, hBytes, argFloat(args, 12), argFloat(args, 13));
      copyWords(out, h, hBytes);
    }
  }
}

/** Argument words: 0 to 9 as linear.ts's, 4 being the heads; 10 weights, 11 scratch: staged rows. */
export function narrowLinearStep<V, W>(args: usize, slots: usize, n: i32, steps: i32): void {
  const rows = n * steps;
  let y = arg(args, 2);
  const yStride = arg(args, 3), panels = <i32>arg(args, 6), code = <i32>arg(args, 7);
  inputProduct<V, W>(y, yStride, arg(args, 0), arg(args, 1), rows, arg(args, 11), arg(args, 4), arg(args, 10), panels, <i32>arg(args, 5));
  if (code == 0) return;
  for (let r = 0; r < rows; r++, y += yStride) {
    activateRow<V>(code, y, y, <usize>panels * PANEL, argFloat(args, 8), argFloat(args, 9));
  }
}

/**
 * y = table[x], as copy.ts's gather. Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 table [rows][width], 5 table rows,
 * 6 width, 7 indices in a row, 8 scales [rows] (float32, int8 only).
 */
export function narrowGatherStep<W>(args: usize, slots: usize, n: i32, steps: i32): void {
  let xRow = arg(args, 0), yRow = arg(args, 2);
  const table = arg(args, 4), rows = <i32>arg(args, 5), width = arg(args, 6), indices = arg(args, 7), scales = arg(args, 8);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yRow += arg(args, 3)) {
    for (let i: usize = 0; i < indices; i++) {
      let token = load<i32>(xRow + (i << 2));
      if (token < 0) token += rows;
      let to = yRow + i * (width << 2);
      const end = to + (width << 2);
      if (<u32>token >= <u32>rows) {
        memory.fill(to, 0, width << 2);
        continue;
      }
      let from = table + <usize>token * width * sizeof<W>();
      const scale: f32 = isSigned<W>() ? load<f32>(scales + (<usize>token << 2)) : 1;
      for (; to < end; to += 4, from += sizeof<W>()) {
        if (isSigned<W>()) store<f32>(to, scale * <f32>load<i8>(from));
        else store<u32>(to, <u32>load<u16>(from) << 16);
      }
    }
  }
}
