import { RivuletError } from '../errors.js';
import { GRAPH_LIMITS } from '../graph/check.js';
import type { Tensor } from '../graph/graph.js';
import { floatTensor } from './constants.js';
import type { Json } from './json.js';

/**
 * A float32 tensor from numbers in nested lists, as JSON formats hold weights; a number alone is a scalar.
 *
 * @param path what the lists are called in errors.
 * @throws RivuletError `INVALID_FILE` where lists of one depth differ in length, hold anything else than numbers, or a
 *   number is out of float32's range.
 */
export function nestedTensor(name: string, json: Json, path: string, file: string | undefined): Tensor {
  const shape: number[] = [];
  for (let at = json; Array.isArray(at); [at] = at) {
    shape.push(at.length);
    if (at.length === 0 || shape.length > GRAPH_LIMITS.rank) throw wrong(path, 'lists of numbers', file);
  }
  const values: number[] = [];
  const collect = (value: Json, depth: number): void => {
    if (depth < shape.length) {
      if (!Array.isArray(value) || value.length !== shape[depth]) {
        throw wrong(path, `lists of ${shape[depth]} at depth ${depth}`, file);
      }
      for (const item of value) collect(item, depth + 1);
    } else if (typeof value === 'number' && Number.isFinite(Math.fround(value))) values.push(value);
    else throw wrong(path, 'numbers in the range of float32', file);
  };
  collect(json, 0);
  return floatTensor(name, values, shape);
}

const wrong = (path: string, expected: string, file: string | undefined): RivuletError =>
  new RivuletError('INVALID_FILE', `${path} is no tensor`, { file, expected });

/** A text as it is, anything else as JSON: for metadata, which are texts. */
export const textOf = (json: Json): string => (typeof json === 'string' ? json : JSON.stringify(plain(json)));

function plain(json: Json): unknown {
  if (Array.isArray(json)) return json.map(plain);
  if (!(json instanceof Map)) return json;
  return Object.fromEntries(Array.from(json, ([key, value]) => [key, plain(value)]));
}
