import { type Dim, TIME } from '../graph/graph.js';
import { arrayOf, elementAt, fromFront, indicesOf, listOf } from './array.js';
import { lowerTranspose } from './move.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operand, Operator, Reference, ReferenceTensor } from './operator.js';
import { product, rowAxes, rowSize } from './rows.js';

/** Codes of the `reduce` kernel, by what ONNX's operators end in. */
const REDUCTIONS = {
  Sum: 0,
  Mean: 1,
  SumSquare: 2,
  L1: 3,
  L2: 4,
  Prod: 5,
  LogSum: 6,
  LogSumExp: 7,
  Max: 8,
  Min: 9,
} as const;

type Reduction = keyof typeof REDUCTIONS;

/** What may be made of parts first and then of what they gave. */
const IN_PARTS: ReadonlySet<Reduction> = new Set(['Sum', 'Mean', 'Prod', 'Max', 'Min']);

/** The axes reduced, all of them where none is given. */
function axesOf(node: NodeReader): number[] {
  const rank = node.shape(0).length;
  const given = node.has(1) ? node.integers(1) : node.list('axes', 'number');
  const none = node.integer('noop_with_empty_axes', 0) !== 0;
  const axes = given && given.length > 0 ? given : none ? [] : Array.from({ length: rank }, (_, axis) => axis);
  return [...new Set(axes.map((axis) => node.axis(axis, rank)))].sort((a, b) => a - b);
}

function reducedShape(node: NodeReader, axes: readonly number[]): Dim[] {
  const shape = node.shape(0);
  const other = axes.find((axis) => typeof shape[axis] === 'string' && shape[axis] !== TIME);
  if (other !== undefined) {
    throw node.unsupported(
      'a reduction over N',
      'T, or axes of fixed length',
      `axis ${other} of [${shape.join(', ')}]`,
    );
  }
  const keep = node.integer('keepdims', 1) !== 0;
  return shape.flatMap((dim, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [dim]));
}

/** Calls `reduce` over axes of input 0, and `reduceTime` where T is one of them. */
export function lowerReduce(node: Lowering, what: Reduction, axes: readonly number[]): void {
  const shape = node.shape(0);
  const overTime = axes.some((axis) => shape[axis] === TIME);
  const inside = axes.filter((axis) => typeof shape[axis] === 'number');
  if (overTime && inside.some((axis) => shape[axis] !== 1) && !IN_PARTS.has(what)) {
    throw node.unsupported('T and other axes at once', 'T alone', `[${shape.join(', ')}]`);
  }
  const size = node.outputWidth(0);
  const y = node.output(0);
  if (!overTime) {
    reduceInside(node, what, inside, y);
    return;
  }
  node.needsWholeSequence('it takes every step');
  let x = node.input(0);
  if (node.width(0) !== size) {
    x = node.temporary('inside', size);
    reduceInside(node, what, inside, x);
  }
  lowerReduceTime(node, what, x, y, size);
}

/** Calls `reduceTime`: each of the numbers in a row over every step. */
export function lowerReduceTime(node: Lowering, what: Reduction, x: Operand, y: Operand, size: number): void {
  node.call('reduceTime', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    width: size,
    what: REDUCTIONS[what],
  });
}

function reduceInside(node: Lowering, what: Reduction, axes: readonly number[], y: Operand): void {
  const { x, outer, count, inner } = gather(node, axes);
  node.call('reduce', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    outer,
    count,
    inner,
    what: REDUCTIONS[what],
    last: 0,
  });
}

/** Input 0 as [outer][count][inner], `count` being the axes given: moved together where others lie between them. */
function gather(node: Lowering, axes: readonly number[]): { x: Operand; outer: number; count: number; inner: number } {
  const shape = node.shape(0);
  const x = node.input(0);
  const long = axes.filter((axis) => shape[axis] !== 1);
  const [first, last] = [long[0] ?? shape.length, long.at(-1) ?? shape.length - 1];
  const between = shape.slice(first, last + 1);
  const others = between.some((dim, i) => typeof dim === 'number' && dim !== 1 && !long.includes(first + i));
  if (!others) {
    return {
      x,
      outer: rowSize(shape.slice(0, first)),
      count: rowSize(between),
      inner: rowSize(shape.slice(last + 1)),
    };
  }
  const numeric = shape.flatMap((dim, axis) => (typeof dim === 'number' ? [axis] : []));
  const order = [...numeric.filter((axis) => !long.includes(axis)), ...long];
  const moved = node.temporary('moved', node.width(0));
  lowerTranspose(
    node,
    x,
    moved,
    rowAxes(shape),
    order.map((axis) => numeric.indexOf(axis)),
    'order',
  );
  const count = product(long.map((axis) => Number(shape[axis])));
  return { x: moved, outer: node.width(0) / count, count, inner: 1 };
}

const reductions: Operator[] = Object.keys(REDUCTIONS).map((what) => ({
  op: `Reduce${what}`,
  attributes: ['axes', 'keepdims', 'noop_with_empty_axes'],
  inputs: [1, 2],
  infer: (node) => [{ type: 'float32', shape: reducedShape(node, axesOf(node)) }],
  lower(node) {
    lowerReduce(node, what as Reduction, axesOf(node));
  },
}));

/** ONNX's ArgMax and ArgMin along an axis inside the step. */
const places: Operator[] = ['ArgMax', 'ArgMin'].map((op, i) => ({
  op,
  attributes: ['axis', 'keepdims', 'select_last_index'],
  inputs: [1, 1],
  infer: (node) => [{ type: 'int64', shape: reducedShape(node, [insideAxis(node)]) }],
  lower(node) {
    const { outer, inner, count } = around(node);
    const x = node.input(0);
    const y = node.output(0);
    node.call('reduce', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      outer,
      count,
      inner,
      what: 10 + i,
      last: node.integer('select_last_index', 0),
    });
  },
}));

/** The attribute `axis`, of fixed length. */
function insideAxis(node: NodeReader, given = node.integer('axis', 0)): number {
  const shape = node.shape(0);
  const axis = node.axis(given, shape.length);
  if (typeof shape[axis] === 'number') return axis;
  throw node.unsupported('an axis T or N', 'an axis of fixed length', `axis ${axis} of [${shape.join(', ')}]`);
}

function around(node: NodeReader, axis = insideAxis(node)): { outer: number; count: number; inner: number } {
  const shape = node.shape(0);
  return {
    outer: rowSize(shape.slice(0, axis)),
    count: Number(shape[axis]),
    inner: rowSize(shape.slice(axis + 1)),
  };
}

/** ONNX's CumSum along a constant axis inside the step. */
const cumSum: Operator = {
  op: 'CumSum',
  attributes: ['exclusive', 'reverse'],
  inputs: [2, 2],
  infer(node) {
    insideAxis(node, node.integers(1)[0]);
    return [node.typeOf(0)];
  },
  lower(node) {
    const x = node.input(0);
    const y = node.output(0);
    node.call('cumulativeSum', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      ...around(node, insideAxis(node, node.integers(1)[0])),
      exclusive: node.integer('exclusive', 0),
      reverse: node.integer('reverse', 0),
    });
  },
};

export const reductionOperators: Operator[] = [...reductions, ...places, cumSum];

// ---- float64 references -------------------------------------------------------------------------------------------

const sumOf = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

const REDUCED: Record<Reduction, (numbers: readonly number[]) => number> = {
  Sum: sumOf,
  Mean: (numbers) => sumOf(numbers) / numbers.length,
  SumSquare: (numbers) => sumOf(numbers.map((x) => x * x)),
  L1: (numbers) => sumOf(numbers.map(Math.abs)),
  L2: (numbers) => Math.sqrt(sumOf(numbers.map((x) => x * x))),
  Prod: (numbers) => numbers.reduce((a, b) => a * b, 1),
  LogSum: (numbers) => Math.log(sumOf(numbers)),
  LogSumExp: (numbers) => {
    const largest = Math.max(...numbers);
    return Number.isFinite(largest) ? largest + Math.log(sumOf(numbers.map((x) => Math.exp(x - largest)))) : largest;
  },
  Max: (numbers) => Math.max(...numbers),
  Min: (numbers) => Math.min(...numbers),
};

/** Gives every set of numbers that a reduction over `axes` makes one of to `each`. */
function reduceWith(
  x: ReferenceTensor,
  axes: readonly number[],
  keep: boolean,
  each: (numbers: number[]) => number,
): ReferenceTensor {
  const kept = arrayOf(
    x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
    (index) => {
      const numbers: number[] = [];
      for (const inner of indicesOf(x.shape.map((dim, axis) => (axes.includes(axis) ? dim : 1)))) {
        numbers.push(
          elementAt(
            x,
            index.map((at, axis) => at + inner[axis]),
          ),
        );
      }
      return each(numbers);
    },
  );
  return keep ? kept : { shape: x.shape.filter((_, axis) => !axes.includes(axis)), data: kept.data };
}

export const reduceReference: Reference = (node, [x, given]) => {
  const rank = x!.shape.length;
  const axes = listOf(given, node.attributes.axes)?.map((axis) => fromFront(axis, rank)) ?? [];
  if (axes.length === 0 && node.attributes.noop_with_empty_axes === 1) return [x!];
  const all = axes.length > 0 ? axes : x!.shape.map((_, axis) => axis);
  const what = node.op.slice('Reduce'.length) as Reduction;
  return [reduceWith(x!, all, node.attributes.keepdims !== 0, REDUCED[what])];
};

export const placeReference: Reference = ({ op, attributes }, [x]) => {
  const axis = fromFront((attributes.axis as number | undefined) ?? 0, x!.shape.length);
  const better = (a: number, b: number) => (op === 'ArgMin' ? a < b : a > b);
  const place = (numbers: number[]) =>
    numbers.reduce((best, number, i) => {
      const wins = better(number, numbers[best]) || (Number.isNaN(number) && !Number.isNaN(numbers[best]));
      return wins || (attributes.select_last_index === 1 && number === numbers[best]) ? i : best;
    }, 0);
  return [reduceWith(x!, [axis], attributes.keepdims !== 0, place)];
};

export const cumSumReference: Reference = ({ attributes }, [x, given]) => {
  const axis = fromFront(given!.data[0], x!.shape.length);
  const y = arrayOf(x!.shape, (index) => {
    let sum = 0;
    for (let at = 0; at < x!.shape[axis]; at++) {
      const before = attributes.reverse === 1 ? at > index[axis] : at < index[axis];
      if (before || (at === index[axis] && attributes.exclusive !== 1)) sum += elementAt(x!, index.with(axis, at));
    }
    return sum;
  });
  return [y];
};
