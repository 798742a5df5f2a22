import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { type Files, type Neighbours, neighboursOf } from '../io/neighbours.js';
import { decodeUtf8 } from '../io/utf8.js';
import { type JsonObject, MAX_JSON_DEPTH_OF_MODELS, parseJson } from './json.js';
import type { KerasArchitecture } from './keras/architecture.js';
import type { OnnxOptions } from './onnx/options.js';
import type { Architecture } from './pytorch/architecture.js';
import type { RefusalOptions } from './refusals.js';
import { looksLikeSafetensors, parseSafetensors } from './safetensors/container.js';
import { holdsGraph, nativeGraph, readNative } from './safetensors/native.js';

/** A graph and the name of the format it was read from. */
export interface ReadModel {
  graph: Graph;
  format: string;
}

/** What only some readers take. */
export interface ReadOptions extends OnnxOptions, RefusalOptions {
  /** What weights leave open: an `Architecture` for a state dict, what `model.to_json()` gives for Keras's; or its JSON. */
  architecture?: Architecture | KerasArchitecture | string;
  /** The sequences that the model will be given hold no padding: the masks of a Keras model may be left out. */
  unpadded?: boolean;
  /** The files besides the first, by the names that it calls them, where they can't be read from beside it. */
  files?: Files;
  signal?: AbortSignal;
}

/** A reader of some content: the file's bytes, or its JSON. */
type Reader<Content> = (
  content: Content,
  file: string | undefined,
  options: ReadOptions,
  neighbours: Neighbours,
) => Graph | Promise<Graph>;

/** What a reader may be told, besides the files beside its own. */
const TOLD = ['architecture', 'unpadded', 'constants', 'shapes', 'states'] as const;

interface Format<Content> {
  name: string;
  /** What of `TOLD` the reader takes; an option that nobody reads is refused. */
  takes?: readonly (typeof TOLD)[number][];
  /** Loads the reader when a file asks for it: it is no part of the core's download. */
  load(): Promise<Reader<Content>>;
}

interface BinaryFormat extends Format<Uint8Array> {
  /** With what a file of the format begins; `?` stands for any character, and the reader looks closer. */
  starts: readonly string[];
}

interface JsonFormat extends Format<JsonObject> {
  /** Whether an object is of the format, by its keys; the reader looks closer. */
  holds(object: JsonObject): boolean;
}

const NATIVE = 'Rivulet safetensors';

/** The part of a ZIP archive's first header that may hold anything; the member's name follows. */
const ZIP_HEADER = `PK\x03\x04${'?'.repeat(26)}`;

const KERAS: BinaryFormat = {
  name: 'Keras',
  takes: ['architecture', 'unpadded'],
  starts: ['\x89HDF\r\n\x1a\n', ...['metadata.json', 'config.json', 'model.weights'].map((name) => ZIP_HEADER + name)],
  load: async () => (await import('./keras/keras.js')).readKeras,
};

const STATE_DICT: BinaryFormat = {
  name: 'PyTorch state dict',
  takes: ['architecture'],
  starts: ['PK\x03\x04', '\x80\x02'],
  load: async () => (await import('./pytorch/pytorch.js')).readPyTorch,
};

const ONNX: BinaryFormat = {
  name: 'ONNX',
  takes: ['constants', 'shapes', 'states'],
  // ir_version, the first field of every writer's.
  starts: ['\x08'],
  load: async () => (await import('./onnx/onnx.js')).readOnnx,
};

const BINARY_FORMATS = [KERAS, STATE_DICT, ONNX];

const TFJS: JsonFormat = {
  name: 'TensorFlow.js',
  takes: ['unpadded', 'constants', 'shapes', 'states'],
  holds: (object) => object.has('modelTopology') || object.has('weightsManifest'),
  load: async () => (await import('./tfjs/tfjs.js')).readTfjs,
};

const RTNEURAL: JsonFormat = {
  name: 'RTNeural JSON',
  holds: (object) => object.has('in_shape') && object.has('layers'),
  load: async () => (await import('./rtneural/rtneural.js')).readRtneural,
};

const GUITAR_AMP: JsonFormat = {
  name: 'Automated-GuitarAmpModelling JSON',
  holds: (object) => object.has('model_data') && object.has('state_dict'),
  load: async () => (await import('./pytorch/pytorch.js')).readGuitarAmp,
};

const STATE_DICT_JSON: JsonFormat = {
  name: 'PyTorch state dict as JSON',
  takes: ['architecture'],
  holds: (object) => [...object.keys()].some((key) => /(^|\.)(weight|weight_ih_l0)$/.test(key)),
  load: async () => (await import('./pytorch/pytorch.js')).readPyTorchJson,
};

const NAM: JsonFormat = {
  name: 'Neural Amp Modeler',
  holds: (object) => object.has('architecture') && object.has('config') && object.has('weights'),
  load: async () => (await import('./nam/nam.js')).readNam,
};

const ML5: JsonFormat = {
  name: 'ml5 character model',
  holds: (object) => object.has('embedding') && object.has('rnnlm/softmax_w'),
  load: async () => (await import('./ml5/ml5.js')).readMl5,
};

const JSON_FORMATS = [TFJS, RTNEURAL, NAM, ML5, GUITAR_AMP, STATE_DICT_JSON];

/** The longest JSON that is read, in bytes: four million weights, printed with eight digits. */
const MAX_JSON_BYTES = 48 * 1024 * 1024;

const KNOWN = [NATIVE, ...[...BINARY_FORMATS, ...JSON_FORMATS].map(({ name }) => name)];

/** Beginnings of files that nobody here reads, but whose names help whoever passed one. */
const STRANGERS: readonly [start: string, name: string][] = [
  ['version https://git-lfs', 'a Git LFS pointer; fetch the file itself with "git lfs pull"'],
  ['PK\x03\x04', 'a ZIP archive (PyTorch .pt, Keras .keras)'],
  ['\x80\x02', 'a Python pickle'],
  ['GGUF', 'GGUF'],
  ['\x93NUMPY', 'a NumPy array'],
  ['????TFL3', 'TensorFlow Lite; tf2onnx makes ONNX of it: python -m tf2onnx.convert --tflite IN --output OUT.onnx'],
  ['<', 'HTML or XML; a server may have answered with a page'],
  ['{', 'JSON'],
];

/**
 * Reads a model of any known format, which its content decides, never its name. Readers other than the native file's are
 * loaded when a file asks for them.
 *
 * @param file path or URL to name in errors.
 * @param location path or URL beside which the model's other files lie, where it has any.
 * @throws RivuletError `UNKNOWN_FORMAT`, and whatever the format's reader throws.
 */
export async function readModel(
  bytes: Uint8Array,
  file?: string,
  options: ReadOptions = {},
  location?: string,
): Promise<ReadModel> {
  const read = async <Content>({ name, takes, load }: Format<Content>, content: Content): Promise<ReadModel> => {
    refuseForeign(options, name, takes, file);
    const [reader, { signal }] = [await load(), options];
    const neighbours = neighboursOf(location, options.files, { signal });
    return { graph: await reader(content, file, options, neighbours), format: name };
  };
  if (looksLikeSafetensors(bytes)) {
    const stored = parseSafetensors(bytes, file);
    if (!holdsGraph(stored)) return read(STATE_DICT, bytes);
    refuseForeign(options, NATIVE, [], file);
    return { graph: nativeGraph(stored, file), format: NATIVE };
  }
  if (looksLikeJson(bytes)) {
    const object = jsonObject(bytes, file);
    const format = JSON_FORMATS.find(({ holds }) => holds(object));
    if (format) return read(format, object);
    throw unknownFormat(`JSON with the keys ${[...object.keys()].slice(0, 12).join(', ').slice(0, 200)}`, file, KNOWN);
  }
  const format = binaryFormatOf(bytes);
  if (format) return read(format, bytes);
  throw unknownFormat(strangerIn(bytes), file, KNOWN);
}

function refuseForeign(options: ReadOptions, name: string, takes: readonly string[] = [], file?: string): void {
  const found = TOLD.find((option) => options[option] && !takes.includes(option));
  if (!found) return;
  const expected = takes.join(', ') || 'none';
  throw new RivuletError('INVALID_OPTION', `An option that ${name} does not take`, { file, expected, found });
}

/** The same at once, for the native format alone. */
export function readModelSync(bytes: Uint8Array, file?: string): Graph {
  if (looksLikeSafetensors(bytes)) return readNative(bytes, file);
  const other = binaryFormatOf(bytes);
  throw unknownFormat(strangerIn(bytes, other?.name), file, [NATIVE]).with(
    other ? { hint: 'Convert it beforehand (rivulet convert), or use loadModel' } : {},
  );
}

const startOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 64));

const startsWith = (bytes: Uint8Array, start: string): boolean =>
  Array.from(start).every((wanted, i) => wanted === '?' || wanted.charCodeAt(0) === bytes[i]);

const binaryFormatOf = (bytes: Uint8Array): BinaryFormat | undefined =>
  BINARY_FORMATS.find(({ starts }) => starts.some((start) => startsWith(bytes, start)));

const looksLikeJson = (bytes: Uint8Array): boolean => /^[ \t\r\n]*\{/.test(startOf(bytes));

function jsonObject(bytes: Uint8Array, file: string | undefined): JsonObject {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new RivuletError('LIMIT_EXCEEDED', 'The JSON is too long', {
      file,
      expected: `at most ${MAX_JSON_BYTES} bytes`,
      found: `${bytes.length}`,
    });
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new RivuletError('INVALID_FILE', 'The JSON is not UTF-8', { file });
  return parseJson(text, 'file', file, MAX_JSON_DEPTH_OF_MODELS) as JsonObject;
}

const strangerIn = (bytes: Uint8Array, otherwise = 'something unknown'): string =>
  bytes.length === 0 ? 'an empty file' : (STRANGERS.find(([start]) => startsWith(bytes, start))?.[1] ?? otherwise);

function unknownFormat(found: string, file: string | undefined, formats: readonly string[]): RivuletError {
  return new RivuletError('UNKNOWN_FORMAT', 'Not a model that can be read', {
    file,
    expected: formats.join(', '),
    found,
  });
}
