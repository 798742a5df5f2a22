import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { looksLikeSafetensors } from './safetensors/container.js';
import { readNative } from './safetensors/native.js';

interface Format {
  name: string;
  /** Looks at the first bytes only; a damaged file of the format counts, so that the reader can say what is wrong. */
  sniff(bytes: Uint8Array): boolean;
  read(bytes: Uint8Array, file?: string): Graph;
}

const FORMATS: readonly Format[] = [{ name: 'Rivulet (.safetensors)', sniff: looksLikeSafetensors, read: readNative }];

/** Beginnings of files that nobody here reads, but whose names help whoever passed one. */
const STRANGERS: readonly [prefix: string, name: string][] = [
  ['version https://git-lfs', 'a Git LFS pointer; fetch the file itself with "git lfs pull"'],
  ['\x89HDF\r\n\x1a\n', 'HDF5 (Keras .h5)'],
  ['PK\x03\x04', 'a ZIP archive (PyTorch .pt, Keras .keras)'],
  ['\x80\x02', 'a Python pickle'],
  ['GGUF', 'GGUF'],
  ['\x93NUMPY', 'a NumPy array'],
  ['<', 'HTML or XML; a server may have answered with a page'],
  ['{', 'JSON'],
];

/**
 * Reads a model of any known format, which its content decides, never its name.
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT`, and whatever the format's reader throws.
 */
export function readModel(bytes: Uint8Array, file?: string): Graph {
  const format = FORMATS.find(({ sniff }) => sniff(bytes));
  if (format) return format.read(bytes, file);
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  throw new RivuletError('UNKNOWN_FORMAT', 'Not a model that can be read', {
    file,
    expected: FORMATS.map(({ name }) => name).join(', '),
    found:
      bytes.length === 0
        ? 'an empty file'
        : (STRANGERS.find(([prefix]) => start.startsWith(prefix))?.[1] ?? 'something unknown'),
  });
}
