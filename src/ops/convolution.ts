import { RivuletError } from '../errors.js';
import { type Dim, TIME } from '../graph/graph.js';
import { activationArguments, activationWords } from './activations.js';
import { arrayOf, elementAt, indicesOf } from './array.js';
import type { NodeReader } from './node.js';
import type { Argument, GraphNode, Lowering, Operator, Reference } from './operator.js';
import { packedCount, packPanels, plainOrder, roundUp, rowMajor } from './pack.js';
import { product } from './rows.js';

/** What a window does along one axis of the image. */
export interface Window {
  /** Elements of the axis; `T` for time. */
  length: Dim;
  kernel: number;
  stride: number;
  dilation: number;
  /** Zeros before and behind the axis. */
  before: number;
  after: number;
  /** Positions of the window: the length of the output's axis. */
  positions: Dim;
}

export const WINDOW_ATTRIBUTES = ['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'] as const;

/** Elements that a window covers, from its first to its last. */
const span = ({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>): number => (kernel - 1) * dilation + 1;

/** A list of one whole number, at least `least`, for each axis of the image. */
function perAxis(node: NodeReader, name: string, axes: number, fallback: number, least: number): number[] {
  const list = node.list(name, 'number') ?? Array.from({ length: axes }, () => fallback);
  if (list.length === axes && list.every((one) => Number.isSafeInteger(one) && one >= least && one < 2 ** 20))
    return list;
  throw node.wrongAttribute(name, `${axes} whole numbers from ${least} on`);
}

/** The windows of Conv and the pooling operators, checked; `kernel` has one length for each axis behind the channels. */
export function readWindows(node: NodeReader, kernel: readonly number[], roundUpwards = false): Window[] {
  const lengths = node.shape(0).slice(2);
  const axes = lengths.length;
  const strides = perAxis(node, 'strides', axes, 1, 1);
  const dilations = perAxis(node, 'dilations', axes, 1, 1);
  const pads = perAxis(node, 'pads', 2 * axes, 0, 0);
  const autoPad = node.text('auto_pad', 'NOTSET', ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER']);
  return lengths.map((length, i): Window => {
    const [stride, dilation] = [strides[i], dilations[i]];
    const covered = span({ kernel: kernel[i], dilation });
    let [before, after] = autoPad === 'VALID' ? [0, 0] : [pads[i], pads[i + axes]];
    if (autoPad.startsWith('SAME')) {
      const last =
        typeof length === 'number' ? (Math.ceil(length / stride) - 1) * stride + covered - length : covered - 1;
      const missing = Math.max(0, last);
      before = autoPad === 'SAME_UPPER' ? Math.floor(missing / 2) : Math.ceil(missing / 2);
      after = missing - before;
    }
    const window = { length, kernel: kernel[i], stride, dilation, before, after };
    if (typeof length !== 'number') return { ...window, positions: timePositions(node, window) };
    const room = length + before + after - covered;
    let positions = (roundUpwards ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    // A window that would begin in the padding behind the image is none.
    if (roundUpwards && (positions - 1) * stride >= length + before) positions--;
    if (room < 0)
      throw node.malformed('the window is larger than the image', `${covered}`, `${length + before + after}`);
    return { ...window, positions };
  });
}

/** Along time every step has an output: the window moves by one and its padding makes up for what it covers. */
function timePositions(node: NodeReader, window: Omit<Window, 'positions'>): Dim {
  const { length, stride, before, after } = window;
  if (length !== TIME) throw node.unsupported('a window along N', 'T, or an axis of fixed length', String(length));
  if (stride !== 1) {
    throw node.unsupported('steps are left out', 'stride 1 along T', `stride ${stride}`);
  }
  if (before + after === span(window) - 1) return TIME;
  throw node.unsupported(
    'the number of steps changes',
    `${span(window) - 1} zeros along T, all of them before it to stream`,
    `${before} before and ${after} behind`,
    'Pad the sequence by what the window covers, less one',
  );
}

/** ONNX's Conv over images of one or two axes, of which one may be time. */
interface Convolution {
  /** Images side by side in a row: a batch of fixed size. */
  batch: number;
  groups: number;
  /** Of one group. */
  channels: number;
  outputs: number;
  windows: Window[];
}

function readConvolution(node: NodeReader): Convolution {
  const x = node.shape(0);
  const weight = node.shape(1);
  const axes = x.length - 2;
  node.expectConstant(1);
  if (axes < 1 || axes > 2) throw node.unsupported('images of this many axes', '1 or 2', `[${x.join(', ')}]`);
  const groups = node.integer('group', 1);
  const channels = Number(weight[1]);
  if (weight.length !== x.length || x[1] !== channels * groups || Number(weight[0]) % groups !== 0) {
    const expected = `[outputs, ${Number(x[1]) / groups}, ${x.slice(2).map(() => 'kernel')}] in ${groups} groups`;
    throw node.malformed('W has the wrong shape', expected, `[${weight.join(', ')}]`, 1);
  }
  const kernel = weight.slice(2).map(Number);
  if ((node.list('kernel_shape', 'number') ?? kernel).join() !== kernel.join()) {
    throw node.wrongAttribute('kernel_shape', `[${kernel.join(', ')}], as W has`);
  }
  if (node.has(2)) {
    node.expectConstant(2);
    node.expectShape(2, 'B', [weight[0]]);
  }
  return {
    batch: typeof x[0] === 'number' ? x[0] : 1,
    groups,
    channels,
    outputs: Number(weight[0]) / groups,
    windows: readWindows(node, kernel),
  };
}

/** The words of a geometry record (assembly/convolution.ts), in its order. */
interface Geometry extends Record<string, number> {
  batch: number;
  groups: number;
  channels: number;
  height: number;
  width: number;
  top: number;
  left: number;
  paddedHeight: number;
  paddedWidth: number;
  spreadHeight: number;
  spreadWidth: number;
  kernelHeight: number;
  kernelWidth: number;
  strideHeight: number;
  strideWidth: number;
  dilationHeight: number;
  dilationWidth: number;
  rows: number;
  columns: number;
  outputs: number;
}

/** Numbers that an image may have with its padding, and a stream for what its windows see: 16 MB. */
const IMAGE_LIMIT = 2 ** 22;

function checkImage(node: NodeReader, numbers: number): void {
  if (numbers <= IMAGE_LIMIT) return;
  throw new RivuletError('LIMIT_EXCEEDED', `${node.node.op}: too large an image, with its padding`, {
    node: node.node.name,
    expected: `at most ${IMAGE_LIMIT} numbers`,
    found: `${numbers}`,
  });
}

/** An axis of an image that has only one. */
const FLAT: Window = { length: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, positions: 1 };

function geometryOf(
  { batch, groups, channels, outputs }: Omit<Convolution, 'windows'>,
  h: Window,
  w: Window,
): Geometry {
  const padded = (window: Window) => (Number(window.positions) - 1) * window.stride + span(window);
  return {
    batch,
    groups,
    channels,
    height: Number(h.length),
    width: Number(w.length),
    top: h.before,
    left: w.before,
    paddedHeight: padded(h),
    paddedWidth: padded(w),
    spreadHeight: 1,
    spreadWidth: 1,
    kernelHeight: h.kernel,
    kernelWidth: w.kernel,
    strideHeight: h.stride,
    strideWidth: w.stride,
    dilationHeight: h.dilation,
    dilationWidth: w.dilation,
    rows: Number(h.positions),
    columns: Number(w.positions),
    outputs,
  };
}

/** Where in the file's weights the number for an output and a channel of a group and a tap stands. */
type WeightAt = (group: number, output: number, channel: number, tapH: number, tapW: number) => number;

/** Packs weights as assembly/convolution.ts says. */
function lowerWeights(node: Lowering, geometry: Geometry, at: WeightAt): Argument {
  const { groups, channels, outputs, kernelHeight, kernelWidth } = geometry;
  const depthwise = isDepthwise(geometry);
  const taps = kernelHeight * kernelWidth;
  const depth = taps * channels;
  const count = depthwise ? packedCount(groups, taps) : groups * packedCount(outputs, depth);
  return node.weights('weight', count, (target, packRows) => {
    const data = node.floats(1);
    const bias = node.has(2) ? node.floats(2) : undefined;
    const row = (group: number, output: number) => {
      const numbers = new Float32Array(depth);
      let k = 0;
      for (let i = 0; i < kernelHeight; i++) {
        for (let j = 0; j < kernelWidth; j++) {
          for (let c = 0; c < channels; c++) numbers[k++] = data[at(group, output, c, i, j)];
        }
      }
      return numbers;
    };
    if (depthwise) {
      // [1 + taps][groups]: lanes are channels.
      const lanes = roundUp(groups, 16);
      for (let g = 0; g < groups; g++) {
        target[g] = bias?.[g] ?? 0;
        for (const [tap, number] of row(g, 0).entries()) target[(1 + tap) * lanes + g] = number;
      }
      return;
    }
    for (let g = 0; g < groups; g++) {
      const rows = new Float32Array(outputs * depth);
      for (let o = 0; o < outputs; o++) rows.set(row(g, o), o * depth);
      const part = target.subarray(g * packedCount(outputs, depth), (g + 1) * packedCount(outputs, depth));
      packPanels(part, plainOrder(outputs), (o) => bias?.[g * outputs + o] ?? 0, [rowMajor(rows, depth)], packRows);
    }
  });
}

const isDepthwise = ({ groups, channels, outputs }: Geometry) => channels === 1 && outputs === 1 && groups > 1;

/** Bytes of scratch that the output takes before it is laid back, for one group or, `all`, for all of them. */
function outputScratch(geometry: Geometry, all: boolean): number {
  const { rows, columns, groups, outputs } = geometry;
  if (isDepthwise(geometry)) return rows * columns * roundUp(groups, 16) * 4;
  return rows * columns * roundUp(outputs, 16) * 4 * (all ? groups : 1);
}

/** What a convolution's calls begin with. */
function commonWords(node: Lowering, geometry: Geometry, at: WeightAt, scratch: Argument): Record<string, Argument> {
  const { activation, alpha, beta } = node.node.attributes;
  const x = node.input(0);
  const y = node.output(0);
  return {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    weights: lowerWeights(node, geometry, at),
    scratch,
    geometry: node.record('geometry', Object.values(geometry)),
    ...activationWords(
      activationArguments(
        (activation as string) ?? 'Identity',
        alpha as number | undefined,
        beta as number | undefined,
      ),
    ),
  };
}

/** A convolution inside the step. */
function lowerInside(node: Lowering, geometry: Geometry, at: WeightAt): void {
  const { groups, channels, paddedHeight, paddedWidth } = geometry;
  const pixel = channels * (isDepthwise(geometry) ? groups : 1) * 4;
  checkImage(node, paddedHeight * paddedWidth * groups * channels);
  const input = roundUp(paddedHeight * paddedWidth * pixel + 64, 64);
  // Loads of whole lanes may go past the last pixel.
  const scratch = node.scratch(0, 0, input + outputScratch(geometry, false) + 64);
  node.call('convolution', commonWords(node, geometry, at, scratch));
}

/** A convolution along time: over what the stream has seen, or, where it needs the future, over whole sequences. */
function lowerAlongTime(node: Lowering, convolution: Convolution, time: Window, other: Window, at: WeightAt): void {
  if (convolution.batch > 1) {
    throw node.unsupported('several sequences of fixed number', 'N, or 1', `${convolution.batch}`);
  }
  const step: Window = { ...FLAT, kernel: time.kernel, dilation: time.dilation };
  const geometry = geometryOf(convolution, step, other);
  geometry.paddedHeight = 1;
  const line = geometry.paddedWidth * geometry.groups * geometry.channels;
  checkImage(node, 2 * (span(time) + time.after) * line);
  const output = outputScratch(geometry, true);
  if (time.after === 0) {
    // As many lines again as a window sees, so that they are moved to the front once in as many steps.
    const lines = 2 * span(time);
    const state = node.state('window', lines * line + 1);
    node.call('causalConvolution', {
      ...commonWords(node, geometry, at, node.scratch(output, 0, 64)),
      state: { state: state.name },
      span: span(time),
      lines,
    });
    return;
  }
  node.needsWholeSequence(`its window reaches ${time.after} steps into the future`);
  const scratch = node.scratch(output + line * 4, 0, (time.before + time.after) * line * 4 + 64);
  node.call('sequenceConvolution', {
    ...commonWords(node, geometry, at, scratch),
    before: time.before,
    after: time.after,
  });
}

/**
 * ONNX's Conv with constant weights over one or two axes. Along time (an axis T) it streams where all its padding stands
 * before the sequence: a stream then begins with those zeros, and keeps in its slot what its windows still see.
 */
export const conv: Operator = {
  op: 'Conv',
  attributes: [...WINDOW_ATTRIBUTES, 'group'],
  inputs: [2, 3],
  infer(node) {
    const { groups, outputs, windows } = readConvolution(node);
    const shape = [node.shape(0)[0], groups * outputs, ...windows.map(({ positions }) => positions)];
    return [{ type: 'float32', shape }];
  },
  lower(node) {
    const convolution = readConvolution(node);
    const { channels, outputs, windows } = convolution;
    const kernel = windows.map((window) => window.kernel);
    const base = (g: number, o: number, c: number) => ((g * outputs + o) * channels + c) * product(kernel);
    const along = windows.findIndex(({ length }) => length === TIME);
    if (along < 0 || windows[along].kernel === 1) {
      // A window of one step needs no other.
      const inside = windows.filter((_, axis) => axis !== along);
      const [h, w] = [FLAT, FLAT, ...inside].slice(-2);
      const geometry = geometryOf(convolution, h, w);
      lowerInside(node, geometry, (g, o, c, i, j) => base(g, o, c) + i * w.kernel + j);
      return;
    }
    const time = windows[along];
    const other = windows[1 - along] ?? FLAT;
    const [timeTap, otherTap] = along === 0 ? [other.kernel, 1] : [1, time.kernel];
    lowerAlongTime(node, convolution, time, other, (g, o, c, i, j) => base(g, o, c) + i * timeTap + j * otherTap);
  },
};

/** What the planner makes of Conv and the activation behind it. No file holds this operator. */
export const fusedConv: Operator = {
  ...conv,
  op: 'FusedConv',
  internal: true,
  attributes: [...conv.attributes, 'activation', 'alpha', 'beta'],
};

interface Transposed {
  positions: number;
  before: number;
  kernel: number;
  stride: number;
  dilation: number;
  length: number;
}

function readTransposed(node: NodeReader): { groups: number; channels: number; outputs: number; axes: Transposed[] } {
  const x = node.shape(0);
  const weight = node.shape(1).map(Number);
  const count = x.length - 2;
  node.expectConstant(1);
  if (count < 1 || count > 2) throw node.unsupported('images of this many axes', '1 or 2', `[${x.join(', ')}]`);
  if (x.slice(1).some((dim) => typeof dim !== 'number')) {
    throw node.unsupported('an image along T or N', 'axes of fixed length', `[${x.join(', ')}]`);
  }
  const groups = node.integer('group', 1);
  if (weight.length !== x.length || weight[0] !== x[1] || weight[0] % groups !== 0) {
    throw node.malformed('W has the wrong shape', `[${x[1]}, outputs, kernel]`, `[${weight.join(', ')}]`, 1);
  }
  const kernel = weight.slice(2);
  if ((node.list('kernel_shape', 'number') ?? kernel).join() !== kernel.join()) {
    throw node.wrongAttribute('kernel_shape', `[${kernel.join(', ')}], as W has`);
  }
  const outputs = weight[1];
  if (node.has(2)) {
    node.expectConstant(2);
    node.expectShape(2, 'B', [outputs * groups]);
  }
  const strides = perAxis(node, 'strides', count, 1, 1);
  const dilations = perAxis(node, 'dilations', count, 1, 1);
  const pads = perAxis(node, 'pads', 2 * count, 0, 0);
  const extra = perAxis(node, 'output_padding', count, 0, 0);
  const wanted = node.list('output_shape', 'number');
  const autoPad = node.text('auto_pad', 'NOTSET', ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER']);
  const axes = kernel.map((size, i): Transposed => {
    const [length, stride, dilation] = [Number(x[2 + i]), strides[i], dilations[i]];
    const full = (length - 1) * stride + extra[i] + span({ kernel: size, dilation });
    let [before, after] = autoPad === 'VALID' ? [0, 0] : [pads[i], pads[i + count]];
    const target = wanted?.[i + wanted.length - count] ?? (autoPad.startsWith('SAME') ? length * stride : undefined);
    if (target !== undefined) {
      const total = Math.max(0, full - target);
      before = autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    }
    const positions = full - before - after;
    if (positions < 1) throw node.malformed('nothing is left of the output', 'smaller pads', `${before} and ${after}`);
    return { positions, before, kernel: size, stride, dilation, length };
  });
  return { groups, channels: weight[0] / groups, outputs, axes };
}

/** ONNX's ConvTranspose with constant weights over one or two axes inside the step. */
export const convTranspose: Operator = {
  op: 'ConvTranspose',
  attributes: [...WINDOW_ATTRIBUTES, 'group', 'output_padding', 'output_shape'],
  inputs: [2, 3],
  infer(node) {
    const { groups, outputs, axes } = readTransposed(node);
    const shape = [node.shape(0)[0], groups * outputs, ...axes.map(({ positions }) => positions)];
    return [{ type: 'float32', shape }];
  },
  lower(node) {
    const { groups, channels, outputs, axes } = readTransposed(node);
    const [first] = node.shape(0);
    const flat: Transposed = { positions: 1, before: 0, kernel: 1, stride: 1, dilation: 1, length: 1 };
    const [h, w] = [flat, flat, ...axes].slice(-2);
    // The input's elements stand `stride` apart, and the window that slides over them has its taps turned round.
    const slide = ({ positions, kernel, dilation, length, before }: Transposed): Window => ({
      length,
      kernel,
      stride: 1,
      dilation,
      before: (kernel - 1) * dilation - before,
      after: 0,
      positions,
    });
    const batch = typeof first === 'number' ? first : 1;
    const geometry = geometryOf({ batch, groups, channels, outputs }, slide(h), slide(w));
    geometry.spreadHeight = h.stride;
    geometry.spreadWidth = w.stride;
    lowerInside(node, geometry, (g, o, c, i, j) => {
      const matrix = ((g * channels + c) * outputs + o) * h.kernel * w.kernel;
      return matrix + (h.kernel - 1 - i) * w.kernel + (w.kernel - 1 - j);
    });
  },
};

// ---- float64 references -------------------------------------------------------------------------------------------

/** Attributes of a window with their defaults, the padding of `auto_pad` worked out. */
export function referenceWindow(
  attributes: GraphNode['attributes'],
  lengths: readonly number[],
  kernel: readonly number[],
) {
  const list = (name: string, fallback: number, count = kernel.length) =>
    (attributes[name] as number[] | undefined) ?? Array.from({ length: count }, () => fallback);
  const [strides, dilations, pads] = [list('strides', 1), list('dilations', 1), list('pads', 0, 2 * kernel.length)];
  const covered = kernel.map((size, i) => (size - 1) * dilations[i] + 1);
  const same = String(attributes.auto_pad ?? '').startsWith('SAME');
  const missing = lengths.map((length, i) =>
    Math.max(0, (Math.ceil(length / strides[i]) - 1) * strides[i] + covered[i] - length),
  );
  const begin = missing.map((all) => (attributes.auto_pad === 'SAME_UPPER' ? Math.floor(all / 2) : Math.ceil(all / 2)));
  const before = same ? begin : kernel.map((_, i) => (attributes.auto_pad === 'VALID' ? 0 : pads[i]));
  const after = same
    ? missing.map((all, i) => all - begin[i])
    : kernel.map((_, i) => (attributes.auto_pad === 'VALID' ? 0 : pads[i + kernel.length]));
  return { strides, dilations, covered, before, after };
}

export const convReference: Reference = (node, [x, w, b]) => {
  const kernel = w!.shape.slice(2);
  const lengths = x!.shape.slice(2);
  const { strides, dilations, covered, before, after } = referenceWindow(node.attributes, lengths, kernel);
  const groups = (node.attributes.group as number | undefined) ?? 1;
  const [outputs, channels] = w!.shape;
  const positions = lengths.map(
    (length, i) => Math.floor((length + before[i] + after[i] - covered[i]) / strides[i]) + 1,
  );
  const y = arrayOf([x!.shape[0], outputs, ...positions], ([n, o, ...position]) => {
    const group = Math.floor(o / (outputs / groups));
    let sum = b?.data[o] ?? 0;
    for (const tap of indicesOf(kernel)) {
      const at = position.map((p, i) => p * strides[i] + tap[i] * dilations[i] - before[i]);
      if (at.some((place, i) => place < 0 || place >= lengths[i])) continue;
      for (let c = 0; c < channels; c++) {
        sum += elementAt(w!, [o, c, ...tap]) * elementAt(x!, [n, group * channels + c, ...at]);
      }
    }
    return sum;
  });
  return [y];
};

/** Each input element times the kernel, added into the output where it falls. */
export const convTransposeReference: Reference = (node, [x, w, b]) => {
  const kernel = w!.shape.slice(2);
  const lengths = x!.shape.slice(2);
  const list = (name: string, fallback: number, count = kernel.length) =>
    (node.attributes[name] as number[] | undefined) ?? Array.from({ length: count }, () => fallback);
  const [strides, dilations, extra] = [list('strides', 1), list('dilations', 1), list('output_padding', 0)];
  const groups = (node.attributes.group as number | undefined) ?? 1;
  const outputs = w!.shape[1];
  const full = lengths.map((length, i) => (length - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + extra[i]);
  const { auto_pad: autoPad, output_shape: wanted } = node.attributes;
  const same = String(autoPad ?? '').startsWith('SAME');
  const pads = list('pads', 0, 2 * kernel.length);
  const target = full.map((length, i) => {
    if (Array.isArray(wanted)) return Number(wanted.slice(-kernel.length)[i]);
    if (same) return lengths[i] * strides[i];
    return length - pads[i] - pads[i + kernel.length];
  });
  const before = full.map((length, i) => {
    if (!same && !wanted) return pads[i];
    const cut = Math.max(0, length - target[i]);
    return autoPad === 'SAME_UPPER' ? Math.floor(cut / 2) : Math.ceil(cut / 2);
  });
  const y = arrayOf([x!.shape[0], outputs * groups, ...target], ([, o]) => b?.data[o] ?? 0);
  const strideOf = (axis: number) => product(y.shape.slice(axis + 1));
  for (const [n, c, ...place] of indicesOf(x!.shape)) {
    const group = Math.floor(c / (w!.shape[0] / groups));
    for (let o = 0; o < outputs; o++) {
      for (const tap of indicesOf(kernel)) {
        const at = place.map((p, i) => p * strides[i] + tap[i] * dilations[i] - before[i]);
        if (at.some((one, i) => one < 0 || one >= target[i])) continue;
        const to = [n, group * outputs + o, ...at].reduce((sum, one, axis) => sum + one * strideOf(axis), 0);
        y.data[to] += elementAt(x!, [n, c, ...place]) * elementAt(w!, [c, o, ...tap]);
      }
    }
  }
  return [y];
};
