import { RivuletError } from '../errors.js';
import type { Architecture } from '../formats/pytorch/architecture.js';
import { readModel, readModelSync } from '../formats/registry.js';
import type { Graph } from '../graph/graph.js';
import { type Progress, readSource, type Source } from '../io/source.js';
import type { NonFinite } from './engine.js';
import { type Build, chooseBuild, compileKernels } from './kernels.js';
import { Model } from './model.js';

export interface LoadOptions {
  /**
   * Which build of the kernels: `auto` (the default) is the fastest that gives the same bits everywhere; or a compiled
   * module of one, for hosts that forbid compiling at run time.
   */
  kernels?: 'auto' | Build | WebAssembly.Module;
  /**
   * What to do with NaN and infinities in inputs: `reject` (the default) throws `NON_FINITE_INPUT` and leaves the state
   * alone; `propagate` lets them through, and into the state.
   */
  nonFinite?: NonFinite;
  /** What a PyTorch state dict leaves open (activations, the order of layers): an object, or its JSON. */
  architecture?: Architecture | string;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
  /** The file's name for errors, where the source has none. */
  name?: string;
}

/**
 * Loads a model from a path (Node), a URL, a `Response`, a `Blob` or bytes. The format is told from the bytes.
 * @throws RivuletError naming the file, and the tensor or node in it, that can't be loaded faithfully.
 */
export async function loadModel(source: Source, options: LoadOptions = {}): Promise<Model> {
  const { kernels = 'auto' } = options;
  const nonFinite = checkNonFinite(options);
  const { onProgress, signal } = options;
  // The kernels compile while the file arrives.
  const [{ bytes, name }, module] = await Promise.all([
    readSource(source, { ...(onProgress && { onProgress }), ...(signal && { signal }) }),
    kernels instanceof WebAssembly.Module ? kernels : compileKernels(chooseBuild(kernels)),
  ]);
  const file = name ?? options.name;
  const { graph } = await readModel(bytes, file, options);
  return makeModel(graph, file, module, nonFinite);
}

/** The same at once, from the bytes of a native file and compiled kernels: for an AudioWorklet, which can't wait. */
export function loadModelSync(
  bytes: ArrayBuffer | ArrayBufferView,
  options: LoadOptions & { kernels: WebAssembly.Module },
): Model {
  if (!(options?.kernels instanceof WebAssembly.Module)) {
    throw new RivuletError('INVALID_OPTION', 'kernels', {
      expected: 'a WebAssembly.Module',
      found: String(options?.kernels),
      hint: 'Compile rivulet/kernels/simd.wasm beforehand and pass the module',
    });
  }
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  const graph = readModelSync(view, options.name);
  return makeModel(graph, options.name, options.kernels, checkNonFinite(options));
}

function checkNonFinite({ nonFinite = 'reject' }: LoadOptions): NonFinite {
  if (nonFinite === 'reject' || nonFinite === 'propagate') return nonFinite;
  throw new RivuletError('INVALID_OPTION', 'nonFinite', { expected: 'reject or propagate', found: String(nonFinite) });
}

function makeModel(graph: Graph, file: string | undefined, module: WebAssembly.Module, nonFinite: NonFinite): Model {
  try {
    return new Model(graph, module, nonFinite);
  } catch (error) {
    throw error instanceof RivuletError && error.file === undefined ? error.inFile(file) : error;
  }
}
