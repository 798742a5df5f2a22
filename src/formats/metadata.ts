import { RivuletError } from '../errors.js';
import { shown } from '../options.js';
import { Fields } from './fields.js';
import { parseJson } from './json.js';

/** What is needed of a model: the texts that came with its file. */
export interface WithMetadata {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws RivuletError `INVALID_INPUT` for what is no model */
export function metadataOf(model: Pick<WithMetadata, 'metadata'>): WithMetadata['metadata'] {
  if (model?.metadata) return model.metadata;
  throw new RivuletError('INVALID_INPUT', 'Not a model', {
    expected: 'what loadModel gives, awaited, or a stream of it where a stream is wanted',
    found: shown(model),
  });
}

/**
 * The JSON object that a model carries under `key`, read by `read`; undefined where it carries none.
 * @throws RivuletError `INVALID_FILE` for what is no such object, or has keys that `read` leaves unread
 */
export function readMetadata<Result>(
  model: WithMetadata,
  key: string,
  read: (fields: Fields) => Result,
): Result | undefined {
  const text = metadataOf(model)[key];
  if (text === undefined) return undefined;
  const fields = new Fields(parseJson(text, key, model.name), key, model.name);
  const result = read(fields);
  fields.end();
  return result;
}

/** The finite numbers of an array. */
export function numbersOf(fields: Fields, key: string): number[] {
  return fields.list(key).map((value, i) => {
    if (typeof value !== 'number') throw fields.wrong(`${key}[${i}]`, 'a number', value);
    return value;
  });
}

/** A number of at least `least`. */
export function numberOf(fields: Fields, key: string, least: number): number {
  const expected = `a number of at least ${least}`;
  const value = fields.get(key, expected);
  if (typeof value !== 'number' || value < least) throw fields.wrong(key, expected, value);
  return value;
}
