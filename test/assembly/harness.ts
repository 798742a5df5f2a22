import { readFileSync } from 'node:fs';
import { instantiateSync } from '@assemblyscript/loader';
import type { Graph } from '../../src/graph/graph.js';
import { ACTIVATIONS } from '../../src/ops/activations.js';
import { ALL_OPERATORS } from '../../src/ops/all.js';
import { KERNEL_CODES, KERNEL_MODULES, type KernelModule, type KernelName } from '../../src/ops/kernels.js';
import type { Argument, ReferenceTensor } from '../../src/ops/operator.js';
import { evaluateReference } from '../../src/ops/references.js';
import { makePlan, type Plan } from '../../src/plan/plan.js';
import { BUILDS, type Build, type KernelSet, supports } from '../../src/runtime/kernels.js';
import { numbers } from '../support/graphs.js';
import { TOLERANCES } from '../support/tolerances.js';

export const builds: Build[] = BUILDS.filter(supports);
for (const build of BUILDS) if (!supports(build)) console.log(`kernels: this engine has no ${build} build; left out`);

/** Every wasm file: the release builds and the asserting ones. */
export type KernelFile = Build | `debug-${Build}` | typeof DOT | typeof FOUR_AT_ONCE;

/** The simd build with the quantized module for engines that have relaxed instructions. */
export const DOT = 'simd, quantized-dot';
/** The same, adding up four products by one instruction, whether the engine has it or makes it of others. */
export const FOUR_AT_ONCE = 'simd, quantized-dot, four at once';

export type Word = number | { float: number };

type Kernel = (args: number, slots: number, n: number, steps: number) => void;

type Exports = Record<KernelName, Kernel> & {
  execute(program: number, calls: number, slots: number, n: number, steps: number): void;
  finite(address: number, count: number): number;
  layOutBytes(address: number, bytes: number): void;
  heapBase(): number;
  build(): number;
  useThreePanels(yes: number): void;
  useFourAtOnce(yes: number): void;
};

const compiled = new Map<string, WebAssembly.Module>();

function compile(file: KernelFile, module: KernelModule): WebAssembly.Module {
  const [build, variant] = file.split(', ');
  const name = module === 'core' ? build : `${build}-${variant?.startsWith(module) ? variant : module}`;
  let made = compiled.get(name);
  if (!made) {
    made = new WebAssembly.Module(readFileSync(new URL(`../../build/kernels/${name}.wasm`, import.meta.url)));
    compiled.set(name, made);
  }
  return made;
}

/** Compiled kernels of a build, all modules. */
export function kernelSet(file: KernelFile): KernelSet {
  const names = Object.keys(KERNEL_MODULES) as KernelModule[];
  return { core: compile(file, 'core'), ...Object.fromEntries(names.map((name) => [name, compile(file, name)])) };
}

const SENTINEL = 0x5ad5ad5a;
/** Bytes of sentinel between two buffers: more than a whole panel. */
const GUARD = 128;

export interface GuardedBuffer {
  name: string;
  address: number;
  f32: Float32Array;
  u32: Uint32Array;
}

/** Kernels over a memory in which every buffer lies between guards, so that a write outside of one is seen. */
export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  readonly exports: Exports;
  private end: number;
  private readonly buffers: (GuardedBuffer & { constant?: Uint32Array })[] = [];

  constructor(file: KernelFile, bytes = 1 << 20) {
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) + 1 });
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: KERNEL_CODES.size + 1 });
    const all = Object.entries(kernelSet(file)).map(([name, module]) => {
      // The loader says what a kernel of an asserting build aborted for, and where.
      const { exports } = instantiateSync(module, { env: { memory: this.memory, table } }).instance;
      for (const kernel of KERNEL_MODULES[name as KernelModule]) {
        table.set(KERNEL_CODES.get(kernel)!, exports[kernel]);
      }
      return exports as unknown as Exports;
    });
    this.exports = Object.assign({}, ...all.reverse());
    if (file === DOT || file === FOUR_AT_ONCE) this.exports.useFourAtOnce(Number(file === FOUR_AT_ONCE));
    const base = Math.ceil(Math.max(...all.map(({ heapBase }) => heapBase())) / 64) * 64;
    new Uint32Array(this.memory.buffer, base).fill(SENTINEL);
    this.end = base;
  }

  /** `bytes` at a multiple of 64, holding sentinels: what a kernel reads without having been given it shows. */
  buffer(name: string, bytes: number): GuardedBuffer {
    const address = Math.ceil((this.end + GUARD) / 64) * 64;
    this.end = address + Math.ceil(bytes / 4) * 4;
    if (this.end + GUARD > this.memory.buffer.byteLength) throw new Error(`${name}: the test memory is full`);
    const { buffer } = this.memory;
    const made = {
      name,
      address,
      f32: new Float32Array(buffer, address, Math.ceil(bytes / 4)),
      u32: new Uint32Array(buffer, address, Math.ceil(bytes / 4)),
    };
    this.buffers.push(made);
    return made;
  }

  /** A buffer that no kernel may write to. */
  constant(name: string, words: readonly Word[] | Float32Array, layOut?: (address: number) => void): GuardedBuffer {
    const made = this.buffer(name, words.length * 4);
    if (words instanceof Float32Array) made.f32.set(words);
    else {
      for (const [i, word] of words.entries()) {
        if (typeof word === 'number') made.u32[i] = word;
        else made.f32[i] = word.float;
      }
    }
    layOut?.(made.address);
    (this.buffers.at(-1) as { constant?: Uint32Array }).constant = made.u32.slice();
    return made;
  }

  /** Names of the buffers around which, or of the constants in which, something was written. */
  violations(): string[] {
    const all = new Uint32Array(this.memory.buffer);
    const found: string[] = [];
    for (const { name, address, u32, constant } of this.buffers) {
      const before = all.subarray((address - GUARD) / 4, address / 4);
      const after = all.subarray(address / 4 + u32.length, address / 4 + u32.length + GUARD / 4);
      // The gap up to the next buffer is at least a guard long.
      if (before.some((word) => word !== SENTINEL)) found.push(`before ${name}`);
      if (after.some((word) => word !== SENTINEL)) found.push(`after ${name}`);
      if (constant?.some((word, i) => word !== u32[i])) found.push(`in ${name}`);
    }
    return found;
  }
}

/**
 * A plan's calls over guarded memory, without the runtime: each value, weight, state and the scratch in a buffer of its
 * own, of exactly the bytes that the plan gives it.
 */
export class PlannedKernels {
  readonly memory: KernelMemory;
  readonly slots: GuardedBuffer[];
  private readonly values: Map<string, GuardedBuffer>;
  private readonly arguments: GuardedBuffer[];
  private readonly slotList: GuardedBuffer;
  readonly scratch: GuardedBuffer;
  private readonly plan: Plan;

  constructor(file: KernelFile, graph: Graph, rows: number, streams: number) {
    const { plan, packers } = makePlan(graph, ALL_OPERATORS);
    this.plan = plan;
    const { scratch } = plan;
    const scratchBytes = (scratch.perRow + scratch.perStream) * rows + scratch.fixed;
    const total = plan.weightBytes + plan.rowBytes * rows + scratchBytes + (plan.slotBytes + 1024) * streams;
    this.memory = new KernelMemory(file, 2 * total + (1 << 18));
    const weights = new Map<string, number>();
    for (const { label, count, bytes } of plan.weights) {
      const packed = new Float32Array(count);
      packers.get(label)!(packed);
      const layOut = bytes ? (at: number) => this.memory.exports.layOutBytes(at, count * 4) : undefined;
      weights.set(label, this.memory.constant(label, packed, layOut).address);
    }
    this.values = new Map(plan.values.map(({ name, stride }) => [name, this.memory.buffer(name, stride * rows)]));
    this.slots = Array.from({ length: streams }, (_, s) => this.memory.buffer(`slot ${s}`, plan.slotBytes));
    this.slotList = this.memory.buffer('slot list', rows * 4);
    this.scratch = this.memory.buffer('scratch', scratchBytes);
    const states = new Map(plan.states.map(({ name, offset }) => [name, offset]));
    const strides = new Map(plan.values.map(({ name, stride }) => [name, stride]));
    const resolve = (word: Argument): Word => {
      if (typeof word === 'number' || 'float' in word) return word;
      if ('value' in word) return this.values.get(word.value)!.address + (word.offset ?? 0);
      if ('strideOf' in word) return strides.get(word.strideOf)!;
      if ('weights' in word) return weights.get(word.weights)!;
      if ('state' in word) return states.get(word.state)!;
      return this.scratch.address;
    };
    for (const { label, words } of plan.records) {
      weights.set(label, this.memory.constant(label, words.map(resolve)).address);
    }
    this.arguments = plan.calls.map((call) =>
      this.memory.constant(`arguments of ${call.node}`, Object.values(call.arguments).map(resolve)),
    );
    this.reset();
  }

  reset(): void {
    for (const slot of this.slots) slot.f32.fill(0);
    for (const [s, slot] of this.slots.entries()) {
      for (const { offset, initial } of this.plan.states) if (initial) this.slots[s].f32.set(initial, offset / 4);
      void slot;
    }
  }

  /** States of a slot, without padding. */
  state(stream: number): number[] {
    return this.plan.states.flatMap(({ offset, size }) => [
      ...this.slots[stream].f32.subarray(offset / 4, offset / 4 + size),
    ]);
  }

  /**
   * `steps` steps of the streams listed. `inputs` and the result hold rows time-major, [steps][streams][size]. With
   * `whole` the list of calls is run by `execute` instead of one by one.
   */
  run(
    inputs: Record<string, ArrayLike<number>>,
    streams: readonly number[],
    steps: number,
    whole = false,
  ): Record<string, Float32Array> {
    const { plan, memory } = this;
    const n = streams.length;
    const rows = n * steps;
    for (const { name, value, size, type } of plan.inputs) {
      const { stride } = plan.values.find((one) => one.name === value)!;
      const { f32, u32 } = this.values.get(value)!;
      const target = type === 'float32' ? f32 : u32;
      for (let i = 0; i < rows * size; i++) target[(Math.floor(i / size) * stride) / 4 + (i % size)] = inputs[name][i];
    }
    for (const [s, stream] of streams.entries()) this.slotList.u32[s] = this.slots[stream].address;
    if (whole) {
      const words = plan.calls.flatMap(({ kernel }, i) => [KERNEL_CODES.get(kernel)!, this.arguments[i].address]);
      memory.exports.execute(
        memory.constant('program', words).address,
        plan.calls.length,
        this.slotList.address,
        n,
        steps,
      );
    } else {
      for (const [i, { kernel }] of plan.calls.entries()) {
        memory.exports[kernel](this.arguments[i].address, this.slotList.address, n, steps);
      }
    }
    return Object.fromEntries(
      plan.outputs.map(({ name, value, size }) => {
        const { stride } = plan.values.find((one) => one.name === value)!;
        const { f32 } = this.values.get(value)!;
        return [
          name,
          Float32Array.from({ length: rows * size }, (_, i) => f32[(Math.floor(i / size) * stride) / 4 + (i % size)]),
        ];
      }),
    );
  }
}

/**
 * Runs a graph of one row at a time, y out, in every build and for several streams and steps, and says what is wrong with
 * the first of them: a number that float64 does not give, a write outside of an output, a bit that differs between builds.
 * `flat`: values are [N, ...], not [T, N, ...].
 */
export function mistakeInRows(
  graph: Graph,
  inputs: Record<string, { width: number; shape: number[] }>,
  scale = 4,
  { specials = true, tolerance = TOLERANCES.row as number, flat = false } = {},
): string | undefined {
  for (const [n, steps] of [
    [1, 1],
    [1, 3],
    [3, 1],
    [2, 2],
  ]) {
    for (const special of specials ? [false, true] : [false]) {
      const data = Object.entries(inputs).map(([name, { width }], i): [string, Float32Array] => {
        const plain = numbers(n * steps * width, width + n + i).map((one) => one * scale);
        return [name, special ? withSpecials(plain, width + i) : plain];
      });
      const whole = data.map(([name, x]): [string, ReferenceTensor] => [
        name,
        { shape: [...(flat ? [steps * n] : [steps, n]), ...inputs[name].shape], data: Float64Array.from(x) },
      ]);
      const { y } = evaluateReference(graph, Object.fromEntries(whole));
      let first: Float32Array | undefined;
      for (const build of [...builds, 'debug-scalar', 'debug-simd'] as const) {
        const kernels = new PlannedKernels(build, graph, n * steps, n);
        const streams = Array.from({ length: n }, (_, s) => s);
        const found = kernels.run(Object.fromEntries(data), streams, steps, n === 2).y;
        const where = `${build}, ${n} streams, ${steps} steps${special ? ', special numbers' : ''}`;
        const mistake = firstMistake(found, y.data, tolerance) ?? kernels.memory.violations()[0];
        if (mistake) return `${where}: ${mistake}`;
        if (build === 'relaxed') continue;
        const difference = firstDifference(found, (first ??= found));
        if (difference) return `${where}: ${difference}, in another build`;
      }
    }
  }
  return undefined;
}

/** One element-wise function over an array, padded to whole vectors. */
export function applyActivation(
  memory: KernelMemory,
  name: string,
  x: Float32Array,
  alpha = ACTIVATIONS[name].alpha ?? 0,
  beta = ACTIVATIONS[name].beta ?? 0,
): Float32Array {
  const bytes = Math.ceil(x.length / 4) * 16;
  const from = memory.buffer('x', bytes);
  from.f32.fill(0);
  from.f32.set(x);
  const to = memory.buffer('y', bytes);
  const args = memory.constant('arguments', [
    from.address,
    bytes,
    to.address,
    bytes,
    bytes,
    ACTIVATIONS[name].code,
    { float: alpha },
    { float: beta },
  ]);
  memory.exports.activation(args.address, 0, 1, 1);
  return to.f32.slice(0, x.length);
}

/**
 * Where `found` is not what float64 says within a tolerance relative to the expected number, or to 1 where that is
 * smaller: the first such place, or undefined. NaN and infinities must stand where float64, rounded, has them.
 */
export function firstMistake(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): string | undefined {
  if (found.length !== expected.length) return `${found.length} numbers instead of ${expected.length}`;
  for (let i = 0; i < found.length; i++) {
    const wanted = Math.fround(expected[i]);
    if (Object.is(found[i], wanted) || found[i] === wanted) continue;
    if (Number.isFinite(wanted) && Math.abs(found[i] - expected[i]) <= tolerance * Math.max(1, Math.abs(expected[i])))
      continue;
    return `${found[i]} instead of ${expected[i]} at ${i}`;
  }
  return undefined;
}

/** Where two arrays differ in a bit (NaN alike whatever their payload): the first such place, or undefined. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): string | undefined {
  if (a.length !== b.length) return `${a.length} numbers and ${b.length}`;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return `${a[i]} and ${b[i]} at ${i}`;
  return undefined;
}

/** What arithmetic is easily wrong about. */
export const SPECIALS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  0,
  1e-40,
  -1e-40,
  1.401298464324817e-45,
  1.17549435e-38,
];

/** The numbers with specials at every seventh place, from `first` on. */
export function withSpecials(x: Float32Array, first = 0): Float32Array {
  return x.map((value, i) => ((i + first) % 7 === 3 ? SPECIALS[(((i + first) / 7) % SPECIALS.length) | 0] : value));
}
