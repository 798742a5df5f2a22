import { RivuletError } from '../../errors.js';
import { decodeUtf8 } from '../../io/utf8.js';
import { HDF5_LIMITS } from './limits.js';

/** An address that stands for "nowhere" in HDF5, once read as a number. */
export const UNDEFINED_ADDRESS = -1;

const ALL_ONES = 2n ** 64n - 1n;

/** What is counted over the whole file. */
type Counted = 'objects' | 'messages' | 'treeNodes' | 'heapEntries' | 'textBytes' | 'chunkBytes';

/** The file's bytes, read at addresses that are checked first, and what reading them has cost. */
export class FileBytes {
  private readonly view: DataView;
  private readonly spent = new Map<Counted, number>();

  constructor(
    readonly bytes: Uint8Array,
    /** Path or URL to name in errors. */
    readonly file: string | undefined,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** A reader of the `length` bytes at `address`. `what` names them in errors. */
  cursor(address: number, length: number, what: string): Cursor {
    return new Cursor(this, this.view, what, address, this.checkedEnd(address, length, what));
  }

  /** The `length` bytes at `address`, as a view. */
  slice(address: number, length: number, what: string): Uint8Array {
    return this.bytes.subarray(address, this.checkedEnd(address, length, what));
  }

  invalid(what: string, expected?: string, found?: string, hint?: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found, hint });
  }

  /** The refusal of what HDF5 has and this reader does not read. */
  unsupported(what: string, expected: string, found: string): RivuletError {
    const hint = "Save the file again with h5py's or Keras's defaults";
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found, hint });
  }

  /** Counts what was read, up to {@link HDF5_LIMITS}. */
  spend(what: Counted, amount = 1): void {
    const spent = (this.spent.get(what) ?? 0) + amount;
    if (spent > HDF5_LIMITS[what]) throw this.tooMany(`Too many ${what} in an HDF5 file`, HDF5_LIMITS[what]);
    this.spent.set(what, spent);
  }

  tooMany(what: string, most: number): RivuletError {
    return new RivuletError('LIMIT_EXCEEDED', what, { file: this.file, expected: `at most ${most}` });
  }

  private checkedEnd(address: number, length: number, what: string): number {
    const end = address + length;
    if (address >= 0 && length >= 0 && end <= this.bytes.length) return end;
    throw this.invalid(
      `${what} leads out of the file`,
      `an end at ${this.bytes.length} at most`,
      `${length} bytes at ${address}`,
      'The file may be truncated: copy or download it again',
    );
  }
}

/** Reads little-endian numbers one after the other, within its bounds. */
export class Cursor {
  constructor(
    readonly source: FileBytes,
    private readonly view: DataView,
    private readonly what: string,
    /** Address of what is read next. */
    public at: number,
    readonly end: number,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** 64 bits. What is beyond exact numbers is beyond any file too, and compares as such. */
  u64(): number {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value === ALL_ONES) return UNDEFINED_ADDRESS;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : Number.MAX_SAFE_INTEGER;
  }

  /** An unsigned integer of 1, 2, 4 or 8 bytes. */
  uint(size: number): number {
    return size === 1 ? this.u8() : size === 2 ? this.u16() : size === 4 ? this.u32() : this.u64();
  }

  take(length: number): number {
    const { at } = this;
    if (length < 0 || length > this.left) {
      throw this.source.invalid(`${this.what} is too short`, `${length} bytes more`, `${this.left}`);
    }
    this.at += length;
    return at;
  }

  bytes(length: number): Uint8Array {
    const at = this.take(length);
    return this.source.bytes.subarray(at, at + length);
  }

  /** Refuses anything but these characters. */
  signature(text: string): void {
    const found = String.fromCharCode(...this.bytes(text.length));
    if (found !== text)
      throw this.source.invalid(`${this.what} is damaged`, `"${text}"`, JSON.stringify(found.slice(0, 8)));
  }

  /** Refuses any version but these. */
  version(...known: number[]): number {
    const version = this.u8();
    if (known.includes(version)) return version;
    throw this.source.unsupported(`${this.what} has another version`, known.join(' or '), `${version}`);
  }
}

/** UTF-8 up to the first zero, or to the end. */
export function zeroEnded(bytes: Uint8Array, source: FileBytes): string {
  const end = bytes.indexOf(0);
  const text = decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
  if (text === undefined) throw source.invalid('A text is not UTF-8');
  return text;
}

/** The same of a name, which is short. */
export function nameFrom(bytes: Uint8Array, source: FileBytes): string {
  const name = zeroEnded(bytes.subarray(0, HDF5_LIMITS.nameBytes + 1), source);
  if (name.length > HDF5_LIMITS.nameBytes) throw source.tooMany('A name is too long', HDF5_LIMITS.nameBytes);
  return name;
}
