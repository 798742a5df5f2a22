import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { elementCount, toFloat32 } from '../../graph/tensor.js';
import { floatTensor } from '../constants.js';

/** A weight as torch's weight_norm keeps it: how long each part of it is, and where it points. */
const PARTS = 'weight(?:_(?:ih|hh|hr)(?:_l\\d+(?:_reverse)?)?)?';
const LENGTH = new RegExp(`^((?:.*\\.)?${PARTS})_g$`, 's');
const LENGTH_OF_PARAMETRIZATION = new RegExp(`^((?:.*\\.)?)parametrizations\\.(${PARTS})\\.original0$`, 's');

/** The modules that stand for a parametrisation, and hold no weights by names of their own. */
export const isParametrization = (module: string): boolean => /(^|\.)parametrizations(\.|$)/.test(module);

/**
 * The same state dict with the weights that weight_norm computes in the place of what it computes them from: g * v / |v|,
 * the norm taken over the axes in which g has one element.
 *
 * @throws RivuletError `INVALID_FILE` where a part is missing or they do not fit, `UNSUPPORTED_OPERATOR` for another type
 *   than float32.
 */
export function foldWeightNorm(tensors: ReadonlyMap<string, Tensor>, file?: string): ReadonlyMap<string, Tensor> {
  const folded = new Map<string, Tensor>();
  const used = new Set<string>();
  for (const [name, tensor] of tensors) {
    const [, prefix, own] = LENGTH_OF_PARAMETRIZATION.exec(name) ?? [];
    const weight = own === undefined ? LENGTH.exec(name)?.[1] : `${prefix}${own}`;
    if (weight === undefined) {
      folded.set(name, tensor);
      continue;
    }
    const direction = own === undefined ? `${weight}_v` : `${prefix}parametrizations.${own}.original1`;
    if (tensors.has(weight)) {
      const found = `"${name}" and "${weight}"`;
      throw new RivuletError('INVALID_FILE', 'A weight that is there twice', { file, tensor: weight, found });
    }
    used.add(direction);
    folded.set(weight, normed(weight, tensor, tensors.get(direction), file));
  }
  for (const name of used) folded.delete(name);
  return folded;
}

function normed(name: string, length: Tensor, direction: Tensor | undefined, file: string | undefined): Tensor {
  const [g, v] = [length.shape, direction?.shape];
  // A norm over all axes has none, or one element for each.
  const fits = v && (g.length === 0 || (g.length === v.length && g.every((dim, axis) => dim === 1 || dim === v[axis])));
  if (!direction || !fits) {
    throw new RivuletError('INVALID_FILE', 'The parts of a weight under weight_norm do not belong together', {
      file,
      tensor: length.name,
      expected: `a length for each part of "${name}"`,
      found: v ? `[${g.join(', ')}] for [${v.join(', ')}]` : 'no direction',
    });
  }
  const other = [length, direction].find(({ type }) => type !== 'float32');
  if (other) {
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'A weight under weight_norm of this type', {
      file,
      tensor: other.name,
      expected: 'float32',
      found: other.type,
      hint: 'Remove it before saving: torch.nn.utils.parametrize.remove_parametrizations or remove_weight_norm',
    });
  }
  const values = toFloat32(direction);
  const lengths = toFloat32(length);
  const groups = groupsOf(v, g);
  const squares = new Float64Array(elementCount(g));
  for (const [i, group] of groups.entries()) squares[group] += values[i] ** 2;
  const scaled = Float32Array.from(values, (value, i) => (lengths[groups[i]] * value) / Math.sqrt(squares[groups[i]]));
  const lost = scaled.findIndex((value) => !Number.isFinite(value));
  if (lost >= 0) {
    const found = `${scaled[lost]} at element ${lost}`;
    throw new RivuletError('INVALID_FILE', 'A direction of no length', { file, tensor: direction.name, found });
  }
  return floatTensor(name, scaled, [...v]);
}

/** For each element of an array of `shape`, the element of one of `of` that it belongs to. */
function groupsOf(shape: readonly number[], of: readonly number[]): Uint32Array {
  const strides = of.map((dim, axis) => (dim === 1 ? 0 : elementCount(of.slice(axis + 1))));
  const groups = new Uint32Array(elementCount(shape));
  const index = shape.map(() => 0);
  for (let i = 0; i < groups.length; i++) {
    groups[i] = strides.reduce((sum, stride, axis) => sum + stride * index[axis], 0);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return groups;
}
