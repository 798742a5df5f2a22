import { RivuletError } from '../errors.js';
import { elementsOf, float16ToFloat32, littleEndianBytes, type NumericArray } from './binary.js';

/** The element types of `.npy` that are read, by the names that NumPy prints. */
export type NpyType =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float16'
  | 'float32'
  | 'float64';

export interface NpyArray {
  /** Row-major. bool comes as `Uint8Array` of 0 and 1, float16 as `Float32Array`, 64-bit integers as BigInt arrays. */
  data: NumericArray;
  /** [] for a scalar, which has one element. */
  shape: number[];
  /** What the file held. */
  dtype: NpyType;
}

/** The most bytes of a header; NumPy's own are below 200 unless the dtype is structured, and those are refused. */
const MAX_NPY_HEADER_BYTES = 65_536;
/** The most axes, which is NumPy's own limit. */
const MAX_NPY_RANK = 64;

const TYPES: Readonly<Record<string, NpyType>> = {
  b1: 'bool',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};

/**
 * Reads a `.npy` file of format version 1, 2 or 3. `data` may be a view of `bytes`.
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT`, `INVALID_FILE`, `LIMIT_EXCEEDED`.
 */
export function readNpy(bytes: Uint8Array, file?: string): NpyArray {
  if (bytes.length < 10 || !startsWith(bytes, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59])) {
    throw new RivuletError('UNKNOWN_FORMAT', 'Not a .npy file', { file, expected: '\\x93NUMPY at the start' });
  }
  const major = bytes[6];
  if (major < 1 || major > 3 || bytes[7] !== 0) {
    throw invalid('Unknown version of .npy', file, '1.0, 2.0 or 3.0', `${major}.${bytes[7]}`);
  }
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw invalid('Truncated header', file, `${start} bytes`, `${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerLength > MAX_NPY_HEADER_BYTES) {
    throw new RivuletError('LIMIT_EXCEEDED', 'Header too long', {
      file,
      expected: `at most ${MAX_NPY_HEADER_BYTES} bytes`,
      found: `${headerLength}`,
    });
  }
  const end = start + headerLength;
  if (bytes.length < end) throw invalid('Truncated header', file, `${headerLength} bytes`, `${bytes.length - start}`);
  // Versions 1 and 2 say latin-1, 3 says UTF-8; what is accepted below is ASCII, the same in all.
  const text = Array.from(bytes.subarray(start, end), (byte) => String.fromCharCode(byte)).join('');
  const { littleEndian, code, fortran, shape } = new HeaderParser(text, file).parse();

  const dtype = TYPES[code];
  const elementSize = Number(code.slice(1));
  const expected = shape.reduce((product, dim) => product * dim, elementSize);
  const payload = bytes.subarray(end);
  if (payload.length !== expected) {
    throw invalid(
      'Data and shape disagree',
      file,
      `${expected} bytes for ${dtype} (${shape.join(', ')})`,
      `${payload.length}`,
    );
  }
  const stored = decode(code, payload, littleEndian);
  return { data: fortran && shape.length > 1 ? toRowMajor(stored, shape) : stored, shape, dtype };
}

/**
 * Writes a `.npy` file, version 1.0, little-endian and row-major: to the byte what NumPy's `save` writes for the same
 * array, so equal arrays give equal files. The data begins at a multiple of 64 bytes.
 * @param shape its product must be `data.length`.
 * @throws RivuletError `INVALID_INPUT`.
 */
export function writeNpy(data: NumericArray, shape: readonly number[]): Uint8Array {
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0) || count !== data.length) {
    throw new RivuletError('INVALID_INPUT', 'Data and shape disagree', {
      expected: `${data.length} elements`,
      found: `[${shape.join(', ')}]`,
    });
  }
  const size = data.BYTES_PER_ELEMENT;
  const kind =
    data instanceof Float32Array || data instanceof Float64Array
      ? 'f'
      : /^(Big)?Uint/.test(data.constructor.name)
        ? 'u'
        : 'i';
  const descr = `${size === 1 ? '|' : '<'}${kind}${size}`;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  // NumPy leaves room for the first dim to grow to 21 digits in place; so does this, for the sake of equal bytes.
  const room = shape.length === 0 ? '' : ' '.repeat(Math.max(0, 21 - String(shape[0]).length));
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }${room}`;
  const padding = 64 - ((10 + dictionary.length + 1) % 64);
  const header = `${dictionary}${' '.repeat(padding)}\n`;

  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >>> 8]);
  out.set(
    Uint8Array.from(header, (character) => character.charCodeAt(0)),
    10,
  );
  out.set(littleEndianBytes(data), 10 + header.length);
  return out;
}

function decode(code: string, payload: Uint8Array, littleEndian: boolean): NumericArray {
  switch (code) {
    case 'b1':
      return payload.map((byte) => (byte === 0 ? 0 : 1));
    case 'u1':
      return payload;
    case 'i1':
      return elementsOf(Int8Array, payload, littleEndian);
    case 'i2':
      return elementsOf(Int16Array, payload, littleEndian);
    case 'u2':
      return elementsOf(Uint16Array, payload, littleEndian);
    case 'i4':
      return elementsOf(Int32Array, payload, littleEndian);
    case 'u4':
      return elementsOf(Uint32Array, payload, littleEndian);
    case 'i8':
      return elementsOf(BigInt64Array, payload, littleEndian);
    case 'u8':
      return elementsOf(BigUint64Array, payload, littleEndian);
    case 'f2':
      return float16ToFloat32(elementsOf(Uint16Array, payload, littleEndian));
    case 'f4':
      return elementsOf(Float32Array, payload, littleEndian);
    default:
      return elementsOf(Float64Array, payload, littleEndian);
  }
}

/** `stored` has the first axis fastest; the result has the last. */
function toRowMajor(stored: NumericArray, shape: readonly number[]): NumericArray {
  const out = stored.slice();
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, dim) => product * dim, 1));
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = stored[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** The header is a Python dict literal. This reads the one form that `.npy` allows: three known keys, simple values. */
class HeaderParser {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly file: string | undefined,
  ) {}

  parse(): { littleEndian: boolean; code: string; fortran: boolean; shape: number[] } {
    let descr: string | undefined;
    let fortran: boolean | undefined;
    let shape: number[] | undefined;
    this.take(/\{/y, '{');
    while (!this.skip(/\}/y)) {
      const key = this.quoted();
      this.take(/:/y, ':');
      if (key === 'descr' && descr === undefined) descr = this.quoted();
      else if (key === 'fortran_order' && fortran === undefined)
        fortran = this.take(/True|False/y, 'True or False') === 'True';
      else if (key === 'shape' && shape === undefined) shape = this.tuple();
      else
        throw invalid(
          'Bad key in the header',
          this.file,
          "'descr', 'fortran_order' and 'shape', once each",
          `'${key}'`,
        );
      if (this.skip(/,/y)) continue;
      this.take(/\}/y, '}');
      break;
    }
    this.space();
    if (this.at < this.text.length) throw this.unexpected('the end of the header');
    if (descr === undefined || fortran === undefined || shape === undefined) {
      throw invalid('A key is missing from the header', this.file, "'descr', 'fortran_order' and 'shape'");
    }
    const type = /^([<>|])([biuf]\d)$/.exec(descr);
    if (!type || !Object.hasOwn(TYPES, type[2]) || (type[1] === '|' && type[2][1] !== '1')) {
      throw invalid('Unsupported dtype', this.file, 'b1, i1 to i8, u1 to u8, f2, f4 or f8', `'${descr}'`);
    }
    return { littleEndian: type[1] !== '>', code: type[2], fortran, shape };
  }

  private tuple(): number[] {
    const dims: number[] = [];
    this.take(/\(/y, '(');
    let product = 1;
    while (!this.skip(/\)/y)) {
      const dim = Number(this.take(/\d{1,16}/y, 'a dim'));
      dims.push(dim);
      product *= dim || 1;
      if (dims.length > MAX_NPY_RANK || !Number.isSafeInteger(product * 8)) {
        throw new RivuletError('LIMIT_EXCEEDED', 'Shape too large', { file: this.file, found: `(${dims.join(', ')}` });
      }
      if (this.skip(/,/y)) continue;
      // In Python (3) is a number; a tuple of one has its comma.
      if (dims.length === 1) throw this.unexpected('a comma');
      this.take(/\)/y, ')');
      break;
    }
    return dims;
  }

  private quoted(): string {
    return this.take(/'[^'\\\n]*'|"[^"\\\n]*"/y, 'a quoted string').slice(1, -1);
  }

  private take(token: RegExp, what: string): string {
    this.space();
    token.lastIndex = this.at;
    const found = token.exec(this.text);
    if (!found) throw this.unexpected(what);
    this.at = token.lastIndex;
    return found[0];
  }

  private skip(token: RegExp): boolean {
    this.space();
    token.lastIndex = this.at;
    if (!token.test(this.text)) return false;
    this.at = token.lastIndex;
    return true;
  }

  private space(): void {
    while (' \t\n'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  private unexpected(what: string): RivuletError {
    const found = this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 20)) : 'its end';
    return invalid(`Bad header at character ${this.at}`, this.file, what, found);
  }
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

function invalid(what: string, file: string | undefined, expected?: string, found?: string): RivuletError {
  return new RivuletError('INVALID_FILE', what, { file, expected, found });
}
