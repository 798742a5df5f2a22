import { RivuletError } from '../../errors.js';
import type { DataType, Tensor } from '../../graph/graph.js';
import { byteLength, elementCount } from '../../graph/tensor.js';
import { elementsOf } from '../../io/binary.js';
import type { Neighbours } from '../../io/neighbours.js';
import { floatTensor, joined } from '../constants.js';
import { Fields } from '../fields.js';
import { COPY_AGAIN } from '../hints.js';
import type { Json } from '../json.js';

/** The weights of a TensorFlow.js model: groups of shards, in which the weights lie one after the other. */

const TFJS_LIMITS = {
  /** Files of weights. */
  shards: 4_096,
  /** Axes of a weight. */
  rank: 8,
} as const;

/** Types that are read as they lie there. */
const TYPES: Readonly<Record<string, DataType>> = { float32: 'float32', int32: 'int32', uint8: 'uint8', bool: 'bool' };

/** Integers that stand for numbers between a least one and a greatest. */
type Scaled = 'uint8' | 'uint16';

/** A weight by the path that the trainer gave it; texts are none. */
export interface StoredWeight {
  path: string;
  tensor: Tensor | undefined;
}

interface Spec {
  path: string;
  shape: number[];
  type: DataType;
  /** How it lies in the shards, where that is another way; texts lie one after the other, each behind its length. */
  stored: { type: 'float16' } | { type: 'texts' } | { type: Scaled; scale: number; min: number } | undefined;
}

/** Reads `weightsManifest`, and the shards beside the file. */
export async function readManifest(
  json: Json | undefined,
  file: string | undefined,
  neighbours: Neighbours,
): Promise<StoredWeight[]> {
  if (!Array.isArray(json))
    throw new RivuletError('INVALID_FILE', 'model.json has no list "weightsManifest"', { file });
  const weights: StoredWeight[] = [];
  let shards = 0;
  for (const [i, group] of json.entries()) {
    const fields = new Fields(group, `weightsManifest[${i}]`, file);
    const paths = fields.texts('paths');
    const specs = fields.objects('weights').map(readSpec);
    fields.end();
    shards += paths.length;
    if (shards > TFJS_LIMITS.shards) {
      throw new RivuletError('LIMIT_EXCEEDED', 'Too many shards', { file, expected: `at most ${TFJS_LIMITS.shards}` });
    }
    const parts: Uint8Array[] = [];
    for (const path of paths) parts.push(await neighbours(path.replace(/^\.\//, '')));
    const bytes = parts.length === 1 ? parts[0] : joined(parts);
    let at = 0;
    for (const spec of specs) {
      const length = storedLength(spec, bytes.subarray(at));
      if (at + length > bytes.length) {
        throw new RivuletError('INVALID_FILE', 'The shards are too short', {
          file,
          tensor: spec.path,
          expected: `${at + length} bytes`,
          found: `${bytes.length}`,
          hint: `${COPY_AGAIN}: ${JSON.stringify(paths[shortest(parts)])}`,
        });
      }
      weights.push({ path: spec.path, tensor: tensorOf(spec, bytes.subarray(at, at + length)) });
      at += length;
    }
    if (at !== bytes.length) {
      throw new RivuletError('INVALID_FILE', 'The shards go on behind the last weight', {
        file,
        expected: `${at} bytes`,
        found: `${bytes.length}`,
      });
    }
  }
  return weights;
}

/** The shard that lacks bytes, as far as lengths tell: all but the last are of one length. */
function shortest(parts: readonly Uint8Array[]): number {
  const full = Math.max(...parts.map(({ length }) => length));
  const found = parts.findIndex(({ length }) => length < full);
  return found < 0 ? parts.length - 1 : found;
}

function readSpec(fields: Fields): Spec {
  const path = fields.text('name');
  const shape = fields.counts('shape');
  if (shape.length > TFJS_LIMITS.rank) throw fields.wrong('shape', `at most ${TFJS_LIMITS.rank} axes`, shape.length);
  const dtype = fields.text('dtype');
  if (dtype === 'string') {
    if (fields.has('group')) fields.get('group', 'a text');
    fields.end();
    return { path, shape, type: 'uint8', stored: { type: 'texts' } };
  }
  const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (!type) throw fields.wrong('dtype', Object.keys(TYPES).join(', '), dtype);
  const quantization = fields.has('quantization') ? readQuantization(fields.fields('quantization')) : undefined;
  if (quantization && type !== 'float32') throw fields.wrong('dtype', 'float32 where it is quantised', dtype);
  // Some writers number the groups of a model's layers here.
  if (fields.has('group')) fields.get('group', 'a text');
  fields.end();
  return { path, shape, type, stored: quantization };
}

function readQuantization(fields: Fields): Spec['stored'] {
  const type = fields.text('dtype');
  if (fields.has('original_dtype')) fields.text('original_dtype');
  if (type === 'float16') {
    fields.end();
    return { type };
  }
  const [scale, min] = ['scale', 'min'].map((key) => {
    const value = fields.get(key, 'a number');
    if (typeof value === 'number') return value;
    throw fields.wrong(key, 'a number', value);
  });
  fields.end();
  if (type === 'uint8' || type === 'uint16') return { type, scale, min };
  throw fields.wrong('dtype', 'float16, uint8 or uint16', type);
}

function storedLength({ shape, type, stored }: Spec, bytes: Uint8Array): number {
  if (stored === undefined) return byteLength(type, shape);
  const count = elementCount(shape);
  if (stored.type !== 'texts') return count * (stored.type === 'uint8' ? 1 : 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  // A text takes four bytes at least, so the shards end what a shape claims.
  for (let i = 0; i < count && at <= bytes.length; i++)
    at += 4 + (at + 4 <= bytes.length ? view.getUint32(at, true) : 0);
  return at;
}

function tensorOf({ path: name, shape, type, stored }: Spec, bytes: Uint8Array): Tensor | undefined {
  if (stored?.type === 'texts') return undefined;
  if (stored === undefined) return { name, type, shape, bytes };
  if (stored.type === 'float16') return { name, type: 'float16', shape, bytes };
  const integers = stored.type === 'uint8' ? bytes : elementsOf(Uint16Array, bytes);
  const { scale, min } = stored;
  // In float64, rounded once, as JavaScript's own arithmetic does it in TensorFlow.js.
  return floatTensor(
    name,
    Float64Array.from(integers, (q) => q * scale + min),
    shape,
  );
}
