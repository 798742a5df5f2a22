/** Normalisations with constant parameters, beside the core's LayerNormalization over the last axis. */

import type { Dim } from '../graph/graph.js';
import { arrayOf, elementAt, fromFront } from './array.js';
import { broadcastIndices } from './elementwise.js';
import { layerNormalization as coreLayerNormalization } from './layer-normalization.js';
import type { NodeReader } from './node.js';
import type { Argument, GraphNode, Lowering, Operator, Reference, ReferenceTensor } from './operator.js';
import { product, rowSize } from './rows.js';

interface Normalization {
  /** Numbers in a group; groups lie one after the other in the row. */
  width: number;
  epsilon: number;
  rootMeanSquare?: boolean;
  /** For each number of a row, which number of the scale (and shift) is its own. */
  place: (i: number) => number;
}

function lowerNormalization(node: Lowering, { width, epsilon, rootMeanSquare, place }: Normalization): void {
  const size = node.width(0);
  const x = node.input(0);
  const y = node.output(0);
  const parameters = (label: string, input: number, fallback: number): Argument =>
    node.weights(label, size, (target) => {
      const data = node.has(input) ? node.floats(input) : undefined;
      for (let i = 0; i < size; i++) target[i] = data?.[place(i)] ?? fallback;
    });
  node.call('normalization', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    groups: size / width,
    width,
    scale: parameters('scale', 1, 1),
    shift: parameters('shift', 2, 0),
    epsilon: { float: epsilon },
    rootMeanSquare: rootMeanSquare ? 1 : 0,
  });
}

/** The axes from `axis` on, which must be of fixed length. */
function lastAxes(node: NodeReader): number[] {
  const shape = node.shape(0);
  const axis = node.axis(node.integer('axis', -1), shape.length);
  const last = shape.slice(axis);
  if (last.every((dim) => typeof dim === 'number')) return last;
  throw node.unsupported('normalisation along T or N', 'axes of fixed length', `[${last.join(', ')}]`);
}

/** Scale and shift of the shape of `last`, or what broadcasts to it. */
function checkParameters(node: NodeReader, last: readonly Dim[], inputs: readonly number[]): void {
  for (const i of inputs) {
    if (!node.has(i)) continue;
    node.expectConstant(i);
    const shape = node.shape(i);
    const lead = last.length - shape.length;
    if (lead >= 0 && shape.every((dim, axis) => dim === 1 || dim === last[lead + axis])) continue;
    throw node.malformed('the parameters do not fit', `[${last.join(', ')}]`, `[${shape.join(', ')}]`, i);
  }
}

/** ONNX's LayerNormalization over its last axes, without the optional Mean and InvStdDev outputs. */
export const layerNormalization: Operator = {
  ...coreLayerNormalization,
  infer(node) {
    checkParameters(node, lastAxes(node), [1, 2]);
    return [node.typeOf(0)];
  },
  lower(node) {
    const last = lastAxes(node);
    const whole = [1, 2].every((i) => !node.has(i) || rowSize(node.shape(i)) === product(last));
    if (last.length === 1 && whole) coreLayerNormalization.lower(node);
    else lowerOverLast(node, last, false);
  },
};

function lowerOverLast(node: Lowering, last: readonly number[], rootMeanSquare: boolean): void {
  if (node.integer('stash_type', 1) !== 1) throw node.wrongAttribute('stash_type', '1 (float32)');
  if (node.node.outputs.slice(1).some(Boolean)) {
    throw node.unsupported('outputs Mean and InvStdDev', 'one output', node.node.outputs.join(', '));
  }
  const width = product(last);
  const places = [...broadcastIndices(node.constant(1)?.shape ?? [], last)];
  if (node.has(2) && node.shape(2).join() !== node.shape(1).join()) {
    throw node.unsupported('B of another shape than Scale', `[${node.shape(1)}]`, `[${node.shape(2)}]`);
  }
  lowerNormalization(node, {
    width,
    epsilon: node.number('epsilon', 1e-5),
    rootMeanSquare,
    place: (i) => places[i % width],
  });
}

/** ONNX's RMSNormalization over its last axes. */
const rmsNormalization: Operator = {
  op: 'RMSNormalization',
  attributes: ['axis', 'epsilon', 'stash_type'],
  inputs: [2, 2],
  infer(node) {
    checkParameters(node, lastAxes(node), [1]);
    return [node.typeOf(0)];
  },
  lower: (node) => lowerOverLast(node, lastAxes(node), true),
};

/** [N, C, ...]: the channels, and the numbers of one channel in a row. */
function channelsOf(node: NodeReader, parameters: readonly number[]): { channels: number; inner: number } {
  const shape = node.shape(0);
  const channels = shape[1];
  if (typeof channels !== 'number')
    throw node.unsupported('channels along T or N', 'axis 1 of fixed length', `[${shape.join(', ')}]`);
  for (const i of parameters) {
    node.expectConstant(i);
    node.expectShape(i, `input ${i}`, [channels]);
  }
  return { channels, inner: rowSize(shape.slice(2)) };
}

/** What is normalised over must lie in a step. */
function checkInside(node: NodeReader): void {
  const along = node
    .shape(0)
    .slice(2)
    .find((dim) => typeof dim !== 'number');
  if (along !== undefined) {
    throw node.unsupported('normalisation over T or N', 'axes of fixed length', `[${node.shape(0).join(', ')}]`);
  }
}

/** ONNX's InstanceNormalization and GroupNormalization: over the images of one channel, or of a group of them. */
const groupNormalizations: Operator[] = ['InstanceNormalization', 'GroupNormalization'].map((op) => ({
  op,
  attributes: op === 'GroupNormalization' ? ['epsilon', 'num_groups', 'stash_type'] : ['epsilon'],
  inputs: [3, 3],
  infer(node) {
    channelsOf(node, [1, 2]);
    checkInside(node);
    return [node.typeOf(0)];
  },
  lower(node) {
    const { channels, inner } = channelsOf(node, [1, 2]);
    const groups = op === 'GroupNormalization' ? node.integer('num_groups', 0) : channels;
    if (groups < 1 || channels % groups !== 0) throw node.wrongAttribute('num_groups', `a divisor of ${channels}`);
    if (node.integer('stash_type', 1) !== 1) throw node.wrongAttribute('stash_type', '1 (float32)');
    lowerNormalization(node, {
      width: (channels / groups) * inner,
      epsilon: node.number('epsilon', 1e-5),
      place: (i) => Math.floor(i / inner) % channels,
    });
  },
}));

/** ONNX's BatchNormalization with the statistics of training: one factor and one addend for each channel. */
const batchNormalization: Operator = {
  op: 'BatchNormalization',
  attributes: ['epsilon', 'momentum', 'training_mode', 'spatial'],
  inputs: [5, 5],
  infer(node) {
    channelsOf(node, [1, 2, 3, 4]);
    if (node.integer('training_mode', 0) !== 0) throw node.wrongAttribute('training_mode', '0 (inference)');
    if (node.integer('spatial', 1) !== 1) throw node.wrongAttribute('spatial', '1');
    return [node.typeOf(0)];
  },
  lower(node) {
    const { channels, inner } = channelsOf(node, [1, 2, 3, 4]);
    const size = node.width(0);
    const epsilon = node.number('epsilon', 1e-5);
    const row = (label: string, number: (channel: number) => number): Argument =>
      node.weights(label, Math.ceil(size / 16) * 16, (target) => {
        for (let i = 0; i < size; i++) target[i] = number(Math.floor(i / inner) % channels);
      });
    const factor = (c: number) => node.floats(1)[c] / Math.sqrt(node.floats(4)[c] + epsilon);
    const x = node.input(0);
    const y = node.output(0);
    const words = { yStride: y.stride, bytes: { strideOf: node.node.outputs[0] } };
    const call = (from: typeof x, constant: Argument, operator: number) =>
      node.call('binary', {
        a: from.address,
        aStride: from.stride,
        b: constant,
        bStride: 0,
        y: y.address,
        ...words,
        operator,
      });
    call(x, row('factor', factor), 2);
    call(
      y,
      row('addend', (c) => node.floats(2)[c] - node.floats(3)[c] * factor(c)),
      0,
    );
  },
};

export const normalizationOperators: Operator[] = [
  layerNormalization,
  rmsNormalization,
  ...groupNormalizations,
  batchNormalization,
];

// ---- float64 references -------------------------------------------------------------------------------------------

/** (x - mean) / sqrt(variance + epsilon) of each of the groups of `width` numbers; without `centred` the mean stays. */
function normalized(x: ReferenceTensor, width: number, epsilon: number, centred = true): ReferenceTensor {
  const data = new Float64Array(x.data.length);
  for (let first = 0; first < data.length; first += width) {
    const group = x.data.subarray(first, first + width);
    const mean = centred ? group.reduce((a, b) => a + b) / width : 0;
    const variance = group.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    data.set(
      group.map((value) => (value - mean) / Math.sqrt(variance + epsilon)),
      first,
    );
  }
  return { shape: x.shape, data };
}

const epsilonOf = ({ attributes }: GraphNode) => (attributes.epsilon as number | undefined) ?? 1e-5;

/** LayerNormalization and RMSNormalization over the axes from `axis` on. */
export const lastAxesReference: Reference = (node, [x, scale, shift]) => {
  const axis = fromFront((node.attributes.axis as number | undefined) ?? -1, x!.shape.length);
  const normal = normalized(x!, product(x!.shape.slice(axis)), epsilonOf(node), node.op === 'LayerNormalization');
  const at = (index: readonly number[]) => elementAt(normal, index) * elementAt(scale!, index);
  return [arrayOf(x!.shape, (index) => at(index) + (shift ? elementAt(shift, index) : 0))];
};

/** InstanceNormalization and GroupNormalization. */
export const groupReference: Reference = (node, [x, scale, shift]) => {
  const groups = node.op === 'GroupNormalization' ? (node.attributes.num_groups as number) : x!.shape[1];
  const normal = normalized(x!, product(x!.shape.slice(1)) / groups, epsilonOf(node));
  return [arrayOf(x!.shape, (index) => elementAt(normal, index) * scale!.data[index[1]] + shift!.data[index[1]])];
};

export const batchReference: Reference = (node, inputs) => {
  const [x, scale, shift, mean, variance] = inputs.map((input) => input!);
  const epsilon = epsilonOf(node);
  const y = arrayOf(x.shape, (index) => {
    const c = index[1];
    const normal = (elementAt(x, index) - mean.data[c]) / Math.sqrt(variance.data[c] + epsilon);
    return normal * scale.data[c] + shift.data[c];
  });
  return [y];
};
