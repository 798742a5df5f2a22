import type { Config } from './config.js';
import { type Entry, isModel } from './entry.js';
import { inputOf, type KerasModel } from './inputs.js';
import type { Apply, Call, ModelContext } from './layer.js';
import { type Argument, argumentsOf, type CallArguments, type Reference, referencesOf } from './references.js';
import type { Value } from './writer.js';

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
interface Use extends CallArguments {
  layer: number;
  node: number;
  /** How many of the values that it reads are not made yet. */
  missing: number;
}

/** Reads a functional model: which layers are called with what, and in which order that can be done. */
export function readFunctional(
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
    argumentsOf(entry.inbound, entry.className, config).map(
      (call, node): Use => ({ ...call, layer, node, missing: 0 }),
    ),
  );
  const firstCalls = firstCallsOf([...uses.flatMap(({ args, initial }) => [...args, ...initial]), ...outputs]);
  const keyOf = (reference: Reference) => {
    const layer = indexOf(reference);
    // A model's own making may count as its first call. Every call is referred to, so that the least number is the first.
    const first = isModel(entries[layer].className) ? (firstCalls.get(reference.layer) ?? 0) : 0;
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
        for (const key of needed) {
          const others = readers.get(key);
          if (others) others.push(use);
          else readers.set(key, [use]);
        }
      }
      // Grows while it is gone through: what has all its values comes last.
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
      for (const { layer, node, args, initial, masked, index } of ready) {
        model.graph.countCall();
        const name = `${prefix}${entries[layer].name}`;
        const values = args.map((argument) => computed(find(argument, name), name));
        if (values.length === 0) throw config.fail('INVALID_FILE', 'A layer is called with nothing', { found: name });
        if (masked) values[0] = { ...values[0], mask: values[0].mask ?? name };
        const states = initial.map((argument) => find(argument, name));
        make(`${layer} ${node}`, applies[layer](values, { name, lead, initial: states, index }));
      }
      return outputs.map((reference) => find(reference, prefix));
    },
  };
}
