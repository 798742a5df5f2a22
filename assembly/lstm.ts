// LSTM as ONNX defines it (opset 22): with gates i, o, f and candidate c,
//   i = f(W_i x + R_i h + P_i * C + b_i)          f = f(W_f x + R_f h + P_f * C + b_f), or 1 - i when coupled
//   c = g(W_c x + R_c h + b_c)                    C' = f * C + i * c
//   o = f(W_o x + R_o h + P_o * C' + b_o)         h' = o * h(C'), projected by W_hr where there is a projection
// b is the sum of ONNX's Wb and Rb. Units are padded to a multiple of 4 with zero weights: their state stays zero.
//
// Weights: panels of 4 units, [ceil(H / 4)][1 + I + R rows][i4 o4 f4 c4]; row 0 is the bias, R the recurrent size.
// The pre-activations of a step pass from the product to the gates through scratch: one store and one load for each 4
// of them, beside I + H multiply-adds. So every cell shares one product loop, and the loop keeps its registers.
//
// Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights, 5 I, 6 H, 7 h in the slot, 8 c in the slot, 9 scratch,
// 10 steps run backwards, 11 extras or 0, 12 projection or 0 ([P / 16][1 + H][16]), 13 P, 14 lengths of sequences or 0,
// 15 stride of the lengths. Past the end of its sequence a stream keeps its state, and its outputs are 0.
// Extras: 0 peepholes [3][4 * ceil(H / 4)] i, o, f or 0, 1 clip (f32, 0 for none), 2 coupled,
// 3.. three activations f, g, h of (code, alpha, beta).
// Scratch: [rows][panels * 64 bytes] pre-activations, then [n] rows of the recurrent state (or x beside h, for one
// row), then, with a projection, [n] rows of unprojected outputs and one projected row of whole panels.

import { activate, sigmoidOf, tanhOf } from './activation';
import { align16, arg, argFloat, copyWords, ended, slotOf } from './memory';
import { PANEL, product, rowProduct } from './product';
import { add, lower, mul, splat, sub, upper } from './vector';

export function lstmStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const x = arg(args, 0), xStride = arg(args, 1), y = arg(args, 2), yStride = arg(args, 3);
  const weights = arg(args, 4);
  const inputs = <i32>arg(args, 5), hidden = <i32>arg(args, 6);
  const hAt = arg(args, 7), cAt = arg(args, 8), scratch = arg(args, 9);
  const backwards = arg(args, 10) != 0;
  const extras = arg(args, 11), projection = arg(args, 12), projected = <i32>arg(args, 13);
  const lengths = arg(args, 14), lengthStride = arg(args, 15);

  const panels = (hidden + 3) >> 2;
  const recurrent = projection ? projected : hidden;
  const rows = n * steps;
  const preStride = <usize>panels * PANEL;
  const panelBytes = <usize>(1 + inputs + recurrent) * PANEL;
  const inputWeights = weights + PANEL;
  const recurrentWeights = inputWeights + <usize>inputs * PANEL;
  const stateBytes = <usize>recurrent << 2;
  const stateStride = align16(stateBytes);
  const gathered = scratch + <usize>rows * preStride;
  const joined = rows == 1;
  const unprojected = gathered + max<usize>(<usize>n * stateStride, align16(stateBytes + (<usize>inputs << 2)));

  if (joined) {
    // x and h side by side: one pass over the weights, in the order in which they lie.
    copyWords(gathered, x, <usize>inputs << 2);
    copyWords(gathered + (<usize>inputs << 2), slotOf(slots, 0) + hAt, stateBytes);
    rowProduct<V>(scratch, gathered, inputWeights, panelBytes, panels, inputs + recurrent, false);
  } else {
    product<V>(scratch, preStride, x, xStride, rows, inputWeights, panelBytes, panels, inputs, false);
  }
  for (let step = 0; step < steps; step++) {
    const time = backwards ? steps - 1 - step : step;
    const first = time * n;
    const pre = scratch + <usize>first * preStride;
    let out = y + <usize>first * yStride;
    if (!joined) {
      for (let s = 0; s < n; s++) copyWords(gathered + <usize>s * stateStride, slotOf(slots, s) + hAt, stateBytes);
      product<V>(pre, preStride, gathered, stateStride, n, recurrentWeights, panelBytes, panels, recurrent, true);
    }
    for (let s = 0; s < n; s++) {
      const slot = slotOf(slots, s);
      const row = pre + <usize>s * preStride;
      if (ended(lengths, lengthStride, s, time)) {
        memory.fill(out, 0, stateBytes);
      } else if (projection) {
        const full = unprojected + <usize>s * (<usize>panels << 4);
        gates<V>(row, slot + cAt, full, full, panels, extras);
        const short = unprojected + <usize>n * (<usize>panels << 4);
        rowProduct<V>(short, full, projection + PANEL, <usize>(1 + hidden) * PANEL, (projected + 15) >> 4, hidden, false);
        copyWords(slot + hAt, short, stateBytes);
        copyWords(out, short, stateBytes);
      } else {
        gates<V>(row, slot + cAt, slot + hAt, out, panels, extras);
      }
      out += yStride;
    }
  }
}

// @ts-ignore: decorator
@inline export function gates<V>(pre: usize, c: usize, h: usize, y: usize, panels: i32, extras: usize): void {
  if (extras) gatesOfAnyKind<V>(pre, c, h, y, panels, extras);
  else plainGates<V>(pre, c, h, y, panels);
}

function plainGates<V>(pre: usize, c: usize, h: usize, y: usize, panels: i32): void {
  const end = pre + <usize>panels * PANEL;
  for (; pre < end; pre += PANEL, c += 16, h += 16, y += 16) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      const p = pre + part;
      // Nothing is stored before all five are computed: a store would have their constants loaded again.
      const i = sigmoidOf<V>(load<V>(p, 0));
      const candidate = tanhOf<V>(load<V>(p, 48));
      const f = sigmoidOf<V>(load<V>(p, 32));
      const o = sigmoidOf<V>(load<V>(p, 16));
      const cell = add<V>(mul<V>(f, load<V>(c + part)), mul<V>(i, candidate));
      const out = mul<V>(o, tanhOf<V>(cell));
      store<V>(c + part, cell);
      store<V>(h + part, out);
      store<V>(y + part, out);
    }
  }
}

function gatesOfAnyKind<V>(pre: usize, c: usize, h: usize, y: usize, panels: i32, extras: usize): void {
  const peepholes = arg(extras, 0);
  const units = <usize>panels << 4;
  const clip = argFloat(extras, 1);
  const coupled = arg(extras, 2) != 0;
  const one = splat<V>(1);
  for (let unit: usize = 0; unit < units; unit += 16, pre += PANEL) {
    for (let part: usize = 0; part < 16; part += sizeof<V>()) {
      const p = pre + part;
      const at = unit + part;
      const before = load<V>(c + at);
      let i = load<V>(p, 0), o = load<V>(p, 16), f = load<V>(p, 32);
      if (peepholes) {
        i = add<V>(i, mul<V>(load<V>(peepholes + at), before));
        f = add<V>(f, mul<V>(load<V>(peepholes + units + units + at), before));
      }
      i = activation<V>(extras, 3, clipped<V>(i, clip));
      f = coupled ? sub<V>(one, i) : activation<V>(extras, 3, clipped<V>(f, clip));
      const candidate = activation<V>(extras, 6, clipped<V>(load<V>(p, 48), clip));
      const cell = add<V>(mul<V>(f, before), mul<V>(i, candidate));
      if (peepholes) o = add<V>(o, mul<V>(load<V>(peepholes + units + at), cell));
      o = activation<V>(extras, 3, clipped<V>(o, clip));
      const out = mul<V>(o, activation<V>(extras, 9, cell));
      store<V>(c + at, cell);
      store<V>(h + at, out);
      store<V>(y + at, out);
    }
  }
}

/** Within [-clip, clip]; as it is where clip is 0. */
// @ts-ignore: decorator
@inline export function clipped<V>(x: V, clip: f32): V {
  if (clip > 0) return lower<V>(upper<V>(x, splat<V>(-clip)), splat<V>(clip));
  return x;
}

/** The activation whose code, alpha and beta stand at word i of `extras`. */
// @ts-ignore: decorator
@inline export function activation<V>(extras: usize, i: i32, x: V): V {
  return activate<V>(<i32>arg(extras, i), x, argFloat(extras, i + 1), argFloat(extras, i + 2));
}
