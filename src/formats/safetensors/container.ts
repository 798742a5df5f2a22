import { RivuletError } from '../../errors.js';
import { decodeUtf8 } from '../../io/utf8.js';
import { Fields } from '../fields.js';
import { COPY_AGAIN } from '../hints.js';
import { parseJson } from '../json.js';

/**
 * The container: eight bytes that give a header's length (little-endian), the header (JSON), the tensors' bytes.
 * This file knows nothing of models; any safetensors file passes through it.
 */

/** The longest header that is read, in bytes. The format itself stops at 100 MB; real headers are below 1 MB. */
export const MAX_HEADER_BYTES = 16 * 1024 * 1024;
/** The most tensors in a file. */
export const MAX_FILE_TENSORS = 65_536;
/** The most axes of a tensor. */
const MAX_TENSOR_RANK = 32;

/** Bits of one element by the format's own names of types. */
export const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I8: 8,
  U8: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** An element type by the format's own name. */
export type Dtype = keyof typeof BITS;

export interface StoredTensor {
  dtype: Dtype;
  shape: number[];
  /** Little-endian, row-major. */
  bytes: Uint8Array;
}

export interface SafetensorsFile {
  /** `__metadata__`: free text by key. */
  metadata: Map<string, string>;
  /** By name, in the order of the header. */
  tensors: Map<string, StoredTensor>;
}

/** Whether the bytes begin as a safetensors file does. */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === OPENING_BRACE && bytes[4] + bytes[5] + bytes[6] + bytes[7] === 0;
}

const OPENING_BRACE = 0x7b;
/** Bytes that give the header's length. */
export const PREFIX = 8;
/** The header's key for free text. */
export const METADATA = '__metadata__';

/**
 * Reads any safetensors file, more strictly than most: keys given twice, unknown keys and types, overlaps, holes and
 * bytes after the last tensor are all refused. The tensors are views of `bytes`, so leave it unchanged.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`
 */
export function parseSafetensors(bytes: Uint8Array, file?: string): SafetensorsFile {
  const { header, data } = splitHeader(bytes, file);
  const entries = new Fields(parseJson(header, 'header', file), 'header', file);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, StoredTensor>();
  const spans: Span[] = [];
  for (const name of entries.keys()) {
    if (name === METADATA) {
      const texts = entries.fields(name);
      for (const key of texts.keys()) metadata.set(key, texts.text(key));
      continue;
    }
    if (tensors.size === MAX_FILE_TENSORS) {
      throw new RivuletError('LIMIT_EXCEEDED', 'Too many tensors', { file, expected: `at most ${MAX_FILE_TENSORS}` });
    }
    const { dtype, shape, begin, end } = readEntry(entries.fields(name), name, data.length, file);
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
    spans.push({ name, begin, end });
  }
  checkSpans(spans, data.length, file);
  return { metadata, tensors };
}

interface Span {
  name: string;
  begin: number;
  end: number;
}

function splitHeader(bytes: Uint8Array, file: string | undefined): { header: string; data: Uint8Array } {
  if (bytes.length < PREFIX + 2) {
    throw new RivuletError('INVALID_FILE', 'Too short to be a safetensors file', {
      file,
      expected: `at least ${PREFIX + 2} bytes`,
      found: `${bytes.length}`,
    });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) throw tooLong(length, file);
  const end = PREFIX + Number(length);
  if (end > bytes.length) {
    throw new RivuletError('INVALID_FILE', 'The header is truncated', {
      file,
      expected: `${length} bytes`,
      found: `${bytes.length - PREFIX}`,
      hint: COPY_AGAIN,
    });
  }
  if (length === 0n || bytes[PREFIX] !== OPENING_BRACE) {
    throw new RivuletError('INVALID_FILE', 'The header is not a JSON object', {
      file,
      expected: '"{" as its first byte',
    });
  }
  // A byte order mark is kept: it is no JSON, so it must not be dropped silently.
  const header = decodeUtf8(bytes.subarray(PREFIX, end));
  if (header === undefined) throw new RivuletError('INVALID_FILE', 'The header is not UTF-8', { file });
  return { header, data: bytes.subarray(end) };
}

function readEntry(
  entry: Fields,
  name: string,
  available: number,
  file: string | undefined,
): { dtype: Dtype; shape: number[]; begin: number; end: number } {
  const dtype = entry.text('dtype');
  const shape = entry.counts('shape');
  const offsets = entry.counts('data_offsets');
  entry.end();
  if (!Object.hasOwn(BITS, dtype)) {
    throw new RivuletError('INVALID_FILE', 'Unknown dtype', { file, tensor: name, found: `"${dtype.slice(0, 40)}"` });
  }
  if (shape.length > MAX_TENSOR_RANK) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many dims', {
      file,
      tensor: name,
      expected: `at most ${MAX_TENSOR_RANK}`,
      found: `${shape.length}`,
    });
  }
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin > end) {
    throw new RivuletError('INVALID_FILE', 'Bad data_offsets', {
      file,
      tensor: name,
      expected: '[begin, end] with begin <= end',
      found: `[${offsets.slice(0, 4).join(', ')}]`,
    });
  }
  if (end > available) {
    throw new RivuletError('INVALID_FILE', 'The data is truncated', {
      file,
      tensor: name,
      expected: `${end} bytes`,
      found: `${available}`,
      hint: COPY_AGAIN,
    });
  }
  const size = sizeOf(shape, BITS[dtype as Dtype]);
  if (size !== end - begin) {
    throw new RivuletError('INVALID_FILE', 'Offsets and shape disagree', {
      file,
      tensor: name,
      expected: `${size ?? 'a whole number of'} bytes for ${dtype} [${shape.join(', ')}]`,
      found: `${end - begin}`,
    });
  }
  return { dtype: dtype as Dtype, shape, begin, end };
}

/** Bytes of a shape, or undefined where they are no whole number or beyond exact integers. */
function sizeOf(shape: readonly number[], bits: number): number | undefined {
  // Zeros apart, so that none hides a product that overflows.
  const total = shape.reduce((product, dim) => product * (dim || 1), bits);
  if (!Number.isSafeInteger(total)) return undefined;
  if (shape.includes(0)) return 0;
  return total % 8 === 0 ? total / 8 : undefined;
}

/** Every byte of the data belongs to exactly one tensor. */
function checkSpans(spans: Span[], length: number, file: string | undefined): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of spans) {
    if (begin !== at) {
      throw new RivuletError('INVALID_FILE', begin < at ? 'Overlaps another tensor' : 'Leaves a hole before it', {
        file,
        tensor: name,
        expected: `data_offsets from ${at}`,
        found: `${begin}`,
      });
    }
    at = end;
  }
  if (at !== length) {
    throw new RivuletError('INVALID_FILE', 'Bytes after the last tensor', {
      file,
      expected: `${at} bytes of data`,
      found: `${length}`,
    });
  }
}

export function tooLong(length: number | bigint, file: string | undefined): RivuletError {
  return new RivuletError('LIMIT_EXCEEDED', 'The header is too long', {
    file,
    expected: `at most ${MAX_HEADER_BYTES} bytes`,
    found: `${length}`,
  });
}
