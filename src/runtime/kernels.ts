import { RivuletError } from '../errors.js';
import { KERNEL_CODES, KERNEL_MODULES, type KernelModule } from '../ops/kernels.js';

/** The builds of the kernels, from the most portable to the fastest. */
export const BUILDS = ['scalar', 'simd', 'relaxed'] as const;

export type Build = (typeof BUILDS)[number];

/** What the core module exports besides one function per kernel; see assembly/index.ts. */
export interface KernelExports {
  /** Runs `calls` calls of the program at `program` for n streams, whose slots' addresses stand at `slots`, and `steps` steps. */
  execute(program: number, calls: number, slots: number, n: number, steps: number): void;
  /** 1 if `count` float32 at `address` are all finite. */
  finite(address: number, count: number): number;
  /** The first address that is the arena's. */
  heapBase(): number;
  build(): number;
  /** assembly/staging.ts */
  packRows(to: number, from: number, depth: number): void;
  mixWords(lanes: number, words: number, count: number): void;
  /** Whether one row's product takes three panels of weights at a time instead of two: the same bits, another speed. */
  useThreePanels(yes: number): void;
  /** Lays packed int8 out as this build reads them; of the quantized module. */
  layOutBytes?(address: number, bytes: number): void;
}

// The smallest modules that use a feature: one function that returns a v128 made by the feature's instruction.
const HEADER = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0];
const SPLAT = [0x41, 0, 0xfd, 0x11];
const PROBES: Record<Build, number[]> = {
  scalar: [0, 97, 115, 109, 1, 0, 0, 0],
  simd: [...HEADER, 10, 8, 1, 6, 0, ...SPLAT, 11],
  relaxed: [...HEADER, 10, 19, 1, 17, 0, ...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x85, 2, 11],
};

/**
 * Whether the engine's compiler keeps twelve accumulators in registers, which can't be asked: V8 does in Node 24, not in Node
 * 20 and 22, and Float16Array came between.
 */
const isYoung = () => 'Float16Array' in globalThis;

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
      expected: `auto, ${BUILDS.join(', ')}, a WebAssembly.Module or several`,
      found: String(choice),
    });
  }
  if (supports(choice)) return choice;
  throw new RivuletError('UNSUPPORTED_HOST', `this engine can't run the ${choice} kernels`, {
    hint: 'Load with',
    options: { kernels: 'auto' },
  });
}

/** Compiled modules of one build, by what they hold; every model needs the core. */
export type KernelSet = { readonly core: WebAssembly.Module } & Readonly<
  Partial<Record<KernelModule, WebAssembly.Module>>
>;

/** Each file is a JavaScript module of its own, so that a page downloads what it runs. */
const INLINED: Record<Build, Record<KernelModule, () => Promise<{ default: string }>>> = {
  scalar: {
    core: () => import('../../build/kernels/scalar.js'),
    tensor: () => import('../../build/kernels/scalar-tensor.js'),
    quantized: () => import('../../build/kernels/scalar-quantized.js'),
  },
  simd: {
    core: () => import('../../build/kernels/simd.js'),
    tensor: () => import('../../build/kernels/simd-tensor.js'),
    quantized: () => import('../../build/kernels/simd-quantized.js'),
  },
  relaxed: {
    core: () => import('../../build/kernels/relaxed.js'),
    tensor: () => import('../../build/kernels/relaxed-tensor.js'),
    quantized: () => import('../../build/kernels/relaxed-quantized.js'),
  },
};

/** The bits of the simd build's, and faster where the engine has relaxed instructions: assembly/quantized-dot.ts. */
const INLINED_DOT = () => import('../../build/kernels/simd-quantized-dot.js');

// Compiled code is immutable and shared by every model of a thread; it is all that is kept between models.
const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** Compiles one module of a build, once; `fastest`: by whatever instructions give the build's bits. */
export function compileKernels(
  build: Build,
  module: KernelModule = 'core',
  fastest = false,
): Promise<WebAssembly.Module> {
  const dot = fastest && build === 'simd' && module === 'quantized' && supports('relaxed');
  const key = `${build} ${module} ${dot}`;
  let made = compiled.get(key);
  if (!made) {
    made = (dot ? INLINED_DOT : INLINED[build][module])().then(({ default: base64 }) =>
      WebAssembly.compile(decode(base64)).catch((cause) => {
        throw new RivuletError('UNSUPPORTED_HOST', 'WebAssembly may not be compiled here', {
          found: String(cause),
          hint: "Allow 'wasm-unsafe-eval' in the page's Content-Security-Policy, or give compiled modules as `kernels`",
          cause,
        });
      }),
    );
    compiled.set(key, made);
    made.catch(() => compiled.delete(key));
  }
  return made;
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  // Node's way is a loop less in JavaScript that runs for the first time.
  if (typeof Buffer !== 'undefined') return Buffer.from(base64, 'base64');
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** What compiled modules are, told by the kernels that they export. */
export function sortKernels(modules: readonly WebAssembly.Module[]): KernelSet {
  const set: Partial<Record<KernelModule, WebAssembly.Module>> = {};
  for (const module of modules) {
    const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
    const names = Object.keys(KERNEL_MODULES) as KernelModule[];
    const name = names.find((one) => KERNEL_MODULES[one].every((kernel) => exported.has(kernel)));
    if (!name) throw notKernels(undefined);
    set[name] = module;
  }
  const { core } = set;
  if (!core) throw notKernels(undefined);
  return { ...set, core };
}

/**
 * The kernels of the modules `needed` over a memory of the caller's, all in one table.
 */
export function instantiateKernels(
  modules: KernelSet,
  needed: readonly KernelModule[],
  memory: WebAssembly.Memory,
): KernelExports {
  const missing = needed.filter((name) => !modules[name]);
  if (missing.length > 0) {
    throw new RivuletError('INVALID_OPTION', 'this model needs more kernels than are given', {
      expected: needed.join(', '),
      found: Object.keys(modules).join(', '),
      hint: `Give kernels as a list, with rivulet/kernels/simd-${missing[0]}.wasm in it`,
    });
  }
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: KERNEL_CODES.size + 1 });
  try {
    const made = needed.map((name) => {
      const { exports } = new WebAssembly.Instance(modules[name]!, { env: { memory, table } });
      for (const kernel of KERNEL_MODULES[name]) table.set(KERNEL_CODES.get(kernel)!, exports[kernel]);
      return exports as unknown as KernelExports;
    });
    const [core] = made;
    core.useThreePanels(Number(isYoung()));
    const build = core.build();
    if (build in BUILDS && made.every((one) => one.build() === build)) {
      const heapBase = Math.max(...made.map((one) => one.heapBase()));
      return Object.assign({}, ...made.reverse(), { heapBase: () => heapBase });
    }
  } catch (cause) {
    throw notKernels(cause);
  }
  throw notKernels(undefined);
}

function notKernels(cause: unknown): RivuletError {
  return new RivuletError('INVALID_OPTION', 'what is given as kernels is not of one build of this version of Rivulet', {
    hint: 'Compile rivulet/kernels/simd.wasm of the installed package, and simd-tensor.wasm where the model needs it',
    cause,
  });
}
