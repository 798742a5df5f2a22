import type { Lowering, Operator } from './operator.js';

/** ONNX's Gather along axis 0 of a constant table: the embedding. Indices are a value of integers. */
export const gather: Operator = {
  op: 'Gather',
  anyType: true,
  attributes: ['axis'],
  inputs: [2, 2],
  infer(node) {
    const table = node.shape(0);
    const indices = node.typeOf(1);
    if (!node.constant(0)) throw node.unsupported('the table is computed', 'a constant', node.node.inputs[0]);
    if (table.length !== 2) throw node.unsupported('the table is no matrix', 'rank 2', `[${table.join(', ')}]`);
    if (node.axis(node.integer('axis', 0), table.length) !== 0) throw node.wrongAttribute('axis', '0');
    if (indices.type !== 'int64' && indices.type !== 'int32') {
      throw node.malformed('indices have the wrong type', 'int64 or int32', indices.type, 1);
    }
    return [{ type: 'float32', shape: [...indices.shape, table[1]] }];
  },
  lower(node: Lowering) {
    const [rows, width] = node.shape(0).map(Number);
    const x = node.input(1);
    const y = node.output(0);
    node.call('gather', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      table: node.weights('table', rows * width, (target) => target.set(node.floats(0))),
      rows,
      bytes: width * 4,
      indices: node.width(1),
    });
  },
};
