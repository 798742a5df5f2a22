import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../src/errors.js';
import { Vocabulary } from '../../src/text/index.js';

/** Lists of distinct characters of all planes, at least one. */
const entries = fc.uniqueArray(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((s) => [...s].length === 1),
  { minLength: 1, maxLength: 60 },
);

describe('Vocabulary', () => {
  it('gives back every text of its characters, with one id for each code point', () => {
    const textsOf = (characters: string[]) => fc.array(fc.constantFrom(...characters)).map((list) => list.join(''));
    fc.assert(
      fc.property(
        entries.chain((characters) => fc.tuple(fc.constant(characters), textsOf(characters))),
        ([characters, text]) => {
          const vocabulary = new Vocabulary(characters);
          const ids = vocabulary.encode(text);
          expect(ids).toBeInstanceOf(Int32Array);
          expect(Array.from(ids, (id) => characters[id])).toEqual([...text]);
          expect(vocabulary.decode(ids)).toBe(text);
        },
      ),
    );
  });

  it('takes characters beyond the basic plane as one entry', () => {
    const vocabulary = new Vocabulary(['a', '😀', 'é']);
    expect(vocabulary.size).toBe(3);
    expect([...vocabulary.encode('😀a😀')]).toEqual([1, 0, 1]);
  });

  it('names an unknown character, its code and its place in code points', () => {
    const error = caught(() => new Vocabulary(['a', '😀']).encode('😀a😀é'));
    expect(error).toMatchObject({ code: 'INVALID_INPUT', found: 'U+00E9 as character 4 of the text' });
    expect(error.message).toContain('"é"');
    expect(error.hint).toContain('`unknown`');
  });

  it('puts the `unknown` entry in place of unknown characters', () => {
    const vocabulary = new Vocabulary(['a', '?'], { unknown: '?' });
    expect(vocabulary.decode(vocabulary.encode('a😀b'))).toBe('a??');
    expect(caught(() => new Vocabulary(['a'], { unknown: '?' })).code).toBe('INVALID_OPTION');
  });

  it.each([
    ['twice', ['a', 'b', 'a']],
    ['empty', ['']],
    ['two characters', ['ab']],
    ['half a pair', ['\ud83d']],
    ['a number', [1]],
  ])('refuses an entry that is %s', (_, list) => {
    expect(caught(() => new Vocabulary(list as string[])).code).toBe('INVALID_INPUT');
  });

  it.each([-1, 2, 0.5, Number.NaN])('refuses to decode id %d of two', (id) => {
    expect(caught(() => new Vocabulary(['a', 'b']).decode([0, id]))).toMatchObject({
      code: 'INVALID_INPUT',
      expected: 'an integer from 0 to 1',
    });
  });

  it('is read from the metadata of a model', () => {
    const of = (metadata: Record<string, string>) => Vocabulary.of({ metadata });
    expect(of({ vocabulary: '["x","\\n"]' }).decode([1, 0])).toBe('\nx');
    for (const metadata of [{}, { vocabulary: '{"a":0}' }, { vocabulary: '["a"' }, { vocabulary: '["a",null]' }]) {
      expect(caught(() => of(metadata as Record<string, string>)).code).toBe('INVALID_INPUT');
    }
  });
});

function caught(action: () => unknown): RivuletError {
  try {
    action();
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
