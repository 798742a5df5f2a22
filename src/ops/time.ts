/**
 * Into a step and out again: what ONNX's Scan does to its sequences. Between TimeStep and TimeStack a value is that of the one
 * step at hand, as its shape then says; states are pairs of the graph. A row is a step already, so nothing is computed.
 */

import { type Dim, TIME } from '../graph/graph.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference } from './operator.js';

const lower = (node: Lowering) => node.alias(0, node.node.inputs[0]);

/** [..., T at `axis`, ...] -> [..., ...]: the step at hand. */
const timeStep: Operator = {
  op: 'TimeStep',
  anyType: true,
  attributes: ['axis'],
  inputs: [1, 1],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const axis = axisOf(node, shape.length);
    if (shape[axis] !== TIME) throw node.malformed('no axis of time', TIME, String(shape[axis]), 0);
    return [{ type, shape: shape.filter((_, a) => a !== axis) }];
  },
  lower,
};

/** [..., ...] -> [..., T at `axis`, ...]: what each step made, side by side. */
const timeStack: Operator = {
  op: 'TimeStack',
  anyType: true,
  attributes: ['axis'],
  inputs: [1, 1],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const axis = axisOf(node, shape.length + 1);
    return [{ type, shape: [...shape.slice(0, axis), TIME, ...shape.slice(axis)] as Dim[] }];
  },
  lower,
};

/** What the last step made. A stream has made no other step yet. */
const timeLast: Operator = {
  op: 'TimeLast',
  anyType: true,
  attributes: [],
  inputs: [1, 1],
  infer: (node) => [node.typeOf(0)],
  lower,
};

const axisOf = (node: NodeReader, rank: number) => node.axis(node.integer('axis', 0), rank);

export const timeOperators = [timeStep, timeStack, timeLast];

// ---- float64 references, of one step ------------------------------------------------------------------------------

export const timeStepReference: Reference = (node, [x]) => {
  const { shape, data } = x!;
  const axis = Number(node.attributes.axis ?? 0);
  return [{ shape: shape.filter((_, a) => a !== (axis < 0 ? axis + shape.length : axis)), data }];
};

export const timeStackReference: Reference = (node, [x]) => {
  const { shape, data } = x!;
  const given = Number(node.attributes.axis ?? 0);
  const axis = given < 0 ? given + shape.length + 1 : given;
  return [{ shape: [...shape.slice(0, axis), 1, ...shape.slice(axis)], data }];
};
