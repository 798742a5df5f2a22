import { instantiateSync } from '@assemblyscript/loader';
import { RivuletError } from '../errors.js';

/** The builds of the kernels, from the most portable to the fastest. */
export const BUILDS = ['scalar', 'simd', 'relaxed'] as const;

export type Build = (typeof BUILDS)[number];

/** What a build exports besides one function per kernel; see assembly/index.ts. */
export interface KernelExports {
  /** Runs `calls` calls of the program at `program` for n streams, whose slots' addresses stand at `slots`, and `steps` steps. */
  execute(program: number, calls: number, slots: number, n: number, steps: number): void;
  /** 1 if `count` float32 at `address` are all finite. */
  finite(address: number, count: number): number;
  heapBase(): number;
  build(): number;
}

// The smallest modules that use a feature: one function that returns a v128 made by the feature's instruction.
const HEADER = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0];
const SPLAT = [0x41, 0, 0xfd, 0x11];
const PROBES: Record<Build, number[]> = {
  scalar: [0, 97, 115, 109, 1, 0, 0, 0],
  simd: [...HEADER, 10, 8, 1, 6, 0, ...SPLAT, 11],
  relaxed: [...HEADER, 10, 19, 1, 17, 0, ...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x85, 2, 11],
};

/** Whether this engine runs a build. */
export function supports(build: Build): boolean {
  return WebAssembly.validate(new Uint8Array(PROBES[build]));
}

/**
 * The build for a choice. `auto` is the fastest that gives the same bits on every engine: `simd`, or `scalar` where the
 * engine has no SIMD. `relaxed` rounds as the engine likes and is only taken when asked for.
 */
export function chooseBuild(choice: 'auto' | Build): Build {
  if (choice === 'auto') return supports('simd') ? 'simd' : 'scalar';
  if (!BUILDS.includes(choice)) {
    throw new RivuletError('INVALID_OPTION', 'kernels', {
      expected: `auto, ${BUILDS.join(', ')} or a WebAssembly.Module`,
      found: String(choice),
    });
  }
  if (supports(choice)) return choice;
  throw new RivuletError('UNSUPPORTED_HOST', `this engine can't run the ${choice} kernels`, {
    hint: "Load with kernels: 'auto'",
  });
}

// Compiled code is immutable and shared by every model of a thread; it is all that is kept between models.
const compiled = new Map<Build, Promise<WebAssembly.Module>>();

/** Compiles a build, once. */
export function compileKernels(build: Build): Promise<WebAssembly.Module> {
  let module = compiled.get(build);
  if (!module) {
    module = inlined(build).then(async ({ default: base64 }) => WebAssembly.compile(decode(base64)));
    compiled.set(build, module);
    module.catch(() => compiled.delete(build));
  }
  return module;
}

/** Each build is a module of its own, so that a page downloads the one it runs. */
function inlined(build: Build): Promise<{ default: string }> {
  if (build === 'simd') return import('../../build/kernels/simd.js');
  if (build === 'relaxed') return import('../../build/kernels/relaxed.js');
  return import('../../build/kernels/scalar.js');
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Kernels over a memory of the caller's. The loader's own exports allocate at each call; these are the engine's. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  try {
    const exports = instantiateSync(module, { env: { memory } }).instance.exports as unknown as KernelExports;
    if (exports.build() in BUILDS) return exports;
  } catch (cause) {
    throw notKernels(cause);
  }
  throw notKernels(undefined);
}

function notKernels(cause: unknown): RivuletError {
  return new RivuletError('INVALID_OPTION', 'the module given as kernels is not one of this version of Rivulet', {
    hint: 'Compile rivulet/kernels/simd.wasm of the installed package',
    cause,
  });
}
