// The one loop that everything recurrent spends its time in: y = init + W x.
//
// Weights are packed in panels of 16 outputs: [panels][rows of k][16 outputs], so that lanes are outputs, k ascends and
// each output is one chain of additions that begins with its bias (row 0 of a panel) or with what y already holds.
// The order depends on nothing else: not on the batch, not on which of the loops below runs, not on the build.
//
// Why these tiles: one row of x keeps eight accumulators (two panels), k unrolled by two, or twelve where the engine can; two rows of x share the
// weights of one panel, again eight accumulators. On Node 20, whose V8 lifts all loads of a basic block above the
// arithmetic, the same loop not unrolled spills and takes 0.49 ns per multiply-add instead of 0.25; three or four
// rows at a time (12, 16 accumulators) spill as well. See ARCHITECTURE.md for the table.
//
// The two panels of one row lie half the weights apart: two streams of addresses without a gap, which the processor
// fetches ahead across panels. Neighbours would make each stream jump at every pair; one stream of both interleaved was
// no faster. (A step whose weights lie in the second or third cache: 4 to 10% less.)

import { loadSplat, loadSplatNext, multiplyAdd } from './vector';

/** Whether one row takes three panels at a time: for engines that keep twelve accumulators in registers. The bits are the same. */
let threePanels: bool = false;

export function useThreePanels(yes: bool): void {
  threePanels = yes;
}

/** Outputs in a panel, in bytes. */
export const PANEL: usize = 64;

/**
 * For each of `rows` rows: y[16 * panels] = (continued ? y : w's row 0) + sum over k < depth of w[k] * x[k].
 * `w` is the address of the first row to multiply; the bias row, when used, stands just before it; `panelBytes` is the
 * distance from a panel to the next.
 */
export function product<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32,
  w: usize, panelBytes: usize, panels: i32, depth: i32, continued: bool,
): void {
  const pairs = rows >> 1;
  if (pairs > 0) {
    // Panels outside, rows inside: the weights of a panel are read from memory once and stay in the first cache.
    let panel = w;
    let out = y;
    for (let p = 0; p < panels; p++) {
      let row = x;
      let to = out;
      for (let r = 0; r < pairs; r++) {
        if (isVector<V>()) twoRows<V>(to, yStride, row, xStride, panel, depth, continued);
        else for (let part: usize = 0; part < PANEL; part += 16) twoRows<V>(to + part, yStride, row, xStride, panel + part, depth, continued);
        row += xStride << 1;
        to += yStride << 1;
      }
      panel += panelBytes;
      out += PANEL;
    }
  }
  if (rows & 1) {
    const last = <usize>(rows - 1);
    rowProduct<V>(y + last * yStride, x + last * xStride, w, panelBytes, panels, depth, continued);
  }
}

/** The same for one row. */
export function rowProduct<V>(y: usize, x: usize, w: usize, panelBytes: usize, panels: i32, depth: i32, continued: bool): void {
  // Fewer gain nothing.
  if (isVector<V>() && threePanels && panels >= 12) {
    // As many threes as leave an even number.
    const triples = (panels - (panels % 3 == 1 ? 4 : panels % 3)) / 3;
    triplesOfPanels<V>(y, x, w, panelBytes, triples, depth, continued);
    const done = 3 * triples;
    y += <usize>done * PANEL;
    w += <usize>done * panelBytes;
    panels -= done;
  }
  const pairs = panels >> 1;
  if (isVector<V>()) {
    if (pairs) pairsOfPanels<V>(y, x, w, panelBytes, pairs, depth, continued);
  } else {
    // One lane: four passes of eight outputs of each pair.
    for (let part: usize = 0; part < PANEL; part += 16) pairsOfPanels<V>(y + part, x, w + part, panelBytes, pairs, depth, continued);
  }
  if (panels & 1) {
    const done = <usize>(panels - 1);
    y += done * PANEL;
    w += done * panelBytes;
    if (isVector<V>()) onePanel<V>(y, x, w, depth, continued);
    else for (let part: usize = 0; part < PANEL; part += 16) onePanel<V>(y + part, x, w + part, depth, continued);
  }
}

// Panel p and panel p + pairs together. The loop over pairs stands in this function, not around it: with it outside,
// Node 20 spills again (0.45 ns).
function pairsOfPanels<V>(y: usize, x: usize, w: usize, panelBytes: usize, pairs: i32, depth: i32, continued: bool): void {
  let s: V;
  let u = w + <usize>pairs * panelBytes;
  let z = y + <usize>pairs * PANEL;
  const gap = panelBytes - (<usize>depth << 6);
  for (let p = 0; p < pairs; p++) {
    const i0 = continued ? y : w - PANEL;
    const i1 = continued ? z : u - PANEL;
    let a0 = load<V>(i0, 0), a1 = load<V>(i0, sizeof<V>()), a2 = load<V>(i0, 2 * sizeof<V>()), a3 = load<V>(i0, 3 * sizeof<V>());
    let b0 = load<V>(i1, 0), b1 = load<V>(i1, sizeof<V>()), b2 = load<V>(i1, 2 * sizeof<V>()), b3 = load<V>(i1, 3 * sizeof<V>());
    let k = x;
    const end = x + (<usize>depth << 2);
    if (ASC_FEATURE_RELAXED_SIMD) {
      // With fused products V8 before version 13 (Node 20, 22) spills at any of these loops but one whose body ends between the
      // panels, at an exit that is never taken: a step takes half the time.
      while (k < end) {
        s = loadSplat<V>(k);
        a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
        if (w == u) break;
        b0 = multiplyAdd<V>(s, load<V>(u, 0), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 3 * sizeof<V>()), b3);
        k += 4;
        w += 64;
        u += 64;
      }
    } else {
      if (depth & 1) {
        s = loadSplat<V>(k);
        a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 0), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 3 * sizeof<V>()), b3);
        k += 4;
        w += 64;
        u += 64;
      }
      while (k < end) {
        s = loadSplat<V>(k);
        a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 0), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 3 * sizeof<V>()), b3);
        s = loadSplatNext<V>(k);
        a0 = multiplyAdd<V>(s, load<V>(w, 64), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, 64 + sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 64 + 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 64 + 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 64), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, 64 + sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 64 + 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 64 + 3 * sizeof<V>()), b3);
        k += 8;
        w += 128;
        u += 128;
      }
    }
    store<V>(y, a0, 0);
    store<V>(y, a1, sizeof<V>());
    store<V>(y, a2, 2 * sizeof<V>());
    store<V>(y, a3, 3 * sizeof<V>());
    store<V>(z, b0, 0);
    store<V>(z, b1, sizeof<V>());
    store<V>(z, b2, 2 * sizeof<V>());
    store<V>(z, b3, 3 * sizeof<V>());
    y += PANEL;
    z += PANEL;
    w += gap;
    u += gap;
  }
}

// Three panels, a third of the weights apart: a number of x is loaded once for twelve products instead of eight, and loads are
// what bounds the loop (Node 24, from 128 units on: 3 to 5% less of a step). Older engines spill (Node 20 and 22: 16 to 90% more),
// so the runtime says when to. The exits in the middle, never taken but for one, keep compilers from mixing the parts, for which
// registers lack; what the loop compares with is computed beside it, or it would be read from the stack. In relaxed four numbers of
// x come by one load, and shuffles spread them: 3 to 5% less again, where simd, which needs a register for each product, takes 5%
// more. Written out, as the other tiles are: a function has one result, and accumulators must stay locals.
function triplesOfPanels<V>(y: usize, x: usize, w0: usize, panelBytes: usize, triples: i32, depth: i32, continued: bool): void {
  let s: V;
  const apart = <usize>triples * panelBytes;
  let z = y + <usize>triples * PANEL;
  let q = z + <usize>triples * PANEL;
  for (let p = 0; p < triples; p++) {
    let w = w0, u = w + apart, v = u + apart;
    const i0 = continued ? y : w - PANEL;
    const i1 = continued ? z : u - PANEL;
    const i2 = continued ? q : v - PANEL;
    let a0 = load<V>(i0, 0), a1 = load<V>(i0, sizeof<V>()), a2 = load<V>(i0, 2 * sizeof<V>()), a3 = load<V>(i0, 3 * sizeof<V>());
    let b0 = load<V>(i1, 0), b1 = load<V>(i1, sizeof<V>()), b2 = load<V>(i1, 2 * sizeof<V>()), b3 = load<V>(i1, 3 * sizeof<V>());
    let c0 = load<V>(i2, 0), c1 = load<V>(i2, sizeof<V>()), c2 = load<V>(i2, 2 * sizeof<V>()), c3 = load<V>(i2, 3 * sizeof<V>());
    let k = x;
    const end = x + (<usize>depth << 2);
    if (ASC_FEATURE_RELAXED_SIMD) {
      for (const whole = x + (<usize>(depth & ~3) << 2); k < whole; k += 16, w += 256, u += 256, v += 256) {
        const four = load<V>(k);
        s = v128.shuffle<f32>(four, four, 0, 0, 0, 0);
        a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 0), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 3 * sizeof<V>()), b3);
        c0 = multiplyAdd<V>(s, load<V>(v, 0), c0);
        c1 = multiplyAdd<V>(s, load<V>(v, sizeof<V>()), c1);
        c2 = multiplyAdd<V>(s, load<V>(v, 2 * sizeof<V>()), c2);
        c3 = multiplyAdd<V>(s, load<V>(v, 3 * sizeof<V>()), c3);
        if (w == u) break;
        s = v128.shuffle<f32>(four, four, 1, 1, 1, 1);
        a0 = multiplyAdd<V>(s, load<V>(w, 64), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, 64 + sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 64 + 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 64 + 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 64), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, 64 + sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 64 + 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 64 + 3 * sizeof<V>()), b3);
        c0 = multiplyAdd<V>(s, load<V>(v, 64), c0);
        c1 = multiplyAdd<V>(s, load<V>(v, 64 + sizeof<V>()), c1);
        c2 = multiplyAdd<V>(s, load<V>(v, 64 + 2 * sizeof<V>()), c2);
        c3 = multiplyAdd<V>(s, load<V>(v, 64 + 3 * sizeof<V>()), c3);
        if (w == v) break;
        s = v128.shuffle<f32>(four, four, 2, 2, 2, 2);
        a0 = multiplyAdd<V>(s, load<V>(w, 128), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, 128 + sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 128 + 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 128 + 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 128), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, 128 + sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 128 + 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 128 + 3 * sizeof<V>()), b3);
        c0 = multiplyAdd<V>(s, load<V>(v, 128), c0);
        c1 = multiplyAdd<V>(s, load<V>(v, 128 + sizeof<V>()), c1);
        c2 = multiplyAdd<V>(s, load<V>(v, 128 + 2 * sizeof<V>()), c2);
        c3 = multiplyAdd<V>(s, load<V>(v, 128 + 3 * sizeof<V>()), c3);
        if (u == v) break;
        s = v128.shuffle<f32>(four, four, 3, 3, 3, 3);
        a0 = multiplyAdd<V>(s, load<V>(w, 192), a0);
        a1 = multiplyAdd<V>(s, load<V>(w, 192 + sizeof<V>()), a1);
        a2 = multiplyAdd<V>(s, load<V>(w, 192 + 2 * sizeof<V>()), a2);
        a3 = multiplyAdd<V>(s, load<V>(w, 192 + 3 * sizeof<V>()), a3);
        b0 = multiplyAdd<V>(s, load<V>(u, 192), b0);
        b1 = multiplyAdd<V>(s, load<V>(u, 192 + sizeof<V>()), b1);
        b2 = multiplyAdd<V>(s, load<V>(u, 192 + 2 * sizeof<V>()), b2);
        b3 = multiplyAdd<V>(s, load<V>(u, 192 + 3 * sizeof<V>()), b3);
        c0 = multiplyAdd<V>(s, load<V>(v, 192), c0);
        c1 = multiplyAdd<V>(s, load<V>(v, 192 + sizeof<V>()), c1);
        c2 = multiplyAdd<V>(s, load<V>(v, 192 + 2 * sizeof<V>()), c2);
        c3 = multiplyAdd<V>(s, load<V>(v, 192 + 3 * sizeof<V>()), c3);
      }
    }
    while (k < end) {
      s = loadSplat<V>(k);
      a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
      a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
      a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
      a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
      b0 = multiplyAdd<V>(s, load<V>(u, 0), b0);
      b1 = multiplyAdd<V>(s, load<V>(u, sizeof<V>()), b1);
      b2 = multiplyAdd<V>(s, load<V>(u, 2 * sizeof<V>()), b2);
      b3 = multiplyAdd<V>(s, load<V>(u, 3 * sizeof<V>()), b3);
      c0 = multiplyAdd<V>(s, load<V>(v, 0), c0);
      c1 = multiplyAdd<V>(s, load<V>(v, sizeof<V>()), c1);
      c2 = multiplyAdd<V>(s, load<V>(v, 2 * sizeof<V>()), c2);
      c3 = multiplyAdd<V>(s, load<V>(v, 3 * sizeof<V>()), c3);
      k += 4;
      if (k == end) break;
      s = loadSplat<V>(k);
      a0 = multiplyAdd<V>(s, load<V>(w, 64), a0);
      a1 = multiplyAdd<V>(s, load<V>(w, 64 + sizeof<V>()), a1);
      a2 = multiplyAdd<V>(s, load<V>(w, 64 + 2 * sizeof<V>()), a2);
      a3 = multiplyAdd<V>(s, load<V>(w, 64 + 3 * sizeof<V>()), a3);
      b0 = multiplyAdd<V>(s, load<V>(u, 64), b0);
      b1 = multiplyAdd<V>(s, load<V>(u, 64 + sizeof<V>()), b1);
      b2 = multiplyAdd<V>(s, load<V>(u, 64 + 2 * sizeof<V>()), b2);
      b3 = multiplyAdd<V>(s, load<V>(u, 64 + 3 * sizeof<V>()), b3);
      c0 = multiplyAdd<V>(s, load<V>(v, 64), c0);
      c1 = multiplyAdd<V>(s, load<V>(v, 64 + sizeof<V>()), c1);
      c2 = multiplyAdd<V>(s, load<V>(v, 64 + 2 * sizeof<V>()), c2);
      c3 = multiplyAdd<V>(s, load<V>(v, 64 + 3 * sizeof<V>()), c3);
      k += 4;
      w += 128;
      u += 128;
      v += 128;
    }
    store<V>(y, a0, 0);
    store<V>(y, a1, sizeof<V>());
    store<V>(y, a2, 2 * sizeof<V>());
    store<V>(y, a3, 3 * sizeof<V>());
    store<V>(z, b0, 0);
    store<V>(z, b1, sizeof<V>());
    store<V>(z, b2, 2 * sizeof<V>());
    store<V>(z, b3, 3 * sizeof<V>());
    store<V>(q, c0, 0);
    store<V>(q, c1, sizeof<V>());
    store<V>(q, c2, 2 * sizeof<V>());
    store<V>(q, c3, 3 * sizeof<V>());
    y += PANEL;
    z += PANEL;
    q += PANEL;
    w0 += panelBytes;
  }
}

function onePanel<V>(y: usize, x: usize, w: usize, depth: i32, continued: bool): void {
  const init = continued ? y : w - PANEL;
  let a0 = load<V>(init, 0), a1 = load<V>(init, sizeof<V>()), a2 = load<V>(init, 2 * sizeof<V>()), a3 = load<V>(init, 3 * sizeof<V>());
  const end = x + (<usize>depth << 2);
  while (x < end) {
    const s = loadSplat<V>(x);
    a0 = multiplyAdd<V>(s, load<V>(w, 0), a0);
    a1 = multiplyAdd<V>(s, load<V>(w, sizeof<V>()), a1);
    a2 = multiplyAdd<V>(s, load<V>(w, 2 * sizeof<V>()), a2);
    a3 = multiplyAdd<V>(s, load<V>(w, 3 * sizeof<V>()), a3);
    x += 4;
    w += 64;
  }
  store<V>(y, a0, 0);
  store<V>(y, a1, sizeof<V>());
  store<V>(y, a2, 2 * sizeof<V>());
  store<V>(y, a3, 3 * sizeof<V>());
}

/** One panel for two rows of x. */
function twoRows<V>(y: usize, yStride: usize, x: usize, xStride: usize, w: usize, depth: i32, continued: bool): void {
  let z = x + xStride;
  const y1 = y + yStride;
  const i0 = continued ? y : w - PANEL;
  const i1 = continued ? y1 : w - PANEL;
  let a0 = load<V>(i0, 0), a1 = load<V>(i0, sizeof<V>()), a2 = load<V>(i0, 2 * sizeof<V>()), a3 = load<V>(i0, 3 * sizeof<V>());
  let b0 = load<V>(i1, 0), b1 = load<V>(i1, sizeof<V>()), b2 = load<V>(i1, 2 * sizeof<V>()), b3 = load<V>(i1, 3 * sizeof<V>());
  const end = x + (<usize>depth << 2);
  while (x < end) {
    const w0 = load<V>(w, 0), w1 = load<V>(w, sizeof<V>()), w2 = load<V>(w, 2 * sizeof<V>()), w3 = load<V>(w, 3 * sizeof<V>());
    const s = loadSplat<V>(x);
    a0 = multiplyAdd<V>(s, w0, a0);
    a1 = multiplyAdd<V>(s, w1, a1);
    a2 = multiplyAdd<V>(s, w2, a2);
    a3 = multiplyAdd<V>(s, w3, a3);
    const t = loadSplat<V>(z);
    b0 = multiplyAdd<V>(t, w0, b0);
    b1 = multiplyAdd<V>(t, w1, b1);
    b2 = multiplyAdd<V>(t, w2, b2);
    b3 = multiplyAdd<V>(t, w3, b3);
    x += 4;
    z += 4;
    w += 64;
  }
  store<V>(y, a0, 0);
  store<V>(y, a1, sizeof<V>());
  store<V>(y, a2, 2 * sizeof<V>());
  store<V>(y, a3, 3 * sizeof<V>());
  store<V>(y1, b0, 0);
  store<V>(y1, b1, sizeof<V>());
  store<V>(y1, b2, 2 * sizeof<V>());
  store<V>(y1, b3, 3 * sizeof<V>());
}
