import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { Architecture } from './pytorch/architecture.js';
import { looksLikeSafetensors, parseSafetensors } from './safetensors/container.js';
import { holdsGraph, nativeGraph, readNative } from './safetensors/native.js';

/** A graph and the name of the format it was read from. */
export interface ReadModel {
  graph: Graph;
  format: string;
}

/** What only some readers take. */
export interface ReadOptions {
  /** What the weights of a state dict leave open; see `Architecture`. */
  architecture?: Architecture | string;
}

type Reader = (bytes: Uint8Array, file?: string, options?: ReadOptions) => Graph;

interface Format {
  name: string;
  /** With what a file of the format begins; the reader looks closer. */
  starts: readonly string[];
  /** Loads the reader when a file asks for it: it is no part of the core's download. */
  load(): Promise<Reader>;
}

const NATIVE = 'Rivulet safetensors';

const STATE_DICT: Format = {
  name: 'PyTorch state dict',
  starts: ['PK\x03\x04', '\x80\x02'],
  load: async () => (await import('./pytorch/pytorch.js')).readPyTorch,
};

const ONNX: Format = {
  name: 'ONNX',
  // ir_version, the first field of every writer's.
  starts: ['\x08'],
  load: async () => (await import('./onnx/onnx.js')).readOnnx,
};

const FORMATS = [STATE_DICT, ONNX];

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
 * Reads a model of any known format, which its content decides, never its name. Readers other than the native file's are
 * loaded when a file asks for them.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `UNKNOWN_FORMAT`, and whatever the format's reader throws.
 */
export async function readModel(bytes: Uint8Array, file?: string, options: ReadOptions = {}): Promise<ReadModel> {
  let format = FORMATS.find(({ starts }) => starts.some((prefix) => startOf(bytes).startsWith(prefix)));
  if (looksLikeSafetensors(bytes)) {
    const stored = parseSafetensors(bytes, file);
    if (holdsGraph(stored)) return { graph: nativeGraph(stored, file), format: NATIVE };
    format = STATE_DICT;
  }
  if (!format) throw unknownFormat(bytes, file, [NATIVE, ...FORMATS.map(({ name }) => name)]);
  const read = await format.load();
  return { graph: read(bytes, file, options), format: format.name };
}

/** The same at once, for the native format alone. */
export function readModelSync(bytes: Uint8Array, file?: string): Graph {
  if (looksLikeSafetensors(bytes)) return readNative(bytes, file);
  throw unknownFormat(bytes, file, [NATIVE]);
}

const startOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 32));

function unknownFormat(bytes: Uint8Array, file: string | undefined, formats: readonly string[]): RivuletError {
  const stranger = STRANGERS.find(([prefix]) => startOf(bytes).startsWith(prefix))?.[1];
  return new RivuletError('UNKNOWN_FORMAT', 'Not a model that can be read', {
    file,
    expected: formats.join(', '),
    found: bytes.length === 0 ? 'an empty file' : (stranger ?? 'something unknown'),
  });
}
