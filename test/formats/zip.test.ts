import { describe, expect, it } from 'vitest';
import { inflateZip, readZip } from '../../src/formats/zip.js';
import { kerasFile } from './keras/files.js';
import { torchFile, zip } from './pytorch/files.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const two: [string, Uint8Array][] = [
  ['a/one', bytes(1, 2, 3)],
  ['a/two', bytes(4)],
];

/** The bytes with a little-endian number written over them. */
function patched(file: Uint8Array, at: number, value: number, width: 2 | 4): Uint8Array {
  const copy = file.slice();
  const view = new DataView(copy.buffer);
  if (width === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
  return copy;
}

describe('a ZIP archive', () => {
  it('gives its members as views, in order', () => {
    const file = zip(two);
    const members = readZip(file);
    expect([...members]).toEqual(two);
    expect(members.get('a/one')!.buffer).toBe(file.buffer);
    expect([...readZip(zip(two, { comment: 'a PK\x05\x06 comment' }))]).toEqual(two);
    expect([...readZip(zip([]).slice())]).toEqual([]);
  });

  it('is read where it lies inside a larger buffer', () => {
    const file = zip(two);
    const larger = new Uint8Array(file.length + 20);
    larger.set(file, 7);
    expect([...readZip(larger.subarray(7, 7 + file.length))]).toEqual(two);
  });

  it('is read with 64-bit lengths', () => {
    const file = zip(two, { wide: true });
    expect([...readZip(file)]).toEqual(two);
    const locator = file.length - 42;
    expect(() => readZip(patched(file, locator + 8, 1, 4))).toThrow(/ZIP64 end is not where its locator says/);
    expect(() => readZip(patched(file, locator + 14, 1, 4))).toThrow(/ZIP64 end is not where its locator says/);
    expect(() => readZip(patched(file, locator - 56 + 4, 99, 4))).toThrow(/ZIP64 end has another length/);
    expect(() => readZip(patched(file, locator - 56 + 32, 200_000, 4))).toThrow(/Too many members/);
    expect(() => readZip(patched(file, file.length - 22 + 8, 0x00010001, 4))).toThrow(/another count of members/);
  });

  it('is read as torch.save writes it', () => {
    const members = readZip(torchFile('bare.pt'));
    expect([...members.keys()]).toContain('bare/data.pkl');
    expect(members.get('bare/data/0')!.length).toBe(18 * 4 * 4);
  });

  const end = zip(two).length - 22;
  const directory = new DataView(zip(two).buffer).getUint32(end + 16, true);
  it.each<[string, Uint8Array, RegExp]>([
    ['compressed', zip(two, { method: 8 }), /A member is compressed: .*method 8 for "a\/one"/],
    ['encrypted', patched(zip(two), directory + 8, 1, 2), /A member is encrypted: found "a\/one"/],
    ['cut short', zip(two).slice(0, -1), /truncated/],
    ['two of a name', zip([two[0], two[0]]), /Two members have this name/],
    ['one member twice', zip([...two, ['a/one', bytes(1, 2, 3)]], { offset: (at, i) => (i === 2 ? 0 : at) }), /name/],
    ['before all', zip(two, { before: 3 }).slice(3), /directory is not where|damaged|not where/],
    ['a header beyond', zip(two, { offset: (at) => at + 9999 }), /A member is not where the directory says/],
    ['another’s header', zip(two, { offset: () => 0 }), /A member and the directory disagree/],
    ['too long a member', patched(zip(two), directory + 24, 99, 4), /A stored member has two lengths/],
    ['another length in the header', patched(zip(two), 22, 2, 4), /disagree: expected 3 bytes, found 2/],
    ['another method in the header', patched(zip(two), 8, 8, 2), /disagree/],
    ['more members than there are', patched(patched(zip(two), end + 8, 3, 2), end + 10, 3, 2), /directory is damaged/],
    ['fewer members', patched(patched(zip(two), end + 8, 1, 2), end + 10, 1, 2), /directory has another length/],
    ['several disks', patched(zip(two), end + 4, 1, 2), /in several parts/],
    ['a directory elsewhere', patched(zip(two), end + 16, 1, 4), /directory is not where the archive says/],
    [
      'a wide length without a field',
      patched(patched(zip(two), directory + 24, 0xffffffff, 4), directory + 20, 0xffffffff, 4),
      /length is missing/,
    ],
    ['a name that is no UTF-8', patched(zip(two), directory + 46, 0xffff, 2), /not UTF-8/],
    ['nothing', bytes(), /truncated/],
  ])('is refused: %s', (_, file, message) => {
    expect(() => readZip(file, 'model.pt')).toThrow(message);
    expect(() => readZip(file, 'model.pt')).toThrow(
      expect.objectContaining({ name: 'RivuletError', file: 'model.pt' }),
    );
  });

  it('is refused where members overlap', () => {
    // The second member's header is the data of the first, in which it lies whole.
    const inner = zip([['b', bytes(9)]]).slice(0, 32);
    const file = zip(
      [
        ['a', inner],
        ['b', bytes(9)],
      ],
      { offset: (at, i) => (i === 1 ? 31 : at) },
    );
    expect(() => readZip(file)).toThrow(/Two members overlap: found "a" and "b"/);
  });
});

describe('a ZIP archive with deflated members', () => {
  const packed = kerasFile('gru-deflated.keras');
  const plain = readZip(kerasFile('gru.keras'));
  const directory = packed.length - 22 - new DataView(packed.buffer).getUint32(packed.length - 22 + 12, true);
  /** The first member's length, as the directory and the member give it, made another. */
  const lengthened = (by: number): Uint8Array => {
    const length = new DataView(packed.buffer).getUint32(22, true) + by;
    return patched(patched(packed, 22, length, 4), directory + 24, length, 4);
  };

  it('gives those that are wanted', async () => {
    const members = await inflateZip(packed, ['config.json', 'none']);
    expect([...members.keys()]).toEqual(['config.json']);
    expect(JSON.parse(new TextDecoder().decode(members.get('config.json')))).toEqual(
      JSON.parse(new TextDecoder().decode(plain.get('config.json'))),
    );
  });

  it('is refused as an archive of stored members', () => {
    expect(() => readZip(packed)).toThrow(/A member is compressed/);
  });

  it.each([
    [1, 'INVALID_FILE'],
    [-1, 'INVALID_FILE'],
    [2 ** 30, 'LIMIT_EXCEEDED'],
  ])('is refused where a member claims %i bytes more', async (by, code) => {
    await expect(inflateZip(lengthened(by), ['config.json'])).rejects.toMatchObject({ code });
  });

  it('is refused where the data are damaged', async () => {
    const damaged = packed.slice();
    damaged.fill(0xff, 60, 80);
    await expect(inflateZip(damaged, ['config.json'])).rejects.toMatchObject({ code: 'INVALID_FILE' });
  });
});
