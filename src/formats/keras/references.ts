import type { Json, JsonObject } from '../json.js';
import { type Config, show } from './config.js';

/** How a functional model's config says what each layer was called with, in Keras 2's words and in Keras 3's. */

/** Output `tensor` of the `node`th call of a layer. */
export interface Reference {
  layer: string;
  node: number;
  tensor: number;
}

/** What a layer is called with: a value, or a plain number. */
export type Argument = Reference | number;

/** One call of a layer. */
export interface CallArguments {
  args: Argument[];
  initial: Argument[];
  /** Whether a mask is given, as Keras 3 writes it. */
  masked: boolean;
  /** The index of `x[index]`, as JSON has it. */
  index?: Json | undefined;
}

/** Keras 3's `x[index]`, whose second argument is no value. */
const INDEXED = 'GetItem';

/** The references of `input_layers` or `output_layers`: one, a list, or by name. */
export function referencesOf(json: Json | undefined, config: Config): Reference[] {
  // By name too: names are what tells inputs and outputs apart.
  const list = json instanceof Map && !isTensor(json) ? flatten([...json.values()], config) : flatten(json, config);
  if (list.length > 0) return list.map((one) => checked(one, config));
  throw config.wrong('input_layers and output_layers', 'at least one layer each', json);
}

/** The calls of a layer of a class, from its `inbound_nodes`. */
export function argumentsOf(inbound: Json, className: string, config: Config): CallArguments[] {
  if (inbound === null) return [];
  if (!Array.isArray(inbound)) throw config.wrong('inbound_nodes', 'a list', inbound);
  return inbound.flatMap((node) => {
    if (node instanceof Map) {
      const { more, ...named } = keywords(node.get('kwargs') ?? null, config);
      const given = node.get('args') ?? null;
      if (className === INDEXED && Array.isArray(given)) {
        return [{ args: flatten(given[0], config), index: given[1], ...named }];
      }
      return [{ args: [...flatten(given, config), ...more], ...named }];
    }
    const items = Array.isArray(node) && typeof node[0] === 'string' ? [node] : node;
    if (!Array.isArray(items)) throw config.wrong('inbound_nodes', 'a list of references', node);
    if (items.length === 0) return [];
    const all = items.map((item) => {
      if (!Array.isArray(item)) throw config.wrong('inbound_nodes', 'references', item);
      return { reference: checked(flatten(item.slice(0, 3), config)[0], config), ...keywords(item[3] ?? null, config) };
    });
    return [
      {
        args: [...all.map(({ reference }) => reference), ...all.flatMap(({ more }) => more)],
        initial: all.flatMap(({ initial }) => initial),
        masked: all.some(({ masked }) => masked),
      },
    ];
  });
}

/** Named arguments: initial states, and the second operand of Keras's operations. */
function keywords(json: Json, config: Config): { more: Argument[]; initial: Argument[]; masked: boolean } {
  const result: ReturnType<typeof keywords> = { more: [], initial: [], masked: false };
  if (json === null) return result;
  if (!(json instanceof Map)) throw config.wrong('inbound_nodes', 'named arguments', json);
  for (const [key, value] of json) {
    // A layer that is told to train would do so in use: its dropout goes on.
    if (value === null || key === 'name' || (key === 'training' && value === false)) continue;
    if (key === 'initial_state') result.initial.push(...flatten(value, config));
    else if (key === 'mask') result.masked = true;
    else if (key === 'y' || key === 'x2') result.more.push(...flatten(value, config));
    else {
      throw config.fail('UNSUPPORTED_ATTRIBUTE', `a layer is called with "${key.slice(0, 100)}"`, {
        found: show(value),
      });
    }
  }
  return result;
}

/** Every reference and number in a structure, in order. */
function flatten(json: Json | undefined, config: Config): Argument[] {
  if (json === undefined || json === null) return [];
  if (typeof json === 'number') return [json];
  if (Array.isArray(json)) {
    const [layer, node, tensor] = json;
    if (typeof layer !== 'string') return json.flatMap((item) => flatten(item, config));
    if (json.length <= 4 && isIndex(node) && isIndex(tensor)) return [{ layer, node, tensor }];
  } else if (json instanceof Map && isTensor(json)) {
    const inner = json.get('config');
    if (inner instanceof Map) return flatten(inner.get('keras_history') ?? null, config);
  }
  throw config.fail('INVALID_FILE', 'Not a reference to a value of the model', {
    expected: '[layer, call, output]',
    found: show(json),
  });
}

const isTensor = (json: JsonObject): boolean => json.get('class_name') === '__keras_tensor__';

const isIndex = (json: Json | undefined): json is number => Number.isSafeInteger(json) && (json as number) >= 0;

function checked(argument: Argument | undefined, config: Config): Reference {
  if (typeof argument === 'object') return argument;
  throw config.fail('INVALID_FILE', 'Not a reference to a value of the model', {
    expected: '[layer, call, output]',
    found: `${argument}`,
  });
}
