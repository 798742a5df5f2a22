import { RivuletError } from '../errors.js';
import { metadataOf } from '../formats/metadata.js';
import { checkOptions, shown } from '../options.js';

export interface VocabularyOptions {
  /** An entry that stands in for every character the vocabulary lacks. Without it such a character is an error. */
  unknown?: string | undefined;
}

/** The characters that a text model knows: entry `i` is the Unicode code point whose token id is `i`. */
export class Vocabulary {
  /** Number of entries, which is the width of the model's logits. */
  readonly size: number;
  readonly #entries: readonly string[];
  readonly #ids = new Map<string, number>();
  readonly #unknown: number | undefined;

  /**
   * @param entries one Unicode code point each, none twice
   * @throws RivuletError `INVALID_INPUT` for an entry that is no single code point or stands twice, `INVALID_OPTION`
   *   where `options.unknown` is no entry, or an option is another
   */
  constructor(entries: readonly string[], options: VocabularyOptions = {}) {
    checkOptions(options, ['unknown'], 'Vocabulary');
    this.#entries = [...entries];
    this.size = entries.length;
    for (const [id, entry] of this.#entries.entries()) {
      if (!isOneCharacter(entry)) {
        throw new RivuletError('INVALID_INPUT', `Vocabulary entry ${id} is not one character`, {
          expected: 'one Unicode code point',
          found: JSON.stringify(entry),
        });
      }
      const earlier = this.#ids.get(entry);
      if (earlier !== undefined) {
        throw new RivuletError('INVALID_INPUT', `Vocabulary entries ${earlier} and ${id} are the same character`, {
          found: JSON.stringify(entry),
        });
      }
      this.#ids.set(entry, id);
    }
    if (options.unknown !== undefined) {
      this.#unknown = this.#ids.get(options.unknown);
      if (this.#unknown === undefined) {
        throw new RivuletError('INVALID_OPTION', 'The replacement for unknown characters is not in the vocabulary', {
          found: JSON.stringify(options.unknown),
        });
      }
    }
  }

  /**
   * The vocabulary that a model carries as `metadata.vocabulary`, a JSON array of strings.
   *
   * @throws RivuletError `INVALID_INPUT` where the model carries none, or one that is malformed
   */
  static of(model: { readonly metadata: Readonly<Record<string, string>> }, options?: VocabularyOptions): Vocabulary {
    const json = metadataOf(model).vocabulary;
    if (json === undefined) {
      throw new RivuletError('INVALID_INPUT', 'The model carries no vocabulary', {
        expected: 'a JSON array of characters as metadata "vocabulary"',
        hint: 'If this is a text model, construct a Vocabulary from its list of characters',
      });
    }
    let entries: unknown;
    try {
      entries = JSON.parse(json);
    } catch (cause) {
      throw new RivuletError('INVALID_INPUT', "The model's vocabulary is not JSON", { cause });
    }
    if (!Array.isArray(entries)) {
      throw new RivuletError('INVALID_INPUT', "The model's vocabulary is not a JSON array of characters");
    }
    return new Vocabulary(entries, options);
  }

  /** Whether `character` is an entry. */
  has(character: string): boolean {
    return this.#ids.has(character);
  }

  /**
   * Token ids of `text`, one for each Unicode code point.
   *
   * @throws RivuletError `INVALID_INPUT` naming the first character that is no entry, unless there is an `unknown`
   */
  encode(text: string): Int32Array {
    if (typeof text !== 'string') throw notGiven('a text', text);
    const ids = new Int32Array(text.length); // in UTF-16 units: at least as many as code points
    let count = 0;
    for (const character of text) {
      const id = this.#ids.get(character) ?? this.#unknown;
      if (id === undefined) throw unknownCharacter(character, count);
      ids[count++] = id;
    }
    return count === ids.length ? ids : ids.slice(0, count);
  }

  /**
   * The text of token ids.
   *
   * @throws RivuletError `INVALID_INPUT` for an id outside `[0, size)`
   */
  decode(ids: ArrayLike<number>): string {
    if (typeof ids !== 'object' || ids === null) throw notGiven('an array of token ids', ids);
    let text = '';
    for (let i = 0; i < ids.length; i++) text += this.character(ids[i]);
    return text;
  }

  /** The character of one token id; throws as `decode` does. */
  character(id: number): string {
    const entry = this.#entries[id];
    if (entry === undefined || typeof id !== 'number') {
      throw new RivuletError('INVALID_INPUT', 'Token id outside the vocabulary', {
        expected: `an integer from 0 to ${this.size - 1}`,
        found: shown(id),
      });
    }
    return entry;
  }
}

/** One code point, and no half of a surrogate pair: two halves would become another character when joined. */
function isOneCharacter(entry: unknown): entry is string {
  if (typeof entry !== 'string') return false;
  const code = entry.codePointAt(0);
  return code !== undefined && entry.length === (code > 0xffff ? 2 : 1) && !(code >= 0xd800 && code <= 0xdfff);
}

function notGiven(expected: string, found: unknown): RivuletError {
  return new RivuletError('INVALID_INPUT', 'Nothing to encode or decode', { expected, found: shown(found) });
}

function unknownCharacter(character: string, position: number): RivuletError {
  const code = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
  return new RivuletError('INVALID_INPUT', `The vocabulary has no character ${JSON.stringify(character)}`, {
    found: `U+${code} as character ${position + 1} of the text`,
    hint: 'Remove or replace it, or give the vocabulary an `unknown` character that stands in for it',
  });
}
