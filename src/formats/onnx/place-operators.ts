import { integerTensor } from '../constants.js';
import { type Length, numberOf, pin, resolve, showLengths, unify } from '../lengths.js';
import type { NodeContext, Value } from './builder.js';
import { timeCut } from './shape-operators.js';
import { integersOf } from './tensors.js';

/** GatherND, ScatterND and ScatterElements: places that several indices say. */

/** The axes that each place has an index for, from `first` on, whose lengths are needed; undefined where that is open. */
function indexedAxes(node: NodeContext, { shape }: Value, indices: Value, first: number): number | undefined {
  const count = indices.shape?.length ? pin(indices.shape.at(-1)!) : undefined;
  if (!shape || count === undefined) return undefined;
  if (count < 1 || first < 0 || first >= indices.shape!.length || first + count > shape.length) {
    throw node.error('INVALID_GRAPH', `${node.node.op}: the indices do not fit`, {
      found: `${showLengths(shape)} and ${showLengths(indices.shape!)}`,
    });
  }
  for (const length of shape.slice(first, first + count)) {
    const known = resolve(length);
    if (typeof known !== 'number' && known.role === 'T') throw timeCut(node, shape);
    if (pin(known) === undefined) throw node.unsupported('an axis of unknown length', 'a number', showLengths(shape));
  }
  return count;
}

export function gatherNd(node: NodeContext): void {
  const [x, indices] = [node.input(0), node.input(1)];
  const batch = node.integer('batch_dims', 0);
  node.end();
  const count = indexedAxes(node, x, indices, batch);
  let shape: Length[] | undefined;
  if (count !== undefined) {
    for (let axis = 0; axis < batch; axis++) unify(x.shape![axis], indices.shape![axis]);
    shape = [...indices.shape!.slice(0, -1), ...x.shape!.slice(batch + count)];
  }
  node.emit('GatherND', [x, indices], [node.give(0, { type: x.type, shape, whole: x.whole })], { batch_dims: batch });
}

export function scatterNd(node: NodeContext): void {
  const [x, indices] = [node.input(0), node.input(1)];
  let updates = node.input(2);
  const count = indexedAxes(node, x, indices, 0);
  const reduction = node.rest();
  if (count !== undefined && updates.shape) {
    const wanted = [...indices.shape!.slice(0, -1), ...x.shape!.slice(count)];
    if (updates.shape.length === wanted.length)
      for (const [i, length] of wanted.entries()) unify(updates.shape[i], length);
    updates = everywhere(node, updates);
  }
  const y = node.give(0, { type: x.type, shape: x.shape, whole: x.whole });
  node.emit('ScatterND', [x, indices, updates], [y], reduction);
}

/** Equal numbers, however long time and batch are: one for all steps and sequences. */
function everywhere(node: NodeContext, value: Value): Value {
  if (value.fill === undefined || value.type !== 'float32') return value;
  const shape = value.shape!.map((length) => {
    const known = resolve(length);
    return typeof known === 'number' ? known : 1;
  });
  const name = node.builder.fresh(`${node.name}.updates`);
  return node.builder.constant(node.builder.filled(name, value.type, value.fill, shape));
}

/** The index that all indices are. */
function placeOf({ fill, constant }: Value): number | undefined {
  if (fill !== undefined) return fill;
  const all = constant && integersOf(constant);
  return all?.every((one) => one === all[0]) ? all[0] : undefined;
}

/** ScatterElements at one index of an axis: a ScatterND, of that axis put first. */
export function scatterElements(node: NodeContext): void {
  const [x, indices, updates] = [node.input(0), node.input(1), node.input(2)];
  const given = node.integer('axis', 0);
  const reduction = node.node.attributes.get('reduction')?.value ?? 'none';
  if (reduction === 'none') node.ignore('reduction');
  node.end();
  const { shape } = x;
  if (!shape || !indices.shape) throw node.shapeless(shape ? indices : x);
  const axis = node.axis(given, shape.length);
  const length = pin(shape[axis]);
  const place = placeOf(indices);
  const fits = indices.shape.length === shape.length && numberOf(indices.shape[axis]) === 1;
  if (!fits || length === undefined || place === undefined) {
    throw node.unsupported('places that differ', 'one constant index of an axis', indices.name);
  }
  const at = place < 0 ? place + length : place;
  if (at < 0 || at >= length) {
    throw node.error('INVALID_GRAPH', 'ScatterElements: an index is out of range', { found: `${place}` });
  }
  if (updates.shape && updates.shape.length !== shape.length) {
    throw node.error('INVALID_GRAPH', 'ScatterElements: the updates do not fit', {
      expected: showLengths(indices.shape),
      found: showLengths(updates.shape),
    });
  }
  for (const [a, one] of shape.entries()) if (a !== axis && updates.shape) unify(one, updates.shape[a]);
  const perm = [axis, ...shape.map((_, a) => a).filter((a) => a !== axis)];
  const index = node.builder.constant(integerTensor(node.builder.fresh(`${node.name}.index`), [at], [1, 1]));
  const part = everywhere(node, turned(updates, perm));
  const inputs = [transposed(node, x, perm), index, part === updates ? transposed(node, updates, perm) : part];
  const scattered: Value = { ...inputs[0], name: node.builder.fresh(`${node.name}.scattered`) };
  node.emit('ScatterND', inputs, [scattered]);
  const y = node.give(0, { type: x.type, shape, whole: x.whole });
  node.emit('Transpose', [scattered], [y], { perm: perm.map((_, a) => perm.indexOf(a)) });
}

/** A value's shape with its axes in another order. */
const turned = (value: Value, perm: readonly number[]): Value =>
  value.fill === undefined || !value.shape ? value : { ...value, shape: perm.map((axis) => value.shape![axis]) };

function transposed(node: NodeContext, x: Value, perm: number[]): Value {
  const name = node.builder.fresh(`${x.name}.turned`);
  const y: Value = { name, type: x.type, whole: x.whole, shape: x.shape && perm.map((axis) => x.shape![axis]) };
  node.emit('Transpose', [x], [y], { perm });
  return y;
}
