/** GatherND and ScatterND: places that several indices together say. Constant places are a move. */

import type { Dim } from '../graph/graph.js';
import { arrayOf, elementAt, fromFront, indicesOf } from './array.js';
import { callBinary } from './elementwise.js';
import { lowerMove, NOWHERE } from './move.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator, Reference, ReferenceTensor } from './operator.js';
import { lowerPointwise } from './pointwise.js';
import { product, rowAxes, rowSize, rowStrides, stridedList } from './rows.js';
import { checkIndices, dataOf, lowerTake } from './select.js';

/** How many axes each place has an index for, those from `first` on: the last axis of the indices says it. */
function indexedAxes(node: NodeReader, first: number): number {
  const [data, indices] = [node.shape(0), node.shape(1)];
  const count = indices.at(-1);
  if (typeof count !== 'number' || count < 1 || first < 0 || first >= indices.length || count > data.length - first) {
    const expected = `a last axis of 1 to ${data.length - first}`;
    throw node.malformed('the indices do not fit', expected, `[${indices.join(', ')}]`, 1);
  }
  const lengths = data.slice(first, first + count);
  if (lengths.some((length) => typeof length !== 'number')) {
    throw node.unsupported('a choice along T or N', 'axes of fixed length', `[${data.join(', ')}]`);
  }
  checkIndices(node, lengths.map(Number));
  return count;
}

/** How far into a row each place lies, of constant indices. */
function placesOf(node: NodeReader, first: number, count: number): number[] {
  const lengths = node
    .shape(0)
    .slice(first, first + count)
    .map(Number);
  const strides = rowStrides(node.shape(0)).slice(first, first + count);
  const indices = node.integers(1);
  return Array.from({ length: indices.length / count }, (_, place) =>
    strides.reduce((at, stride, i) => at + fromFront(indices[place * count + i], lengths[i]) * stride, 0),
  );
}

/** ONNX's GatherND: by constant indices, or by computed ones of one axis. */
const gatherNd: Operator = {
  op: 'GatherND',
  anyType: true,
  attributes: ['batch_dims'],
  inputs: [2, 2],
  infer(node) {
    const [data, indices] = [node.shape(0), node.shape(1)];
    const batch = node.integer('batch_dims', 0);
    const count = indexedAxes(node, batch);
    if (data.slice(0, batch).some((dim, axis) => dim !== indices[axis])) {
      throw node.malformed('the batches differ', `[${data.join(', ')}]`, `[${indices.join(', ')}]`, 1);
    }
    if (!node.constant(1) && count > 1) {
      throw node.unsupported('computed indices of several axes', 'constant ones, or an index of one axis', `${count}`);
    }
    return [{ type: node.typeOf(0).type, shape: [...indices.slice(0, -1), ...data.slice(batch + count)] }];
  },
  lower(node) {
    const [data, indices] = [node.shape(0), node.shape(1)];
    const batch = node.integer('batch_dims', 0);
    const count = indexedAxes(node, batch);
    const strides = rowStrides(data);
    const ofBatch = data.slice(0, batch).flatMap((dim, axis) => (typeof dim === 'number' ? [strides[axis]] : []));
    const middle = rowAxes(indices.slice(batch, -1));
    const inner = rowSize(data.slice(batch + count));
    const all = [...rowAxes(data.slice(0, batch)), ...middle, inner];
    const base = stridedList(all, [...ofBatch, ...middle.map(() => 0), 1]);
    const chosen = product(all) / inner;
    if (node.constant(1)) {
      const places = placesOf(node, batch, count);
      lowerMove(
        node,
        dataOf(node),
        node.output(0),
        base.map((at, i) => at + places[Math.floor(i / inner)]),
      );
      return;
    }
    const place = stridedList([chosen, inner], [1, 0]);
    lowerTake(node, base, place, strides[batch], Number(data[batch]));
  },
};

/** Reductions of ScatterND, by the operator that makes them. */
const REDUCTIONS: Readonly<Record<string, 'Add' | 'Mul' | 'Max' | 'Min'>> = {
  add: 'Add',
  mul: 'Mul',
  max: 'Max',
  min: 'Min',
};

/** ONNX's ScatterND at constant places, each once. */
const scatterNd: Operator = {
  op: 'ScatterND',
  anyType: true,
  attributes: ['reduction'],
  inputs: [3, 3],
  infer(node) {
    const updates = node.shape(2);
    node.expectConstant(1);
    const { type } = node.typeOf(0);
    if (node.typeOf(2).type !== type) throw node.malformed('the updates', type, node.typeOf(2).type, 2);
    const count = indexedAxes(node, 0);
    const expected = updatesShape(node, count);
    // A constant may stand for every step, sequence and place.
    const fits = (dim: Dim, axis: number) => dim === expected[axis] || (dim === 1 && node.constant(2) !== undefined);
    if (updates.length !== expected.length || !updates.every(fits)) {
      throw node.malformed('the updates do not fit', `[${expected.join(', ')}]`, `[${updates.join(', ')}]`, 2);
    }
    if (reductionOf(node) && type !== 'float32') throw node.unsupported('a reduction of this type', 'float32', type);
    const places = placesOf(node, 0, count);
    if (new Set(places).size < places.length) {
      throw node.unsupported('a place is given twice', 'each place once', `${places.length} places`);
    }
    return [{ type, shape: node.shape(0) }];
  },
  lower(node) {
    const count = indexedAxes(node, 0);
    const inner = rowSize(node.shape(0).slice(count));
    const size = node.outputWidth(0);
    const from = new Int32Array(size).fill(NOWHERE);
    for (const [place, at] of placesOf(node, 0, count).entries()) {
      for (let i = 0; i < inner; i++) from[at + i] = place * inner + i;
    }
    const data = dataOf(node);
    const y = node.output(0);
    const spread = node.temporary('spread', size);
    lowerMove(node, node.constant(2) ? node.constantRow(2, updatesShape(node, count)) : node.input(2), spread, from);
    const reduction = reductionOf(node);
    if (reduction === 'Add' || reduction === 'Mul') callBinary(node, reduction, data, spread);
    else if (reduction) lowerPointwise(node, reduction, data, spread, y, size);
    const chosen = reduction ? y : spread;
    node.call('where', {
      condition: node.weights('mask', size, (target) => {
        new Int32Array(target.buffer, target.byteOffset, size).set(from.map((at) => Number(at !== NOWHERE)));
      }),
      conditionStride: 0,
      a: chosen.address,
      aStride: chosen.stride,
      b: data.address,
      bStride: data.stride,
      y: y.address,
      yStride: y.stride,
      count: size,
    });
  },
};

/** The shape of the updates: a part of the data for each place. */
const updatesShape = (node: NodeReader | Lowering, count: number): Dim[] => [
  ...node.shape(1).slice(0, -1),
  ...node.shape(0).slice(count),
];

const reductionOf = (node: NodeReader | Lowering) =>
  REDUCTIONS[node.text('reduction', 'none', ['none', ...Object.keys(REDUCTIONS)])];

export const ndOperators: Operator[] = [gatherNd, scatterNd];

// ---- float64 references -------------------------------------------------------------------------------------------

/** The place that indices say, each counted from the front of its axis. */
const placeAt = (indices: ReferenceTensor, at: readonly number[], shape: readonly number[]): number[] =>
  Array.from({ length: indices.shape.at(-1)! }, (_, i) => fromFront(elementAt(indices, [...at, i]), shape[i]));

const gatherNdReference: Reference = ({ attributes }, [data, indices]) => {
  const batch = (attributes.batch_dims as number | undefined) ?? 0;
  const outer = indices!.shape.slice(0, -1);
  const rest = data!.shape.slice(batch + indices!.shape.at(-1)!);
  const y = arrayOf([...outer, ...rest], (index) => {
    const at = index.slice(0, outer.length);
    const chosen = placeAt(indices!, at, data!.shape.slice(batch));
    // As a kernel does with an index out of range.
    if (chosen.some((one, i) => one < 0 || one >= data!.shape[batch + i])) return 0;
    return elementAt(data!, [...at.slice(0, batch), ...chosen, ...index.slice(outer.length)]);
  });
  return [y];
};

const REDUCE: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  max: Math.max,
  min: Math.min,
};

const scatterNdReference: Reference = ({ attributes }, inputs) => {
  const [data, indices, updates] = inputs.map((input) => input!);
  const y = { shape: data.shape, data: Float64Array.from(data.data) };
  const count = indices.shape.at(-1)!;
  const outer = indices.shape.slice(0, -1);
  const rest = data.shape.slice(count);
  for (const index of indicesOf([...outer, ...rest])) {
    const place = [...placeAt(indices, index.slice(0, outer.length), data.shape), ...index.slice(outer.length)];
    const at = place.reduce((sum, one, axis) => sum * data.shape[axis] + one, 0);
    const update = elementAt(updates, index);
    y.data[at] = REDUCE[String(attributes.reduction)]?.(y.data[at], update) ?? update;
  }
  return [y];
};

/** By operator, its reference. */
export const ndReferences = (): [string, Reference][] => [
  ['GatherND', gatherNdReference],
  ['ScatterND', scatterNdReference],
];
