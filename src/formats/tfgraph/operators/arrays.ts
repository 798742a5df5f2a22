import { nodeOf } from '../node-def.js';
import type { NodeWriter } from '../writer.js';
import type { Operator } from './registry.js';

/** Products, reductions, and normalisations. */

/** A product, either factor turned first. */
function matMul(node: NodeWriter): void {
  const turned = ['transpose_a', 'transpose_b'].map((name) => node.attributes.flag(name));
  node.attributes.end();
  const factors = node.inputs().map((x, i) => (turned[i] ? node.step('Transpose', [x], { perm: [1, 0] }) : x));
  node.give('MatMul', factors);
}

/** Products of stacks of matrices; a constant factor may be turned. */
function batchMatMul(node: NodeWriter): void {
  const turned = ['adj_x', 'adj_y'].map((name) => node.attributes.flag(name));
  node.attributes.end();
  const factors = node.inputs().map((x, i) => {
    if (!turned[i]) return x;
    const rank = node.constant(i)?.shape.length;
    if (rank === undefined || rank < 2)
      throw node.unsupported('a computed factor that is turned', 'a constant one', nodeOf(node.ref(i)));
    const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
    return node.step('Transpose', [x], { perm });
  });
  node.give('MatMul', factors);
}

const reduction =
  (op: string): Operator =>
  (node) => {
    const keep = node.attributes.flag('keep_dims');
    node.attributes.end();
    const axes = node.integers(1);
    // Over no axes TensorFlow gives the input.
    if (axes.length === 0) node.give('Identity', [node.input(0)]);
    else node.give(op, [node.input(0)], { axes, keepdims: keep ? 1 : 0 });
  };

/** Whether all or any are true: the least or the greatest of 0 and 1. */
const logical =
  (op: string): Operator =>
  (node) => {
    const keep = node.attributes.flag('keep_dims');
    node.attributes.end();
    const numbers = node.step('Cast', [node.input(0)], { to: 1 });
    const reduced = node.step(op, [numbers], { axes: node.integers(1), keepdims: keep ? 1 : 0 });
    node.give('Cast', [reduced], { to: 9 });
  };

function arg(node: NodeWriter): void {
  node.attributes.type('output_type');
  node.attributes.end();
  node.give(node.node.op, [node.input(0)], { axis: node.integer(1), keepdims: 0 });
}

/** Normalisation by constants over the last axis: x a + b. */
function batchNorm(node: NodeWriter): void {
  const epsilon = node.attributes.float('epsilon', 1e-4);
  const format = node.attributes.text('data_format') ?? 'NHWC';
  const training = node.attributes.flag('is_training', true);
  node.attributes.float('exponential_avg_factor', 1);
  node.attributes.end();
  if (training) throw node.unsupported('training mode', 'is_training = false', 'true');
  if (format !== 'NHWC') throw node.unsupported('channels first', 'NHWC', format);
  const [scale, offset, mean, variance] = [1, 2, 3, 4].map((i) => node.floats(i));
  if ([offset, mean, variance].some(({ length }) => length !== scale.length)) {
    throw node.error('INVALID_GRAPH', `${node.node.op}: its parameters do not belong together`);
  }
  const factor = Float64Array.from(scale, (one, i) => one / Math.sqrt(variance[i] + epsilon));
  const shift = Float64Array.from(offset, (one, i) => one - mean[i] * factor[i]);
  const scaled = node.step('Mul', [node.input(0), node.numbers(factor, 'factor')]);
  node.give('Add', [scaled, node.numbers(shift, 'shift')]);
}

/** Zeros, or another number, or what is mirrored, around an image. */
function pad(node: NodeWriter): void {
  const mode = node.attributes.text('mode');
  node.attributes.end();
  const amounts = node.integers(1);
  const pads = [0, 1].flatMap((side) => amounts.filter((_, i) => i % 2 === side));
  const inputs = [node.input(0), node.list(pads, 'pads')];
  if (node.node.op === 'MirrorPad') {
    if (mode !== 'REFLECT') throw node.unsupported('attribute "mode"', 'REFLECT', mode ?? 'none');
    node.give('Pad', inputs, { mode: 'reflect' });
  } else node.give('Pad', node.node.op === 'PadV2' ? [...inputs, node.input(2)] : inputs);
}

function oneHot(node: NodeWriter): void {
  const axis = node.attributes.integer('axis', -1);
  node.attributes.end();
  const [on, off] = [node.input(2), node.input(3)];
  const values = [off, on].map((value) => node.step('Unsqueeze', [value], { axes: [0] }));
  node.give('OneHot', [node.input(0), node.input(1), node.step('Concat', values, { axis: 0 })], { axis });
}

export const arrayOperators: readonly (readonly [string, Operator])[] = [
  ['MatMul', matMul],
  ['BatchMatMul', batchMatMul],
  ['BatchMatMulV2', batchMatMul],
  ['Mean', reduction('ReduceMean')],
  ['Sum', reduction('ReduceSum')],
  ['Max', reduction('ReduceMax')],
  ['Min', reduction('ReduceMin')],
  ['Prod', reduction('ReduceProd')],
  ['Any', logical('ReduceMax')],
  ['All', logical('ReduceMin')],
  ['ArgMax', arg],
  ['ArgMin', arg],
  ['FusedBatchNorm', batchNorm],
  ['FusedBatchNormV2', batchNorm],
  ['FusedBatchNormV3', batchNorm],
  ['Pad', pad],
  ['PadV2', pad],
  ['MirrorPad', pad],
  ['OneHot', oneHot],
];
