import type { Lowering, Operator } from './operator.js';
import { lastAxisWords } from './softmax.js';

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
