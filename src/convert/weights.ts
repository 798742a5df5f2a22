import { RivuletError } from '../errors.js';
import type { Graph, Tensor } from '../graph/graph.js';
import { toFloat32 } from '../graph/tensor.js';
import { littleEndianBytes } from '../io/binary.js';
import { float32ToBfloat16, float32ToFloat16 } from './narrow.js';

/** The types in which a file may hold its weights; whatever they are, they are float32 once loaded. */
export const WEIGHT_TYPES = ['float32', 'float16', 'bfloat16'] as const;

export type WeightType = (typeof WEIGHT_TYPES)[number];

/**
 * The same graph with its floating-point tensors rounded to `type`. What a state begins as keeps the state's type, and
 * tensors of integers are left alone.
 *
 * @throws RivuletError `INVALID_GRAPH` where a number is not finite, or out of the type's range.
 */
export function withWeights(graph: Graph, type: WeightType): Graph {
  const initial = new Set(graph.states.map((state) => state.initial));
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of graph.tensors) {
    const floating = tensor.type.startsWith('float') || tensor.type === 'bfloat16';
    tensors.set(name, floating && tensor.type !== type && !initial.has(name) ? stored(tensor, type) : tensor);
  }
  return { ...graph, tensors };
}

function stored(tensor: Tensor, type: WeightType): Tensor {
  const values = toFloat32(tensor);
  const narrow =
    type === 'float32' ? values : type === 'float16' ? float32ToFloat16(values) : float32ToBfloat16(values);
  const infinite = type === 'float16' ? 0x7c00 : 0x7f80;
  const lost = narrow.findIndex((word) => type !== 'float32' && (word & infinite) === infinite);
  if (lost >= 0) {
    throw new RivuletError('INVALID_GRAPH', `A weight is out of the range of ${type}`, {
      tensor: tensor.name,
      found: `${values[lost]} at element ${lost}`,
    });
  }
  return { ...tensor, type, bytes: littleEndianBytes(narrow) };
}
