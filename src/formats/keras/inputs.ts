import type { Json } from '../json.js';
import { type Config, show } from './config.js';
import { type Entry, entryOf, isModel } from './entry.js';
import type { Apply } from './layer.js';

/** An input that a model declares. */
export interface InputSpec {
  name: string;
  /** Batch first; null where the length is free. */
  shape: (number | null)[];
  dtype: string;
}

/** A model that was read: what it takes, what it gives, and how its nodes are written. */
export interface KerasModel {
  apply: Apply;
  inputs: InputSpec[];
  /** Names of the layers that make the outputs. */
  outputs: string[];
}

/** The input that a layer declares: an InputLayer, or the first layer of a Sequential in Keras 2. */
export function inputOf(entry: Entry, within: Config): InputSpec | undefined {
  // A model within a model: what its own first layer says.
  if (isModel(entry.className)) {
    const layers = entry.raw instanceof Map ? entry.raw.get('layers') : entry.raw;
    if (!Array.isArray(layers) || layers.length === 0) return undefined;
    return inputOf(entryOf(layers[0], within), within);
  }
  const config = entry.configFor(entry.name);
  const shape = config.get('batch_shape') ?? config.get('batch_input_shape');
  if (shape === undefined) return undefined;
  const dtype = config.get('dtype');
  const name = entry.className === 'InputLayer' ? entry.name : `${entry.name}_input`;
  return specFrom(name, shape, typeof dtype === 'string' ? dtype : 'float32', config);
}

/** An input from a batch shape as JSON has it. */
export function specFrom(name: string, shape: Json | undefined, dtype: string, config: Config): InputSpec {
  const valid =
    Array.isArray(shape) &&
    shape.length > 1 &&
    shape.length <= 8 &&
    shape.every((length) => length === null || (Number.isSafeInteger(length) && (length as number) > 0));
  if (valid) return { name, shape: shape as (number | null)[], dtype };
  throw config.fail('INVALID_FILE', 'The shape of an input', {
    expected: 'a batch shape such as [null, null, 3]',
    found: show(shape),
    hint: 'Build the model before it is saved, or begin it with an Input that has a shape',
  });
}
