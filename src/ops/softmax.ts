import { arrayOf, elementAt, fromFront } from './array.js';
import type { Argument, Lowering, Operator, Reference } from './operator.js';

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

export const softmaxReference: Reference = (node, [x]) => {
  const axis = fromFront((node.attributes.axis as number | undefined) ?? -1, x!.shape.length);
  const group = (index: readonly number[]) =>
    Array.from({ length: x!.shape[axis] }, (_, at) => elementAt(x!, index.with(axis, at)));
  const y = arrayOf(x!.shape, (index) => {
    const numbers = group(index);
    const largest = Math.max(...numbers);
    const sum = numbers.reduce((total, value) => total + Math.exp(value - largest), 0);
    const own = elementAt(x!, index) - largest;
    return node.op === 'Softmax' ? Math.exp(own) / sum : own - Math.log(sum);
  });
  return [y];
};
