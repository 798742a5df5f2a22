import { RivuletError } from '../../errors.js';
import type { Json } from '../json.js';
import { Config, show } from './config.js';
import { type Entry, entryOf } from './entry.js';
import { type Apply, type Call, type ModelContext, only } from './layer.js';
import { LAYERS } from './layers/registry.js';
import { type Argument, argumentsOf, type Reference, referencesOf } from './references.js';
import type { WeightScope } from './weights.js';
import type { Value } from './writer.js';

/** Classes whose config holds layers. */
const MODELS = new Set(['Sequential', 'Functional', 'Model']);

/** An input that a model declares. */
export interface InputSpec {
  name: string;
  /** Batch first; null where the length is free. */
  shape: (number | null)[];
  dtype: string;
}

export interface KerasModel {
  apply: Apply;
  inputs: InputSpec[];
  /** Names of the layers that make the outputs. */
  outputs: string[];
}

/** Reads a layer or a nested model. `prefix` is what its nodes' names begin with. */
export function readLayer(
  entry: Entry,
  weights: WeightScope,
  model: ModelContext,
  prefix: string,
  file?: string,
): Apply {
  if (MODELS.has(entry.className)) return readModel(entry, weights, model, `${prefix}${entry.name}/`, file).apply;
  const reader = LAYERS.get(entry.className);
  const config = entry.configFor(`${prefix}${entry.name}`);
  if (!reader) {
    throw config.fail('UNSUPPORTED_OPERATOR', `layer class ${entry.className}`, {
      hint: `Those that are read: ${[...LAYERS.keys()].join(', ')}`,
    });
  }
  return reader({ config, weights, model });
}

/** Reads a Sequential or functional model: its layers, and how they are called. */
export function readModel(
  entry: Entry,
  weights: WeightScope,
  model: ModelContext,
  prefix: string,
  file?: string,
): KerasModel {
  const { className, name } = entry;
  const at = prefix === '' ? name : prefix.slice(0, -1);
  if (!MODELS.has(className)) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', `a model of class ${className}`, {
      file,
      expected: 'Sequential or Functional',
      hint: 'A subclassed model is Python code: build it as a functional model and save that',
    });
  }
  // Keras 2.0 kept a Sequential's layers as a list in place of its config.
  const raw = Array.isArray(entry.raw) ? new Map<string, Json>([['layers', entry.raw]]) : entry.raw;
  if (!(raw instanceof Map)) {
    throw new RivuletError('INVALID_FILE', `${className}: "config"`, {
      file,
      node: at,
      expected: 'an object',
      found: show(raw),
    });
  }
  const config = new Config(raw, at, className, file);
  const list = config.get('layers');
  if (!Array.isArray(list)) throw config.wrong('layers', 'a list of layers', list);
  const entries = list.map((json) => entryOf(json, config));
  const layers = entries.filter(({ operation }) => !operation);
  const scopes = new Map(layers.map((one, i) => [one, i]));
  const own = weights.layers(layers.map(({ id }) => id));
  const read = (one: Entry): Apply => readLayer(one, own[scopes.get(one) ?? 0], model, prefix, file);
  return className === 'Sequential' || (className === 'Model' && !config.has('input_layers'))
    ? readSequential(config, entry, entries, read, prefix, model)
    : readFunctional(config, entries, read, prefix, model);
}

function readSequential(
  config: Config,
  entry: Entry,
  entries: Entry[],
  read: (entry: Entry) => Apply,
  prefix: string,
  model: ModelContext,
): KerasModel {
  const built = config.get('build_input_shape') ?? entry.builtShape;
  config.end();
  if (entries.length === 0) throw config.wrong('layers', 'at least one layer', []);
  const [first] = entries;
  const spec = inputOf(first, config) ?? specFrom(`${first.name}_input`, first.builtShape ?? built, 'float32', config);
  const steps = entries.map((one) => ({ name: `${prefix}${one.name}`, apply: read(one) }));
  return {
    inputs: [spec],
    outputs: [entries[entries.length - 1].name],
    apply: (inputs, call) =>
      steps.reduce(
        (values, { name, apply }, i) => {
          // A state is passed on by a functional model alone.
          if (i > 0) only(values, config);
          model.graph.countCall();
          return apply(values, { ...call, name, initial: [] });
        },
        [only(inputs, config)],
      ),
  };
}

/** The input that a layer declares: an InputLayer, or the first layer of a Sequential in Keras 2. */
function inputOf(entry: Entry, within: Config): InputSpec | undefined {
  // A model within a model: what its own first layer says.
  if (MODELS.has(entry.className)) {
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

function specFrom(name: string, shape: Json | undefined, dtype: string, config: Config): InputSpec {
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

/** The least number of a call of each layer, among all references to it. */
function firstCallsOf(references: readonly Argument[]): Map<string, number> {
  const first = new Map<string, number>();
  for (const reference of references) {
    if (typeof reference === 'number') continue;
    const { layer, node } = reference;
    first.set(layer, Math.min(node, first.get(layer) ?? node));
  }
  return first;
}

/** One use of a layer in a functional model. */
interface Use {
  layer: number;
  node: number;
  args: Argument[];
  initial: Argument[];
  masked: boolean;
  /** How many of the values that it reads are not made yet. */
  missing: number;
}

function readFunctional(
  config: Config,
  entries: Entry[],
  read: (entry: Entry) => Apply,
  prefix: string,
  model: ModelContext,
): KerasModel {
  const inputs = referencesOf(config.get('input_layers'), config);
  const outputs = referencesOf(config.get('output_layers'), config);
  config.end();
  const byName = new Map(entries.map((entry, i) => [entry.name, i]));
  if (byName.size < entries.length) throw config.wrong('layers', 'layers of different names', undefined);
  const indexOf = ({ layer }: Reference): number => {
    const index = byName.get(layer);
    if (index !== undefined) return index;
    throw config.fail('INVALID_FILE', 'A layer that the model has not', { found: `"${layer.slice(0, 100)}"` });
  };
  const specs = inputs.map((reference) => {
    const spec = inputOf(entries[indexOf(reference)], config);
    if (spec) return spec;
    throw config.wrong('input_layers', 'layers of class InputLayer', reference.layer);
  });
  const applies = entries.map(read);
  const uses = entries.flatMap((entry, layer) =>
    argumentsOf(entry.inbound, config).map((call, node): Use => ({ ...call, layer, node, missing: 0 })),
  );
  const firstCalls = firstCallsOf([...uses.flatMap(({ args, initial }) => [...args, ...initial]), ...outputs]);
  const keyOf = (reference: Reference) => {
    const layer = indexOf(reference);
    // A model's own making may count as its first call. Every call is referred to, so that the least number is the first.
    const first = MODELS.has(entries[layer].className) ? (firstCalls.get(reference.layer) ?? 0) : 0;
    return `${layer} ${reference.node - first}`;
  };
  return {
    inputs: specs,
    outputs: outputs.map(({ layer }) => layer),
    apply(given, { lead }: Call) {
      if (given.length !== inputs.length) {
        throw config.fail('INVALID_FILE', 'inputs of the model', {
          expected: `${inputs.length}`,
          found: `${given.length}`,
        });
      }
      const made = new Map<string, Value[]>();
      const readers = new Map<string, Use[]>();
      for (const use of uses) {
        const needed = new Set(
          [...use.args, ...use.initial].flatMap((one) => (typeof one === 'number' ? [] : [keyOf(one)])),
        );
        use.missing = needed.size;
        for (const key of needed) readers.set(key, [...(readers.get(key) ?? []), use]);
      }
      const ready: Use[] = uses.filter(({ missing }) => missing === 0);
      const make = (key: string, values: Value[]) => {
        made.set(key, values);
        for (const use of readers.get(key) ?? []) if (--use.missing === 0) ready.push(use);
      };
      const find = (argument: Argument, name: string): Value => {
        if (typeof argument === 'number') {
          return { name: model.graph.floats(`${name}.number`, [argument], []), type: 'float32', shape: [] };
        }
        const value = made.get(keyOf(argument))?.[argument.tensor];
        if (value) return value;
        throw config.fail('INVALID_FILE', 'A value that no layer makes', {
          found: `${argument.layer.slice(0, 100)}, call ${argument.node}, output ${argument.tensor}`,
        });
      };
      const computed = (value: Value, name: string): Value => {
        if (value.type !== 'bool') return value;
        throw config.fail('UNSUPPORTED_OPERATOR', 'A layer computes with a mask', { found: name });
      };
      for (const [i, reference] of inputs.entries()) make(keyOf(reference), [given[i]]);
      for (let use = ready.shift(); use; use = ready.shift()) {
        const { layer, node, args, initial, masked } = use;
        model.graph.countCall();
        const name = `${prefix}${entries[layer].name}`;
        const values = args.map((argument) => computed(find(argument, name), name));
        if (values.length === 0) throw config.fail('INVALID_FILE', 'A layer is called with nothing', { found: name });
        if (masked) values[0] = { ...values[0], mask: values[0].mask ?? name };
        const states = initial.map((argument) => find(argument, name));
        make(`${layer} ${node}`, applies[layer](values, { name, lead, initial: states }));
      }
      return outputs.map((reference) => find(reference, prefix));
    },
  };
}
