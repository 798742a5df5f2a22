import type { DataType, Tensor } from '../graph/graph.js';
import { bytesPerElement } from '../graph/tensor.js';

/** Constants that a reader makes up, beside those of its file. */

/** An int64 tensor of numbers: axes, shapes, bounds. */
export function integerTensor(name: string, values: readonly number[], shape = [values.length]): Tensor {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setBigInt64(8 * i, BigInt(value), true);
  return { name, type: 'int64', shape, bytes };
}

/** A float32 tensor of numbers, each rounded. */
export function floatTensor(name: string, values: ArrayLike<number>, shape: number[]): Tensor {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
  return { name, type: 'float32', shape, bytes };
}

/** [rows, columns] -> [columns, rows] */
export function transposed({ name, type, shape, bytes }: Tensor): Tensor {
  const [rows, columns] = shape;
  return { name, type, shape: [columns, rows], bytes: transposedBytes(bytes, type, rows, columns) };
}

/** The elements of a row-major [rows, columns], column by column. */
export function transposedBytes(bytes: Uint8Array, type: DataType, rows: number, columns: number): Uint8Array {
  const size = bytesPerElement(type);
  const out = new Uint8Array(bytes.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const from = (r * columns + c) * size;
      const to = (c * rows + r) * size;
      for (let b = 0; b < size; b++) out[to + b] = bytes[from + b];
    }
  }
  return out;
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
