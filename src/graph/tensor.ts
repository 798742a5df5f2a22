import { RivuletError } from '../errors.js';
import { bfloat16ToFloat32, elementsOf, float16ToFloat32 } from '../io/binary.js';
import type { DataType, Tensor } from './graph.js';

const BYTES: Readonly<Record<DataType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** The largest finite float32: where a Clip without a bound ends. */
export const MAX_FLOAT32 = 3.4028234663852886e38;

/** Every element type, in the order of its declaration. */
export const DATA_TYPES = Object.keys(BYTES) as readonly DataType[];

export function isDataType(text: string): text is DataType {
  return Object.hasOwn(BYTES, text);
}

/** Whether elements are whole numbers or truth: what `toIntegers` reads. */
export function isIntegral(type: DataType): boolean {
  return !type.startsWith('float') && type !== 'bfloat16';
}

/** Bytes of one element. */
export function bytesPerElement(type: DataType): number {
  return BYTES[type];
}

/**
 * The product of a shape's dims; 1 for a scalar's empty shape.
 * @throws RivuletError `LIMIT_EXCEEDED` where it is beyond exact integers, `INVALID_GRAPH` where a dim is not a count.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  // A zero anywhere makes the whole empty, so it must not hide a factor that is out of range.
  let nonzero = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new RivuletError('INVALID_GRAPH', 'A dim is not a count', {
        expected: 'an integer >= 0',
        found: String(dim),
      });
    }
    count *= dim;
    nonzero *= dim || 1;
    if (!Number.isSafeInteger(nonzero)) {
      throw new RivuletError('LIMIT_EXCEEDED', 'A shape has too many elements', { found: `[${shape.join(', ')}]` });
    }
  }
  return count;
}

/** Bytes of a row-major array of `type` and `shape`. Throws as {@link elementCount} does. */
export function byteLength(type: DataType, shape: readonly number[]): number {
  const length = elementCount(shape) * BYTES[type];
  if (Number.isSafeInteger(length)) return length;
  throw new RivuletError('LIMIT_EXCEEDED', 'A shape has too many bytes', { found: `${type} [${shape.join(', ')}]` });
}

/**
 * A floating-point tensor as float32: a view of its bytes where they allow one, otherwise a copy; don't write to it.
 * float16 and bfloat16 convert exactly, float64 rounds to nearest.
 * @throws RivuletError `INVALID_GRAPH` where the tensor is not floating-point, or a finite float64 is out of float32's
 *   range.
 */
export function toFloat32(tensor: Tensor): Float32Array {
  checkLength(tensor);
  switch (tensor.type) {
    case 'float32':
      return elementsOf(Float32Array, tensor.bytes);
    case 'float16':
      return float16ToFloat32(elementsOf(Uint16Array, tensor.bytes));
    case 'bfloat16':
      return bfloat16ToFloat32(elementsOf(Uint16Array, tensor.bytes));
    case 'float64': {
      const wide = elementsOf(Float64Array, tensor.bytes);
      const narrow = new Float32Array(wide);
      const lost = narrow.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(wide[i]));
      if (lost < 0) return narrow;
      throw new RivuletError('INVALID_GRAPH', 'A float64 value is out of the range of float32', {
        tensor: tensor.name,
        found: `${wide[lost]} at element ${lost}`,
      });
    }
    default:
      throw new RivuletError('INVALID_GRAPH', 'Not a floating-point tensor', {
        tensor: tensor.name,
        expected: 'float32, float16, bfloat16 or float64',
        found: tensor.type,
      });
  }
}

/**
 * An integer or bool tensor as numbers, for shapes, axes and indices.
 * @throws RivuletError `INVALID_GRAPH` where it is floating-point, or holds an int64 that a number cannot hold exactly.
 */
export function toIntegers(tensor: Tensor): number[] {
  checkLength(tensor);
  switch (tensor.type) {
    case 'int8':
      return Array.from(elementsOf(Int8Array, tensor.bytes));
    case 'uint8':
      return Array.from(tensor.bytes);
    case 'bool':
      return Array.from(tensor.bytes, (byte) => (byte === 0 ? 0 : 1));
    case 'int16':
      return Array.from(elementsOf(Int16Array, tensor.bytes));
    case 'int32':
      return Array.from(elementsOf(Int32Array, tensor.bytes));
    case 'int64':
      return Array.from(elementsOf(BigInt64Array, tensor.bytes), (wide, i) => {
        const value = Number(wide);
        if (Number.isSafeInteger(value)) return value;
        throw new RivuletError('INVALID_GRAPH', 'An int64 value is beyond exact numbers', {
          tensor: tensor.name,
          expected: 'at most 2^53 - 1 in size',
          found: `${wide} at element ${i}`,
        });
      });
    default:
      throw new RivuletError('INVALID_GRAPH', 'Not an integer tensor', {
        tensor: tensor.name,
        expected: 'int8, uint8, int16, int32, int64 or bool',
        found: tensor.type,
      });
  }
}

function checkLength({ name, type, shape, bytes }: Tensor): void {
  const length = byteLength(type, shape);
  if (bytes.length === length) return;
  throw new RivuletError('INVALID_GRAPH', 'Bytes and shape disagree', {
    tensor: name,
    expected: `${length} bytes for ${type} [${shape.join(', ')}]`,
    found: `${bytes.length}`,
  });
}
