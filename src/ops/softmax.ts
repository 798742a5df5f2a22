import type { Argument, Lowering, Operator, Reference, ReferenceTensor } from './operator.js';

/** Softmax and LogSoftmax over the last axis, as ONNX defines them from opset 13 on. */
export const softmaxOperators: Operator[] = ['Softmax', 'LogSoftmax'].map((op) => ({
  op,
  attributes: ['axis'],
  inputs: [1, 1],
  infer: (node) => [node.typeOf(0)],
  lower(node: Lowering) {
    node.call('softmax', { ...lastAxisWords(node), logarithm: op === 'LogSoftmax' ? 1 : 0 });
  },
}));

/** What calls over the last axis begin with: the rows, and the groups inside a row. Any other axis is refused. */
export function lastAxisWords(node: Lowering): Record<string, Argument> {
  const shape = node.shape(0);
  const axis = node.axis(node.integer('axis', -1), shape.length);
  if (axis !== shape.length - 1 || typeof shape[axis] !== 'number') {
    throw node.unsupported('the axis is not the last', `axis ${shape.length - 1}`, `axis ${axis}`);
  }
  const width = shape[axis];
  const x = node.input(0);
  const y = node.output(0);
  return {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    groups: node.width(0) / width,
    width,
  };
}

/** Applies `each` to every group of the last axis. */
export function overLastAxis(x: ReferenceTensor, each: (group: Float64Array) => ArrayLike<number>): ReferenceTensor {
  const width = x.shape.at(-1) ?? 1;
  const data = new Float64Array(x.data.length);
  for (let at = 0; at < data.length; at += width) data.set(each(x.data.subarray(at, at + width)), at);
  return { shape: x.shape, data };
}

export const softmaxReference: Reference = (node, [x]) => [
  overLastAxis(x!, (group) => {
    const largest = group.reduce((a, b) => Math.max(a, b));
    const exponentials = group.map((value) => Math.exp(value - largest));
    const sum = exponentials.reduce((a, b) => a + b);
    if (node.op === 'Softmax') return exponentials.map((value) => value / sum);
    return group.map((value) => value - largest - Math.log(sum));
  }),
];
