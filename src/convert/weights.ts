import { RivuletError } from '../errors.js';
import { givenGraph } from '../graph/given.js';
import type { Graph, Tensor } from '../graph/graph.js';
import { toFloat32 } from '../graph/tensor.js';
import { littleEndianBytes } from '../io/binary.js';
import { float32ToBfloat16, float32ToFloat16 } from '../io/narrow.js';
import { shown } from '../options.js';
import { holdWeights } from '../plan/quantize.js';

/** The types in which a file may hold its weights; all but int8 are float32 once loaded, unless `loadModel` is told otherwise. */
export const WEIGHT_TYPES = ['float32', 'float16', 'bfloat16', 'int8'] as const;

export type WeightType = (typeof WEIGHT_TYPES)[number];

/**
 * The same graph with its floating-point tensors rounded to `type`. What a state begins as keeps the state's type, and
 * tensors of integers are left alone. For `int8`, the matrices alone, each output by a scale of its own; what a node named
 * in `keep` reads stays as it is.
 *
 * @throws RivuletError `INVALID_GRAPH` where a number is not finite, or out of the type's range; `INVALID_OPTION` for a
 *   name in `keep` that no node has; `INVALID_INPUT` for what is no graph.
 */
export function withWeights(graph: Graph, type: WeightType, keep: readonly string[] = []): Graph {
  givenGraph(graph);
  if (!WEIGHT_TYPES.includes(type)) {
    throw new RivuletError('INVALID_OPTION', 'weights', { expected: WEIGHT_TYPES.join(', '), found: shown(type) });
  }
  if (type === 'int8') return holdWeights(graph, type, keep);
  const initial = new Set(graph.states.map((state) => state.initial));
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of graph.tensors) {
    const floating = tensor.type.startsWith('float') || tensor.type === 'bfloat16';
    tensors.set(name, floating && tensor.type !== type && !initial.has(name) ? stored(tensor, type) : tensor);
  }
  return { ...graph, tensors };
}

function stored(tensor: Tensor, type: Exclude<WeightType, 'int8'>): Tensor {
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
