/** Softmax and LogSoftmax over any axis, beside the core's over the last. */

import { TIME } from '../graph/graph.js';
import { lowerTranspose } from './move.js';
import type { Lowering, Operand, Operator } from './operator.js';
import { lowerReduceTime } from './reduction.js';
import { rowAxes, rowSize } from './rows.js';
import { softmaxOperators as core } from './softmax.js';

export const softmaxOperators: Operator[] = core.map((operator) => ({
  ...operator,
  lower(node) {
    const shape = node.shape(0);
    const axis = node.axis(node.integer('axis', -1), shape.length);
    const logarithm = operator.op === 'LogSoftmax' ? 1 : 0;
    if (shape[axis] === TIME) {
      lowerOverTime(node, logarithm);
      return;
    }
    const width = shape[axis];
    if (typeof width !== 'number') {
      throw node.unsupported(
        'a softmax over N',
        'T, or an axis of fixed length',
        `axis ${axis} of [${shape.join(', ')}]`,
      );
    }
    const size = node.width(0);
    const call = (x: Operand, y: Operand) =>
      node.call('softmax', {
        x: x.address,
        xStride: x.stride,
        y: y.address,
        yStride: y.stride,
        groups: size / width,
        width,
        logarithm,
      });
    if (rowSize(shape.slice(axis + 1)) === 1) {
      call(node.input(0), node.output(0));
      return;
    }
    // The axis last, and back.
    const row = rowAxes(shape);
    const place = rowAxes(shape.slice(0, axis)).length;
    const there = [...row.keys()].filter((one) => one !== place).concat(place);
    const back = [...row.keys()].map((one) => there.indexOf(one));
    const [turned, made] = [node.temporary('turned', size), node.temporary('made', size)];
    lowerTranspose(node, node.input(0), turned, row, there, 'there');
    call(turned, made);
    lowerTranspose(
      node,
      made,
      node.output(0),
      there.map((one) => row[one]),
      back,
      'back',
    );
  },
}));

/** Over the steps of a whole sequence: what `softmax` does, as calls over T. */
function lowerOverTime(node: Lowering, logarithm: number): void {
  node.needsWholeSequence('it takes every step');
  const size = node.width(0);
  const x = node.input(0);
  const y = node.output(0);
  const [most, less, powers, sum] = ['most', 'less', 'powers', 'sum'].map((label) => node.temporary(label, size));
  const bytes = (operand: Operand) => ({ strideOf: (operand.address as { value: string }).value });
  const binary = (a: Operand, b: Operand, to: Operand, operator: number) =>
    node.call('binary', {
      a: a.address,
      aStride: a.stride,
      b: b.address,
      bStride: b.stride,
      y: to.address,
      yStride: to.stride,
      bytes: bytes(to),
      operator,
    });
  const activation = (from: Operand, to: Operand, code: number) =>
    node.call('activation', {
      x: from.address,
      xStride: from.stride,
      y: to.address,
      yStride: to.stride,
      bytes: bytes(to),
      activation: code,
      alpha: { float: 0 },
      beta: { float: 0 },
    });
  lowerReduceTime(node, 'Max', x, most, size);
  binary(x, most, less, 1);
  activation(less, powers, 10);
  lowerReduceTime(node, 'Sum', powers, sum, size);
  if (logarithm) {
    activation(sum, powers, 21);
    binary(less, powers, y, 1);
  } else binary(powers, sum, y, 3);
}
