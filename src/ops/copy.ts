import type { Dim } from '../graph/graph.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference } from './operator.js';
import { product, rowSize } from './rows.js';

/** Elements before and behind an axis, in a row. */
const around = (shape: readonly Dim[], axis: number) => ({
  outer: rowSize(shape.slice(0, axis)),
  inner: rowSize(shape.slice(axis + 1)),
});

function concatAxis(node: NodeReader): number {
  const axis = node.axis(node.integer('axis', Number.NaN), node.shape(0).length);
  if (typeof node.shape(0)[axis] !== 'number') {
    throw node.unsupported('concatenation along T or N', 'an axis of fixed length', `axis ${axis}`);
  }
  return axis;
}

/** ONNX's Concat along an axis inside the step. */
export const concat: Operator = {
  op: 'Concat',
  anyType: true,
  attributes: ['axis'],
  inputs: [1, 4096],
  infer(node) {
    const axis = concatAxis(node);
    const first = node.shape(0);
    let length = 0;
    for (let i = 0; i < node.node.inputs.length; i++) {
      const shape = node.shape(i);
      if (shape.length !== first.length || shape.some((dim, a) => a !== axis && dim !== first[a])) {
        throw node.malformed('the parts do not fit', `[${first.join(', ')}]`, `[${shape.join(', ')}]`, i);
      }
      if (node.typeOf(i).type !== node.typeOf(0).type) {
        throw node.malformed('the parts are of several types', node.typeOf(0).type, node.typeOf(i).type, i);
      }
      length += Number(shape[axis]);
    }
    return [{ type: node.typeOf(0).type, shape: first.map((dim, a) => (a === axis ? length : dim)) }];
  },
  lower(node: Lowering) {
    const axis = concatAxis(node);
    const { outer, inner } = around(node.shape(0), axis);
    const y = node.output(0);
    const { value } = y.address as { value: string };
    const whole = (node.outputWidth(0) / outer) * 4;
    let offset = 0;
    for (let i = 0; i < node.node.inputs.length; i++) {
      const from = node.constant(i) ? node.constantRow(i, node.shape(i)) : node.input(i);
      const bytes = Number(node.shape(i)[axis]) * inner * 4;
      node.call('copy', {
        from: from.address,
        fromStride: from.stride,
        to: { value, offset },
        toStride: y.stride,
        bytes,
        count: outer,
        fromNext: bytes,
        toNext: whole,
      });
      offset += bytes;
    }
  },
};

/** ONNX's Slice (opset 10 on) with constant bounds, along one axis inside the step, forwards and without gaps. */
export const slice: Operator = {
  op: 'Slice',
  anyType: true,
  attributes: [],
  inputs: [3, 5],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const { axis, start, end } = sliceBounds(node);
    return [{ type, shape: shape.map((dim, a) => (a === axis ? end - start : dim)) }];
  },
  lower(node: Lowering) {
    const { axis, start, end } = sliceBounds(node);
    copyPart(node, 0, axis, start, end - start);
  },
};

/** Output `output` becomes the `length` elements from `start` on along an axis of input 0 that lies inside the step. */
export function copyPart(node: Lowering, output: number, axis: number, start: number, length: number): void {
  const shape = node.shape(0);
  const { outer, inner } = around(shape, axis);
  const x = node.input(0);
  const y = node.output(output);
  const { value } = x.address as { value: string };
  const bytes = length * inner * 4;
  node.call('copy', {
    from: { value, offset: start * inner * 4 },
    fromStride: x.stride,
    to: y.address,
    toStride: y.stride,
    bytes,
    count: outer,
    fromNext: Number(shape[axis]) * inner * 4,
    toNext: bytes,
  });
}

function sliceBounds(node: NodeReader): { axis: number; start: number; end: number } {
  const shape = node.shape(0);
  const starts = node.integers(1);
  const ends = node.integers(2);
  const axes = node.has(3) ? node.integers(3) : starts.map((_, i) => i);
  const steps = node.has(4) ? node.integers(4) : starts.map(() => 1);
  if (starts.length !== 1 || ends.length !== 1 || axes.length !== 1 || steps[0] !== 1) {
    throw node.unsupported('more than one axis, or a step', 'one axis with step 1', `${starts.length} axes`);
  }
  const axis = node.axis(axes[0], shape.length);
  const length = shape[axis];
  if (typeof length !== 'number') {
    throw node.unsupported('a slice along T or N', 'an axis of fixed length', `axis ${axis}`);
  }
  const bound = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, 0), length);
  const start = bound(starts[0]);
  const end = bound(ends[0]);
  if (end <= start) throw node.malformed('the slice is empty', 'start below end', `${starts[0]}..${ends[0]}`);
  return { axis, start, end };
}

// ---- float64 references -------------------------------------------------------------------------------------------

export const concatReference: Reference = (node, inputs) => {
  const parts = inputs.map((input) => input!);
  const rank = parts[0].shape.length;
  const axis = (node.attributes.axis as number) + ((node.attributes.axis as number) < 0 ? rank : 0);
  const outer = product(parts[0].shape.slice(0, axis));
  const chunks: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const { shape, data } of parts) {
      const size = product(shape.slice(axis));
      chunks.push(...data.subarray(o * size, (o + 1) * size));
    }
  }
  const length = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  return [{ shape: parts[0].shape.map((dim, a) => (a === axis ? length : dim)), data: Float64Array.from(chunks) }];
};
