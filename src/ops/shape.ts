/** Operators that change a value's shape and not its numbers: no kernel call, the output is the input's memory. */

import { BATCH, type Dim, TIME } from '../graph/graph.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference, ReferenceTensor } from './operator.js';

const lower = (node: Lowering) => node.alias(0, node.node.inputs[0]);

/** Squeeze's and Unsqueeze's axes: an input from opset 13 on, an attribute before. */
function axesOf(node: NodeReader, rank: number): number[] | undefined {
  const axes = node.has(1) ? node.integers(1) : node.list('axes', 'number');
  return axes?.map((axis) => node.axis(axis, rank));
}

export const identity: Operator = {
  op: 'Identity',
  anyType: true,
  attributes: [],
  inputs: [1, 1],
  infer: (node) => [node.typeOf(0)],
  lower,
};

export const squeeze: Operator = {
  op: 'Squeeze',
  anyType: true,
  attributes: ['axes'],
  inputs: [1, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const axes = axesOf(node, shape.length) ?? shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
    const wrong = axes.find((axis) => shape[axis] !== 1);
    if (wrong !== undefined) throw node.malformed(`axis ${wrong} can't be removed`, '1', String(shape[wrong]), 0);
    return [{ type, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
  },
  lower,
};

export const unsqueeze: Operator = {
  op: 'Unsqueeze',
  anyType: true,
  attributes: ['axes'],
  inputs: [1, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const given = node.has(1) ? node.integers(1) : (node.list('axes', 'number') ?? []);
    const axes = axesOf(node, shape.length + given.length) ?? [];
    if (axes.length === 0 || new Set(axes).size < axes.length) {
      throw node.malformed('the axes', 'at least one, each once', `[${given.join(', ')}]`);
    }
    const kept = [...shape];
    const rank = shape.length + axes.length;
    return [{ type, shape: Array.from({ length: rank }, (_, axis): Dim => (axes.includes(axis) ? 1 : kept.shift()!)) }];
  },
  lower,
};

/** Transpose as far as it moves only T, N and axes of one element: a row stays as it is. */
export const transpose: Operator = {
  op: 'Transpose',
  anyType: true,
  attributes: ['perm'],
  inputs: [1, 1],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    const perm = permutation(node, shape.length);
    return [{ type, shape: perm.map((axis) => shape[axis]) }];
  },
  lower(node) {
    const shape = node.shape(0);
    const moved = permutation(node, shape.length).filter(
      (axis) => typeof shape[axis] === 'number' && shape[axis] !== 1,
    );
    if (moved.some((axis, i) => i > 0 && axis < moved[i - 1])) {
      throw node.unsupported('axes inside a step are exchanged', 'T and N moved alone', `[${shape.join(', ')}]`);
    }
    lower(node);
  },
};

export function permutation(node: NodeReader, rank: number): number[] {
  const perm = node.list('perm', 'number') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const sorted = [...perm].sort((a, b) => a - b);
  if (perm.length === rank && sorted.every((axis, i) => axis === i)) return perm;
  throw node.wrongAttribute('perm', `a permutation of ${rank} axes`);
}

/** Reshape by a constant shape in which 0 copies an axis and -1 takes what is left; T and N must stay where they are. */
export const reshape: Operator = {
  op: 'Reshape',
  anyType: true,
  attributes: ['allowzero'],
  inputs: [2, 2],
  infer(node) {
    const { type, shape } = node.typeOf(0);
    if (node.integer('allowzero', 0) !== 0) throw node.wrongAttribute('allowzero', '0');
    const wanted = node.integers(1);
    if (wanted.some((dim) => dim < -1) || wanted.filter((dim) => dim === -1).length > 1) {
      throw node.malformed('the shape', 'lengths, 0 and at most one -1', `[${wanted.join(', ')}]`, 1);
    }
    const symbols = shape.filter((dim) => dim === TIME || dim === BATCH);
    const result: Dim[] = wanted.map((dim, axis) => {
      if (dim === 0) {
        if (axis < shape.length) return shape[axis];
        throw node.malformed('0 copies an axis that is not there', `rank above ${axis}`, `[${shape.join(', ')}]`, 0);
      }
      return dim;
    });
    const kept = result.filter((dim) => typeof dim === 'string');
    const unknown = result.indexOf(-1);
    if (unknown >= 0 && kept.length < symbols.length) {
      // One symbol short and one length to find: it is that symbol, if the numbers beside it agree.
      const missing = symbols.filter((dim) => !kept.includes(dim));
      if (missing.length === 1 && product(shape) === product(result.filter((_, i) => i !== unknown))) {
        result[unknown] = missing[0];
      }
    }
    if (result[unknown] === -1) result[unknown] = product(shape) / product(result.filter((_, i) => i !== unknown));
    // Numbers may not cross T or N: elements of several steps or sequences would change places.
    const fits =
      Number.isSafeInteger(product(result)) && result.every((dim) => typeof dim === 'string' || Number.isInteger(dim));
    if (!fits || between(result).join() !== between(shape).join())
      throw node.unsupported('the shapes do not fit', `[${shape.join(', ')}]`, `[${wanted.join(', ')}]`);
    return [{ type, shape: result }];
  },
  lower,
};

/** The symbols of a shape in their order, and between them the products of the lengths that stand there. */
function between(shape: readonly Dim[]): Dim[] {
  const parts: Dim[] = [1];
  for (const dim of shape) {
    if (typeof dim === 'string') parts.push(dim, 1);
    else parts[parts.length - 1] = Number(parts.at(-1)) * dim;
  }
  return parts;
}

const product = (shape: readonly Dim[]): number =>
  shape.reduce<number>((total, dim) => (typeof dim === 'number' ? total * dim : total), 1);

// ---- float64 references -------------------------------------------------------------------------------------------

export const identityReference: Reference = (_, [x]) => [x!];

export const squeezeReference: Reference = (node, [x, input]) => {
  const given = input ? [...input.data] : (node.attributes.axes as number[] | undefined);
  const axes = given?.map((axis) => (axis < 0 ? axis + x!.shape.length : axis));
  return [{ shape: x!.shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)), data: x!.data }];
};

export const unsqueezeReference: Reference = (node, [x, input]) => {
  const given = input ? [...input.data] : (node.attributes.axes as number[]);
  const rank = x!.shape.length + given.length;
  const axes = given.map((axis) => (axis < 0 ? axis + rank : axis));
  const kept = [...x!.shape];
  return [
    { shape: Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : kept.shift()!)), data: x!.data },
  ];
};

export const reshapeReference: Reference = (_, [x, shape]) => {
  const wanted = [...shape!.data].map((dim, axis) => (dim === 0 ? x!.shape[axis] : dim));
  const known = wanted.reduce((total, dim) => (dim === -1 ? total : total * dim), 1);
  return [{ shape: wanted.map((dim) => (dim === -1 ? x!.data.length / known : dim)), data: x!.data }];
};

export const transposeReference: Reference = (node, [x]) => {
  const { shape, data } = x!;
  const perm = (node.attributes.perm as number[] | undefined) ?? shape.map((_, axis) => shape.length - 1 - axis);
  const stride = (axis: number) => shape.slice(axis + 1).reduce((total, dim) => total * dim, 1);
  const strides = perm.map(stride);
  const result: ReferenceTensor = { shape: perm.map((axis) => shape[axis]), data: new Float64Array(data.length) };
  const at = perm.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    result.data[i] = data[at.reduce((sum, index, axis) => sum + index * strides[axis], 0)];
    for (let axis = at.length - 1; axis >= 0 && ++at[axis] === result.shape[axis]; axis--) at[axis] = 0;
  }
  return [result];
};
