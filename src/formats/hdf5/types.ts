import type { DataType } from '../../graph/graph.js';
import type { Cursor } from './bytes.js';
import { HDF5_LIMITS } from './limits.js';

/** How the elements of a dataset or an attribute are stored. */
export type ElementType =
  | { kind: 'number'; type: DataType | 'uint16' | 'uint32' | 'uint64'; size: number; littleEndian: boolean }
  /** Text of `size` bytes each, padded. */
  | { kind: 'text'; size: number }
  /** Text of any length, which lies elsewhere. */
  | { kind: 'long text'; size: number }
  | { kind: 'other'; size: number; name: string };

const CLASSES = [
  'integers',
  'floating-point numbers',
  'times',
  'text',
  'bits',
  'opaque bytes',
  'compound values',
  'references',
  'enumerations',
  'lists of any length',
  'arrays',
];

/** IEEE 754's formats and bfloat16: precision, place and size of exponent and mantissa, bias. */
const FLOATS: readonly (readonly [type: DataType, layout: string])[] = [
  ['float16', '16 10 5 0 10 15'],
  ['bfloat16', '16 7 8 0 7 127'],
  ['float32', '32 23 8 0 23 127'],
  ['float64', '64 52 11 0 52 1023'],
];

/** Reads a datatype message. */
export function readElementType(cursor: Cursor): ElementType {
  const head = cursor.u8();
  const kind = head & 15;
  const bits = cursor.u8() | (cursor.u16() << 8);
  const size = cursor.u32();
  const littleEndian = (bits & 1) === 0;
  const other: ElementType = { kind: 'other', size, name: CLASSES[kind] ?? `class ${kind}` };
  if (kind === 0) {
    const [offset, precision] = [cursor.u16(), cursor.u16()];
    if (offset !== 0 || precision !== 8 * size || ![1, 2, 4, 8].includes(size)) return other;
    const type = `${bits & 8 ? '' : 'u'}int${8 * size}` as 'int8' | 'uint8' | 'uint16';
    return { kind: 'number', type, size, littleEndian };
  }
  if (kind === 1) {
    const offset = cursor.u16();
    const precision = cursor.u16();
    const fields = [cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8(), cursor.u32()];
    const layout = [precision, ...fields].join(' ');
    const known = FLOATS.find(([, wanted]) => wanted === layout);
    // Bit 6 tells VAX's order from the two others.
    if (!known || offset !== 0 || precision !== 8 * size || bits & 0x40) return other;
    return { kind: 'number', type: known[0], size, littleEndian };
  }
  if (kind === 3) return { kind: 'text', size };
  if (kind === 9 && (bits & 15) === 1) return { kind: 'long text', size };
  return other;
}

/** Reads a dataspace message: the lengths of the axes, none of a scalar. */
export function readShape(cursor: Cursor): number[] {
  const version = cursor.version(1, 2);
  const rank = cursor.u8();
  if (rank > HDF5_LIMITS.rank) throw cursor.source.tooMany('Too many axes', HDF5_LIMITS.rank);
  cursor.u8();
  if (version === 1) cursor.take(5);
  // Of version 2: a scalar, a shape, or nothing at all.
  else if (cursor.u8() === 2) return [0];
  return Array.from({ length: rank }, () => {
    const length = cursor.u64();
    if (length >= 0 && length < Number.MAX_SAFE_INTEGER) return length;
    throw cursor.source.invalid('The length of an axis is none', undefined, 'a number beyond any file');
  });
}
