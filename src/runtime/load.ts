import { RivuletError } from '../errors.js';
import type { KerasArchitecture } from '../formats/keras/architecture.js';
import type { OnnxOptions } from '../formats/onnx/options.js';
import type { Architecture } from '../formats/pytorch/architecture.js';
import { readModel, readModelSync } from '../formats/registry.js';
import type { Graph } from '../graph/graph.js';
import type { Files } from '../io/neighbours.js';
import { type Progress, readSource, type Source } from '../io/source.js';
import type { Operators } from '../ops/operator.js';
import { checkOptions } from '../options.js';
import { makePlan, type Planned } from '../plan/plan.js';
import type { HeldType } from '../plan/quantize.js';
import type { NonFinite } from './engine.js';
import { type Build, chooseBuild, compileKernels, type KernelSet, sortKernels } from './kernels.js';
import { Model } from './model.js';

export interface LoadOptions extends OnnxOptions {
  /**
   * Which build of the kernels: `auto` (the default) is the fastest that gives the same bits everywhere; or compiled
   * modules of one, for hosts that forbid compiling at run time: `simd.wasm`, or a list with `simd-tensor.wasm` too
   * where the model needs what it holds.
   */
  kernels?: 'auto' | Build | WebAssembly.Module | readonly WebAssembly.Module[];
  /**
   * What to do with NaN and infinities in inputs: `reject` (the default) throws `NON_FINITE_INPUT` and leaves the state
   * alone; `propagate` lets them through, and into the state.
   */
  nonFinite?: NonFinite;
  /**
   * In what the weights of cells, linear layers and embeddings are held: `float32`, `bfloat16` (half the bytes) or `int8` (a
   * quarter; and faster). By default as the file has them, but for the sixteen-bit types, which are widened.
   */
  weights?: HeldType;
  /** Names of nodes whose weights stay float32, whatever `weights` says. */
  keep?: readonly string[];
  /** What a graph may name; by default the core's operators, and all others once it names one. See `loadOperators`. */
  operators?: Operators;
  /**
   * What weights alone leave open: an object, or its JSON. For a PyTorch state dict an `Architecture` (activations, the
   * order of layers), for weights of Keras what `model.to_json()` gives.
   */
  architecture?: Architecture | KerasArchitecture | string;
  /** The sequences that the model will be given hold no padding: the masks of a Keras model may be left out. */
  unpadded?: boolean;
  /**
   * The other files of a model that is in several, by the names that the first calls them. Beside a path or URL they are
   * found without.
   */
  files?: Files;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
  /** The file's name for errors, where the source has none. */
  name?: string;
}

const SYNC_OPTIONS = ['kernels', 'nonFinite', 'operators', 'name'] as const satisfies (keyof LoadOptions)[];
const OPTIONS: readonly (keyof LoadOptions)[] = [
  ...SYNC_OPTIONS,
  ...(['weights', 'keep', 'architecture', 'unpadded', 'files', 'onProgress', 'signal'] as const),
  ...(['constants', 'shapes', 'states'] as const),
];

/**
 * Loads a model from a path (Node), a URL, a `Response`, a `Blob` or bytes. The format is told from the bytes.
 * @throws RivuletError naming the file, and the tensor or node in it, that can't be loaded faithfully.
 */
export async function loadModel(source: Source, options: LoadOptions = {}): Promise<Model> {
  checkOptions(options, OPTIONS);
  const kernels = kernelsOf(options);
  const build = typeof kernels === 'string' ? chooseBuild(kernels) : undefined;
  const nonFinite = checkNonFinite(options);
  // The core's kernels are compiled while the file arrives, is read and planned. Both promises are awaited from the start: one
  // that was rejected while nobody awaits it would end the process.
  const [{ graph, planned, file }, given] = await Promise.all([
    readAndPlan(source, options),
    build ? compileKernels(build).then((core): KernelSet => ({ core })) : (kernels as KernelSet),
  ]);
  try {
    const others = build ? planned.plan.modules.slice(1) : [];
    const compiled = await Promise.all(
      others.map(async (module) => [module, await compileKernels(build!, module, kernels === 'auto')]),
    );
    return new Model(graph, planned, { ...given, ...Object.fromEntries(compiled) }, nonFinite);
  } catch (error) {
    throw named(error, file);
  }
}

/** A source's graph, its plan, and its name for errors. */
async function readAndPlan(
  source: Source,
  options: LoadOptions,
): Promise<{ graph: Graph; planned: Planned; file: string | undefined }> {
  const { onProgress, signal } = options;
  const { bytes, name, location } = await readSource(source, {
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  const file = name ?? options.name;
  const read = await readModel(bytes, file, options, location);
  try {
    const graph = await held(read.graph, options);
    const operators = options.operators ?? (options.weights && (await loadOperators()));
    return { graph, planned: await planWith(graph, operators), file };
  } catch (error) {
    throw named(error, file);
  }
}

/**
 * The same at once, from the bytes of a native file and compiled kernels: for an AudioWorklet, which can't wait. A graph
 * that names more than the core's operators needs them given: `operators: await loadOperators()`, and the module
 * `simd-tensor.wasm` beside `simd.wasm`.
 */
export function loadModelSync(
  bytes: ArrayBuffer | ArrayBufferView,
  options: LoadOptions & { kernels: WebAssembly.Module | readonly WebAssembly.Module[] },
): Model {
  const kernels = kernelsOf(options ?? {});
  if (typeof kernels === 'string') {
    throw new RivuletError('INVALID_OPTION', 'kernels', {
      expected: 'a WebAssembly.Module, or several',
      found: String(options?.kernels),
      hint: 'Compile rivulet/kernels/simd.wasm beforehand and pass the module',
    });
  }
  if (options.weights !== undefined) {
    throw new RivuletError('INVALID_OPTION', 'weights', {
      expected: 'nothing: loadModelSync holds them as the file has them',
      found: options.weights,
      hint: 'Store them so: rivulet convert --weights int8',
    });
  }
  checkOptions(options, SYNC_OPTIONS);
  const nonFinite = checkNonFinite(options);
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  const graph = readModelSync(view, options.name);
  try {
    return new Model(graph, makePlan(graph, options.operators), kernels, nonFinite);
  } catch (error) {
    const limited = error instanceof RivuletError && error.code.startsWith('UNSUPPORTED_') && !options.operators;
    const hint = 'More operators: give `operators: await loadOperators()`, or use `loadModel`';
    throw named(limited ? error.with({ hint: error.hint ? `${error.hint}. ${hint}` : hint }) : error, options.name);
  }
}

/** The graph with its weights as the options want them held. */
async function held(graph: Graph, { weights, keep = [] }: LoadOptions): Promise<Graph> {
  if (weights === undefined && keep.length === 0) return graph;
  const { HELD_TYPES, holdWeights } = await import('../plan/quantize.js');
  if (weights && HELD_TYPES.includes(weights)) return holdWeights(graph, weights, keep);
  throw new RivuletError('INVALID_OPTION', 'weights', { expected: HELD_TYPES.join(', '), found: String(weights) });
}

/** Every operator that runs, for `loadModelSync`; `loadModel` loads them by itself. */
export async function loadOperators(): Promise<Operators> {
  return (await import('../ops/all.js')).ALL_OPERATORS;
}

/** Plans with the core's operators, or, where they do not do, with all. */
async function planWith(graph: Graph, operators: Operators | undefined): Promise<Planned> {
  try {
    return makePlan(graph, operators);
  } catch (error) {
    if (operators || !(error instanceof RivuletError)) throw error;
    return makePlan(graph, await loadOperators());
  }
}

/** The option `kernels`: a build to choose, or the modules given, sorted. */
function kernelsOf({ kernels = 'auto' }: LoadOptions): 'auto' | Build | KernelSet {
  if (kernels instanceof WebAssembly.Module) return sortKernels([kernels]);
  if (typeof kernels === 'string') return kernels;
  if (Array.isArray(kernels) && kernels.every((one) => one instanceof WebAssembly.Module)) return sortKernels(kernels);
  return String(kernels) as Build;
}

function checkNonFinite({ nonFinite = 'reject' }: LoadOptions): NonFinite {
  if (nonFinite === 'reject' || nonFinite === 'propagate') return nonFinite;
  throw new RivuletError('INVALID_OPTION', 'nonFinite', { expected: 'reject or propagate', found: String(nonFinite) });
}

const named = (error: unknown, file: string | undefined): unknown =>
  error instanceof RivuletError && error.file === undefined ? error.inFile(file) : error;
