import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import type { Tensor } from '../../graph/graph.js';
import { byteLength, bytesPerElement } from '../../graph/tensor.js';
import type { StoredView } from './rebuild.js';

/** Bytes that all tensors of a small file may have together; a larger file, four times its own length. */
const LEAST_BYTES = 16 * 1024 * 1024;
const TIMES_FILE = 4;

/**
 * Turns windows on storages into row-major tensors: a view of the storage where it lies so already, a copy elsewhere.
 * A few bytes can call themselves many tensors (that is what strides are for), so what they come to is counted: weights
 * shared by two layers pass, a thousandfold does not.
 */
export class Materialiser {
  private left: number;

  constructor(
    fileLength: number,
    private readonly file: string | undefined,
  ) {
    this.left = Math.max(LEAST_BYTES, TIMES_FILE * fileLength);
  }

  /** @throws RivuletError `INVALID_FILE` where the window leads out of its storage, `LIMIT_EXCEEDED`. */
  tensor(name: string, { storage, offset, shape, strides }: StoredView): Tensor {
    const { type, bytes } = storage;
    if (shape.length > GRAPH_LIMITS.rank) {
      throw this.error('LIMIT_EXCEEDED', 'Too many dims', name, `at most ${GRAPH_LIMITS.rank}`, `${shape.length}`);
    }
    const size = bytesPerElement(type);
    const length = byteLength(type, shape);
    this.left -= length;
    if (this.left < 0) {
      const most = `${TIMES_FILE} times the file, or ${LEAST_BYTES} bytes`;
      throw this.error('LIMIT_EXCEEDED', 'The tensors are far larger than the file', name, most, `[${shape}]`);
    }
    if (length === 0) return { name, type, shape, bytes: new Uint8Array(0) };
    const last = shape.reduce((at, dim, axis) => at + (dim - 1) * strides[axis], offset);
    if (!bytes || last >= storage.count) {
      throw this.error(
        'INVALID_FILE',
        'A tensor leads out of its storage',
        name,
        `${storage.count} elements`,
        `[${shape.join(', ')}] with strides [${strides.join(', ')}] from ${offset}`,
      );
    }
    if (isRowMajor(shape, strides)) {
      return { name, type, shape, bytes: bytes.subarray(offset * size, offset * size + length) };
    }
    return { name, type, shape, bytes: gather(bytes, size, offset, shape, strides, length) };
  }

  private error(
    code: 'LIMIT_EXCEEDED' | 'INVALID_FILE',
    what: string,
    tensor: string,
    expected: string,
    found: string,
  ) {
    return new RivuletError(code, what, { file: this.file, tensor, expected, found });
  }
}

/** An axis of length one is never stepped along, so its stride says nothing. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** The elements in row-major order. `position` counts along all axes but the last as an odometer does. */
function gather(
  from: Uint8Array,
  size: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  length: number,
): Uint8Array {
  const out = new Uint8Array(length);
  const last = shape.length - 1;
  const position = shape.map(() => 0);
  const step = strides[last] * size;
  let source = offset;
  for (let to = 0; to < length; ) {
    for (let i = 0, at = source * size; i < shape[last]; i++, at += step, to += size) {
      for (let b = 0; b < size; b++) out[to + b] = from[at + b];
    }
    for (let axis = last - 1; axis >= 0; axis--) {
      source += strides[axis];
      if (++position[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      position[axis] = 0;
    }
  }
  return out;
}
