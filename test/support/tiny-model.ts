import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { Graph, GraphNode, Tensor } from '../../src/graph/graph.js';

/** The tiny model's vocabulary: token id = position. */
export const TINY_VOCABULARY = [...'\n abcde'];

/** Seeded numbers in [-0.5, 0.5): any will do, the same on every machine matters. */
function numbers(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** A character model in the native format, with `hidden` units and random weights: for tests of packaging, not of numbers. */
export function tinyCharacterModel(hidden = 8, metadata: Record<string, string> = {}): Uint8Array {
  const embedding = 5;
  const vocabulary = TINY_VOCABULARY.length;
  const float = (name: string, shape: number[], seed: number): Tensor => {
    const data = numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    );
    return { name, type: 'float32', shape, bytes: new Uint8Array(data.buffer) };
  };
  const tensors: Tensor[] = [
    float('embedding.weight', [vocabulary, embedding], 1),
    float('lstm0.W', [1, 4 * hidden, embedding], 2),
    float('lstm0.R', [1, 4 * hidden, hidden], 3),
    float('lstm0.B', [1, 8 * hidden], 4),
    float('head.weight', [hidden, vocabulary], 5),
    float('head.bias', [vocabulary], 6),
    { name: 'directions', type: 'int64', shape: [1], bytes: new Uint8Array(new BigInt64Array([1n]).buffer) },
  ];
  const node = (op: string, inputs: string[], output: string, attributes: GraphNode['attributes'] = {}): GraphNode => ({
    name: output,
    op,
    inputs,
    outputs: [output],
    attributes,
  });
  const graph: Graph = {
    name: 'tiny',
    inputs: [{ name: 'tokens', type: 'int64', shape: ['T', 'N'] }],
    outputs: [{ name: 'logits', type: 'float32', shape: ['T', 'N', vocabulary] }],
    states: [],
    nodes: [
      node('Gather', ['embedding.weight', 'tokens'], 'embedded', { axis: 0 }),
      node('LSTM', ['embedded', 'lstm0.W', 'lstm0.R', 'lstm0.B'], 'lstm0', { hidden_size: hidden }),
      node('Squeeze', ['lstm0', 'directions'], 'hidden'),
      node('MatMul', ['hidden', 'head.weight'], 'product'),
      node('Add', ['product', 'head.bias'], 'logits'),
    ],
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: { vocabulary: JSON.stringify(TINY_VOCABULARY), ...metadata },
  };
  return writeNative(graph);
}
