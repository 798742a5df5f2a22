import type { Lowering, Operator, Reference } from './operator.js';
import { overLastAxis } from './softmax.js';

/** ONNX's LayerNormalization over the last axis, without the optional Mean and InvStdDev outputs. */
export const layerNormalization: Operator = {
  op: 'LayerNormalization',
  attributes: ['axis', 'epsilon', 'stash_type'],
  inputs: [2, 3],
  infer: (node) => [node.typeOf(0)],
  lower(node: Lowering) {
    const shape = node.shape(0);
    const axis = node.axis(node.integer('axis', -1), shape.length);
    const width = node.rowShape(0).at(-1) ?? 1;
    if (axis !== shape.length - 1 || typeof shape[axis] !== 'number') {
      throw node.unsupported('the axis is not the last', `axis ${shape.length - 1}`, `axis ${axis}`);
    }
    if (node.integer('stash_type', 1) !== 1) throw node.wrongAttribute('stash_type', '1 (float32)');
    if (node.node.outputs.slice(1).some(Boolean)) {
      throw node.unsupported('outputs Mean and InvStdDev', 'one output', node.node.outputs.join(', '));
    }
    node.expectShape(1, 'Scale', [width]);
    if (node.has(2)) node.expectShape(2, 'B', [width]);
    const parameters = (label: string, i: number) =>
      node.weights(label, width, (target) => {
        if (node.has(i)) target.set(node.floats(i));
      });
    const x = node.input(0);
    const y = node.output(0);
    node.call('layerNormalization', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      groups: node.width(0) / width,
      width,
      scale: parameters('scale', 1),
      shift: parameters('shift', 2),
      epsilon: { float: node.number('epsilon', 1e-5) },
    });
  },
};

export const layerNormalizationReference: Reference = (node, [x, scale, shift]) => {
  const epsilon = (node.attributes.epsilon as number | undefined) ?? 1e-5;
  const mean = (group: Float64Array) => group.reduce((a, b) => a + b) / group.length;
  return [
    overLastAxis(x!, (group) => {
      const centre = mean(group);
      const deviation = Math.sqrt(mean(group.map((value) => (value - centre) ** 2)) + epsilon);
      return group.map((value, i) => ((value - centre) / deviation) * scale!.data[i] + (shift?.data[i] ?? 0));
    }),
  ];
};
