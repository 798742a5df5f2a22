import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Json, MAX_JSON_DEPTH, parseJson } from '../../src/formats/json.js';

function plain(value: Json): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map ? Object.fromEntries(Array.from(value, ([key, item]) => [key, plain(item)])) : value;
}

describe('parseJson', () => {
  it('agrees with JSON.parse where it accepts', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8, stringUnit: 'binary' }), (text) => {
        const reference = JSON.parse(text);
        try {
          expect(plain(parseJson(text, 'text'))).toEqual(reference);
        } catch (error) {
          expect((error as Error).message).toMatch(/cannot be held exactly/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('accepts nothing that JSON.parse refuses', () => {
    const character = fc.constantFrom(...'{}[]",:\\u0019-+.eE truefalsn\n\t');
    fc.assert(
      fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
        const text = characters.join('');
        let parsed: unknown;
        try {
          parsed = plain(parseJson(text, 'text'));
        } catch {
          return;
        }
        expect(parsed).toEqual(JSON.parse(text));
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['{"a":1,"a":2}', /"a" is given twice/],
    ['{"a":1,"\\u0061":2}', /"a" is given twice/],
    ['9007199254740993', /cannot be held exactly/],
    ['1e999', /cannot be held exactly/],
    ['"\\ud800"', /surrogate/],
    ['"\ud800"', /surrogate/],
    ['[1,]', /a value was expected/],
    ['[1 2]', /"," or "\]" was expected/],
    ['{"a" 1}', /":" was expected/],
    ['{a:1}', /a key was expected/],
    ['"abc', /does not end/],
    ['"a\nb"', /not valid/],
    ['01', /not valid/],
    ['', /ends too early/],
    ['1 1', /more text/],
  ])('refuses %s', (text, message) => {
    expect(() => parseJson(text, 'text', 'some.file')).toThrow(message);
  });

  it('stops at its depth', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parseJson(nested(MAX_JSON_DEPTH), 'text')).not.toThrow();
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1), 'text')).toThrow(/nested too deep/);
    expect(() => parseJson('['.repeat(1e6), 'text')).toThrow(/nested too deep/);
  });

  it('reads strings of millions of characters, and keys that mean something elsewhere', () => {
    const long = JSON.stringify('\\"x'.repeat(2e6));
    expect(parseJson(long, 'text')).toHaveLength(6e6);
    expect(parseJson('{"__proto__":1}', 'text')).toEqual(new Map([['__proto__', 1]]));
  });
});
