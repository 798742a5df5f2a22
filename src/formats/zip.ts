import { RivuletError } from '../errors.js';
import { decodeUtf8 } from '../io/utf8.js';
import { COPY_AGAIN } from './hints.js';
import { DEFLATE_RATIO, inflate } from './inflate.js';

/**
 * Reads ZIP archives: of stored members, which is all that torch.save and Keras write, and of deflated ones. The central
 * directory says what the archive holds; nothing is searched for or checked twice.
 */

const ZIP_LIMITS = {
  /** Members of an archive. A state dict has one for each tensor and about eight more. */
  members: 131_072,
  /** Bytes of a member's name. */
  nameBytes: 2_048,
  /** Bytes that the deflated members of an archive may become. */
  inflatedBytes: 268_435_456,
} as const;

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;
const LOCAL_HEADER_BYTES = 30;
const ENTRY_BYTES = 46;
const END_BYTES = 22;
const END_64_BYTES = 56;
const LOCATOR_BYTES = 20;
const MAX_COMMENT = 0xffff;
const ZIP64_FIELD = 1;
/** What a narrow field holds where the number stands in the ZIP64 field. */
const WIDE_16 = 0xffff;
const WIDE_32 = 0xffffffff;
const ENCRYPTED = 1;
const LENGTHS_BEHIND = 8;
const STORED = 0;
const DEFLATED = 8;

/** Whether the bytes begin as a ZIP archive's first member does. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** The name of the member that the archive begins with, or undefined where there is none. For sniffing only. */
export function firstMemberName(bytes: Uint8Array): string | undefined {
  if (!looksLikeZip(bytes) || bytes.length < LOCAL_HEADER_BYTES) return undefined;
  const length = bytes[26] + 256 * bytes[27];
  return String.fromCharCode(...bytes.subarray(LOCAL_HEADER_BYTES, LOCAL_HEADER_BYTES + Math.min(length, 256)));
}

/**
 * The members of an archive by name, in the order of its directory; each a view of `bytes`.
 * @param look is shown all names first, and may throw: who knows them says better what the archive is.
 * @throws RivuletError `INVALID_FILE` where a length or offset leads out of the archive, two members overlap or share a
 *   name, or one is compressed or encrypted; `LIMIT_EXCEEDED` beyond {@link ZIP_LIMITS}.
 */
export function readZip(
  bytes: Uint8Array,
  file?: string,
  look: (names: readonly string[]) => void = () => {},
): Map<string, Uint8Array> {
  const members = new ZipReader(bytes, file, [STORED]).read(look);
  return new Map(Array.from(members, ([name, { data }]) => [name, data]));
}

/**
 * Those members of an archive, as far as it has them, that `wanted` names. They may be deflated, and are then inflated into
 * memory of their own.
 * @throws RivuletError as {@link readZip} does, and `LIMIT_EXCEEDED` for what would become too large.
 */
export async function inflateZip(
  bytes: Uint8Array,
  wanted: readonly string[],
  file?: string,
): Promise<Map<string, Uint8Array>> {
  const inflated = new Map<string, Uint8Array>();
  let total = 0;
  for (const [name, { data, method, length }] of new ZipReader(bytes, file, [STORED, DEFLATED]).read(() => {})) {
    if (!wanted.includes(name)) continue;
    if (method === STORED) {
      inflated.set(name, data);
      continue;
    }
    total += length;
    if (total > ZIP_LIMITS.inflatedBytes || length > data.length * DEFLATE_RATIO) {
      const expected = `at most ${ZIP_LIMITS.inflatedBytes} bytes, and ${DEFLATE_RATIO} times what is stored`;
      throw new RivuletError('LIMIT_EXCEEDED', 'Too much is compressed', { file, expected, found: `${length}` });
    }
    inflated.set(name, await inflate(data, 'deflate-raw', length, `"${shown(name)}"`, file));
  }
  return inflated;
}

interface Directory {
  members: number;
  begin: number;
  end: number;
}

interface Entry {
  name: string;
  flags: number;
  method: number;
  /** Bytes of the member, and of what is stored of it. */
  length: number;
  stored: number;
  header: number;
}

/** A member as it is stored. */
interface Member {
  data: Uint8Array;
  method: number;
  /** Bytes that it has once it is inflated. */
  length: number;
}

class ZipReader {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly file: string | undefined,
    private readonly methods: readonly number[],
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  read(look: (names: readonly string[]) => void): Map<string, Member> {
    const directory = this.findDirectory();
    const entries = this.readEntries(directory);
    look(entries.map(({ name }) => name));
    const members = new Map<string, Member>();
    const spans: { name: string; begin: number; end: number }[] = [];
    for (const entry of entries) {
      const { name, header } = entry;
      const data = this.readMember(entry, directory.begin);
      if (members.has(name)) throw this.error('Two members have this name', undefined, `"${shown(name)}"`);
      members.set(name, { data, method: entry.method, length: entry.length });
      spans.push({ name, begin: header, end: data.byteOffset - this.bytes.byteOffset + data.length });
    }
    spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
    for (const [i, { name, begin }] of spans.entries()) {
      if (i > 0 && begin < spans[i - 1].end) {
        throw this.error('Two members overlap', undefined, `"${shown(spans[i - 1].name)}" and "${shown(name)}"`);
      }
    }
    return members;
  }

  private readEntries(directory: Directory): Entry[] {
    const entries: Entry[] = [];
    let at = directory.begin;
    for (let i = 0; i < directory.members; i++) {
      const { entry, next } = this.readEntry(at, directory.end);
      entries.push(entry);
      at = next;
    }
    if (at === directory.end) return entries;
    throw this.error('The directory has another length', `to end at ${directory.end}`, `its end at ${at}`);
  }

  private findDirectory(): Directory {
    const end = this.findEnd();
    const narrow = {
      disks: [this.u16(end + 4), this.u16(end + 6)],
      here: this.u16(end + 8),
      members: this.u16(end + 10),
      length: this.u32(end + 12),
      begin: this.u32(end + 16),
    };
    const locator = end - LOCATOR_BYTES;
    const zip64 = locator >= 0 && this.u32(locator) === END_64_LOCATOR;
    const wide = zip64 ? this.readEnd64(locator) : { at: end, members: -1, length: -1, begin: -1 };
    const choose = (what: string, own: number, limit: number, other: number): number => {
      if (own === limit && zip64) return other;
      if (!zip64 || own === other) return own;
      throw this.error(`The two ends of the archive give another ${what}`, `${other}`, `${own}`);
    };
    const members = choose('count of members', narrow.members, WIDE_16, wide.members);
    const length = choose('length of the directory', narrow.length, WIDE_32, wide.length);
    const begin = choose('place of the directory', narrow.begin, WIDE_32, wide.begin);
    const split = narrow.disks.some((disk) => disk !== 0 && disk !== WIDE_16) || narrow.here !== narrow.members;
    if (split) throw this.error('An archive in several parts', 'one part', `${narrow.disks.join(' and ')}`);
    if (members > ZIP_LIMITS.members) throw this.tooMany('Too many members', ZIP_LIMITS.members, members);
    if (begin + length !== wide.at) {
      throw this.error('The directory is not where the archive says', `an end at ${wide.at}`, `${begin} + ${length}`);
    }
    return { members, begin, end: begin + length };
  }

  /** The end record is the last thing in the file but for a comment, whose length it gives. */
  private findEnd(): number {
    const last = this.bytes.length - END_BYTES;
    for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
      if (this.bytes[at] === 0x50 && this.u32(at) === END && at + END_BYTES + this.u16(at + 20) === this.bytes.length) {
        return at;
      }
    }
    throw this.error('The ZIP archive is truncated', 'its directory at the end', 'none', COPY_AGAIN);
  }

  private readEnd64(locator: number): { at: number; members: number; length: number; begin: number } {
    const at = this.u64(locator + 8);
    if (at + END_64_BYTES > locator || this.u32(at) !== END_64) {
      throw this.error('The ZIP64 end is not where its locator says', `below ${locator}`, `${at}`);
    }
    const size = this.u64(at + 4);
    if (at + 12 + size !== locator) throw this.error('The ZIP64 end has another length', `${locator - at}`, `${size}`);
    return { at, members: this.u64(at + 32), length: this.u64(at + 40), begin: this.u64(at + 48) };
  }

  private readEntry(at: number, end: number): { entry: Entry; next: number } {
    if (at + ENTRY_BYTES > end || this.u32(at) !== DIRECTORY_ENTRY) {
      throw this.error('The directory is damaged', `an entry at ${at}`, 'something else');
    }
    const [nameBytes, extra, comment] = [this.u16(at + 28), this.u16(at + 30), this.u16(at + 32)];
    const next = at + ENTRY_BYTES + nameBytes + extra + comment;
    if (next > end) throw this.error('The directory is damaged', `an end at ${end}`, `an entry to ${next}`);
    if (nameBytes > ZIP_LIMITS.nameBytes) throw this.tooMany('A name is too long', ZIP_LIMITS.nameBytes, nameBytes);
    const name = this.text(at + ENTRY_BYTES, nameBytes);
    const flags = this.u16(at + 8);
    const method = this.u16(at + 10);
    const wide = this.wideFields(at + ENTRY_BYTES + nameBytes, extra, name);
    const widened = (value: number): number => (value === WIDE_32 ? wide() : value);
    // In the order in which the ZIP64 field lists those that it has.
    const length = widened(this.u32(at + 24));
    const stored = widened(this.u32(at + 20));
    const header = widened(this.u32(at + 42));
    if (length !== stored && method === STORED) {
      throw this.error('A stored member has two lengths', `${length}`, `${stored} for "${shown(name)}"`);
    }
    return { entry: { name, flags, method, length, stored, header }, next };
  }

  /** The 64-bit numbers of an entry's ZIP64 field, one after the other. */
  private wideFields(begin: number, length: number, name: string): () => number {
    const end = begin + length;
    let at = begin;
    let fieldEnd = begin;
    while (at + 4 <= end) {
      const size = this.u16(at + 2);
      if (at + 4 + size > end) break;
      if (this.u16(at) === ZIP64_FIELD) {
        at += 4;
        fieldEnd = at + size;
        break;
      }
      at += 4 + size;
    }
    return () => {
      if (at + 8 > fieldEnd) throw this.error('A length is missing', 'a ZIP64 field', `none for "${shown(name)}"`);
      at += 8;
      return this.u64(at - 8);
    };
  }

  private readMember({ name, flags, method, length, stored, header }: Entry, limit: number): Uint8Array {
    if (flags & ENCRYPTED) throw this.error('A member is encrypted', undefined, `"${shown(name)}"`);
    if (!this.methods.includes(method)) {
      throw this.error(
        'A member is compressed',
        this.methods.includes(DEFLATED) ? 'stored or deflated members' : 'stored members, as torch.save writes them',
        `method ${method} for "${shown(name)}"`,
        'Unpack the archive and store it again without compression (zip -0)',
      );
    }
    if (header + LOCAL_HEADER_BYTES > limit || this.u32(header) !== LOCAL_HEADER) {
      throw this.error('A member is not where the directory says', `a header at ${header}`, `"${shown(name)}"`);
    }
    const nameBytes = this.u16(header + 26);
    const begin = header + LOCAL_HEADER_BYTES + nameBytes + this.u16(header + 28);
    if (begin + stored > limit) {
      throw this.error('A member leads out of the archive', `an end at ${limit} at most`, `${begin} + ${stored}`);
    }
    if (this.u16(header + 8) !== method || this.text(header + LOCAL_HEADER_BYTES, nameBytes) !== name) {
      throw this.error('A member and the directory disagree', `"${shown(name)}", method ${method}`, 'something else');
    }
    const local = this.u32(header + 22);
    if ((flags & LENGTHS_BEHIND) === 0 && local !== WIDE_32 && local !== length) {
      throw this.error('A member and the directory disagree', `${length} bytes`, `${local} for "${shown(name)}"`);
    }
    return this.bytes.subarray(begin, begin + stored);
  }

  private u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  private u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  /** Beyond 2^53 nothing can lie in the file: such a number compares as too large wherever it is used. */
  private u64(at: number): number {
    const value = Number(this.view.getBigUint64(at, true));
    return Number.isSafeInteger(value) ? value : Number.MAX_VALUE;
  }

  private text(at: number, length: number): string {
    const text = decodeUtf8(this.bytes.subarray(at, at + length));
    if (text === undefined) throw this.error('A name in the ZIP archive is not UTF-8');
    return text;
  }

  private error(what: string, expected?: string, found?: string, hint?: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found, hint });
  }

  private tooMany(what: string, most: number, found: number): RivuletError {
    return new RivuletError('LIMIT_EXCEEDED', what, {
      file: this.file,
      expected: `at most ${most}`,
      found: `${found}`,
    });
  }
}

const shown = (name: string): string => name.slice(0, 100);
