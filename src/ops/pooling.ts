import { arrayOf, elementAt, indicesOf } from './array.js';
import { readWindows, referenceWindow, WINDOW_ATTRIBUTES, type Window } from './convolution.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference } from './operator.js';
import { lowerReduce } from './reduction.js';
import { rowSize } from './rows.js';

/** Elements that a pooling window may cover. */
const WINDOW_LIMIT = 2 ** 16;

function readPool(node: NodeReader): Window[] {
  const x = node.shape(0);
  const kernel = node.list('kernel_shape', 'number') ?? [];
  const fits = kernel.length === x.length - 2 && kernel.every((one) => Number.isSafeInteger(one) && one > 0);
  if (!fits || kernel.length < 1 || kernel.length > 2 || kernel.reduce((a, b) => a * b, 1) > WINDOW_LIMIT) {
    throw node.wrongAttribute('kernel_shape', `a length for each axis behind the channels of [${x.join(', ')}]`);
  }
  if (node.integer('storage_order', 0) !== 0) throw node.wrongAttribute('storage_order', '0');
  const windows = readWindows(node, kernel, node.integer('ceil_mode', 0) !== 0);
  if (windows.some(({ length }) => typeof length !== 'number')) {
    throw node.unsupported('pooling along T', 'axes of fixed length', `[${x.join(', ')}]`);
  }
  return windows;
}

const pool = (op: string, attributes: string[], mean: boolean): Operator => ({
  op,
  attributes: [...WINDOW_ATTRIBUTES, 'ceil_mode', ...attributes],
  inputs: [1, 1],
  infer(node) {
    if (node.node.outputs.length > 1) {
      throw node.unsupported('the output Indices', 'one output', node.node.outputs.join(', '));
    }
    return [
      { type: 'float32', shape: [...node.shape(0).slice(0, 2), ...readPool(node).map(({ positions }) => positions)] },
    ];
  },
  lower(node) {
    const flat: Window = { length: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, positions: 1 };
    const [h, w] = [flat, ...readPool(node)].slice(-2);
    const x = node.input(0);
    const y = node.output(0);
    node.call('pool', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      planes: rowSize(node.shape(0).slice(0, 2)),
      height: Number(h.length),
      width: Number(w.length),
      rows: Number(h.positions),
      columns: Number(w.positions),
      kernelHeight: h.kernel,
      kernelWidth: w.kernel,
      strideHeight: h.stride,
      strideWidth: w.stride,
      dilationHeight: h.dilation,
      dilationWidth: w.dilation,
      top: h.before,
      left: w.before,
      bottom: h.after,
      right: w.after,
      mean: mean ? 1 : 0,
      padding: mean ? node.integer('count_include_pad', 0) : 0,
    });
  },
});

/** Global pooling: a reduction over every axis behind the channels. */
const globalPool = (op: string, what: 'Max' | 'Mean'): Operator => ({
  op,
  attributes: [],
  inputs: [1, 1],
  infer: (node) => [{ type: 'float32', shape: node.shape(0).map((dim, axis) => (axis < 2 ? dim : 1)) }],
  lower: (node: Lowering) =>
    lowerReduce(
      node,
      what,
      node
        .shape(0)
        .map((_, axis) => axis)
        .slice(2),
    ),
});

export const poolingOperators: Operator[] = [
  pool('MaxPool', ['storage_order'], false),
  pool('AveragePool', ['count_include_pad'], true),
  globalPool('GlobalMaxPool', 'Max'),
  globalPool('GlobalAveragePool', 'Mean'),
];

// ---- float64 references -------------------------------------------------------------------------------------------

export const poolReference: Reference = (node, [x]) => {
  const kernel = node.attributes.kernel_shape as number[];
  const lengths = x!.shape.slice(2);
  const { strides, dilations, covered, before, after } = referenceWindow(node.attributes, lengths, kernel);
  const whole = node.attributes.ceil_mode === 1 ? Math.ceil : Math.floor;
  const positions = lengths.map((length, i) => {
    const count = whole((length + before[i] + after[i] - covered[i]) / strides[i]) + 1;
    return node.attributes.ceil_mode === 1 && (count - 1) * strides[i] >= length + before[i] ? count - 1 : count;
  });
  const y = arrayOf([...x!.shape.slice(0, 2), ...positions], ([n, c, ...position]) => {
    const numbers: number[] = [];
    let padded = 0;
    for (const tap of indicesOf(kernel)) {
      const at = position.map((p, i) => p * strides[i] + tap[i] * dilations[i] - before[i]);
      if (at.every((place, i) => place < lengths[i] + after[i])) padded++;
      if (at.every((place, i) => place >= 0 && place < lengths[i])) numbers.push(elementAt(x!, [n, c, ...at]));
    }
    if (node.op === 'MaxPool') return Math.max(...numbers);
    const count = node.attributes.count_include_pad === 1 ? padded : numbers.length;
    return numbers.reduce((a, b) => a + b) / count;
  });
  return [y];
};

export const globalPoolReference: Reference = ({ op }, [x]) => {
  const size = rowSize(x!.shape.slice(2));
  const data = Float64Array.from({ length: x!.data.length / size }, (_, i) => {
    const plane = x!.data.subarray(i * size, (i + 1) * size);
    return op === 'GlobalMaxPool' ? Math.max(...plane) : plane.reduce((a, b) => a + b) / size;
  });
  return [{ shape: x!.shape.map((dim, axis) => (axis < 2 ? dim : 1)), data }];
};
