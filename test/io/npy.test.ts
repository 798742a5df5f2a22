import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readNpy, writeNpy } from '../../src/io/npy.js';

const FOLDER = new URL('../fixtures/npy/', import.meta.url);
const saved = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.npy`, FOLDER)));
const names = readdirSync(FOLDER).map((file) => file.slice(0, -4));

const COUNT = [0, 1, 2, 3, 4, 5];
const EXPECTED: Record<string, { shape: number[]; data: number[] }> = {
  'float32-scalar': { shape: [], data: [5] },
  'float32-1d': { shape: [6], data: COUNT },
  'float32-empty': { shape: [0, 3], data: [] },
  'float32-fortran-3d': { shape: [2, 3, 4], data: Array.from({ length: 24 }, (_, i) => i) },
};

/** A version 1 file with this header as it stands. */
function npy(header: string, size = 0, version = 1): Uint8Array {
  const prefix =
    version === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, header.length >> 8, 0, 0];
  const start = [0x93, ...Array.from('NUMPY', (c) => c.charCodeAt(0)), version, 0, ...prefix];
  return Uint8Array.from([...start, ...Array.from(header, (c) => c.charCodeAt(0)), ...new Uint8Array(size)]);
}

const dictionary = (parts: Record<string, string> = {}) => {
  const all = { descr: "'<f4'", fortran_order: 'False', shape: '(2,)', ...parts };
  return `{${Object.entries(all)
    .map(([key, value]) => `'${key}': ${value}`)
    .join(', ')}}\n`;
};

describe('readNpy', () => {
  it.each(names)("reads NumPy's %s", (name) => {
    const { data, shape, dtype } = readNpy(saved(name), name);
    const [type] = name.split('-');
    const usual = { shape: [2, 3], data: type === 'bool' ? [0, 1, 1, 1, 1, 1] : COUNT };
    expect({ shape, data: Array.from<number | bigint, number>(data, Number) }).toEqual(EXPECTED[name] ?? usual);
    expect(dtype).toBe(type);
  });

  it('accepts what Python may write: other quotes, spaces, no last comma', () => {
    for (const header of [
      dictionary(),
      dictionary().replaceAll("'", '"'),
      "{ 'shape' :(2 ,) ,'descr':'<f4','fortran_order':False, }",
    ]) {
      expect(readNpy(npy(header, 8)).shape).toEqual([2]);
    }
    expect(readNpy(npy(dictionary({ shape: '(2, 1)' }), 8)).shape).toEqual([2, 1]);
  });

  it('reads from bytes that are not aligned', () => {
    const bytes = saved('float64');
    const odd = new Uint8Array(bytes.length + 1);
    odd.set(bytes, 1);
    expect([...readNpy(odd.subarray(1)).data]).toEqual(COUNT);
  });

  it.each<[string, string, RegExp, Uint8Array]>([
    ['other bytes', 'UNKNOWN_FORMAT', /Not a .npy/, new TextEncoder().encode('hello, world')],
    ['nothing', 'UNKNOWN_FORMAT', /Not a .npy/, new Uint8Array(0)],
    ['version 4', 'INVALID_FILE', /found 4.0/, npy(dictionary(), 8, 4)],
    ['a truncated header', 'INVALID_FILE', /Truncated/, npy(dictionary()).subarray(0, 30)],
    [
      'a long header',
      'LIMIT_EXCEEDED',
      /Header too long/,
      npy(dictionary(), 8, 2).map((byte, i) => (i === 11 ? 255 : byte)),
    ],
    ['missing data', 'INVALID_FILE', /expected 8 bytes for float32 \(2\), found 7/, npy(dictionary(), 7)],
    ['more data', 'INVALID_FILE', /found 9/, npy(dictionary(), 9)],
    ['structured types', 'INVALID_FILE', /a quoted string/, npy(dictionary({ descr: "[('a', '<f4')]" }), 8)],
    ['Python objects', 'INVALID_FILE', /Unsupported dtype/, npy(dictionary({ descr: "'|O'" }), 8)],
    ['complex numbers', 'INVALID_FILE', /Unsupported dtype/, npy(dictionary({ descr: "'<c8'" }), 16)],
    ['a width without byte order', 'INVALID_FILE', /Unsupported dtype/, npy(dictionary({ descr: "'|f4'" }), 8)],
    ['a shape that is a number', 'INVALID_FILE', /a comma/, npy(dictionary({ shape: '(2)' }), 8)],
    ['a negative dim', 'INVALID_FILE', /a dim/, npy(dictionary({ shape: '(-2,)' }), 8)],
    ['a huge shape', 'LIMIT_EXCEEDED', /Shape too large/, npy(dictionary({ shape: '(9999999999, 9999999999)' }), 8)],
    [
      'a huge shape around zero',
      'LIMIT_EXCEEDED',
      /Shape too large/,
      npy(dictionary({ shape: '(9999999999, 0, 9999999999)' })),
    ],
    ['many axes', 'LIMIT_EXCEEDED', /Shape too large/, npy(dictionary({ shape: `(${'1, '.repeat(65)})` }), 4)],
    ['an expression', 'INVALID_FILE', /Bad header/, npy(dictionary({ shape: "(__import__('os').getpid(),)" }), 8)],
    ['an unknown key', 'INVALID_FILE', /Bad key.*'extra'/, npy(dictionary({ extra: 'True' }), 8)],
    ['a key given twice', 'INVALID_FILE', /Bad key/, npy("{'shape': (2,), 'shape': (2,)}", 8)],
    ['a missing key', 'INVALID_FILE', /missing/, npy("{'shape': (2,)}", 8)],
    ['text after the header', 'INVALID_FILE', /the end of the header, found "x/, npy(`${dictionary()}x`, 8)],
  ])('refuses %s', (_, code, message, bytes) => {
    expect(() => readNpy(bytes, 'some.npy')).toThrow(
      expect.objectContaining({ code, file: 'some.npy', message: expect.stringMatching(message) }),
    );
  });
});

describe('writeNpy', () => {
  it('writes what NumPy writes', () => {
    for (const [name, data, shape] of [
      ['float32', Float32Array.from(COUNT), [2, 3]],
      ['float64', Float64Array.from(COUNT), [2, 3]],
      ['int8', Int8Array.from(COUNT), [2, 3]],
      ['uint8', Uint8Array.from(COUNT), [2, 3]],
      ['int16', Int16Array.from(COUNT), [2, 3]],
      ['uint16', Uint16Array.from(COUNT), [2, 3]],
      ['int32', Int32Array.from(COUNT), [2, 3]],
      ['uint32', Uint32Array.from(COUNT), [2, 3]],
      ['int64', BigInt64Array.from(COUNT.map(BigInt)), [2, 3]],
      ['uint64', BigUint64Array.from(COUNT.map(BigInt)), [2, 3]],
      ['float32-scalar', Float32Array.of(5), []],
      ['float32-1d', Float32Array.from(COUNT), [6]],
      ['float32-empty', new Float32Array(0), [0, 3]],
    ] as const) {
      expect(writeNpy(data, shape), name).toEqual(saved(name));
    }
  });

  it('keeps every bit, and begins data at a multiple of 64 bytes', () => {
    const data = Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY, 1e-45, Math.fround(0.1));
    for (const shape of [[5], [5, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5]]) {
      const bytes = writeNpy(data, shape);
      expect((bytes.length - data.byteLength) % 64).toBe(0);
      expect(readNpy(bytes)).toEqual({ data, shape, dtype: 'float32' });
    }
  });

  it('writes the part that a view shows', () => {
    const whole = Float32Array.from(COUNT);
    expect([...readNpy(writeNpy(whole.subarray(2, 4), [2])).data]).toEqual([2, 3]);
  });

  it("refuses a shape that is not the data's", () => {
    for (const shape of [[5], [2, -3], [1.5, 4]])
      expect(() => writeNpy(Float32Array.from(COUNT), shape)).toThrow(/disagree/);
  });
});
