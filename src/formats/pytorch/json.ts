import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import type { Tensor } from '../../graph/graph.js';
import type { Fields } from '../fields.js';
import { nestedTensor } from '../nested.js';

/**
 * The tensors of a state dict as JSON, which is what `{name: tensor.tolist()}` gives: nested lists by name.
 * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`.
 */
export function tensorsOf(dict: Fields, file: string | undefined): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const name of dict.keys()) {
    if (tensors.size === GRAPH_LIMITS.tensors || name.length > GRAPH_LIMITS.nameLength) {
      const expected = `${GRAPH_LIMITS.tensors} tensors, with names of ${GRAPH_LIMITS.nameLength} characters`;
      throw new RivuletError('LIMIT_EXCEEDED', 'Too many tensors, or too long a name', { file, expected });
    }
    tensors.set(
      name,
      nestedTensor(name, dict.get(name, 'lists of numbers'), `${dict.path}.${name.slice(0, 100)}`, file),
    );
  }
  return tensors;
}
