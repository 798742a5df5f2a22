import { readFileSync } from 'node:fs';
import type { Architecture } from '../../../src/formats/pytorch/architecture.js';

const FOLDER = new URL('../../fixtures/pytorch/', import.meta.url);

export const torchFile = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FOLDER)));

interface ShapedNumbers {
  shape: number[];
  data: number[];
}

export interface Case {
  name: string;
  /** Files of the same weights. */
  files: string[];
  architecture?: Architecture;
  /** Whether the output is the last row of the sequence. */
  last?: boolean;
  inputs: Record<string, ShapedNumbers & { type: string }>;
  output: ShapedNumbers;
}

/** What test/fixtures/pytorch/make_pytorch.py writes. */
export const expected = JSON.parse(readFileSync(new URL('expected.json', FOLDER), 'utf8')) as {
  source: string;
  cases: Case[];
  views: Record<string, ShapedNumbers & { type: string }>;
};

const encoder = new TextEncoder();

/** Instructions of a pickle of protocol 2, by name: enough to write state dicts, and files that pretend to be one. */
export const pickle = {
  file: (...parts: number[][]): Uint8Array => Uint8Array.from([0x80, 2, ...parts.flat(), 0x2e]),
  text: (text: string): number[] => {
    const bytes = [...encoder.encode(text)];
    return [0x58, bytes.length & 255, (bytes.length >> 8) & 255, (bytes.length >> 16) & 255, 0, ...bytes];
  },
  int: (value: number): number[] => [0x4a, value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255],
  global: (module: string, name: string): number[] => [0x63, ...encoder.encode(`${module}\n${name}\n`)],
  tuple: (...items: number[][]): number[] => [0x28, ...items.flat(), 0x74],
  dict: (...pairs: number[][]): number[] => [0x7d, 0x28, ...pairs.flat(), 0x75],
  call: (callee: number[], args: number[]): number[] => [...callee, ...args, 0x52],
  storage: (type: string, key: string, count: number): number[] => [
    ...pickle.tuple(
      pickle.text('storage'),
      pickle.global('torch', type),
      pickle.text(key),
      pickle.text('cpu'),
      pickle.int(count),
    ),
    0x51,
  ],
  tensor: (storage: number[], shape: number[], strides: number[], offset = 0): number[] =>
    pickle.call(
      pickle.global('torch._utils', '_rebuild_tensor_v2'),
      pickle.tuple(
        storage,
        pickle.int(offset),
        pickle.tuple(...shape.map(pickle.int)),
        pickle.tuple(...strides.map(pickle.int)),
        [0x89],
        pickle.call(pickle.global('collections', 'OrderedDict'), [0x29]),
      ),
    ),
};

export interface ZipOptions {
  /** Bytes of every member's method: 0 is stored. */
  method?: number;
  /** Changes a member's place in the directory. */
  offset?: (offset: number, i: number) => number;
  /** Bytes in front of the first member. */
  before?: number;
  comment?: string;
  /** Whether lengths and places stand in 64 bits, as in an archive beyond 4 GiB. */
  wide?: boolean;
}

/** A ZIP archive of stored members. */
export function zip(members: readonly [name: string, bytes: Uint8Array][], options: ZipOptions = {}): Uint8Array {
  const { method = 0, offset: move = (at) => at, before = 0, comment = '', wide = false } = options;
  const parts: Uint8Array[] = [new Uint8Array(before)];
  const directory: number[] = [];
  const u16 = (value: number) => [value & 255, (value >> 8) & 255];
  const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
  const u64 = (value: number) => [...u32(value), ...u32(0)];
  const narrow = (value: number) => u32(wide ? 0xffffffff : value);
  let at = before;
  for (const [i, [name, bytes]] of members.entries()) {
    const text = [...encoder.encode(name)];
    const lengths = [...narrow(bytes.length), ...narrow(bytes.length)];
    const common = [...u16(0), ...u16(method), ...u32(0), ...u32(0), ...lengths];
    const place = move(at, i);
    // A field of another's, which is skipped, before the one that counts.
    const fields = [...u64(bytes.length), ...u64(bytes.length), ...u64(place)];
    const extra = wide ? [...u16(0xbeef), ...u16(1), 7, ...u16(1), ...u16(fields.length), ...fields] : [];
    const header = [...u32(0x04034b50), ...u16(20), ...common, ...u16(text.length), ...u16(0), ...text];
    directory.push(...u32(0x02014b50), ...u16(20), ...u16(20), ...common, ...u16(text.length));
    directory.push(
      ...u16(extra.length),
      ...u16(0),
      ...u16(0),
      ...u16(0),
      ...u32(0),
      ...narrow(place),
      ...text,
      ...extra,
    );
    parts.push(Uint8Array.from(header), bytes);
    at += header.length + bytes.length;
  }
  const count = u16(wide ? 0xffff : members.length);
  const note = [...encoder.encode(comment)];
  parts.push(Uint8Array.from(directory));
  if (wide) {
    const counts = [...u64(members.length), ...u64(members.length), ...u64(directory.length), ...u64(at)];
    const record = [...u32(0x06064b50), ...u64(44), ...u16(45), ...u16(45), ...u32(0), ...u32(0), ...counts];
    parts.push(Uint8Array.from([...record, ...u32(0x07064b50), ...u32(0), ...u64(at + directory.length), ...u32(1)]));
  }
  const end = [...u32(0x06054b50), ...u16(0), ...u16(0), ...count, ...count, ...narrow(directory.length)];
  parts.push(Uint8Array.from([...end, ...narrow(at), ...u16(note.length), ...note]));
  return new Uint8Array(Buffer.concat(parts));
}

/** What torch.save would make of such a pickle and such storages. */
export function archive(data: Uint8Array, storages: Record<string, Uint8Array> = {}): Uint8Array {
  return zip([
    ['model/data.pkl', data],
    ['model/byteorder', encoder.encode('little')],
    ...Object.entries(storages).map(([key, bytes]): [string, Uint8Array] => [`model/data/${key}`, bytes]),
    ['model/version', encoder.encode('3\n')],
  ]);
}
