import { RivuletError } from '../errors.js';

/** JSON as it stood: objects are maps, so that no key (not even `__proto__`) means anything to JavaScript. */
export type Json = string | number | boolean | null | Json[] | JsonObject;
export type JsonObject = Map<string, Json>;

/** How deep arrays and objects may lie within each other. */
export const MAX_JSON_DEPTH = 16;
/** The same in files of trainers, where layers lie in models, in wrappers and in models again. */
export const MAX_JSON_DEPTH_OF_MODELS = 64;

const SPACE = /[ \t\n\r]*/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** The first of the code units that stand for half a character. */
const SURROGATES = 0xd800;
const SCALAR = /-?\d[\d.eE+-]*|true|false|null/y;

/**
 * Parses JSON more strictly than `JSON.parse`: a key given twice, an integer or number that a float64 cannot hold, half
 * a surrogate pair and nesting beyond `depth` are refused.
 *
 * @param what names the text in errors, e.g. "header".
 * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`
 */
export function parseJson(text: string, what: string, file?: string, depth = MAX_JSON_DEPTH): Json {
  return new JsonParser(text, what, file, depth).parse();
}

class JsonParser {
  private at = 0;
  private depth = 0;

  constructor(
    private readonly text: string,
    private readonly what: string,
    private readonly file: string | undefined,
    private readonly most: number,
  ) {}

  parse(): Json {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) throw this.error('more text after the JSON value');
    return value;
  }

  private value(): Json {
    this.space();
    switch (this.text[this.at]) {
      case '{':
        return this.nested(() => this.object());
      case '[':
        return this.nested(() => this.array());
      case '"':
        return this.string();
      default:
        return this.scalar();
    }
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > this.most) {
      throw new RivuletError('LIMIT_EXCEEDED', `The JSON of the ${this.what} is nested too deep`, {
        file: this.file,
        expected: `at most ${this.most} levels`,
      });
    }
    this.at++;
    const value = read();
    this.depth--;
    return value;
  }

  private object(): JsonObject {
    const object: JsonObject = new Map();
    if (this.skip('}')) return object;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.error('a key was expected');
      const key = this.string();
      if (object.has(key)) throw this.error(`the key ${JSON.stringify(key.slice(0, 100))} is given twice`);
      if (!this.skip(':')) throw this.error('":" was expected');
      object.set(key, this.value());
    } while (this.skip(','));
    if (!this.skip('}')) throw this.error('"," or "}" was expected');
    return object;
  }

  private array(): Json[] {
    const array: Json[] = [];
    if (this.skip(']')) return array;
    do array.push(this.value());
    while (this.skip(','));
    if (!this.skip(']')) throw this.error('"," or "]" was expected');
    return array;
  }

  private string(): string {
    const start = this.at;
    // By hand: a regular expression keeps a way back for every character, and a string here may have millions.
    let plain = true;
    for (let end = start + 1; end < this.text.length; end++) {
      const code = this.text.charCodeAt(end);
      if (code === BACKSLASH || code >= SURROGATES) plain = false;
      if (code === BACKSLASH) end++;
      else if (code === QUOTE) {
        this.at = end + 1;
        const value = this.literal(this.text.slice(start, this.at)) as string;
        // In a Unicode pattern a whole pair is one character, which is no surrogate. Only where there may be one: compiling the
        // pattern takes Node 24 3.5 ms.
        if (!plain && /\p{Surrogate}/u.test(value)) throw this.error('a string holds half a surrogate pair');
        return value;
      }
    }
    throw this.error('a string does not end');
  }

  private scalar(): number | boolean | null {
    SCALAR.lastIndex = this.at;
    const token = SCALAR.exec(this.text)?.[0];
    if (token === undefined)
      throw this.error(this.at < this.text.length ? 'a value was expected' : 'it ends too early');
    this.at += token.length;
    const value = this.literal(token) as number | boolean | null;
    if (typeof value === 'number') {
      const exact = /[.eE]/.test(token) ? Number.isFinite(value) : Number.isSafeInteger(value);
      if (!exact) throw this.error(`the number ${token.slice(0, 40)} cannot be held exactly`);
    }
    return value;
  }

  /** One token by `JSON.parse`, which knows escapes and number syntax. */
  private literal(token: string): unknown {
    try {
      return JSON.parse(token);
    } catch {
      throw this.error(`${JSON.stringify(token.slice(0, 40))} is not valid`);
    }
  }

  private skip(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    this.at = SPACE.lastIndex;
  }

  private error(what: string): RivuletError {
    return new RivuletError('INVALID_FILE', `The JSON of the ${this.what} is broken at character ${this.at}: ${what}`, {
      file: this.file,
    });
  }
}
