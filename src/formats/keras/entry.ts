import type { Json, JsonObject } from '../json.js';
import { Config, show } from './config.js';
import type { LayerId } from './weights.js';

/** What of a serialised layer is no part of how it computes. */
const IDLE = new Set(['build_config', 'compile_config', 'shared_object_id', 'inbound_nodes', 'name']);
/** Where Keras's own classes come from; another module's may have any meaning. */
const KERAS_MODULE = /^(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras|builtins)(\.|$)/;

/** Classes whose config holds layers. */
const MODELS = new Set(['Sequential', 'Functional', 'Model']);

/** Whether a class is a model, which may stand among the layers of another. */
export const isModel = (className: string): boolean => MODELS.has(className);

/** A layer as JSON has it: its class and its config. */
export interface Entry {
  json: JsonObject;
  className: string;
  name: string;
  /** What it was called with, where it is part of a functional model. */
  inbound: Json;
  /** The shape that it was built for, batch first, where the file says so. */
  builtShape: Json | undefined;
  /** Whether it is an operation of Keras 3, such as the + of two values, which is no layer and has no weights. */
  operation: boolean;
  /** The config itself; a list where an old Sequential has its layers in it. */
  raw: Json;
  id: LayerId;
  /** The config, its layer called `label` in errors and in the graph. */
  configFor(label: string): Config;
}

/** Reads a layer that stands in the config of `within`. */
export function entryOf(json: Json | undefined, within: Config): Entry {
  if (!(json instanceof Map)) throw within.wrong('layer', 'a layer: {"class_name": ..., "config": ...}', json);
  const className = json.get('class_name');
  const raw = json.get('config');
  if (typeof className !== 'string' || className === '' || className.length > 200) {
    throw within.wrong('class_name', 'the name of a class', className);
  }
  const fail = (what: string, found: Json | undefined) =>
    within.fail('UNSUPPORTED_OPERATOR', what, { expected: "a layer of Keras's own", found: show(found) });
  for (const key of json.keys()) {
    if (!IDLE.has(key) && !['class_name', 'config', 'module', 'registered_name'].includes(key)) {
      throw fail(`${className}: a key beside its config that nobody reads`, key);
    }
  }
  const module = json.get('module') ?? undefined;
  const registered = json.get('registered_name') ?? undefined;
  if (module !== undefined && (typeof module !== 'string' || !KERAS_MODULE.test(module))) {
    throw fail(`layer class ${className} of another module`, module);
  }
  if (typeof registered === 'string' && registered.includes('>')) throw fail('a custom layer', registered);
  const named = json.get('name') ?? (raw instanceof Map ? raw.get('name') : undefined);
  const name = typeof named === 'string' && named !== '' ? named : className.toLowerCase();
  const built = json.get('build_config');
  return {
    json,
    className,
    name,
    inbound: json.get('inbound_nodes') ?? null,
    builtShape: built instanceof Map ? (built.get('input_shape') ?? undefined) : undefined,
    operation: typeof module === 'string' && /^keras\.(src\.)?ops(\.|$)/.test(module),
    raw: raw ?? null,
    get id() {
      return { name, className, inner: namesWithin(raw ?? null) };
    },
    configFor(label) {
      if (raw instanceof Map) return new Config(raw, label, className, within.file);
      throw within.fail('INVALID_FILE', `${className}: "config"`, { expected: 'an object', found: show(raw) });
    },
  };
}

/** Every name that stands in a config, its own left out. */
function namesWithin(json: Json): string[] {
  const names: string[] = [];
  const visit = (value: Json, own: boolean): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, false);
    if (!(value instanceof Map)) return;
    const name = value.get('name');
    if (!own && typeof name === 'string') names.push(name);
    for (const item of value.values()) visit(item, false);
  };
  visit(json, true);
  return names;
}
