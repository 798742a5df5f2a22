// Convolution: a sliding window of the input times a matrix.
//
// The input is laid out anew with its channels last and its padding around it, [height][width][C]; what a row of the
// kernel covers is then one contiguous piece, and `product` does the rest, positions being its rows. Every output is one
// chain: the bias, then the taps as they lie, the channels innermost. A transposed convolution is the same with the
// input's elements spread apart and the kernel turned round (src/ops/convolution.ts packs it so).
//
// Weights: [groups][ceil(O / 16)][1 + taps * C][16], row 0 of a panel the bias; depthwise [1 + taps][groups, padded to 16].

import { activateRow } from './activation';
import { arg, argFloat, copyWords, slotOf } from './memory';
import { PANEL, product } from './product';
import { multiplyAdd } from './vector';

// Geometry: a record of its own. C and O are those of one group.
const BATCH = 0, GROUPS = 1, C = 2, H = 3, W = 4, TOP = 5, LEFT = 6, PADDED_H = 7, PADDED_W = 8, SPREAD_H = 9, SPREAD_W = 10;
const KERNEL_H = 11, KERNEL_W = 12, STRIDE_H = 13, STRIDE_W = 14, DILATION_H = 15, DILATION_W = 16, P = 17, Q = 18, O = 19;

// @ts-ignore: decorator
@inline function geo(geometry: usize, i: i32): i32 {
  return <i32>arg(geometry, i);
}

// @ts-ignore: decorator
@inline function panelsOf(outputs: i32): i32 {
  return (outputs + 15) >> 4;
}

/**
 * x [C][H][W] -> to [PADDED_H][PADDED_W][C], elements SPREAD apart, TOP and LEFT in; what falls outside is left out.
 * `to` must hold zeros where nothing is written.
 */
function layOut(to: usize, x: usize, geometry: usize, channels: i32): void {
  const height = geo(geometry, H), width = geo(geometry, W), top = geo(geometry, TOP), left = geo(geometry, LEFT);
  const paddedH = geo(geometry, PADDED_H), paddedW = geo(geometry, PADDED_W);
  const spreadH = geo(geometry, SPREAD_H), spreadW = geo(geometry, SPREAD_W);
  const pixel = <usize>channels << 2;
  for (let c = 0; c < channels; c++, to += 4) {
    for (let i = 0; i < height; i++, x += <usize>width << 2) {
      const row = i * spreadH + top;
      if (<u32>row >= <u32>paddedH) continue;
      const line = to + <usize>(row * paddedW) * pixel;
      let from = x;
      for (let j = 0, column = left; j < width; j++, column += spreadW, from += 4) {
        if (<u32>column < <u32>paddedW) store<f32>(line + <usize>column * pixel, load<f32>(from));
      }
    }
  }
}

/** Whether the image is all that is laid out, each element where it was. */
function liesInPlace(geometry: usize): bool {
  return geo(geometry, H) == geo(geometry, PADDED_H) && geo(geometry, W) == geo(geometry, PADDED_W)
    && geo(geometry, TOP) == 0 && geo(geometry, LEFT) == 0
    && geo(geometry, SPREAD_H) == 1 && geo(geometry, SPREAD_W) == 1;
}

/** [positions][panels * 16] -> y [O][positions]. */
function layBack(y: usize, from: usize, positions: i32, outputs: i32): void {
  const row = <usize>panelsOf(outputs) * PANEL;
  for (let o = 0; o < outputs; o++, from += 4) {
    let at = from;
    for (let p = 0; p < positions; p++, at += row, y += 4) store<f32>(y, load<f32>(at));
  }
}

/** One row of output positions: `rows` windows, `xStride` apart, over the taps of the kernel. */
function windows<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32, weights: usize, panels: i32,
  tapsH: i32, tapH: usize, tapsW: i32, tapW: usize, depth: i32,
): void {
  const panelBytes = <usize>(1 + tapsH * tapsW * depth) * PANEL;
  let w = weights + PANEL;
  // Neighbouring taps are one piece where nothing lies between them.
  if (tapW == <usize>depth << 2) {
    depth *= tapsW;
    tapsW = 1;
  }
  let continued = false;
  for (let i = 0; i < tapsH; i++, x += tapH) {
    let from = x;
    for (let j = 0; j < tapsW; j++, from += tapW) {
      product<V>(y, yStride, from, xStride, rows, w, panelBytes, panels, depth, continued);
      continued = true;
      w += <usize>depth * PANEL;
    }
  }
}

/** The same where every group is one channel to one output: lanes are channels, and x may be read past its end. */
function depthwise<V>(
  y: usize, yStride: usize, x: usize, xStride: usize, rows: i32, weights: usize, channels: i32,
  tapsH: i32, tapH: usize, tapsW: i32, tapW: usize,
): void {
  const row = <usize>panelsOf(channels) * PANEL;
  for (let r = 0; r < rows; r++, x += xStride, y += yStride) {
    for (let lane: usize = 0; lane < row; lane += sizeof<V>()) {
      let w = weights + lane;
      let sum = load<V>(w);
      let line = x + lane;
      for (let i = 0; i < tapsH; i++, line += tapH) {
        let from = line;
        for (let j = 0; j < tapsW; j++, from += tapW) {
          w += row;
          sum = multiplyAdd<V>(load<V>(from), load<V>(w), sum);
        }
      }
      store<V>(y + lane, sum);
    }
  }
}

/**
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights, 5 scratch, 6 geometry, 7 activation code, 8 alpha, 9 beta.
 * Rows are [batch][groups * C][H][W] and [batch][groups * O][P][Q].
 * Scratch: the input laid out, [PADDED_H][PADDED_W][C of a group, or of all where depthwise] and a line to spare;
 * the output [P * Q][O of a group, or of all where depthwise, padded to 16].
 */
export function convolutionStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const geometry = arg(args, 6);
  const separate = geo(geometry, C) == 1 && geo(geometry, O) == 1 && geo(geometry, GROUPS) > 1;
  const groups = separate ? 1 : geo(geometry, GROUPS);
  const channels = separate ? geo(geometry, GROUPS) : geo(geometry, C);
  const outputs = separate ? channels : geo(geometry, O);
  const height = geo(geometry, P), width = geo(geometry, Q), positions = height * width;
  const tapsH = geo(geometry, KERNEL_H), tapsW = geo(geometry, KERNEL_W);
  const paddedW = geo(geometry, PADDED_W), area = geo(geometry, PADDED_H) * paddedW;
  const pixel = <usize>channels << 2;
  const line = <usize>paddedW * pixel;
  const tapH = <usize>geo(geometry, DILATION_H) * line, tapW = <usize>geo(geometry, DILATION_W) * pixel;
  const strideW = <usize>geo(geometry, STRIDE_W) * pixel, strideH = <usize>geo(geometry, STRIDE_H) * line;
  const panels = panelsOf(outputs);
  const yRow = <usize>panels * PANEL;
  const groupWeights: usize = separate ? 0 : yRow * <usize>(1 + tapsH * tapsW * channels);
  const inputBytes = pixel * <usize>(geo(geometry, H) * geo(geometry, W));
  const outputBytes = <usize>(positions * outputs) << 2;
  // One channel lies as it should already, and so does one position, where nothing is padded, cut off or spread.
  const asItIs = liesInPlace(geometry) && (channels == 1 || area == 1) && !separate;
  const straight = positions == 1 && groups == 1;
  const laidOut = arg(args, 5);
  const result = laidOut + ((<usize>area * pixel + 127) & ~63);
  const code = <i32>arg(args, 7);
  let xRow = arg(args, 0), yFirst = arg(args, 2);
  for (let r = n * steps; r > 0; r--, xRow += arg(args, 1), yFirst += arg(args, 3)) {
    let x = xRow, y = yFirst;
    for (let b = geo(geometry, BATCH); b > 0; b--) {
      let w = arg(args, 4);
      for (let g = 0; g < groups; g++, x += inputBytes, y += outputBytes, w += groupWeights) {
        let from = x;
        if (!asItIs) {
          memory.fill(laidOut, 0, <usize>area * pixel);
          layOut(laidOut, x, geometry, channels);
          from = laidOut;
        }
        // A single position of several images in a row would spill over into the next.
        const to = straight && b == 1 ? y : result;
        let out = to;
        for (let p = 0; p < height; p++, from += strideH, out += <usize>width * yRow) {
          if (separate) depthwise<V>(out, yRow, from, strideW, width, w, channels, tapsH, tapH, tapsW, tapW);
          else windows<V>(out, yRow, from, strideW, width, w, panels, tapsH, tapH, tapsW, tapW, channels);
        }
        if (code) activateRow<V>(code, to, to, <usize>positions * yRow, argFloat(args, 8), argFloat(args, 9));
        if (to != y) layBack(y, to, positions, outputs);
      }
    }
  }
}

/**
 * The same along time, one step after the other: H is time, and what a stream has seen of it lies in its slot, as
 * [LINES][PADDED_W][C] and behind them, as a float32, how many lines are in use beyond SPAN - 1. A window takes SPAN lines; the oldest are moved to the
 * front only when the slot's lines are used up, so a step costs the same whatever the dilation.
 * Argument words: 0 x, 1 x stride, 2 y, 3 y stride, 4 weights, 5 scratch, 6 geometry, 7 activation code, 8 alpha, 9 beta,
 * 10 in the slot, 11 SPAN, 12 LINES. Rows are [groups * C][W] and [groups * O][Q]; the geometry's H, P, STRIDE_H and BATCH
 * are 1. Scratch: the output [rows][Q][groups][O padded to 16], or depthwise [rows][Q][groups padded to 16].
 */
export function causalConvolutionStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const geometry = arg(args, 6), span = <i32>arg(args, 11), lines = <i32>arg(args, 12);
  const line = lineBytes(geometry);
  for (let s = 0; s < n; s++) {
    const state = slotOf(slots, s) + arg(args, 10);
    const counter = state + <usize>lines * line;
    // Within the slot, whatever a snapshot made it.
    const held = load<f32>(counter);
    let used = (held >= 0 ? <i32>min<f32>(held, <f32>(lines - span + 1)) : 0) + span - 1;
    for (let step = 0; step < steps; ) {
      if (used == lines) {
        // The last SPAN - 1 lines are all that later windows see.
        used = span - 1;
        copyWords(state, state + <usize>(lines - used) * line, <usize>used * line);
      }
      const count = min<i32>(lines - used, steps - step);
      const row = step * n + s;
      appendLines(state + <usize>used * line, args, geometry, row, n, count);
      slide<V>(state + <usize>(used - span + 1) * line, args, geometry, row, n, count);
      used += count;
      step += count;
    }
    store<f32>(counter, <f32>(used - span + 1));
  }
}

/**
 * The same on whole sequences, where a window may reach into the future. No state: words 10 LINES_BEFORE, 11 LINES_AFTER.
 * Scratch: the output as above, and [LINES_BEFORE + steps + LINES_AFTER][PADDED_W][C of all groups].
 */
export function sequenceConvolutionStep<V>(args: usize, slots: usize, n: i32, steps: i32): void {
  const geometry = arg(args, 6);
  const line = lineBytes(geometry);
  const before = arg(args, 10) * line, inside = <usize>steps * line, after = arg(args, 11) * line;
  for (let s = 0; s < n; s++) {
    const laidOut = arg(args, 5) + <usize>steps * outputBytes(geometry);
    memory.fill(laidOut, 0, before + inside + after);
    appendLines(laidOut + before, args, geometry, s, n, steps);
    slide<V>(laidOut, args, geometry, s, n, steps);
  }
}

/** Bytes of one step of the input, laid out: [PADDED_W][C of all groups]. */
function lineBytes(geometry: usize): usize {
  return <usize>(geo(geometry, PADDED_W) * geo(geometry, GROUPS) * geo(geometry, C)) << 2;
}

/** Bytes of one step of the output in scratch. */
function outputBytes(geometry: usize): usize {
  const groups = geo(geometry, GROUPS);
  if (isDepthwise(geometry)) return <usize>(geo(geometry, Q) * panelsOf(groups)) * PANEL;
  return <usize>(geo(geometry, Q) * groups * panelsOf(geo(geometry, O))) * PANEL;
}

// @ts-ignore: decorator
@inline function isDepthwise(geometry: usize): bool {
  return geo(geometry, C) == 1 && geo(geometry, O) == 1 && geo(geometry, GROUPS) > 1;
}

/** Lays `count` rows of x out, from `row` on, `next` rows apart. */
function appendLines(to: usize, args: usize, geometry: usize, row: i32, next: i32, count: i32): void {
  const channels = geo(geometry, GROUPS) * geo(geometry, C);
  const line = lineBytes(geometry);
  const xStride = arg(args, 1);
  let x = arg(args, 0) + <usize>row * xStride;
  for (let i = 0; i < count; i++, to += line, x += <usize>next * xStride) {
    if (geo(geometry, PADDED_W) == 1 && geo(geometry, W) == 1 && geo(geometry, LEFT) == 0) copyWords(to, x, line);
    else {
      memory.fill(to, 0, line);
      layOut(to, x, geometry, channels);
    }
  }
}

/** The windows that begin at `from` and the `count - 1` lines after it, into rows of y, `next` apart. */
function slide<V>(from: usize, args: usize, geometry: usize, row: i32, next: i32, count: i32): void {
  const separate = isDepthwise(geometry);
  const groups = separate ? 1 : geo(geometry, GROUPS);
  const channels = geo(geometry, C), outputs = separate ? geo(geometry, GROUPS) : geo(geometry, O);
  const tapsH = geo(geometry, KERNEL_H), tapsW = geo(geometry, KERNEL_W), width = geo(geometry, Q);
  const line = lineBytes(geometry);
  const pixel = <usize>(geo(geometry, GROUPS) * channels) << 2;
  const tapH = <usize>geo(geometry, DILATION_H) * line, tapW = <usize>geo(geometry, DILATION_W) * pixel;
  const strideW = <usize>geo(geometry, STRIDE_W) * pixel;
  const panels = panelsOf(outputs);
  const yRow = <usize>panels * PANEL;
  const result = arg(args, 5);
  const positions = <usize>width * yRow;
  const block = <usize>count * positions;
  let w = arg(args, 4), x = from, to = result;
  for (let g = 0; g < groups; g++, to += block) {
    // Steps are the rows of one product where each is a single position.
    const lines = width == 1 ? 1 : count, rows = width == 1 ? count : width, stride = width == 1 ? line : strideW;
    let out = to, at = x;
    for (let i = 0; i < lines; i++, at += line, out += positions) {
      if (separate) depthwise<V>(out, yRow, at, stride, rows, w, outputs, tapsH, tapH, tapsW, tapW);
      else windows<V>(out, yRow, at, stride, rows, w, panels, tapsH, tapH, tapsW, tapW, channels);
    }
    w += yRow * <usize>(1 + tapsH * tapsW * channels);
    x += <usize>channels << 2;
  }
  const code = <i32>arg(args, 7);
  if (code) activateRow<V>(code, result, result, block * <usize>groups, argFloat(args, 8), argFloat(args, 9));
  let y = arg(args, 2) + <usize>row * arg(args, 3);
  for (let i = 0; i < count; i++, y += <usize>next * arg(args, 3)) {
    let group = result + <usize>i * positions, target = y;
    for (let g = 0; g < groups; g++, group += block, target += <usize>(width * outputs) << 2) {
      layBack(target, group, width, outputs);
    }
  }
}
