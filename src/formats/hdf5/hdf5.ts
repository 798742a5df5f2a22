import { COPY_AGAIN } from '../hints.js';
import { type Attribute, readAttributes } from './attributes.js';
import { FileBytes } from './bytes.js';
import { type Dataset, readDataset } from './datasets.js';
import { MESSAGE, readHeader } from './header.js';
import { TextHeaps } from './heaps.js';
import { HDF5_LIMITS } from './limits.js';
import { readLinks } from './links.js';

export type { Dataset } from './datasets.js';

/**
 * Reads HDF5 as h5py and Keras write it, by the HDF5 File Format Specification, version 3.0 (The HDF Group): superblocks
 * 0 to 3, object headers of both versions, groups as symbol tables and as links, contiguous, compact and chunked datasets
 * (deflate, shuffle), attributes with text of fixed and of any length. What lies beyond is refused by name: dense groups
 * and attributes, links that name other objects, shared messages, other filters.
 *
 * A reader of its own, because a file may be hostile: every address and length is checked, what is named many times is
 * counted, nothing is followed for ever. ARCHITECTURE.md says what the libraries that were looked at do.
 */
export interface Hdf5Group {
  attributes: ReadonlyMap<string, Attribute>;
  groups: ReadonlyMap<string, Hdf5Group>;
  datasets: ReadonlyMap<string, Dataset>;
}

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Whether bytes begin as an HDF5 file does. */
const looksLikeHdf5 = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte);

/**
 * The groups, attributes and datasets of a file. Elements of datasets are read later, and may be views of `bytes`.
 * @throws RivuletError `INVALID_FILE`, `LIMIT_EXCEEDED`
 */
export function readHdf5(bytes: Uint8Array, file?: string): Hdf5Group {
  const source = new FileBytes(bytes, file);
  return new TreeReader(source).read(readSuperblock(source));
}

/** The address of the root group's header. */
function readSuperblock(source: FileBytes): number {
  if (!looksLikeHdf5(source.bytes)) throw source.invalid('Not an HDF5 file', 'its signature', 'something else');
  const head = source.cursor(8, Math.min(source.bytes.length - 8, 96), 'The superblock');
  const version = head.version(0, 1, 2, 3);
  if (version < 2) head.take(4);
  const sizes = [head.u8(), head.u8()];
  if (sizes.some((size) => size !== 8)) {
    throw source.unsupported('Addresses of another size', '8 bytes', `${sizes.join(' and ')}`);
  }
  // Flags and the sizes of trees' nodes.
  head.take(version === 0 ? 9 : version === 1 ? 13 : 1);
  const base = head.u64();
  if (base !== 0) throw source.unsupported('A file within a file', 'addresses from 0', `from ${base}`);
  head.u64();
  const end = head.u64();
  if (end > source.bytes.length) {
    throw source.invalid('The file is truncated', `${end} bytes`, `${source.bytes.length}`, COPY_AGAIN);
  }
  // Before version 2 two more addresses lie between, the driver's and the name of the root.
  if (version < 2) head.take(16);
  return head.u64();
}

class TreeReader {
  private readonly seen = new Set<number>();
  private readonly spans: { path: string; begin: number; end: number }[] = [];
  private readonly heaps: TextHeaps;

  constructor(private readonly source: FileBytes) {
    this.heaps = new TextHeaps(source);
  }

  read(root: number): Hdf5Group {
    const group = this.group(this.header(root), '', 0);
    this.spans.sort((a, b) => a.begin - b.begin);
    for (const [i, { begin, path }] of this.spans.entries()) {
      const before = this.spans[i - 1];
      if (before && begin < before.end) {
        throw this.source.invalid('Two datasets overlap', 'one place each', `"${before.path}" and "${path}"`);
      }
    }
    return group;
  }

  private header(address: number) {
    const { source, seen } = this;
    if (seen.has(address)) throw source.unsupported('An object has two names', 'one name each', `both at ${address}`);
    seen.add(address);
    source.spend('objects');
    return readHeader(source, address);
  }

  private group(messages: ReturnType<typeof readHeader>, path: string, depth: number): Hdf5Group {
    const groups = new Map<string, Hdf5Group>();
    const datasets = new Map<string, Dataset>();
    for (const [name, address] of readLinks(this.source, messages)) {
      const inner = path === '' ? name : `${path}/${name}`;
      const object = this.header(address);
      if (object.some(({ kind }) => kind === MESSAGE.layout)) {
        const attributes = readAttributes(this.source, object, this.heaps);
        const dataset = readDataset(this.source, inner, object, attributes);
        datasets.set(name, dataset);
        if (dataset.span) this.spans.push({ path: inner, ...dataset.span });
      } else if (depth === HDF5_LIMITS.depth) {
        throw this.source.tooMany('Groups lie too deep in each other', HDF5_LIMITS.depth);
      } else groups.set(name, this.group(object, inner, depth + 1));
    }
    return { attributes: readAttributes(this.source, messages, this.heaps), groups, datasets };
  }
}
