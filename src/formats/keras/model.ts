import { RivuletError } from '../../errors.js';
import type { Json } from '../json.js';
import { Config, show } from './config.js';
import { type Entry, entryOf, isModel } from './entry.js';
import { readFunctional } from './functional.js';
import { inputOf, type KerasModel, specFrom } from './inputs.js';
import { type Apply, type ModelContext, only } from './layer.js';
import { LAYERS, OPERATIONS } from './layers/registry.js';
import type { WeightScope } from './weights.js';

/** Reads a layer or a nested model. `prefix` is what its nodes' names begin with. */
export function readLayer(
  entry: Entry,
  weights: WeightScope,
  model: ModelContext,
  prefix: string,
  file?: string,
): Apply {
  if (isModel(entry.className)) return readModel(entry, weights, model, `${prefix}${entry.name}/`, file).apply;
  const reader = entry.operation
    ? OPERATIONS.get(entry.className)
    : (LAYERS.get(entry.className) ?? OPERATIONS.get(entry.className));
  const config = entry.configFor(`${prefix}${entry.name}`);
  if (!reader) {
    const known = entry.operation ? OPERATIONS : LAYERS;
    throw config.fail('UNSUPPORTED_OPERATOR', `${entry.operation ? 'operation' : 'layer class'} ${entry.className}`, {
      hint: `Those that are read: ${[...known.keys()].join(', ')}`,
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
  if (!isModel(className)) {
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
  const read = (one: Entry): Apply => {
    try {
      return readLayer(one, own[scopes.get(one) ?? 0], model, prefix, file);
    } catch (error) {
      model.refuse(error, one.className);
      return (values) => values;
    }
  };
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
