// GRU as ONNX defines it (opset 22): with gates z, r and candidate h,
//   z = f(W_z x + R_z h + b_z)      r = f(W_r x + R_r h + b_r)      h' = (1 - z) * candidate + z * h
// and one of two candidates:
//   reset after the product (linear_before_reset = 1; PyTorch, Keras 2 and later): g(W_h x + Wb_h + r * (R_h h + Rb_h))
//   reset before the product (ONNX's default; Keras 1):                            g(W_h x + R_h (r * h) + b_h)
//
// Reset after. Two packs over the same outputs, 3 vectors z4 r4 h4 for each 4 units, filled up to panels of 16:
// input [panels][1 + I][16] with bias Wb, recurrent [panels][1 + H][16] with bias Rb; z and r add the two halves.
// Reset before. z and r: [panels][1 + I + H][16], 2 vectors z4 r4 for each 4 units; candidate: [panels][1 + I + H][16].
//
// Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights (input, or z and r), 5 I, 6 H, 7 h in the slot,
// 8 weights (recurrent, or candidate), 9 scratch, 10 steps run backwards, 11 extras or 0, 12 lengths of sequences or 0,
// 13 stride of the lengths. Past the end of its sequence a stream keeps its state, and its outputs are 0.
// Extras: 0 unused, 1 clip, 2 unused, 3.. two activations f, g of (code, alpha, beta).
// Scratch: pre-activations [rows] of both packs' widths, then [n] rows of h (and, reset before, of r * h).

import { sigmoidOf, tanhOf } from './activation';
import { activation, clipped } from './lstm';
import { align16, arg, argFloat, copyWords, ended, slotOf } from './memory';
import { PANEL, product } from './product';
import { add, mul, splat, sub } from './vector';

export function gruStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const x = arg(args, 0), xStride = arg(args, 1), y = arg(args, 2), yStride = arg(args, 3);
  const inputWeights = arg(args, 4);
  const inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), recurrentWeights = arg(args, 8), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11), lengths = arg(args, 12), lengthStride = arg(args, 13);

  const blocks = (hidden + 3) >> 2;
  const panels = (3 * blocks + 3) >> 2;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const hBytes = <usize>hidden << 2;
  const hStride = align16(hBytes);
  const recurrentPre = scratch + <usize>rows * preStride;
  const gathered = recurrentPre + <usize>n * preStride;
  product<V>(scratch, preStride, x, xStride, rows, inputWeights + PANEL, <usize>(1 + inputs) * PANEL, panels, inputs, false);
  for (let step = 0; step < steps; step++) {
    const time = backwards ? steps - 1 - step : step;
    const first = time * n;
    let pre = scratch + <usize>first * preStride;
    let out = y + <usize>first * yStride;
    for (let s = 0; s < n; s++) copyWords(gathered + <usize>s * hStride, slotOf(slots, s) + hAt, hBytes);
    product<V>(recurrentPre, preStride, gathered, hStride, n, recurrentWeights + PANEL, <usize>(1 + hidden) * PANEL, panels, hidden, false);
    for (let s = 0; s < n; s++) {
      const fromState = recurrentPre + <usize>s * preStride;
      if (ended(lengths, lengthStride, s, time)) memory.fill(out, 0, hBytes);
      else gruGates<V>(pre, fromState, slotOf(slots, s) + hAt, out, blocks, extras);
      pre += preStride;
      out += yStride;
    }
  }
}

// @ts-ignore: decorator
@inline export function gruGates<V>(pre: usize, fromState: usize, h: usize, y: usize, blocks: i32, extras: usize): void {
  if (extras) gatesOfAnyKind<V>(pre, fromState, h, y, blocks, extras);
  else plainGates<V>(pre, fromState, h, y, blocks);
}

function plainGates<V>(p: usize, q: usize, h: usize, y: usize, blocks: i32): void {
  const one = splat<V>(1);
  for (let b = 0; b < blocks; b++, p += 48, q += 48, h += 16, y += 16) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      const i = p + part, j = q + part;
      const r = sigmoidOf<V>(add<V>(load<V>(i, 16), load<V>(j, 16)));
      const z = sigmoidOf<V>(add<V>(load<V>(i, 0), load<V>(j, 0)));
      const candidate = tanhOf<V>(add<V>(load<V>(i, 32), mul<V>(r, load<V>(j, 32))));
      const out = add<V>(mul<V>(sub<V>(one, z), candidate), mul<V>(z, load<V>(h + part)));
      store<V>(h + part, out);
      store<V>(y + part, out);
    }
  }
}

function gatesOfAnyKind<V>(p: usize, q: usize, h: usize, y: usize, blocks: i32, extras: usize): void {
  const one = splat<V>(1);
  const clip = argFloat(extras, 1);
  for (let b = 0; b < blocks; b++, p += 48, q += 48, h += 16, y += 16) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      const i = p + part, j = q + part;
      const r = activation<V>(extras, 3, clipped<V>(add<V>(load<V>(i, 16), load<V>(j, 16)), clip));
      const z = activation<V>(extras, 3, clipped<V>(add<V>(load<V>(i, 0), load<V>(j, 0)), clip));
      const sum = add<V>(load<V>(i, 32), mul<V>(r, load<V>(j, 32)));
      const candidate = activation<V>(extras, 6, clipped<V>(sum, clip));
      const out = add<V>(mul<V>(sub<V>(one, z), candidate), mul<V>(z, load<V>(h + part)));
      store<V>(h + part, out);
      store<V>(y + part, out);
    }
  }
}

export function gruResetBeforeStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const x = arg(args, 0), xStride = arg(args, 1), y = arg(args, 2), yStride = arg(args, 3);
  const gateWeights = arg(args, 4);
  const inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), candidateWeights = arg(args, 8), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11), lengths = arg(args, 12), lengthStride = arg(args, 13);

  const blocks = (hidden + 3) >> 2;
  const gatePanels = (blocks + 1) >> 1, candidatePanels = (blocks + 3) >> 2;
  const rows = n * steps;
  const gateStride = <usize>gatePanels * PANEL, candidateStride = <usize>candidatePanels * PANEL;
  const panelBytes = <usize>(1 + inputs + hidden) * PANEL;
  const recurrentRows = <usize>(1 + inputs) * PANEL;
  const hBytes = <usize>hidden << 2;
  const hStride = align16(hBytes);
  const candidates = scratch + <usize>rows * gateStride;
  const gathered = candidates + <usize>rows * candidateStride;
  product<V>(scratch, gateStride, x, xStride, rows, gateWeights + PANEL, panelBytes, gatePanels, inputs, false);
  product<V>(candidates, candidateStride, x, xStride, rows, candidateWeights + PANEL, panelBytes, candidatePanels, inputs, false);
  for (let step = 0; step < steps; step++) {
    const time = backwards ? steps - 1 - step : step;
    const first = time * n;
    const pre = scratch + <usize>first * gateStride;
    const candidate = candidates + <usize>first * candidateStride;
    const out = y + <usize>first * yStride;
    for (let s = 0; s < n; s++) copyWords(gathered + <usize>s * hStride, slotOf(slots, s) + hAt, hBytes);
    product<V>(pre, gateStride, gathered, hStride, n, gateWeights + recurrentRows, panelBytes, gatePanels, hidden, true);
    for (let s = 0; s < n; s++) {
      resetState<V>(pre + <usize>s * gateStride, gathered + <usize>s * hStride, slotOf(slots, s) + hAt, blocks, extras);
    }
    product<V>(candidate, candidateStride, gathered, hStride, n, candidateWeights + recurrentRows, panelBytes, candidatePanels, hidden, true);
    for (let s = 0; s < n; s++) {
      const row = <usize>s;
      if (ended(lengths, lengthStride, s, time)) memory.fill(out + row * yStride, 0, hBytes);
      else resetUpdate<V>(pre + row * gateStride, candidate + row * candidateStride, slotOf(slots, s) + hAt, out + row * yStride, blocks, extras);
    }
  }
}

/** reset = r * h for the product that follows. */
export function resetState<V>(pre: usize, reset: usize, h: usize, blocks: i32, extras: usize): void {
  for (let b = 0; b < blocks; b++, pre += 32, reset += 16, h += 16) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      store<V>(reset + part, mul<V>(gate<V>(load<V>(pre + part, 16), extras), load<V>(h + part)));
    }
  }
}

export function resetUpdate<V>(pre: usize, candidate: usize, h: usize, y: usize, blocks: i32, extras: usize): void {
  const one = splat<V>(1);
  for (let b = 0; b < blocks; b++, pre += 32, candidate += 16, h += 16, y += 16) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      const z = gate<V>(load<V>(pre + part, 0), extras);
      const sum = load<V>(candidate + part);
      const g = extras ? activation<V>(extras, 6, clipped<V>(sum, argFloat(extras, 1))) : tanhOf<V>(sum);
      const out = add<V>(mul<V>(sub<V>(one, z), g), mul<V>(z, load<V>(h + part)));
      store<V>(h + part, out);
      store<V>(y + part, out);
    }
  }
}

// @ts-ignore: decorator
@inline function gate<V>(x: V, extras: usize): V {
  return extras ? activation<V>(extras, 3, clipped<V>(x, argFloat(extras, 1))) : sigmoidOf<V>(x);
}
