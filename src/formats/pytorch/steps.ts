import { type ErrorDetails, RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import type { Layer, Statistics, Step } from '../chain/layers.js';
import { floatTensor } from '../constants.js';
import { ACTIVATIONS, type Architecture, type ArchitectureLayer, isActivation } from './architecture.js';
import { type Role, rolesOf } from './chain.js';
import { findLayers } from './layers.js';

/** PyTorch's LayerNorm has it unless told otherwise; no state dict holds it. */
export const DEFAULT_EPS = 1e-5;

/** A layer in the part found for it, with PyTorch's defaults for the rest. */
export function stepOf(role: Role): Step {
  const { layer } = role;
  if (layer.kind === 'recurrent') return { op: 'cell', layer, output: 'sequence', nonlinearity: 'tanh' };
  if (layer.kind === 'vector') return { op: 'LayerNorm', layer, eps: DEFAULT_EPS };
  if (layer.kind === 'statistics') return normalisation(layer, DEFAULT_EPS);
  if (layer.kind === 'convolution') return { op: 'Conv1d', layer, dilation: 1, groups: 1, padding: 'causal' };
  return { op: role.type === 'Embedding' ? 'Embedding' : 'Linear', layer };
}

/** BatchNorm1d, once training is over: (x - mean) / sqrt(variance + eps) * weight + bias, of constants alone. */
function normalisation({ prefix, weight, bias, mean, variance }: Statistics, eps: number): Step {
  const [means, variances] = [toFloat32(mean), toFloat32(variance)];
  const [weights, biases] = [weight && toFloat32(weight), bias && toFloat32(bias)];
  const scales = Array.from(variances, (value, i) => (weights?.[i] ?? 1) / Math.sqrt(value + eps));
  const shifts = Array.from(means, (value, i) => (biases?.[i] ?? 0) - value * scales[i]);
  const lost = [...scales, ...shifts].findIndex((value) => !Number.isFinite(Math.fround(value)));
  if (lost >= 0) {
    const details = {
      tensor: variance.name,
      expected: 'variances above 0',
      found: `${variances[lost % scales.length]}`,
    };
    throw new RivuletError('INVALID_FILE', 'A normalisation by what is no variance', details);
  }
  const size = [scales.length];
  const name = prefix || 'batchnorm';
  return { op: 'affine', name, scale: floatTensor('scale', scales, size), shift: floatTensor('shift', shifts, size) };
}

/**
 * The steps that an architecture lists, each with its weights.
 * @throws RivuletError `INVALID_FILE` where a layer has no such weights, sizes do not follow each other, or weights are
 *   left over; and as `findLayers` does.
 */
export function stepsOf(
  architecture: Architecture & { layers: ArchitectureLayer[] },
  tensors: ReadonlyMap<string, Tensor>,
  file: string | undefined,
): Step[] {
  const layers = findLayers(tensors, architecture.ignore, file);
  const open = new Set(layers);
  let given: Role['inputs'] | undefined;
  let width: number | undefined;
  let ended: string | undefined;
  const steps = architecture.layers.map((wanted, at): Step => {
    if (isActivation(wanted)) {
      if (at === 0)
        throw fail('An activation comes first', { found: wanted.type, expected: 'a layer with weights' }, file);
      return { op: 'activation', name: ACTIVATIONS[wanted.type] };
    }
    if (wanted.type === 'Skip') {
      const inputs = wanted.inputs ?? given;
      if (typeof inputs === 'number' && inputs === width && inputs <= Number(given) && ended === undefined) {
        return { op: 'skip', inputs };
      }
      const expected = `${width} numbers, as the layer before gives, of those that the first is given`;
      throw fail('A skip does not fit', { expected, found: ended === undefined ? `${inputs}` : 'a state' }, file);
    }
    const role = choose(wanted, at, layers, open, file);
    open.delete(role.layer);
    if (wanted.type === 'Conv1d' && typeof role.inputs === 'number') role.inputs *= wanted.groups ?? 1;
    given ??= role.inputs;
    const tensor = weightOf(role.layer).name;
    if (role.inputs === 'tokens' ? at > 0 : width !== undefined && role.inputs !== width) {
      const expected = role.inputs === 'tokens' ? 'an Embedding as the first layer' : `${role.inputs} numbers`;
      const found = role.inputs === 'tokens' ? `layer ${at}` : `${width} from the layer before`;
      throw fail(`The layers do not follow each other at ${wanted.type}`, { tensor, expected, found }, file);
    }
    width = role.outputs;
    if (wanted.type === 'BatchNorm1d' && role.layer.kind === 'statistics') {
      return normalisation(role.layer, wanted.eps ?? DEFAULT_EPS);
    }
    const step = stepOf(role);
    if (step.op === 'Conv1d' && wanted.type === 'Conv1d') {
      if (ended !== undefined) throw afterState(tensor, ended, file);
      const { padding, dilation = 1, groups = 1 } = wanted;
      return { ...step, padding, dilation, groups: checkGroups(groups, role.outputs, tensor, file) };
    }
    if (step.op === 'LayerNorm' && wanted.type === 'LayerNorm') step.eps = wanted.eps ?? step.eps;
    if (step.op === 'cell') {
      if (ended !== undefined) throw afterState(tensor, ended, file);
      if ('output' in wanted) step.output = wanted.output ?? 'sequence';
      if (wanted.type === 'RNN') step.nonlinearity = wanted.nonlinearity ?? 'tanh';
      if (step.output === 'state') ended = step.layer.prefix;
    }
    return step;
  });
  const [unread] = open;
  if (unread) {
    const hint = `List it, or ignore it: "ignore": [${JSON.stringify(unread.prefix)}]`;
    throw fail('The architecture leaves out a layer', { tensor: weightOf(unread).name, hint }, file);
  }
  return steps;
}

const afterState = (tensor: string, ended: string, file: string | undefined): RivuletError =>
  fail('A sequence is needed after a state', { tensor, found: `"output": "state" of "${ended}"` }, file);

function checkGroups(groups: number, outputs: number, tensor: string, file: string | undefined): number {
  if (outputs % groups === 0) return groups;
  throw fail(
    'The groups do not divide the outputs',
    { tensor, expected: `a divisor of ${outputs}`, found: `${groups}` },
    file,
  );
}

/** The layer that an entry means: by its prefix, or the only one that is left of its type. */
function choose(
  wanted: ArchitectureLayer & { prefix?: string },
  at: number,
  layers: readonly Layer[],
  open: ReadonlySet<Layer>,
  file: string | undefined,
): Role {
  const where = `architecture.layers[${at}]`;
  const named = layers.filter(({ prefix }) => wanted.prefix === undefined || prefix === wanted.prefix);
  const fitting = named.flatMap((layer) => rolesFor(layer, wanted.type));
  const free = fitting.filter(({ layer }) => open.has(layer));
  if (free.length === 1) return free[0];
  const listed = (some: readonly Layer[]) => some.slice(0, 12).map(describe).join(', ') || 'nothing';
  if (free.length > 1) {
    const found = listed(free.map(({ layer }) => layer));
    throw fail(`${where} fits several layers`, { expected: 'a "prefix"', found }, file);
  }
  const name = wanted.prefix === undefined ? '' : ` "${wanted.prefix.slice(0, 100)}"`;
  if (fitting.length > 0) throw fail(`${where} lists a layer again`, { found: listed(named) }, file);
  const expected = `weights of ${wanted.type}${name}`;
  throw fail(`${where} has no weights`, { expected, found: listed(named.length > 0 ? named : layers) }, file);
}

/** An architecture may call an Embedding what does not look like one by its name. */
function rolesFor(layer: Layer, type: string): Role[] {
  const roles = rolesOf(layer).filter((role) => role.type === type);
  if (roles.length > 0 || layer.kind !== 'matrix' || layer.bias || type !== 'Linear') return roles;
  const [rows, columns] = layer.weight.shape;
  return [{ layer, type: 'Linear', inputs: columns, outputs: rows }];
}

/** A layer in a few words: its name, type and sizes. */
export function describe(layer: Layer): string {
  const name = layer.prefix === '' ? '' : `${layer.prefix.slice(0, 100)}: `;
  if (layer.kind === 'recurrent') {
    const more = [
      layer.layers.length > 1 && `${layer.layers.length} layers`,
      layer.directions > 1 && 'bidirectional',
      layer.projected !== layer.hidden && `projected to ${layer.projected}`,
    ].filter(Boolean);
    return `${name}${[`${layer.type}${layer.single ? 'Cell' : ''} ${layer.inputs} -> ${layer.hidden}`, ...more].join(' ')}`;
  }
  if (layer.kind === 'statistics') return `${name}BatchNorm1d ${layer.mean.shape[0]}`;
  const [rows, columns] = layer.weight.shape;
  if (layer.kind === 'vector') return `${name}LayerNorm ${rows}`;
  if (layer.kind === 'convolution') return `${name}Conv1d ${columns} -> ${rows}`;
  const [role] = rolesOf(layer);
  return `${name}${role.type === 'Embedding' ? `Embedding ${rows} -> ${columns}` : `Linear ${columns} -> ${rows}`}`;
}

export const weightOf = (layer: Layer): Tensor =>
  layer.kind === 'recurrent' ? layer.layers[0][0].weightIh : layer.kind === 'statistics' ? layer.mean : layer.weight;

const fail = (what: string, details: ErrorDetails, file: string | undefined): RivuletError =>
  new RivuletError('INVALID_FILE', what, { file, ...details });
