import { RivuletError } from '../errors.js';

/** Whether typed arrays on this machine lie in memory as files do. */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A typed array whose elements are wider or narrower views of bytes. */
export type NumericArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

interface NumericArrayConstructor<A extends NumericArray> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

/**
 * Elements of `type` that stand in `bytes`, in the byte order given. A view where the host's order and alignment
 * allow one (so `bytes` must not change afterwards), otherwise a copy.
 * @throws RivuletError `INVALID_INPUT` where the bytes are no whole number of elements.
 */
export function elementsOf<A extends NumericArray>(
  type: NumericArrayConstructor<A>,
  bytes: Uint8Array,
  littleEndian = true,
): A {
  const size = type.BYTES_PER_ELEMENT;
  if (bytes.length % size !== 0) {
    throw new RivuletError('INVALID_INPUT', 'Bytes do not divide into elements', {
      expected: `a multiple of ${size}`,
      found: `${bytes.length}`,
    });
  }
  const length = bytes.length / size;
  const swap = size > 1 && littleEndian !== HOST_IS_LITTLE_ENDIAN;
  if (!swap && bytes.byteOffset % size === 0) return new type(bytes.buffer, bytes.byteOffset, length);
  const copy = new Uint8Array(bytes);
  if (swap) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return new type(copy.buffer, 0, length);
}

/** The bytes of an array as files have them, little-endian: a view where the host has them so. */
export function littleEndianBytes(values: NumericArray): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const { buffer, byteOffset, byteLength } = elementsOf(values.constructor as Uint8ArrayConstructor, bytes);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** IEEE binary16 bit patterns to the float32 of the same value (every one has such). NaN stays NaN. */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i];
    const exponent = (h >>> 10) & 31;
    const fraction = h & 1023;
    let value: number;
    if (exponent === 31) value = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    out[i] = h & 0x8000 ? -value : value;
  }
  return out;
}

/** bfloat16 bit patterns, which are the upper halves of float32s, to those float32s. */
export function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i] << 16;
  return new Float32Array(wide.buffer);
}
