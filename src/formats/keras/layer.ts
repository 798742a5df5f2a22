import type { RivuletError } from '../../errors.js';
import type { Json } from '../json.js';
import { type Length, mark, pin, resolve, showLengths } from '../lengths.js';
import type { Config } from './config.js';
import type { WeightScope } from './weights.js';
import type { GraphWriter, Value } from './writer.js';

/** One layer of the model, for its reader. */
export interface Layer {
  config: Config;
  weights: WeightScope;
  /** What is given to all layers. */
  model: ModelContext;
}

export interface ModelContext {
  graph: GraphWriter;
  /** The major version of Keras by whose rules the layers compute. */
  version: number;
  /**
   * No layer carries a state from step to step, and some layer needs the number of steps: what Keras calls steps is one
   * window of that length.
   */
  window: boolean;
  /** The caller has said that no sequence holds padding, so that masks may be left out. */
  unpadded: boolean;
  /** Reads a layer that lies within another one, as JSON says it. `prefix` goes before its name. */
  read(json: Json, weights: WeightScope, prefix: string): Apply;
  /** Whether a value is an input of the whole model. */
  isInput(value: Value): boolean;
  /** By the name of a sequence of a cell's outputs, the output after the last step. */
  lastSteps: Map<string, Value>;
  /** Tells of an initial state that comes in as an input of the model. */
  addState(state: InitialStatePair): void;
  /** Throws what reading a layer threw, unless somebody wants to hear of all layers that are refused. */
  refuse(error: unknown, className: string): void;
  /** Makes an input of the graph one of token numbers. Returns whether the value is such an input. */
  takesTokens(value: Value): boolean;
}

/** An initial state that is an input of the model. */
export interface InitialStatePair {
  /** The layer that begins with it. */
  layer: string;
  input: Value;
  /** The value of the cell's final state, [N, 1, u], and the same as Keras has it, [N, u]. */
  raw: string;
  final: string;
  /** Shape of `raw`, which the input must be given. */
  shape: Length[];
}

/** One use of a layer. */
export interface Call {
  /** What the nodes are named after. */
  name: string;
  /** Axes before those that the layer knows of: the batch, and the steps over which the layer is distributed. */
  lead: 1 | 2;
  /** Initial states that are given at run time. */
  initial: Value[];
  /** The index of `x[index]`. */
  index?: Json | undefined;
}

/** Writes the nodes of one use of a layer. */
export type Apply = (inputs: Value[], call: Call) => Value[];

/** Reads a layer's config and weights, once however often the layer is used. */
export type LayerReader = (layer: Layer) => Apply;

/** The one input of a layer. */
export function only(inputs: readonly Value[], config: Config): Value {
  if (inputs.length === 1) return inputs[0];
  throw config.fail('INVALID_FILE', `${config.className}: inputs`, { expected: 'one', found: `${inputs.length}` });
}

/** A layer of one input and one output. */
export const simple =
  (config: Config, apply: (x: Value, call: Call) => Value): Apply =>
  (inputs, call) => [apply(only(inputs, config), call)];

/** The number of a length, which thereby can be no symbol; refused where it is one, or is not known. */
export function pinned(length: Length, config: Config, what: string): number {
  const known = resolve(length);
  const number = typeof known !== 'number' && known.role ? undefined : pin(known);
  if (number !== undefined) return number;
  throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: ${what}`, {
    expected: 'an axis of a fixed length that is neither time nor batch',
    found: showLengths([length]),
    hint: 'A stream gives one step at a time: what needs the number of steps cannot be told from one',
  });
}

/** The last axis of a value, as a number; it must be `expected` where that is given. */
export function features(x: Value, config: Config, expected?: number): number {
  if (x.shape.length < 2) throw wrongRank(x, config, 'at least 2 axes');
  const found = pinned(x.shape.at(-1)!, config, 'the last axis of its input');
  if (expected === undefined || found === expected) return found;
  throw config.fail('INVALID_FILE', `${config.className}: its input does not fit its weights`, {
    expected: `[..., ${expected}]`,
    found: showLengths(x.shape),
  });
}

export const wrongRank = (x: Value, config: Config, expected: string): RivuletError =>
  config.fail('UNSUPPORTED_OPERATOR', `${config.className}: an input of ${x.shape.length} axes`, {
    expected,
    found: showLengths(x.shape),
  });

/** Says that the second axis of a value is time, or, in a model of one window, that it is of the length it has. */
export function markSteps(x: Value, model: ModelContext): void {
  const [batch, time] = x.shape;
  mark(batch, 'N');
  const known = resolve(time);
  if (model.window && typeof known !== 'number' && known.role === undefined && known.fixed !== undefined) pin(known);
  else mark(time, 'T');
}

/** Refuses a masked value where a mask would change the result, unless there is no padding to be masked. */
export function refuseMask({ mask }: Value, config: Config, model: ModelContext): void {
  if (mask === undefined || model.unpadded) return;
  throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: steps are masked`, {
    expected: 'a sequence whose steps all count',
    found: `the mask of layer "${mask}"`,
    hint: 'If the sequences you give hold no padding, say so',
    options: { unpadded: true },
  });
}

/** A value with its last axis replaced, and everything else as it was. */
export const withFeatures = (x: Value, name: string, width: number): Value => ({
  ...x,
  name,
  shape: [...x.shape.slice(0, -1), width],
});
