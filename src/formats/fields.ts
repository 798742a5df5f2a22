import { RivuletError } from '../errors.js';
import type { Json, JsonObject } from './json.js';

/**
 * One JSON object, read by somebody who knows its keys. What is missing, of the wrong type, or left over when `end` is
 * called is refused by its path, such as `rivulet.graph.nodes[3].op`.
 */
export class Fields {
  private readonly object: JsonObject;
  private readonly read = new Set<string>();

  /** @param path what the object is called in errors. */
  constructor(
    value: Json,
    readonly path: string,
    private readonly file?: string,
  ) {
    if (!(value instanceof Map)) throw wrong(path, 'an object', value, file);
    this.object = value;
  }

  has(key: string): boolean {
    return this.object.has(key);
  }

  keys(): Iterable<string> {
    return this.object.keys();
  }

  text(key: string): string {
    const value = this.get(key, 'a string');
    if (typeof value !== 'string') throw this.wrong(key, 'a string', value);
    return value;
  }

  /** Any finite number. */
  number(key: string): number {
    const value = this.get(key, 'a number');
    if (typeof value !== 'number') throw this.wrong(key, 'a number', value);
    return value;
  }

  /** An integer from 0 to 2^53 - 1. */
  count(key: string): number {
    const value = this.get(key, 'an integer >= 0');
    if (!isCount(value)) throw this.wrong(key, 'an integer >= 0', value);
    return value;
  }

  counts(key: string): number[] {
    return this.list(key).map((value, i) => {
      if (!isCount(value)) throw this.wrong(`${key}[${i}]`, 'an integer >= 0', value);
      return value;
    });
  }

  texts(key: string): string[] {
    return this.list(key).map((value, i) => {
      if (typeof value !== 'string') throw this.wrong(`${key}[${i}]`, 'a string', value);
      return value;
    });
  }

  list(key: string): Json[] {
    const value = this.get(key, 'an array');
    if (!Array.isArray(value)) throw this.wrong(key, 'an array', value);
    return value;
  }

  objects(key: string): Fields[] {
    return this.list(key).map((value, i) => new Fields(value, `${this.path}.${key}[${i}]`, this.file));
  }

  fields(key: string): Fields {
    return new Fields(this.get(key, 'an object'), `${this.path}.${key}`, this.file);
  }

  get(key: string, expected: string): Json {
    const value = this.object.get(key);
    if (value === undefined) {
      throw new RivuletError('INVALID_FILE', `${this.path} has no "${key}"`, { file: this.file, expected });
    }
    this.read.add(key);
    return value;
  }

  /** An error about one field. */
  wrong(key: string, expected: string, found: Json): RivuletError {
    return wrong(`${this.path}.${key}`, expected, found, this.file);
  }

  /** To be called when all known keys have been read. */
  end(): void {
    for (const key of this.object.keys()) {
      if (this.read.has(key)) continue;
      throw new RivuletError('INVALID_FILE', `${this.path} has a key that nobody reads`, {
        file: this.file,
        expected: [...this.read].map((known) => `"${known}"`).join(', ') || 'no keys',
        found: JSON.stringify(key.slice(0, 100)),
        hint: 'The file may have been written by a newer version',
      });
    }
  }
}

function isCount(value: Json): value is number {
  return Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= 0;
}

function wrong(path: string, expected: string, found: Json, file: string | undefined): RivuletError {
  return new RivuletError('INVALID_FILE', `${path} has the wrong type`, { file, expected, found: describe(found) });
}

function describe(value: Json): string {
  if (value instanceof Map) return 'an object';
  if (Array.isArray(value)) return 'an array';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
