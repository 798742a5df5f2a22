import { RivuletError } from '../../errors.js';
import { type Json, type JsonObject, MAX_JSON_DEPTH_OF_MODELS, parseJson } from '../json.js';

/** A model as `model.to_json()` gives it, and what of a weights file it leaves out on purpose. */
export interface KerasArchitecture {
  class_name: string;
  config: object;
  keras_version?: string;
  /** Layers that the weights file has and the model has not. */
  ignore?: readonly string[];
  [key: string]: unknown;
}

/** What a file or an architecture says of a model besides its weights. */
export interface Topology {
  model: Json;
  kerasVersion: string | undefined;
  ignore: string[];
}

/** Keys beside the model that say who wrote it, or how it was trained. */
const BESIDE = ['keras_version', 'backend', 'training_config', 'ignore'];

/** Reads what `model.to_json()` gave, or a file's own copy of it. */
export function readTopology(json: Json, what: string, file: string | undefined): Topology {
  if (!(json instanceof Map)) throw wrong(what, 'an object', file);
  const version = json.get('keras_version') ?? undefined;
  if (version !== undefined && typeof version !== 'string') throw wrong(`${what}: keras_version`, 'a text', file);
  const ignore = json.get('ignore') ?? [];
  if (!Array.isArray(ignore) || !ignore.every((name): name is string => typeof name === 'string')) {
    throw wrong(`${what}: ignore`, 'names of layers', file);
  }
  const model: JsonObject = new Map([...json].filter(([key]) => !BESIDE.includes(key)));
  // Keras 3 names no version in to_json(), but the module of each class, which Keras 2 did not in what has no version.
  return { model, kerasVersion: version ?? (json.has('module') ? '3.0' : undefined), ignore };
}

/** The same from the option `architecture`. */
export function readArchitecture(architecture: object | string, file: string | undefined): Topology {
  return readTopology(parseModelJson(textOf(architecture), 'architecture', file), 'architecture', file);
}

/** The longest config, in characters: some thousand layers. */
const MAX_CONFIG_LENGTH = 8 * 1024 * 1024;

/** Parses the JSON of a model, whose layers lie in each other. */
export function parseModelJson(text: string, what: string, file: string | undefined): Json {
  if (text.length <= MAX_CONFIG_LENGTH) return parseJson(text, what, file, MAX_JSON_DEPTH_OF_MODELS);
  throw new RivuletError('LIMIT_EXCEEDED', `The JSON of the ${what} is too long`, {
    file,
    expected: `at most ${MAX_CONFIG_LENGTH} characters`,
    found: `${text.length}`,
  });
}

function textOf(architecture: object | string): string {
  if (typeof architecture === 'string') return architecture;
  try {
    return JSON.stringify(architecture) ?? 'null';
  } catch (cause) {
    throw new RivuletError('INVALID_OPTION', 'architecture', { expected: 'plain data', cause });
  }
}

const wrong = (what: string, expected: string, file: string | undefined): RivuletError =>
  new RivuletError('INVALID_FILE', `${what} is wrong`, { file, expected });
