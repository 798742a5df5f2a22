import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ReadModel, readModel } from '../formats/registry.js';
import { loadModel, type Model, type Stream } from '../index.js';
import { readSource } from '../io/source.js';
import { writeFile } from './files.js';
import type { Context } from './host.js';
import type { Arguments, Options } from './options.js';
import { Progress } from './progress.js';
import { decodeText } from './series.js';

/** What a verb's notes say about its first argument. */
export const MODEL_NOTE =
  'MODEL is a file of any format that is read, a folder that holds model.safetensors, or a URL.';

export const ARCHITECTURE: Options = {
  architecture: { value: 'FILE', help: 'JSON that says how the layers of a PyTorch state dict follow each other' },
};

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
  const options = { name: path, ...kernelsOf(args), ...(await architectureOf(args, context)) };
  return loadModel(await readBytes(path, context), options);
}

/** Reads the graph of the model that the first argument means. */
export async function openGraph(
  args: Arguments,
  context: Context,
): Promise<ReadModel & { file: string; size: number }> {
  const file = await modelPath(args.positionals[0]);
  const content = await readBytes(file, context);
  const read = await readModel(content, file, await architectureOf(args, context));
  return { ...read, file, size: content.length };
}

async function architectureOf(args: Arguments, context: Context): Promise<{ architecture?: string }> {
  const path = args.text('architecture');
  return path === undefined ? {} : { architecture: decodeText(await readBytes(path, context), path) };
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
