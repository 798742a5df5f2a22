import { RivuletError } from '../../errors.js';
import type { DataType, Tensor } from '../../graph/graph.js';
import { byteLength, bytesPerElement, elementCount } from '../../graph/tensor.js';
import { elementsOf } from '../../io/binary.js';
import type { OnnxTensor } from './model.js';

/** TensorProto.DataType, as far as graphs have the type. */
const TYPES: Record<number, DataType> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  16: 'bfloat16',
};

const OTHER_TYPES: Record<number, string> = {
  0: 'no tensor',
  4: 'uint16',
  8: 'string',
  12: 'uint32',
  13: 'uint64',
  14: 'complex64',
  15: 'complex128',
};

/** The element type that ONNX numbers so, or undefined where graphs do not have it. */
export const typeOf = (number: number): DataType | undefined => TYPES[number];

/** The type's name for people. */
export const typeName = (number: number): string => TYPES[number] ?? OTHER_TYPES[number] ?? `type ${number}`;

/** Signals are computed with as float32, whatever floating-point type the file gives them. */
export const signalType = (type: DataType): DataType =>
  type === 'float16' || type === 'bfloat16' || type === 'float64' ? 'float32' : type;

/** A stored tensor as the graph's: a view of the file where its bytes lie there as they are, otherwise a copy. */
export function readTensor(stored: OnnxTensor, name: string, file: string | undefined): Tensor {
  const { shape, raw } = stored;
  const type = typeOf(stored.type);
  if (!type) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'a tensor of this type', {
      file,
      tensor: name,
      expected: Object.values(TYPES).join(', '),
      found: typeName(stored.type),
    });
  }
  const length = byteLength(type, shape);
  const lists = [stored.floats, stored.doubles, stored.integers].filter((list) => list.length > 0);
  const wrong = (expected: string, found: string) =>
    new RivuletError('INVALID_FILE', 'A tensor and its shape disagree', { file, tensor: name, expected, found });
  if (raw) {
    if (lists.length > 0) throw wrong('numbers in one form', 'raw bytes and a list');
    if (raw.length !== length) throw wrong(`${length} bytes for ${type} [${shape.join(', ')}]`, `${raw.length}`);
    return { name, type, shape, bytes: raw };
  }
  const numbers = listOf(stored, type);
  const count = elementCount(shape);
  if (numbers.length !== count || lists.length > 1) {
    throw wrong(`${count} numbers for ${type} [${shape.join(', ')}]`, `${numbers.length}`);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const size = bytesPerElement(type);
  for (let i = 0; i < count; i++) storeNumber(view, i * size, type, numbers[i]);
  return { name, type, shape, bytes };
}

/** The list in which ONNX stores numbers of a type: float16 and bfloat16 as bit patterns among the integers. */
function listOf(stored: OnnxTensor, type: DataType): readonly (number | bigint)[] {
  if (type === 'float32') return stored.floats;
  if (type === 'float64') return stored.doubles;
  return stored.integers;
}

/** Writes one number of a tensor; float16 and bfloat16 as their bit patterns. */
export function storeNumber(view: DataView, at: number, type: DataType, value: number | bigint): void {
  if (type === 'float32') view.setFloat32(at, Number(value), true);
  else if (type === 'float64') view.setFloat64(at, Number(value), true);
  else if (type === 'int64') view.setBigInt64(at, BigInt(value), true);
  else if (type === 'int32') view.setInt32(at, Number(value), true);
  else if (type === 'int16' || type === 'float16' || type === 'bfloat16') view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}

/**
 * An integer tensor as numbers. ONNX says "to the end" with the largest int64, so what a number cannot hold exactly
 * becomes the largest that it can, of the same sign.
 */
export function integersOf(tensor: Tensor): number[] | undefined {
  const { type, bytes } = tensor;
  if (type === 'int64') return Array.from(elementsOf(BigInt64Array, bytes), clampInteger);
  if (type === 'int32') return Array.from(elementsOf(Int32Array, bytes));
  if (type === 'int16') return Array.from(elementsOf(Int16Array, bytes));
  if (type === 'int8') return Array.from(elementsOf(Int8Array, bytes));
  if (type === 'uint8' || type === 'bool') return Array.from(bytes);
  return undefined;
}

export function clampInteger(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  return value < 0n ? -Number.MAX_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

/** Whether all numbers of a tensor are 0 (or -0, which a sum does not tell from it). */
export function isZero({ type, bytes }: Tensor): boolean {
  const size = bytesPerElement(type);
  const floating = type.startsWith('float') || type === 'bfloat16';
  return bytes.every((byte, i) => byte === 0 || (floating && byte === 0x80 && i % size === size - 1));
}
