import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadModel, type Model, type Stream } from '../index.js';
import { readSource } from '../io/source.js';
import { writeFile } from './files.js';
import type { Context } from './host.js';
import type { Arguments, Options } from './options.js';
import { Progress } from './progress.js';

/** What a verb's notes say about its first argument. */
export const MODEL_NOTE = 'MODEL is a .safetensors file, a folder that holds model.safetensors, or a URL.';

export const STATE: Options = {
  state: { value: 'FILE', help: 'Begin in the state saved in FILE' },
  'save-state': { value: 'FILE', help: 'Save the state at the end to FILE' },
};

/** The file that MODEL means. */
export async function modelPath(argument: string): Promise<string> {
  const found = await stat(argument).catch(() => undefined);
  return found?.isDirectory() ? join(argument, 'model.safetensors') : argument;
}

/** The bytes of a file or URL, with progress. */
export function readBytes(path: string, { stderr, signal }: Context): Promise<Uint8Array> {
  return Progress.during(stderr, `Reading ${path}`, async (progress) => {
    const { bytes } = await readSource(path, {
      signal,
      onProgress: ({ loaded, total }) => progress.update(loaded, total),
    });
    return bytes;
  });
}

/** Loads the model that the first argument means, with the kernels asked for. */
export async function openModel(args: Arguments, context: Context): Promise<Model> {
  const path = await modelPath(args.positionals[0]);
  return loadModel(await readBytes(path, context), { name: path, ...kernelsOf(args) });
}

export function kernelsOf(args: Arguments): { kernels?: 'auto' | 'relaxed' | 'simd' | 'scalar' } {
  const kernels = args.choice('kernels', ['auto', 'relaxed', 'simd', 'scalar']);
  return kernels === undefined ? {} : { kernels };
}

/** A stream in the state of `--state`, or a fresh one. */
export async function openStream(model: Model, args: Arguments, context: Context): Promise<Stream> {
  const stream = model.createStream();
  const path = args.text('state');
  if (path !== undefined) stream.restore(await readBytes(path, context));
  return stream;
}

/** Does what `--save-state` asks. */
export async function saveState(stream: Stream, args: Arguments): Promise<void> {
  const path = args.text('save-state');
  if (path !== undefined) await writeFile(path, stream.save());
}
