import { describe, expect, it } from 'vitest';
import {
  MAX_FILE_TENSORS,
  MAX_HEADER_BYTES,
  parseSafetensors,
  type StoredTensor,
} from '../../src/formats/safetensors/container.js';
import { writeSafetensors } from '../../src/formats/safetensors/write-container.js';
import { fileOf } from './files.js';

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('parseSafetensors', () => {
  it('gives views of the file', () => {
    const bytes = fileOf(
      { b: entry(4, 12), __metadata__: { k: 'v' }, a: entry(0, 4, []) },
      Uint8Array.from({ length: 12 }, (_, i) => i),
    );
    const { metadata, tensors } = parseSafetensors(bytes);
    expect([...metadata]).toEqual([['k', 'v']]);
    expect([...tensors.keys()]).toEqual(['b', 'a']);
    expect(tensors.get('b')).toMatchObject({ dtype: 'F32', shape: [2] });
    expect(tensors.get('b')?.bytes.buffer).toBe(bytes.buffer);
    expect([...(tensors.get('a')?.bytes ?? [])]).toEqual([0, 1, 2, 3]);
  });

  it('accepts empty tensors, spaces after the header, and no tensors', () => {
    expect(
      parseSafetensors(fileOf({ a: entry(0, 4), e: entry(4, 4, [0, 3]), f: entry(4, 8), g: entry(8, 8, [0]) }, 8))
        .tensors.size,
    ).toBe(4);
    expect(parseSafetensors(fileOf('{}      ')).tensors.size).toBe(0);
  });

  it('counts types narrower than a byte', () => {
    expect(parseSafetensors(fileOf({ a: entry(0, 3, [6], 'F4') }, 3)).tensors.get('a')?.bytes.length).toBe(3);
    expect(() => parseSafetensors(fileOf({ a: entry(0, 3, [5], 'F4') }, 3))).toThrow(/a whole number of bytes/);
  });

  it.each<[string, RegExp, Uint8Array]>([
    ['an empty file', /Too short/, new Uint8Array(0)],
    ['a file of seven bytes', /Too short/, new Uint8Array(7)],
    [
      'a header longer than the file',
      /truncated.*expected 100 bytes, found 2\. Copy/,
      Uint8Array.of(100, 0, 0, 0, 0, 0, 0, 0, 123, 125),
    ],
    ['a header that does not begin with {', /"\{" as its first byte/, fileOf(' {}')],
    ['an empty header', /not a JSON object/, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 123, 125)],
    ['text after the header', /more text/, fileOf('{}x')],
    ['a header that is not UTF-8', /not UTF-8/, Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0, 123, 34, 0xff, 34, 125)],
    [
      'two tensors of one name',
      /"a" is given twice/,
      fileOf(`{"a":${JSON.stringify(entry(0, 4))},"a":${JSON.stringify(entry(0, 4))}}`, 4),
    ],
    ['two metadata keys of one name', /"k" is given twice/, fileOf('{"__metadata__":{"k":"1","k":"2"}}')],
    [
      'metadata that are no text',
      /header.__metadata__.k.*expected a string, found 1/,
      fileOf('{"__metadata__":{"k":1}}'),
    ],
    ['an unknown key', /a key that nobody reads.*"extra"/, fileOf({ a: { ...entry(0, 4), extra: 1 } }, 4)],
    ['a missing key', /header.a has no "shape"/, fileOf({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4)],
    ['an entry that is no object', /expected an object, found 3/, fileOf({ a: 3 })],
    ['an unknown dtype', /"a".*Unknown dtype: found "F31"/, fileOf({ a: entry(0, 4, [1], 'F31') }, 4)],
    ['a dtype that every object has', /Unknown dtype/, fileOf({ a: entry(0, 4, [1], 'constructor') }, 4)],
    ['a negative dim', /shape\[1\].*found -1/, fileOf({ a: entry(0, 4, [1, -1]) }, 4)],
    [
      'a dim of minus zero',
      /shape\[0\].*wrong type/,
      fileOf('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'),
    ],
    ['a fractional dim', /shape\[0\].*found 1.5/, fileOf({ a: entry(0, 4, [1.5]) }, 4)],
    ['a shape that overflows', /whole number of bytes/, fileOf({ a: entry(0, 4, [2 ** 40, 2 ** 40]) }, 4)],
    ['a shape that overflows around zero', /whole number of bytes/, fileOf({ a: entry(0, 0, [2 ** 40, 0, 2 ** 40]) })],
    ['three offsets', /Bad data_offsets/, fileOf({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 4] } }, 4)],
    ['an end before its begin', /Bad data_offsets/, fileOf({ a: entry(4, 0, [1]) }, 4)],
    [
      'an end beyond the file',
      /"a": The data is truncated: expected 8 bytes, found 4\. Copy/,
      fileOf({ a: entry(0, 8) }, 4),
    ],
    [
      "a length that is not the shape's",
      /expected 12 bytes for F32 \[3\], found 8/,
      fileOf({ a: entry(0, 8, [3]) }, 8),
    ],
    ['overlapping tensors', /"b": Overlaps/, fileOf({ a: entry(0, 8), b: entry(4, 12) }, 12)],
    ['one place for two tensors', /Overlaps/, fileOf({ a: entry(0, 4), b: entry(0, 4) }, 4)],
    ['an empty tensor inside another', /Overlaps/, fileOf({ a: entry(0, 8), b: entry(4, 4, [0]) }, 8)],
    ['a hole', /"b": Leaves a hole/, fileOf({ a: entry(0, 4), b: entry(8, 12) }, 12)],
    ['a hole at the start', /"a": Leaves a hole/, fileOf({ a: entry(4, 8) }, 8)],
    ['bytes after the last tensor', /after the last tensor/, fileOf({ a: entry(0, 4) }, 5)],
  ])('refuses %s', (_, message, bytes) => {
    expect(() => parseSafetensors(bytes, 'some.file')).toThrow(
      expect.objectContaining({ code: 'INVALID_FILE', file: 'some.file', message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, Uint8Array]>([
    ['a header beyond the cap', Uint8Array.of(1, 0, 0, 1, 0, 0, 0, 0, 123, 125)],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128, 123, 125)],
    ['deep nesting', fileOf(`{"a":${'['.repeat(1000)}`)],
    ['many axes', fileOf({ a: entry(0, 4, Array(33).fill(1)) }, 4)],
    [
      'many tensors',
      fileOf(Object.fromEntries(Array.from({ length: MAX_FILE_TENSORS + 1 }, (_, i) => [`t${i}`, entry(0, 0, [0])]))),
    ],
  ])('stops at its limits: %s', (_, bytes) => {
    expect(() => parseSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    expect(MAX_HEADER_BYTES).toBe(2 ** 24);
  });
});

describe('writeSafetensors', () => {
  const stored = (dtype: StoredTensor['dtype'], shape: number[], length: number, fill: number): StoredTensor => ({
    dtype,
    shape,
    bytes: new Uint8Array(length).fill(fill),
  });
  const contents: [string, StoredTensor][] = [
    ['h', stored('F16', [3], 6, 1)],
    ['b', stored('F32', [2, 1], 8, 2)],
    ['0', stored('U8', [1], 1, 3)],
    ['\u{1F600}', stored('F32', [], 4, 4)],
    ['\uFFFD', stored('F32', [1], 4, 5)],
    ['none', stored('I64', [0], 0, 6)],
  ];

  it('gives back what it was given, the same bytes whatever the order', () => {
    const metadata = new Map([
      ['2', 'two'],
      ['1', 'é"\n'],
    ]);
    const bytes = writeSafetensors({ metadata, tensors: new Map(contents) });
    expect(writeSafetensors({ metadata, tensors: new Map(contents.toReversed()) })).toEqual(bytes);
    const back = parseSafetensors(bytes);
    expect([...back.metadata]).toEqual([...metadata]);
    expect([...back.tensors.keys()]).toEqual(['none', 'b', '\uFFFD', '\u{1F600}', 'h', '0']);
    for (const [name, tensor] of contents) expect(back.tensors.get(name)).toEqual(tensor);
  });

  it('aligns every tensor', () => {
    const bytes = writeSafetensors({ metadata: new Map(), tensors: new Map(contents) });
    for (const { dtype, bytes: view } of parseSafetensors(bytes).tensors.values()) {
      expect(view.byteOffset % (Number(dtype.slice(-2)) / 8 || 1)).toBe(0);
    }
  });

  it('refuses what would not be read', () => {
    const write = (name: string, tensor: StoredTensor) =>
      writeSafetensors({ metadata: new Map(), tensors: new Map([[name, tensor]]) });
    expect(() => write('a', stored('F32', [2], 4, 0))).toThrow(/expected 8 bytes/);
    expect(() => write('__metadata__', stored('F32', [1], 4, 0))).toThrow(/reserved name/);
    expect(() =>
      writeSafetensors({ metadata: new Map([['k', 'x'.repeat(MAX_HEADER_BYTES)]]), tensors: new Map() }),
    ).toThrow(/too long/);
  });
});
