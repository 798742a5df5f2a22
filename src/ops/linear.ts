import type { Dim } from '../graph/graph.js';
import { type ActivationArguments, activationArguments, activationWords } from './activations.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operator } from './operator.js';
import { type Matrix, packedCount, packPanels, plainOrder, roundUp } from './pack.js';

/** ONNX's MatMul of a row by a constant matrix: [..., K] x [K, O] -> [..., O]. */
export const matMul: Operator = {
  op: 'MatMul',
  attributes: [],
  inputs: [2, 2],
  infer(node) {
    const x = node.shape(0);
    const [depth, outputs] = matrixShape(node);
    checkDepth(node, depth);
    return [{ type: 'float32', shape: [...x.slice(0, -1), outputs] }];
  },
  lower: (node) => lowerProduct(node, { transposed: false }),
};

/**
 * ONNX's Gemm with constant B (and C): alpha A B + beta C; A is not transposed. One more rank than ONNX's two is allowed
 * in A, so that it can follow a sequence.
 */
export const gemm: Operator = {
  op: 'Gemm',
  attributes: ['alpha', 'beta', 'transA', 'transB'],
  inputs: [2, 3],
  infer(node) {
    if (node.integer('transA', 0) !== 0) throw node.wrongAttribute('transA', '0');
    const transposed = node.integer('transB', 0) !== 0;
    const [first, second] = matrixShape(node);
    checkDepth(node, transposed ? second : first);
    if (node.has(2)) broadcastBias(node, 2, Number(transposed ? first : second));
    return [{ type: 'float32', shape: [...node.shape(0).slice(0, -1), transposed ? first : second] }];
  },
  lower: (node) =>
    lowerProduct(node, {
      transposed: node.integer('transB', 0) !== 0,
      alpha: node.number('alpha', 1),
      ...(node.has(2) ? { bias: 2, beta: node.number('beta', 1) } : {}),
    }),
};

/**
 * What the planner makes of MatMul or Gemm with the Add and the activation behind it: one kernel call. Inputs X, the
 * matrix, and the bias; the attribute `activation` names the function, `alpha` and `beta` are its parameters. No file
 * holds this operator.
 */
export const linear: Operator = {
  op: 'Linear',
  internal: true,
  attributes: ['activation', 'alpha', 'beta', 'transB'],
  inputs: [2, 3],
  infer: matMul.infer,
  lower(node) {
    const transposed = node.integer('transB', 0) !== 0;
    lowerProduct(node, { transposed, ...(node.has(2) ? { bias: 2 } : {}) }, linearActivation(node));
  },
};

/** The function that a Linear applies on its way out. */
export function linearActivation({ node: { attributes } }: NodeReader): ActivationArguments {
  const { activation, alpha, beta } = attributes;
  return activationArguments(
    (activation as string) ?? 'Identity',
    alpha as number | undefined,
    beta as number | undefined,
  );
}

interface Product {
  transposed: boolean;
  /** Input that holds the bias. */
  bias?: number;
  alpha?: number;
  beta?: number;
}

function lowerProduct(node: Lowering, product: Product, activation = activationArguments('Identity')): void {
  const [rows, columns] = matrixShape(node).map(Number);
  const [depth, outputs] = product.transposed ? [columns, rows] : [rows, columns];
  if (node.width(0) !== depth) {
    throw node.unsupported('several vectors in one step', `one of ${depth}`, `[${node.rowShape(0).join(', ')}]`);
  }
  const x = node.input(0);
  const y = node.output(0);
  node.call('linear', {
    x: x.address,
    xStride: x.stride,
    y: y.address,
    yStride: y.stride,
    weights: node.weights('weight', packedCount(outputs, depth), (target, packRows) => {
      const bias = product.bias === undefined ? undefined : broadcastBias(node, product.bias, outputs);
      const scale = product.beta ?? 1;
      const data = node.floats(1);
      const matrix: Matrix = {
        data: (product.alpha ?? 1) === 1 ? data : data.map((value) => value * product.alpha!),
        depth,
        outputStride: product.transposed ? depth : 1,
        inputStride: product.transposed ? 1 : outputs,
      };
      packPanels(target, plainOrder(outputs), (o) => (bias ? scale * bias(o) : 0), [matrix], packRows);
    }),
    I: depth,
    panels: roundUp(outputs, 16) / 16,
    ...activationWords(activation),
  });
}

/** The bias of each output: one number for all, or one for each. */
export function broadcastBias(node: NodeReader, i: number, outputs: number): (output: number) => number {
  const data = node.floats(i);
  if (data.length === 1) return () => data[0];
  if (data.length === outputs && node.shape(i).at(-1) === outputs) return (output) => data[output];
  throw node.malformed('the bias has the wrong shape', `[1] or [${outputs}]`, `[${node.shape(i).join(', ')}]`, i);
}

function matrixShape(node: NodeReader): Dim[] {
  if (!node.constant(1))
    throw node.unsupported('the second factor is computed', 'a constant matrix', node.node.inputs[1]);
  const shape = node.shape(1);
  if (shape.length === 2) return shape;
  throw node.unsupported('the second factor is no matrix', 'rank 2', `[${shape.join(', ')}]`);
}

function checkDepth(node: NodeReader, depth: Dim): void {
  const x = node.shape(0);
  if (x.at(-1) === depth) return;
  throw node.malformed('the factors do not fit', `[..., ${depth}]`, `[${x.join(', ')}]`, 0);
}
