import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import type { Layer, Statistics, Step } from '../chain/layers.js';
import { floatTensor } from '../constants.js';
import { type Role, rolesOf } from './chain.js';

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
export function normalisation({ prefix, weight, bias, mean, variance }: Statistics, eps: number): Step {
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
