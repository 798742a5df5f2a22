import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { decodeUtf8, encodeUtf8 } from '../../src/io/utf8.js';

const standard = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return standard.decode(bytes);
  } catch {
    return undefined;
  }
}

const HOSTS = [
  ['with a TextDecoder', () => {}],
  ['without, as in an AudioWorklet', () => void vi.stubGlobal('TextDecoder', undefined)],
] as const;

describe('UTF-8', () => {
  afterEach(() => void vi.unstubAllGlobals());

  it('encodes as TextEncoder does, lone surrogates included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
      }),
    );
    const edges = '\u0000\u007f\u0080\u07ff\u0800\ud7ff\ud800\udfff\ue000\uffff\u{10000}\u{10ffff}';
    expect(encodeUtf8(edges)).toEqual(new TextEncoder().encode(edges));
  });

  it.each(HOSTS)('decodes and refuses as TextDecoder does, %s', (_, begin) => {
    begin();
    const lead = fc.constantFrom(0x41, 0x7f, 0x80, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff);
    const byte = fc.oneof(lead, fc.integer({ min: 0x80, max: 0xbf }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 8 }), (values) => {
        const bytes = Uint8Array.from(values);
        expect(decodeUtf8(bytes)).toBe(decoded(bytes));
      }),
      { numRuns: 20_000 },
    );
  });

  it.each(HOSTS)('takes long texts and byte order marks, %s', (_, begin) => {
    begin();
    const text = 'a\u{1f600}é'.repeat(30_000);
    expect(decodeUtf8(encodeUtf8(text))).toBe(text);
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
  });

  it('decodes shared memory where the host refuses that', () => {
    class Refusing {
      decode() {
        throw new TypeError('The provided ArrayBufferView value must not be shared.');
      }
    }
    vi.stubGlobal('TextDecoder', Refusing);
    const bytes = new Uint8Array(new SharedArrayBuffer(3));
    bytes.set([0xe2, 0x82, 0xac]);
    expect(decodeUtf8(bytes)).toBe('\u20ac');
  });
});
