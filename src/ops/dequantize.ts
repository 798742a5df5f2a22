import type { Tensor } from '../graph/graph.js';
import { elementCount } from '../graph/tensor.js';
import { elementsOf, littleEndianBytes } from '../io/binary.js';
import type { NodeReader } from './node.js';
import type { Operator, Reference } from './operator.js';

/**
 * ONNX's DequantizeLinear of constants, int8 without zero point: x * scale, with one scale for all, one for each index of
 * `axis`, or, where `block_size` is the whole length of `axis`, one for each line along it. The result is a constant, held
 * as int8 by the operators that can.
 */
export const dequantizeLinear: Operator = {
  op: 'DequantizeLinear',
  anyType: true,
  attributes: ['axis', 'block_size'],
  inputs: [2, 3],
  fold(node) {
    const { shape, bytes, type } = node.constant(0)!;
    if (type !== 'int8') throw node.unsupported('weights of this type', 'int8', type);
    if (node.has(2) && node.integers(2).some((zero) => zero !== 0)) {
      throw node.unsupported('a zero point', 'int8 around 0', 'another', 'Quantise symmetrically');
    }
    const scales = node.floats(1);
    if (!scales.every(Number.isFinite)) throw node.malformed('a scale is not finite', 'numbers', 'NaN or infinity', 1);
    const { indexOf, axes } = scaleIndex(node, shape);
    const values = elementsOf(Int8Array, bytes);
    const scaleAt = (element: number) => scales[indexOf(element)];
    const scaleAxes = scales.every((scale) => scale === scales[0]) ? [] : axes;
    const tensor: Omit<Tensor, 'bytes'> = {
      name: node.node.outputs[0],
      type: 'float32',
      shape,
      narrow: { type: 'int8', values, scaleAt, scaleAxes },
    };
    // Made only where someone wants float32: most weights stay as they are.
    return Object.defineProperty(tensor as Tensor, 'bytes', {
      enumerable: true,
      get: () => littleEndianBytes(Float32Array.from(values, (value, i) => value * scaleAt(i))),
    });
  },
  infer(node) {
    throw node.unsupported('integers that are computed', 'constants', node.node.inputs.join(', '));
  },
  lower() {},
};

/** From an element's index to its scale's, and the axes that this depends on; the shape of the scales is checked. */
function scaleIndex(
  node: NodeReader,
  shape: readonly number[],
): { indexOf: (element: number) => number; axes: readonly number[] } {
  const found = node.shape(1).map(Number);
  if (elementCount(found) === 1) return { indexOf: () => 0, axes: [] };
  const axis = node.axis(node.integer('axis', 1), shape.length);
  const block = node.integer('block_size', 0);
  const length = shape[axis];
  if (block !== 0 && block !== length) throw node.wrongAttribute('block_size', `0, or ${length}, the axis's length`);
  const lines = shape.map((dim, i) => (i === axis ? 1 : dim));
  node.expectShape(1, 'the scale', block === 0 ? [length] : lines);
  const axes = shape.map((_, i) => i).filter((i) => shape[i] > 1 && (i === axis) === (block === 0));
  return { indexOf: indexer(shape, axis, block !== 0), axes };
}

/** The index along `axis`, or, `acrossIt`, the index of the line along it. */
function indexer(shape: readonly number[], axis: number, acrossIt: boolean): (element: number) => number {
  const inner = elementCount(shape.slice(axis + 1));
  const length = shape[axis];
  if (acrossIt) return (element) => Math.floor(element / (length * inner)) * inner + (element % inner);
  return (element) => Math.floor(element / inner) % length;
}

/** ONNX's equation in float64. */
export const dequantizeLinearReference: Reference = (node, [x, scale]) => {
  const { shape } = x!;
  const axis = (Number(node.attributes.axis ?? 1) + shape.length) % shape.length;
  const at = scale!.data.length === 1 ? () => 0 : indexer(shape, axis, Boolean(node.attributes.block_size));
  return [{ shape, data: x!.data.map((value, i) => value * scale!.data[at(i)]) }];
};
