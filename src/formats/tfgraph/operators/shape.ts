import type { Tensor } from '../../../graph/graph.js';
import { bytesPerElement, isIntegral } from '../../../graph/tensor.js';
import { floatTensor } from '../../constants.js';
import { nodeOf } from '../node-def.js';
import type { NodeWriter } from '../writer.js';
import { lastStep, turnedSteps, turnRound } from './lists.js';
import type { Operator } from './registry.js';

/** Operators that move numbers, and those that compute shapes. */

/** Far beyond any axis: to its end. */
const END = 2 ** 31 - 1;

function reshape(node: NodeWriter): void {
  node.attributes.end();
  node.give('Reshape', [node.input(0), node.input(1)]);
}

function transpose(node: NodeWriter): void {
  const perm = node.integers(1);
  node.attributes.end();
  node.give('Transpose', [node.input(0)], { perm });
}

function expandDims(node: NodeWriter): void {
  node.attributes.end();
  node.give('Unsqueeze', [node.input(0)], { axes: node.integers(1) });
}

function squeeze(node: NodeWriter): void {
  const axes = node.attributes.integers('squeeze_dims') ?? node.attributes.integers('axis') ?? [];
  node.attributes.end();
  node.give('Squeeze', [node.input(0)], axes.length > 0 ? { axes } : {});
}

function concat(node: NodeWriter): void {
  const last = node.count - 1;
  // Concat has its axis first.
  const [at, from, to] = node.node.op === 'Concat' ? [0, 1, node.count] : [last, 0, last];
  node.attributes.end();
  node.give(
    'Concat',
    Array.from({ length: to - from }, (_, i) => node.input(from + i)),
    { axis: node.integer(at) },
  );
}

function pack(node: NodeWriter): void {
  const axis = node.attributes.integer('axis', 0);
  node.attributes.end();
  node.give(
    'Concat',
    node.inputs().map((x) => node.step('Unsqueeze', [x], { axes: [axis] })),
    { axis },
  );
}

/** Parts that an operator may take a value apart into. */
const MAX_PARTS = 4096;

/** How many parts an attribute says there are. */
function partCount(node: NodeWriter, attribute: string, fallback: number): number {
  const count = node.attributes.integer(attribute, fallback);
  if (count >= 1 && count <= MAX_PARTS) return count;
  throw node.error('INVALID_GRAPH', `${node.node.op}: attribute "${attribute}"`, {
    expected: `1 to ${MAX_PARTS}`,
    found: `${count}`,
  });
}

function unpack(node: NodeWriter): void {
  const axis = node.attributes.integer('axis', 0);
  const count = partCount(node, 'num', 0);
  node.attributes.end();
  const parts = Array.from({ length: count }, (_, i) => node.graph.shared.fresh(`${node.name}/part${i}`));
  node.graph.add('Split', `${node.name}/Split`, [node.input(0)], parts, { axis });
  for (const [i, part] of parts.entries())
    node.graph.add('Squeeze', `${node.name}/${i}`, [part], [node.output(i)], { axes: [axis] });
}

function split(node: NodeWriter): void {
  const sized = node.node.op === 'SplitV';
  const count = partCount(node, 'num_split', 1);
  node.attributes.end();
  const outputs = Array.from({ length: count }, (_, i) => node.output(i));
  const [value, axis] = sized ? [0, 2] : [1, 0];
  const sizes = sized ? [node.input(1)] : [];
  if (sized && node.integers(1).includes(-1))
    throw node.unsupported('a size that follows from the others', 'every size', '-1');
  node.graph.add('Split', node.name, [node.input(value), ...sizes], outputs, { axis: node.integer(axis) });
}

/** x[begin : begin + size], where a size of -1 is all that follows. */
function slice(node: NodeWriter): void {
  const [begin, size] = [node.integers(1), node.integers(2)];
  node.attributes.end();
  const ends = size.map((length, axis) => (length < 0 ? END : begin[axis] + length));
  const axes = begin.map((_, axis) => axis);
  node.give('Slice', [node.input(0), node.list(begin, 'starts'), node.list(ends, 'ends'), node.list(axes, 'axes')]);
}

/** One item of Python's x[...]: a part of an axis, one element of it, or a new axis. */
interface Item {
  axis: number;
  begin: number;
  end: number;
  step: number;
}

/** Python's slicing: x[1:, -1, None, ..., ::2]. */
function stridedSlice(node: NodeWriter): void {
  if (lastStep(node)) return;
  const mask = (name: string) => node.attributes.integer(name, 0);
  const masks = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map(mask);
  node.attributes.end();
  const [begin, end, steps] = [node.integers(1), node.integers(2), node.integers(3)];
  if (begin.length !== end.length || begin.length !== steps.length || begin.length > 16) {
    throw node.error('INVALID_GRAPH', 'StridedSlice: the bounds do not belong together', {
      found: `${begin.length}, ${end.length} and ${steps.length}`,
    });
  }
  const [beginMask, endMask, ellipsis, newAxis, shrink] = masks.map((bits) => (i: number) => (bits & (1 << i)) !== 0);
  const dots = begin.findIndex((_, i) => ellipsis(i));
  const taken = begin.map((_, i) => !newAxis(i) && !ellipsis(i));
  // Axes behind an ellipsis are counted from the end.
  let left = dots < 0 ? 0 : taken.slice(dots).filter(Boolean).length;
  const behind = (i: number) => begin.slice(i + 1).filter((_, j) => !shrink(i + 1 + j) || newAxis(i + 1 + j)).length;
  let axis = 0;
  let made = 0;
  const cuts: Item[] = [];
  const gone: number[] = [];
  const fresh: number[] = [];
  for (const i of begin.keys()) {
    const after = dots >= 0 && i > dots;
    if (ellipsis(i)) continue;
    if (newAxis(i)) {
      fresh.push(after ? -1 - behind(i) : made++);
      continue;
    }
    const at = after ? -left-- : axis++;
    const one = shrink(i);
    const last = steps[i] < 0 ? -END : END;
    const from = beginMask(i) && !one ? (steps[i] < 0 ? END : 0) : begin[i];
    const to = one ? (begin[i] === -1 ? END : begin[i] + 1) : endMask(i) ? last : end[i];
    if (one || from !== 0 || to !== END || steps[i] !== 1)
      cuts.push({ axis: at, begin: from, end: to, step: one ? 1 : steps[i] });
    if (one) gone.push(at);
    else if (!after) made++;
  }
  let x = node.input(0);
  if (cuts.length > 0) {
    const list = (key: keyof Item) =>
      node.list(
        cuts.map((cut) => cut[key]),
        key,
      );
    x = node.step('Slice', [x, list('begin'), list('end'), list('axis'), list('step')]);
  }
  if (gone.length > 0) x = node.step('Squeeze', [x], { axes: gone });
  node.give(fresh.length > 0 ? 'Unsqueeze' : 'Identity', [x], fresh.length > 0 ? { axes: fresh } : {});
}

function gather(node: NodeWriter): void {
  const batch = node.attributes.integer('batch_dims', 0);
  node.attributes.ignore('dtype');
  node.attributes.end();
  if (batch !== 0) throw node.unsupported('batch_dims', '0', `${batch}`);
  const axis = node.node.op === 'GatherV2' ? node.integer(2) : 0;
  node.give('Gather', [node.input(0), node.input(1)], { axis });
}

function shape(node: NodeWriter): void {
  node.attributes.type('out_type');
  node.attributes.end();
  const { scope, ref } = node.place(0);
  const maker = scope.find(ref);
  // Turned round, a value has the shape that it had.
  const same = maker?.op === 'ReverseV2' ? maker.inputs[0] : ref;
  node.give('Shape', [node.graph.value({ scope, ref: same })]);
}

/** One number everywhere. */
function fill(node: NodeWriter): void {
  node.attributes.end();
  const value = node.constant(1);
  if (value?.shape.length !== 0) throw node.unsupported('a number that is computed', 'a constant', nodeOf(node.ref(1)));
  node.give('ConstantOfShape', [node.input(0)], { value: { tensor: { ...value, shape: [1] } } });
}

function like(node: NodeWriter): void {
  const type = node.attributes.type('T') ?? 'float32';
  node.attributes.end();
  const number = node.node.op === 'OnesLike' ? 1 : 0;
  const bytes = new Uint8Array(bytesPerElement(type));
  if (number === 1 && isIntegral(type)) bytes[0] = 1;
  const value: Tensor = isIntegral(type)
    ? { name: 'value', type, shape: [1], bytes }
    : floatTensor('value', [number], [1]);
  node.give('ConstantOfShape', [node.step('Shape', [node.input(0)])], { value: { tensor: value } });
}

function range(node: NodeWriter): void {
  node.attributes.end();
  node.give('Range', node.inputs());
}

function tile(node: NodeWriter): void {
  node.attributes.end();
  node.give('Tile', node.inputs());
}

function broadcast(node: NodeWriter): void {
  node.attributes.end();
  node.give('Expand', node.inputs());
}

/** From the last element of an axis to the first. */
function reverse(node: NodeWriter): void {
  node.attributes.end();
  const axes = node.integers(1);
  if (axes.length !== 1 || !turnedSteps(node, axes[0])) turnRound(node, node.input(0), axes);
}

export const shapeOperators: readonly (readonly [string, Operator])[] = [
  ['Reshape', reshape],
  ['Transpose', transpose],
  ['ExpandDims', expandDims],
  ['Squeeze', squeeze],
  ['Concat', concat],
  ['ConcatV2', concat],
  ['Pack', pack],
  ['Unpack', unpack],
  ['Split', split],
  ['SplitV', split],
  ['Slice', slice],
  ['StridedSlice', stridedSlice],
  ['Gather', gather],
  ['GatherV2', gather],
  ['ResourceGather', gather],
  ['Shape', shape],
  ['Fill', fill],
  ['ZerosLike', like],
  ['OnesLike', like],
  ['Range', range],
  ['Tile', tile],
  ['BroadcastTo', broadcast],
  ['ReverseV2', reverse],
];
