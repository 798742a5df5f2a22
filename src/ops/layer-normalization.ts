import type { Lowering, Operator, Reference } from './operator.js';
import { lastAxisWords, overLastAxis } from './softmax.js';

/** ONNX's LayerNormalization over the last axis, without the optional Mean and InvStdDev outputs. */
export const layerNormalization: Operator = {
  op: 'LayerNormalization',
  attributes: ['axis', 'epsilon', 'stash_type'],
  inputs: [2, 3],
  infer: (node) => [node.typeOf(0)],
  lower(node: Lowering) {
    const words = lastAxisWords(node);
    const width = Number(words.width);
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
    node.call('layerNormalization', {
      ...words,
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
