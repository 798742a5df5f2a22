import { RivuletError } from '../../errors.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { buildGraph } from '../chain/build.js';
import type { Layer, Step } from '../chain/layers.js';
import type { RefusalOptions } from '../refusals.js';
import { type Architecture, type ArchitectureLayer, readArchitecture } from './architecture.js';
import { chainsInAnyOrder, chainsInOrder, type Role, rolesOf } from './chain.js';
import { findLayers, isWithin } from './layers.js';
import { stepsOf } from './listed.js';
import { describe, stepOf, weightOf } from './steps.js';
import { isParametrization } from './weight-norm.js';

/** From weights to a Graph. Where they leave a question open, it is asked, never guessed. */

export interface InferOptions extends RefusalOptions {
  /** The graph's name. */
  name: string;
  /** The answer to what the weights leave open: an object, or its JSON. */
  architecture?: Architecture | object | string | undefined;
  /** Whether the tensors stand in the order in which the module registered its layers; true unless given. */
  ordered?: boolean;
  /** Names of all modules, those without weights too, where they are known. */
  modules?: readonly string[] | undefined;
  /** Free text that travels with the graph. */
  metadata?: Record<string, string>;
  /** Path or URL to name in errors. */
  file?: string | undefined;
}

/**
 * The Graph of a state dict: a plain chain of Embedding, LSTM, GRU, RNN, LayerNorm and Linear.
 *
 * Layers are known by the names and shapes of their weights. They run in the order of the state dict, in which their
 * sizes must follow each other; where the order is lost, in the only one in which they do. What a state dict cannot tell
 * is refused with an example of the architecture that would: what stands behind a Linear that is not the last layer, an
 * RNN's nonlinearity, whether a layer after a bidirectional one reads its sequence or its state, several possible
 * orders, and modules without weights. Three things are taken as they usually are: `eps` of a LayerNorm is 1e-5, nothing follows
 * the last layer (a model that ends in a softmax gives logits), and nothing without a name stands between the layers.
 * A head that reads the last step gives its numbers as the last row of `y`.
 *
 * @throws RivuletError `UNKNOWN_FORMAT` where the weights do not say how to run; `UNSUPPORTED_OPERATOR`; `INVALID_FILE`;
 *   `INVALID_GRAPH`; `LIMIT_EXCEEDED`.
 */
export function inferGraph(tensors: ReadonlyMap<string, Tensor>, options: InferOptions): Graph {
  const { name, architecture, metadata = {}, file } = options;
  const given = architecture === undefined ? undefined : readArchitecture(architecture, file);
  const steps = given?.layers
    ? stepsOf({ ...given, layers: given.layers }, tensors, file, options.onRefusal)
    : inferSteps(tensors, options, given?.ignore);
  return buildGraph(steps, name, metadata, file);
}

function inferSteps(tensors: ReadonlyMap<string, Tensor>, options: InferOptions, ignored: string[] = []): Step[] {
  const { ordered = true, modules = [], file, onRefusal } = options;
  const layers = findLayers(tensors, ignored, file, onRefusal);
  if (layers.length === 0) throw new RivuletError('UNKNOWN_FORMAT', 'A state dict without weights', { file });
  const group = layers.find(({ kind, prefix }) => kind === 'vector' && GROUP_NORMS.test(prefix));
  if (group) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'By its name this is a norm over batches or groups', {
      file,
      tensor: weightOf(group).name,
      expected: 'LayerNorm',
      hint: 'Say in an architecture what it is: { "type": "GroupNorm", "groups": ..., "over": "step" }, or a LayerNorm',
    });
  }
  const chain = findChain(layers, ordered, file);
  const silent = weightless(
    layers,
    modules.filter((name) => !isParametrization(name) && !ignored.some((prefix) => isWithin(name, prefix))),
  );
  if (silent !== undefined) {
    throw ambiguous(`the module "${silent.slice(0, 100)}" has no weights, and may be anything`, chain, file);
  }
  const question = openQuestion(chain);
  if (question !== undefined) throw ambiguous(question, chain, file);
  return chain.map(stepOf);
}

/** Names of norms whose weights look like a LayerNorm's. */
const GROUP_NORMS = /(^|[._])(bn|gn|batch_?norm|group_?norm|instance_?norm)\d*$/i;

/** Registration is nearly always the order of running, so where it can be seen no other is looked for. */
function findChain(layers: readonly Layer[], ordered: boolean, file: string | undefined): Role[] {
  const chains = ordered ? chainsInOrder(layers) : chainsInAnyOrder(layers);
  if (chains?.length === 1) return chains[0];
  const example = chains?.[0] ?? layers.map((layer) => rolesOf(layer)[0]);
  if (chains?.length !== 0) throw ambiguous('the layers fit together in more than one way', example, file);
  const order = ordered ? ' in the order in which they were registered' : '';
  throw ambiguous(`the sizes of the layers do not follow each other${order}`, example, file);
}

/** What a chain leaves open, if anything. */
function openQuestion(chain: readonly Role[]): string | undefined {
  for (const [i, { type, layer }] of chain.entries()) {
    const next = chain[i + 1];
    const what = `"${layer.prefix.slice(0, 100)}"`;
    if (type.endsWith('Cell')) return `the loop around the cell ${what} is code of the model’s own`;
    if (type === 'Conv1d') return `the padding, dilation and groups of ${what} are not among them`;
    if (type === 'RNN') return `the nonlinearity of ${what}, tanh or relu, is not among them`;
    if (!next) continue;
    const behind = `"${next.layer.prefix.slice(0, 100)}"`;
    if (type === 'Linear') return `an activation may stand between ${what} and ${behind}`;
    if (layer.kind === 'recurrent' && layer.directions > 1) {
      return `${behind} may read the whole output of the bidirectional ${what}, or its last state`;
    }
    if (layer.kind === 'recurrent' && chain.slice(i + 1).some(isDecoder)) {
      return `what a decoder reads of ${what} is not among them`;
    }
  }
  return undefined;
}

const isDecoder = ({ layer }: Role): boolean =>
  layer.kind === 'recurrent' && /dec(oder)?(\.|_|\d|$)/i.test(layer.prefix);

/** Modules without weights that change nothing when a model runs. */
const HARMLESS = /drop|loss|criterion|metric/i;

/**
 * A module that has no weights and may be an activation: one that the file lists, or, where it lists none, one whose
 * number is missing from a row of numbered layers (0 and 2 are there, 1 is not).
 */
function weightless(layers: readonly Layer[], modules: readonly string[]): string | undefined {
  const withWeights = new Set(layers.flatMap(({ prefix }) => ancestors(prefix)));
  const containers = new Set(modules.flatMap((name) => ancestors(name).slice(1)));
  const listed = modules.find(
    (name) => name !== '' && !withWeights.has(name) && !containers.has(name) && !HARMLESS.test(name),
  );
  if (listed !== undefined) return listed;
  const all = new Set(modules);
  for (const name of withWeights) {
    const [, parent, index] = /^(.*?)(\d{1,9})$/s.exec(name) ?? [];
    if (index === undefined || (parent !== '' && !parent.endsWith('.')) || index === '0') continue;
    const before = `${parent}${Number(index) - 1}`;
    if (!withWeights.has(before) && !all.has(before)) return before;
  }
  return undefined;
}

/** How deep modules may lie within each other. */
const MAX_DEPTH = 64;

/** A name and those of the modules around it: a.b.c, a.b, a. */
function ancestors(name: string): string[] {
  const names: string[] = [];
  for (let end = name.length; end >= 0; end = end > 0 ? name.lastIndexOf('.', end - 1) : -1) {
    names.push(name.slice(0, end));
    if (names.length <= MAX_DEPTH) continue;
    throw new RivuletError('LIMIT_EXCEEDED', 'Modules within modules', { expected: `at most ${MAX_DEPTH} deep` });
  }
  return names;
}

const SHOWN = 24;

/** Refuses, and shows what an architecture for these very layers would look like. */
function ambiguous(question: string, chain: readonly Role[], file: string | undefined): RivuletError {
  const layers = chain.slice(0, SHOWN).flatMap((role, i) => exampleOf(role, chain[i + 1]));
  return new RivuletError('UNKNOWN_FORMAT', `The weights alone do not say how to run: ${question}`, {
    file,
    found: chain
      .slice(0, SHOWN)
      .map(({ layer }) => describe(layer))
      .join(', '),
    hint: 'Give an architecture, as an option or as "rivulet.architecture" in a safetensors file, perhaps',
    options: { architecture: { layers } satisfies Architecture },
  });
}

function exampleOf({ type, layer }: Role, next: Role | undefined): ArchitectureLayer[] {
  const { prefix } = layer;
  if (type === 'RNN' || type === 'RNNCell') return [{ type, prefix, nonlinearity: 'tanh' }];
  if (type === 'Conv1d') return [{ type, prefix, padding: 'causal' }];
  if (type === 'Linear' && next) return [{ type, prefix }, { type: 'ReLU' }];
  if (layer.kind === 'recurrent' && layer.directions > 1 && next) {
    return [{ type: layer.type as 'LSTM', prefix, output: 'state' }];
  }
  return [{ type, prefix } as ArchitectureLayer];
}
