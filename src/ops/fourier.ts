/** DFT and STFT: products with the sines and cosines of the transform. */

import { arrayOf, elementAt } from './array.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference } from './operator.js';
import { product, rowAxes } from './rows.js';

interface Transform {
  /** Numbers that a frame reads: its samples, of one or two components each. */
  samples: number;
  components: number;
  bins: number;
  /** The transform's length: what a sample's angle is a part of. */
  length: number;
  inverse: boolean;
  window?: Float32Array | undefined;
}

/** The real and the imaginary part of bin k for component c of sample i, at 2 (k + ...) of its row. */
function coefficient({ length, inverse, window }: Transform, i: number, c: number, k: number): [number, number] {
  const angle = ((inverse ? 2 : -2) * Math.PI * ((i * k) % length)) / length;
  const scale = (window?.[i] ?? 1) / (inverse ? length : 1);
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return c === 0 ? [cos, sin] : [-sin, cos];
}

/** Calls `matMul` of frames that begin at `starts` (numbers of the row), each by the matrix [samples * components][bins * 2]. */
function lowerTransform(node: Lowering, transform: Transform, starts: readonly number[]): void {
  const { samples, components, bins } = transform;
  const depth = samples * components;
  const matrix = node.weights('transform', depth * bins * 2, (target) => {
    for (let i = 0; i < samples; i++) {
      for (let c = 0; c < components; c++) {
        for (let k = 0; k < bins; k++)
          target.set(coefficient(transform, i, c, k), ((i * components + c) * bins + k) * 2);
      }
    }
  });
  const list = node.weights('frames', 2 * starts.length, (target) => {
    const words = new Int32Array(target.buffer, target.byteOffset, 2 * starts.length);
    for (const [i, start] of starts.entries()) words[2 * i] = start * 4;
  });
  const x = node.input(0);
  const y = node.output(0);
  node.call('matMul', {
    a: x.address,
    aStride: x.stride,
    b: matrix,
    bStride: 0,
    y: y.address,
    yStride: y.stride,
    list,
    batches: starts.length,
    M: 1,
    K: depth,
    N: bins * 2,
  });
}

/** The most numbers that a transform's matrix may have: 64 MB. */
const MATRIX_LIMIT = 2 ** 24;

function checked(node: NodeReader, transform: Transform): Transform {
  const { samples, components, bins, length } = transform;
  const fits = [samples, bins, length].every((one) => Number.isSafeInteger(one) && one > 0);
  if (fits && samples * components * bins * 2 <= MATRIX_LIMIT) return transform;
  throw node.unsupported('a transform of this length', `a matrix of at most ${MATRIX_LIMIT} numbers`, `${length}`);
}

function readDft(node: NodeReader): Transform {
  const shape = node.shape(0);
  const rank = shape.length;
  // The axis is an attribute up to opset 19, whose default is 1; from 20 on an input, whose default is -2.
  const axis = node.axis(node.has(2) ? node.integers(2)[0] : node.integer('axis', rank - 2), rank);
  const components = shape[rank - 1];
  const size = shape[axis];
  if (axis !== rank - 2 || typeof size !== 'number') {
    throw node.unsupported('a transform along another axis', 'the last but one, of fixed length', `axis ${axis}`);
  }
  if (components !== 1 && components !== 2) throw node.malformed('no signal', '1 or 2 components', `${components}`, 0);
  const length = node.has(1) ? node.integers(1)[0] : size;
  const onesided = node.integer('onesided', 0) !== 0;
  const inverse = node.integer('inverse', 0) !== 0;
  if (inverse && onesided) throw node.wrongAttribute('onesided', '0 where inverse is 1');
  const samples = Math.min(length, size);
  return checked(node, {
    samples,
    components,
    bins: onesided ? Math.floor(length / 2) + 1 : length,
    length,
    inverse,
  });
}

/** ONNX's DFT along the last axis but one, of fixed length. */
const dft: Operator = {
  op: 'DFT',
  attributes: ['axis', 'inverse', 'onesided'],
  inputs: [1, 3],
  infer(node) {
    const { bins } = readDft(node);
    return [{ type: 'float32', shape: [...node.shape(0).slice(0, -2), bins, 2] }];
  },
  lower(node) {
    const transform = readDft(node);
    const [size, components] = node.shape(0).slice(-2).map(Number);
    const count = node.width(0) / (size * components);
    lowerTransform(
      node,
      transform,
      Array.from({ length: count }, (_, i) => i * size * components),
    );
  },
};

function readStft(node: NodeReader): { transform: Transform; step: number; frames: number } {
  const [, size, components] = node.shape(0);
  const [step] = node.integers(1);
  const window = node.has(2) ? node.floats(2) : undefined;
  const length = node.has(3) ? node.integers(3)[0] : window?.length;
  if (components !== 1 || typeof size !== 'number' || length === undefined || node.shape(0).length !== 3) {
    throw node.unsupported(
      'a signal of this shape',
      '[N, samples, 1], and a window or frame_length',
      `[${node.shape(0).join(', ')}]`,
    );
  }
  if (window && window.length !== length)
    throw node.malformed('the window', `${length} numbers`, `${window.length}`, 2);
  if (step < 1 || length > size)
    throw node.malformed('the frames', `at most ${size} samples`, `${length}, every ${step}`);
  const onesided = node.integer('onesided', 1) !== 0;
  const bins = onesided ? Math.floor(length / 2) + 1 : length;
  return {
    transform: checked(node, { samples: length, components: 1, bins, length, inverse: false, window }),
    step,
    frames: Math.floor((size - length) / step) + 1,
  };
}

/** ONNX's STFT of a real signal of fixed length. */
const stft: Operator = {
  op: 'STFT',
  attributes: ['onesided'],
  inputs: [2, 4],
  infer(node) {
    const { transform, frames } = readStft(node);
    return [{ type: 'float32', shape: [node.shape(0)[0], frames, transform.bins, 2] }];
  },
  lower(node) {
    const { transform, step, frames } = readStft(node);
    const [batch, size] = [product(rowAxes(node.shape(0).slice(0, 1))), Number(node.shape(0)[1])];
    const starts = Array.from(
      { length: batch * frames },
      (_, i) => Math.floor(i / frames) * size + (i % frames) * step,
    );
    lowerTransform(node, transform, starts);
  },
};

export const fourierOperators: Operator[] = [dft, stft];

// ---- float64 references -------------------------------------------------------------------------------------------

/** Part `part` of bin k: the sum over samples of x e^(-2 pi i k / length). */
function bin(
  sample: (i: number) => [number, number],
  count: number,
  length: number,
  k: number,
  sign: number,
  part: number,
) {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const angle = (sign * 2 * Math.PI * i * k) / length;
    const [re, im] = sample(i);
    sum += part === 0 ? re * Math.cos(angle) - im * Math.sin(angle) : re * Math.sin(angle) + im * Math.cos(angle);
  }
  return sum;
}

const dftReference: Reference = ({ attributes }, [x, given]) => {
  const [size, components] = x!.shape.slice(-2);
  const length = given?.data[0] ?? size;
  const bins = attributes.onesided === 1 ? Math.floor(length / 2) + 1 : length;
  const inverse = attributes.inverse === 1;
  const y = arrayOf([...x!.shape.slice(0, -2), bins, 2], (index) => {
    const lead = index.slice(0, -2);
    const [k, part] = index.slice(-2);
    const sample = (i: number): [number, number] => [
      elementAt(x!, [...lead, i, 0]),
      components === 2 ? x!.data[lead.concat(i, 1).reduce((sum, one, a) => sum * x!.shape[a] + one, 0)] : 0,
    ];
    const sum = bin(sample, Math.min(size, length), length, k, inverse ? 1 : -1, part);
    return inverse ? sum / length : sum;
  });
  return [y];
};

const stftReference: Reference = ({ attributes }, [x, step, window, given]) => {
  const length = given?.data[0] ?? window!.data.length;
  const bins = attributes.onesided === 0 ? length : Math.floor(length / 2) + 1;
  const frames = Math.floor((x!.shape[1] - length) / step!.data[0]) + 1;
  const y = arrayOf([x!.shape[0], frames, bins, 2], ([n, frame, k, part]) => {
    const sample = (i: number): [number, number] => [
      elementAt(x!, [n, frame * step!.data[0] + i, 0]) * (window?.data[i] ?? 1),
      0,
    ];
    return bin(sample, length, length, k, -1, part);
  });
  return [y];
};

/** By operator, its reference. */
export const fourierReferences = (): [string, Reference][] => [
  ['DFT', dftReference],
  ['STFT', stftReference],
];
