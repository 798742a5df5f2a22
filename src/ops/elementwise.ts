import type { Dim } from '../graph/graph.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operand, Operator, Reference } from './operator.js';

/** ONNX's arithmetic of two values, by the code of the `binary` kernel. */
const OPERATIONS: Record<string, { code: number; reference(a: number, b: number): number }> = {
  Add: { code: 0, reference: (a, b) => a + b },
  Sub: { code: 1, reference: (a, b) => a - b },
  Mul: { code: 2, reference: (a, b) => a * b },
  Div: { code: 3, reference: (a, b) => a / b },
};

/** Numpy's rule, over lengths and symbols. */
export function broadcastShapes(node: NodeReader, a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const p = a[i - (rank - a.length)] ?? 1;
    const q = b[i - (rank - b.length)] ?? 1;
    if (p === q || q === 1) return p;
    if (p === 1) return q;
    throw node.malformed('the operands do not fit', `[${a.join(', ')}]`, `[${b.join(', ')}]`);
  });
}

/** Calls the kernel of Add, Sub, Mul or Div on two operands that are as wide as output 0, or repeat to it. */
export function callBinary(node: Lowering, op: string, a: Operand, b: Operand): void {
  const y = node.output(0);
  node.call('binary', {
    a: a.address,
    aStride: a.stride,
    b: b.address,
    bStride: b.stride,
    y: y.address,
    yStride: y.stride,
    bytes: { strideOf: node.node.outputs[0] },
    operator: OPERATIONS[op].code,
  });
}

export const binaryOperators: Operator[] = Object.keys(OPERATIONS).map((op) => ({
  op,
  attributes: [],
  inputs: [2, 2],
  infer: (node) => [{ type: node.typeOf(0).type, shape: broadcastShapes(node, node.shape(0), node.shape(1)) }],
  lower(node: Lowering) {
    const shape = broadcastShapes(node, node.shape(0), node.shape(1));
    const [a, b] = [0, 1].map((i) => {
      if (node.constant(i)) return node.constantRow(i, shape);
      if (node.width(i) === node.outputWidth(0)) return node.input(i);
      throw node.unsupported(
        `input ${i} would be broadcast at run time`,
        `[${shape.join(', ')}]`,
        `[${node.shape(i).join(', ')}]`,
      );
    });
    callBinary(node, op, a, b);
  },
}));

/** The index into a broadcast operand for each element of a result of `shape`. */
export function* broadcastIndices(from: readonly number[], shape: readonly number[]): Generator<number> {
  const lead = shape.length - from.length;
  const strides = shape.map((_, axis) => {
    if (axis < lead || from[axis - lead] === 1) return 0;
    return from.slice(axis - lead + 1).reduce((product, dim) => product * dim, 1);
  });
  const at = shape.map(() => 0);
  const count = shape.reduce((product, dim) => product * dim, 1);
  for (let i = 0; i < count; i++) {
    yield at.reduce((sum, index, axis) => sum + index * strides[axis], 0);
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
}

export const binaryReference: Reference = (node, [a, b]) => {
  const rank = Math.max(a!.shape.length, b!.shape.length);
  const dim = (shape: number[], i: number) => shape[i - (rank - shape.length)] ?? 1;
  const shape = Array.from({ length: rank }, (_, i) => Math.max(dim(a!.shape, i), dim(b!.shape, i)));
  const left = [...broadcastIndices(a!.shape, shape)];
  const right = [...broadcastIndices(b!.shape, shape)];
  const { reference } = OPERATIONS[node.op];
  return [{ shape, data: Float64Array.from(left, (from, i) => reference(a!.data[from], b!.data[right[i]])) }];
};
