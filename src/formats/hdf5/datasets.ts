import { RivuletError } from '../../errors.js';
import type { DataType, Tensor } from '../../graph/graph.js';
import { byteLength, isDataType } from '../../graph/tensor.js';
import { DEFLATE_RATIO, inflate } from '../inflate.js';
import type { Attribute } from './attributes.js';
import { type Cursor, type FileBytes, UNDEFINED_ADDRESS } from './bytes.js';
import { MESSAGE, type Message } from './header.js';
import { treeLeaves } from './links.js';
import { type ElementType, readElementType, readShape } from './types.js';

const FILTER = { deflate: 1, shuffle: 2, fletcher32: 3 } as const;

/** Where the elements lie. */
type Layout =
  | { kind: 'stored'; data: Uint8Array }
  | { kind: 'chunks'; tree: number; chunk: number[] }
  /** Nothing was ever written: the fill value, zero, everywhere. */
  | { kind: 'unwritten' };

/** An array of the file. Its elements are read when they are asked for. */
export class Dataset {
  constructor(
    private readonly source: FileBytes,
    /** Names from the root, with slashes between. */
    readonly path: string,
    readonly shape: number[],
    private readonly element: ElementType,
    readonly attributes: ReadonlyMap<string, Attribute>,
    private readonly layout: Layout,
    private readonly filters: readonly number[],
  ) {}

  /** The type of its elements, or undefined where no tensor can have it. */
  get type(): DataType | undefined {
    const { element } = this;
    // Keras keeps bfloat16 as bit patterns and says so beside them.
    if (element.kind === 'number' && element.type === 'uint16' && this.attributes.get('dtype')?.text() === 'bfloat16') {
      return 'bfloat16';
    }
    return element.kind === 'number' && isDataType(element.type) ? element.type : undefined;
  }

  /**
   * Its elements, little-endian: a view of the file where they lie there so.
   * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`
   */
  async read(): Promise<Tensor> {
    const { path: name, shape, type, element } = this;
    if (!type || element.kind !== 'number') {
      const found = element.kind === 'other' ? element.name : element.kind === 'number' ? element.type : 'text';
      const expected = 'integers or floating-point numbers of a width that tensors have';
      throw this.fail('A dataset of this type', expected, found);
    }
    const stored = this.layout.kind === 'chunks' ? await this.assemble(this.layout, type) : this.bytesOf(type);
    const bytes = element.littleEndian || element.size === 1 ? stored : swapped(stored, element.size);
    return { name, type, shape, bytes };
  }

  /** Where its elements lie in the file, if in one piece. */
  get span(): { begin: number; end: number } | undefined {
    if (this.layout.kind !== 'stored' || this.layout.data.length === 0) return undefined;
    const begin = this.layout.data.byteOffset - this.source.bytes.byteOffset;
    return { begin, end: begin + this.layout.data.length };
  }

  private bytesOf(type: DataType): Uint8Array {
    const length = byteLength(type, this.shape);
    if (this.layout.kind !== 'stored') {
      if (length > 0) throw this.fail('A dataset was never written', `${length} bytes`, 'none');
      return new Uint8Array(0);
    }
    const { data } = this.layout;
    if (data.length === length) return data;
    throw this.fail('A dataset and its shape disagree', `${length} bytes for [${this.shape}]`, `${data.length}`);
  }

  private async assemble(layout: { tree: number; chunk: number[] }, type: DataType): Promise<Uint8Array> {
    const { source, shape, filters } = this;
    const { size } = this.element;
    const { chunk } = layout;
    const length = byteLength(type, shape);
    const chunkLength = byteLength(type, chunk);
    const wanted = shape.reduce((product, dim, axis) => product * Math.ceil(dim / chunk[axis]), 1);
    const rank = shape.length;
    const leaves = wanted === 0 ? [] : treeLeaves(source, layout.tree, 1, 8 + 8 * (rank + 1));
    if (leaves.length !== wanted)
      throw this.fail('Chunks of a dataset are missing', `${wanted}`, `${leaves.length} of them`);
    const stored = leaves.map(({ key, child }) => {
      const head = source.cursor(key, 8 + 8 * (rank + 1), 'A chunk');
      const [bytes, mask] = [head.u32(), head.u32()];
      const offsets = Array.from({ length: rank }, () => head.u64());
      return { data: source.slice(child, bytes, 'A chunk'), mask, offsets };
    });
    // Before memory is taken: the file bounds what can come of its chunks.
    const most = source.bytes.length * DEFLATE_RATIO;
    if (chunkLength * wanted > most) {
      throw this.fail('A dataset claims more than the file can hold', `at most ${most} bytes`, `${length}`);
    }
    source.spend('chunkBytes', chunkLength * wanted);
    const out = new Uint8Array(length);
    const seen = new Set<string>();
    for (const { data, mask, offsets } of stored) {
      const place = offsets.join();
      if (seen.has(place) || offsets.some((at, axis) => at < 0 || at >= shape[axis] || at % chunk[axis] !== 0)) {
        throw this.fail('A chunk is not where one can be', `multiples of [${chunk}] in [${shape}]`, `[${place}]`);
      }
      seen.add(place);
      let bytes = data;
      for (const [i, filter] of [...filters.entries()].reverse()) {
        if (mask & (1 << i)) continue;
        if (filter === FILTER.deflate) bytes = await inflate(bytes, 'deflate', chunkLength, this.path, source.file);
        else if (filter === FILTER.shuffle) bytes = unshuffled(bytes, size);
      }
      if (bytes.length !== chunkLength)
        throw this.fail('A chunk has another length', `${chunkLength}`, `${bytes.length}`);
      copyChunk(bytes, chunk, out, shape, offsets, size);
    }
    return out;
  }

  private fail(what: string, expected: string, found: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.source.file, tensor: this.path, expected, found });
  }
}

/** A dataset from its header's messages. */
export function readDataset(
  source: FileBytes,
  path: string,
  messages: readonly Message[],
  attributes: ReadonlyMap<string, Attribute>,
): Dataset {
  const one = (kind: number, what: string): Cursor => {
    const found = messages.filter((message) => message.kind === kind);
    if (found.length === 1) return found[0].body;
    throw source.invalid(`A dataset needs one ${what}`, 'one', `${found.length} for "${path}"`);
  };
  const shape = readShape(one(MESSAGE.dataspace, 'shape'));
  const element = readElementType(one(MESSAGE.datatype, 'type'));
  const layout = readLayout(source, one(MESSAGE.layout, 'layout'), shape, element.size);
  const filters = messages.flatMap(({ kind, body }) => (kind === MESSAGE.filters ? readFilters(source, body) : []));
  return new Dataset(source, path, shape, element, attributes, layout, filters);
}

function readLayout(source: FileBytes, body: Cursor, shape: readonly number[], size: number): Layout {
  const version = body.version(3, 4);
  const kind = body.u8();
  if (kind === 0) return { kind: 'stored', data: body.bytes(body.u16()) };
  if (kind === 1) {
    const [address, length] = [body.u64(), body.u64()];
    if (address === UNDEFINED_ADDRESS) return { kind: 'unwritten' };
    return { kind: 'stored', data: source.slice(address, length, 'A dataset') };
  }
  if (kind !== 2 || version === 4) {
    throw source.unsupported('A dataset of another layout', 'contiguous, compact, or chunks in a tree', `${kind}`);
  }
  const rank = body.u8() - 1;
  const tree = body.u64();
  const chunk = Array.from({ length: Math.max(rank, 0) }, () => body.u32());
  const elementSize = body.u32();
  if (rank !== shape.length || elementSize !== size || chunk.includes(0)) {
    throw source.invalid('The chunks of a dataset do not fit it', `rank ${shape.length}`, `[${chunk}]`);
  }
  return tree === UNDEFINED_ADDRESS ? { kind: 'unwritten' } : { kind: 'chunks', tree, chunk };
}

/** The filters through which chunks went, in order. */
function readFilters(source: FileBytes, body: Cursor): number[] {
  const version = body.version(1, 2);
  const count = body.u8();
  if (version === 1) body.take(6);
  return Array.from({ length: count }, () => {
    const id = body.u16();
    const nameLength = version === 1 || id >= 256 ? body.u16() : 0;
    body.u16();
    const values = body.u16();
    body.take(version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength);
    body.take(4 * (version === 1 ? values + (values & 1) : values));
    if (id === FILTER.deflate || id === FILTER.shuffle) return id;
    throw source.unsupported('A dataset went through a filter', 'deflate or shuffle', `filter ${id}`);
  });
}

/** The bytes of an element lie apart: first those of all elements, then the second ones. */
function unshuffled(bytes: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(bytes.length / size);
  const out = bytes.slice();
  for (let b = 0; b < size; b++) for (let i = 0; i < count; i++) out[i * size + b] = bytes[b * count + i];
  return out;
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = bytes.slice();
  for (let at = 0; at < out.length; at += size) out.subarray(at, at + size).reverse();
  return out;
}

/** Copies the part of a chunk that lies inside the array, row by row. */
function copyChunk(
  bytes: Uint8Array,
  chunk: readonly number[],
  out: Uint8Array,
  shape: readonly number[],
  offsets: readonly number[],
  size: number,
): void {
  const last = shape.length - 1;
  const inside = shape.map((dim, axis) => Math.min(chunk[axis], dim - offsets[axis]));
  const row = (last < 0 ? 1 : inside[last]) * size;
  const at = shape.map(() => 0);
  const index = (dims: readonly number[], start: readonly number[]) =>
    at.reduce((sum, step, axis) => sum * dims[axis] + step + start[axis], 0) * size;
  const zeros = shape.map(() => 0);
  for (;;) {
    const from = index(chunk, zeros);
    out.set(bytes.subarray(from, from + row), index(shape, offsets));
    let axis = last - 1;
    while (axis >= 0 && ++at[axis] === inside[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}
