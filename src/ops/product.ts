/** MatMul and Gemm in all their forms: what the core's packed product does not take. */

import type { Dim } from '../graph/graph.js';
import { arrayOf, broadcastOf, elementAt } from './array.js';
import { broadcastShapes } from './elementwise.js';
import { gemm as coreGemm, matMul as coreMatMul } from './linear.js';
import { broadcastOperand, lowerTranspose } from './move.js';
import type { NodeReader } from './node.js';
import type { Argument, Lowering, Operand, Operator, Reference, ReferenceTensor } from './operator.js';
import { broadcastStrides, rowAxes, rowSize, stridedList } from './rows.js';

/** The operands of a MatMul as stacks of matrices: [..., M, K] and [..., K, N]. */
interface Factors {
  a: Dim[];
  b: Dim[];
  /** Shape of the result, the axes that one-dimensional operands lack taken out. */
  shape: Dim[];
  batch: Dim[];
}

function readFactors(node: NodeReader): Factors {
  const [left, right] = [node.shape(0), node.shape(1)];
  const found = `[${left.join(', ')}] and [${right.join(', ')}]`;
  if (left.length === 0 || right.length === 0) throw node.malformed('a factor is no matrix', 'rank 1 or more', found);
  const a = left.length === 1 ? [1, ...left] : left;
  const b = right.length === 1 ? [...right, 1] : right;
  const [depth, columns] = b.slice(-2);
  if (a.at(-1) !== depth) throw node.malformed('the factors do not fit', 'as many columns as rows', found);
  if (typeof depth !== 'number' || typeof columns !== 'number') {
    throw node.unsupported('a sum over T or N', 'axes of fixed length', found);
  }
  const batch = broadcastShapes(node, a.slice(0, -2), b.slice(0, -2));
  const shape = [...batch, ...(left.length === 1 ? [] : [a.at(-2)!]), ...(right.length === 1 ? [] : [columns])];
  return { a, b, shape, batch };
}

/** Whether a row of a is one vector and b a constant matrix: the core's product. */
const isCore = (node: NodeReader): boolean => {
  const [a, b] = [node.shape(0), node.shape(1)];
  return node.constant(1) !== undefined && !node.constant(0) && b.length === 2 && rowSize(a) === b[0];
};

/** ONNX's MatMul of any two values: several vectors in a step, stacks of matrices, both factors computed. */
export const matMul: Operator = {
  ...coreMatMul,
  infer: (node) => [{ type: 'float32', shape: readFactors(node).shape }],
  lower(node) {
    if (isCore(node)) {
      coreMatMul.lower(node);
      return;
    }
    const { a, b, batch } = readFactors(node);
    const [left, right] = [0, 1].map((i) => (node.constant(i) ? node.constantRow(i, node.shape(i)) : node.input(i)));
    lowerProducts(node, left, right, node.output(0), { a, b, batch });
  },
};

/** Calls `matMul` for stacks of matrices a [..., M, K] and b [..., K, N], broadcast to `batch`. */
export function lowerProducts(
  node: Lowering,
  left: Operand,
  right: Operand,
  y: Operand,
  { a, b, batch }: Omit<Factors, 'shape'>,
): void {
  const size = (dim: Dim) => (typeof dim === 'number' ? dim : 1);
  const [rows, depth, columns] = [size(a.at(-2)!), Number(a.at(-1)), Number(b.at(-1))];
  // Places of the matrices, in bytes, for each pair that broadcasting makes.
  const places = [a, b].map((shape) => {
    const matrix = shape
      .slice(-2)
      .map(size)
      .reduce((total, dim) => total * dim, 4);
    return stridedList(rowAxes(batch), broadcastStrides(shape.slice(0, -2), batch)).map((at) => at * matrix);
  });
  const pairs = places[0].length;
  const list: Argument = node.weights('pairs', 2 * pairs, (target) => {
    const words = new Int32Array(target.buffer, target.byteOffset, 2 * pairs);
    for (let i = 0; i < pairs; i++) words.set([places[0][i], places[1][i]], 2 * i);
  });
  node.call('matMul', {
    a: left.address,
    aStride: left.stride,
    b: right.address,
    bStride: right.stride,
    y: y.address,
    yStride: y.stride,
    list,
    batches: pairs,
    M: rows,
    K: depth,
    N: columns,
  });
}

/** The operands of a Gemm after their transposition. */
function readGemm(node: NodeReader): { a: Dim[]; b: Dim[]; transA: boolean; transB: boolean } {
  const transA = node.integer('transA', 0) !== 0;
  const transB = node.integer('transB', 0) !== 0;
  const [left, right] = [node.shape(0), node.shape(1)];
  const a = transA ? [...left].reverse() : left;
  const b = transB ? [...right].reverse() : right;
  const found = `[${left.join(', ')}] and [${right.join(', ')}]`;
  if (a.length < 2 || b.length !== 2 || (transA && a.length > 2)) throw node.malformed('no matrices', 'rank 2', found);
  if (a.at(-1) !== b[0]) throw node.malformed('the factors do not fit', 'as many columns as rows', found);
  if (b.some((dim) => typeof dim !== 'number') || typeof a.at(-1) !== 'number') {
    throw node.unsupported('a sum over T or N', 'axes of fixed length', found);
  }
  return { a, b, transA, transB };
}

/** ONNX's Gemm in full: either factor transposed or computed, C any shape that broadcasts. */
export const gemm: Operator = {
  ...coreGemm,
  infer(node) {
    const { a, b } = readGemm(node);
    const shape = [...a.slice(0, -1), b[1]];
    if (node.has(2)) broadcastShapes(node, node.shape(2), shape);
    return [{ type: 'float32', shape }];
  },
  lower(node) {
    const { a, b, transA, transB } = readGemm(node);
    const c = node.has(2) ? node.shape(2) : [];
    const bias =
      !node.has(2) ||
      (node.constant(2) !== undefined && [1, b[1]].includes(rowSize(c)) && c.slice(0, -1).every((dim) => dim === 1));
    if (!transA && node.constant(1) && !node.constant(0) && bias && rowSize(a) === b[0]) {
      coreGemm.lower(node);
      return;
    }
    const shape = [...a.slice(0, -1), b[1]];
    const size = node.outputWidth(0);
    const operand = (i: number, transposed: boolean): Operand => {
      const given = node.constant(i) ? node.constantRow(i, node.shape(i)) : node.input(i);
      const row = node.rowShape(i);
      if (!transposed || row.length < 2) return given;
      const turned = node.temporary(`transposed${i}`, node.width(i));
      lowerTranspose(node, given, turned, row, [1, 0], `transpose${i}`);
      return turned;
    };
    const alpha = node.number('alpha', 1);
    const beta = node.number('beta', 1);
    const y = node.output(0);
    const scaled = node.has(2) || alpha !== 1;
    const plain = scaled ? node.temporary('product', size) : y;
    lowerProducts(node, operand(0, transA), operand(1, transB), plain, { a, b, batch: [] });
    if (alpha !== 1) affine(node, plain, node.has(2) ? plain : y, alpha);
    if (!node.has(2)) return;
    let added = broadcastOperand(node, 2, shape);
    if (beta !== 1) {
      const times = node.temporary('scaled', size);
      affine(node, added, times, beta);
      added = times;
    }
    node.call('binary', {
      a: plain.address,
      aStride: plain.stride,
      b: added.address,
      bStride: added.stride,
      y: y.address,
      yStride: y.stride,
      bytes: { strideOf: node.node.outputs[0] },
      operator: 0,
    });
  },
};

/** y = factor * x, over the padded row of y. */
function affine(node: Lowering, x: Operand, y: Operand, factor: number): void {
  const { value } = y.address as { value: string };
  node.call('activation', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    bytes: { strideOf: value },
    activation: 11,
    alpha: { float: factor },
    beta: { float: 0 },
  });
}

// ---- float64 references -------------------------------------------------------------------------------------------

export const matMulReference: Reference = (_, [a, b]) => {
  const left = a!.shape.length === 1 ? { shape: [1, ...a!.shape], data: a!.data } : a!;
  const right = b!.shape.length === 1 ? { shape: [...b!.shape, 1], data: b!.data } : b!;
  const batch = broadcastOf([left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const [rows, columns] = [left.shape.at(-2)!, right.shape.at(-1)!];
  const y = arrayOf([...batch, rows, columns], (index) => {
    const [m, n] = index.slice(-2);
    let sum = 0;
    for (let k = 0; k < left.shape.at(-1)!; k++) {
      sum += elementAt(left, [...index.slice(0, -2), m, k]) * elementAt(right, [...index.slice(0, -2), k, n]);
    }
    return sum;
  });
  const shape = [...batch, ...(a!.shape.length === 1 ? [] : [rows]), ...(b!.shape.length === 1 ? [] : [columns])];
  return [{ shape, data: y.data }];
};

export const gemmReference: Reference = ({ attributes }, [a, b, c]) => {
  const { alpha = 1, beta = 1, transA, transB } = attributes;
  const element = (x: ReferenceTensor, i: number, j: number, turned: unknown) => elementAt(x, turned ? [j, i] : [i, j]);
  const rank = a!.shape.length;
  const lead = transA ? [a!.shape[1]] : a!.shape.slice(0, -1);
  const [depth, columns] = transB ? [b!.shape[1], b!.shape[0]] : b!.shape;
  const y = arrayOf([...lead, columns], (index) => {
    const n = index[index.length - 1];
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      const x = rank === 2 ? element(a!, index[0], k, transA) : elementAt(a!, [...index.slice(0, -1), k]);
      sum += x * element(b!, k, n, transB);
    }
    return Number(alpha) * sum + (c ? Number(beta) * elementAt(c, index) : 0);
  });
  return [y];
};
