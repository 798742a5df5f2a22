import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ReadGraph, readGraph } from '../convert/index.js';
import { RivuletError } from '../errors.js';
import type { OnRefusal } from '../formats/refusals.js';
import { loadModel, type Model, type Stream } from '../index.js';
import { type Progress as Read, readSource } from '../io/source.js';
import { HELD_TYPES, type HeldType } from '../plan/quantize.js';
import { writeFile } from './files.js';
import type { Context } from './host.js';
import type { Arguments, Options } from './options.js';
import { Progress } from './progress.js';
import { readerOptionsOf } from './reader-options.js';

/** What a verb's notes say about its first argument. */
export const MODEL_NOTE =
  'MODEL is a file of any format that is read, a folder that holds model.safetensors, or a URL.';

export const STATE: Options = {
  state: { value: 'FILE', help: 'Begin in the state saved in FILE' },
  'save-state': { value: 'FILE', help: 'Save the state at the end to FILE' },
};

/** By what a folder is a model: the native file, ml5's and TensorFlow.js's lists of files. */
const IN_FOLDER = ['model.safetensors', 'manifest.json', 'model.json'];

/** The file that MODEL means. */
export async function modelPath(argument: string): Promise<string> {
  const found = await stat(argument).catch(() => undefined);
  if (!found?.isDirectory()) return argument;
  const names = await readdir(argument);
  const name = IN_FOLDER.find((one) => names.includes(one));
  if (name !== undefined) return join(argument, name);
  throw new RivuletError('IO', 'The folder holds no model', {
    file: argument,
    expected: IN_FOLDER.join(', '),
    hint: 'A file of another name is to be named itself',
  });
}

/** What reading a file takes, while a progress line shows how far it has come. */
function reading<Result>(
  path: string,
  { stderr, signal }: Context,
  read: (options: { signal: AbortSignal; onProgress(progress: Read): void }) => Promise<Result>,
): Promise<Result> {
  return Progress.during(stderr, `Reading ${path}`, (progress) =>
    read({ signal, onProgress: ({ loaded, total }) => progress.update(loaded, total) }),
  );
}

/** The bytes of a file or URL, with progress. */
export async function readBytes(path: string, context: Context): Promise<Uint8Array> {
  return (await reading(path, context, (options) => readSource(path, options))).bytes;
}

/** Loads the model that the first argument means, with the kernels asked for. */
export async function openModel(args: Arguments, context: Context): Promise<Model> {
  const path = await modelPath(args.positionals[0]);
  const given = await modelOptions(args, context);
  return reading(path, context, (options) => loadModel(path, { ...options, ...given }));
}

/** What the options say of how a model is loaded. */
export async function modelOptions(args: Arguments, context: Context) {
  return { ...kernelsOf(args), ...heldOf(args), ...(await readerOptionsOf(args, (path) => readBytes(path, context))) };
}

/** A graph as its reader understood it, and the file that it is of. */
export interface OpenedGraph extends ReadGraph {
  file: string;
}

/** Reads the graph of the model that the first argument means. `onRefusal` as `readGraph` takes it. */
export async function openGraph(args: Arguments, context: Context, onRefusal?: OnRefusal): Promise<OpenedGraph> {
  const file = await modelPath(args.positionals[0]);
  const given = await readerOptionsOf(args, (path) => readBytes(path, context));
  const read = await reading(file, context, (options) => readGraph(file, { ...options, ...given, onRefusal }));
  return { ...read, file };
}

export function kernelsOf(args: Arguments): { kernels?: 'auto' | 'relaxed' | 'simd' | 'scalar' } {
  const kernels = args.choice('kernels', ['auto', 'relaxed', 'simd', 'scalar']);
  return kernels === undefined ? {} : { kernels };
}

/** What `--weights` and `--keep` say. */
function heldOf(args: Arguments): { weights?: HeldType; keep?: readonly string[] } {
  const weights = args.choice('weights', HELD_TYPES);
  const keep = args.list('keep');
  return { ...(weights && { weights }), ...(keep.length > 0 && { keep }) };
}

/** A stream in the state of `--state`, or a fresh one. */
export async function openStream(model: Model, args: Arguments, context: Context): Promise<Stream> {
  const stream = model.createStream();
  const path = args.text('state');
  if (path === undefined) return stream;
  const bytes = await readBytes(path, context);
  try {
    stream.restore(bytes);
  } catch (error) {
    throw error instanceof RivuletError ? error.inFile(path) : error;
  }
  return stream;
}

/** Does what `--save-state` asks. */
export async function saveState(stream: Stream, args: Arguments): Promise<void> {
  const path = args.text('save-state');
  if (path !== undefined) await writeFile(path, stream.save());
}
