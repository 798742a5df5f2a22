import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { Plan, PlanCarried, Planned } from '../plan/plan.js';
import { Arena } from './arena.js';
import { Channel, checkFinite } from './channel.js';
import { fingerprintOf } from './hash.js';
import { BUILDS, type Build, instantiateKernels, type KernelExports, type KernelSet } from './kernels.js';
import { Program } from './program.js';
import { SlotPool } from './slots.js';
import { Staging } from './staging.js';
import type { Tracer } from './trace.js';

/** What a call does with NaN and infinities in its inputs. */
export type NonFinite = 'reject' | 'propagate';

/**
 * A plan in memory, ready to run: kernels, weights, activations, slots. It knows slots and rows; Model and Stream give
 * them their public face.
 */
export class Engine {
  readonly plan: Plan;
  readonly arena = new Arena();
  readonly build: Build;
  readonly program: Program;
  readonly pool: SlotPool;
  readonly inputs: Channel[];
  readonly outputs: Channel[];
  disposed = false;
  readonly kernels: KernelExports;
  /** Of the kernels: an object of so many properties is looked up by name at each step. */
  private readonly execute: KernelExports['execute'];
  readonly fingerprint: readonly [number, number];
  /** Made when a stream is first traced. */
  tracer: Tracer | undefined;
  private calls = 0;

  constructor(
    { plan, packers }: Planned,
    graph: Graph,
    private readonly nonFinite: NonFinite,
    modules: KernelSet,
  ) {
    this.plan = plan;
    this.kernels = instantiateKernels(modules, plan.modules, this.arena.memory);
    this.execute = this.kernels.execute;
    this.build = BUILDS[this.kernels.build()];
    this.arena.startAt(this.kernels.heapBase());
    const staging = new Staging(this.arena, this.kernels);
    staging.begin();
    this.fingerprint = fingerprintOf(graph, staging);
    staging.end();
    this.program = new Program(this.arena, plan, packers, staging, this.kernels.layOutBytes);
    this.pool = new SlotPool(this.arena, plan);
    this.inputs = plan.inputs.map((port) => new Channel(port));
    this.outputs = plan.outputs.map((port) => new Channel(port));
    this.bind();
  }

  /** For a call on what was disposed of. */
  gone(): RivuletError {
    return new RivuletError('DISPOSED', 'the model was disposed of', { hint: 'Load it again' });
  }

  /** A number that no earlier call had: marks the streams of one call, to see a stream given twice. */
  nextCall(): number {
    return ++this.calls;
  }

  /** Refuses single steps where the graph needs the future. */
  checkStreamable(): void {
    if (this.plan.wholeSequence === undefined) return;
    throw new RivuletError('NOT_STREAMABLE', 'this model needs whole sequences', {
      found: this.plan.wholeSequence,
      hint: 'Use model.run with shapes',
    });
  }

  /**
   * One step of one slot: the heart. The channels' data is attached; nothing is allocated. What is refused is refused
   * before the kernels run.
   */
  step(slot: number): void {
    const { arena, program, inputs, outputs } = this;
    for (let i = 0; i < inputs.length; i++) {
      const channel = inputs[i];
      if (channel.data.length !== channel.port.size) channel.checkLength(channel.data, channel.port.size, 'input');
      channel.checkTokens(channel.data);
      const finite = channel.writeStep(arena, this.kernels);
      if (!finite && this.nonFinite === 'reject') channel.checkFinite(channel.data);
    }
    arena.u32[program.slotList >>> 2] = slot;
    this.execute(program.address, program.calls, program.slotList, 1, 1);
    for (let i = 0; i < outputs.length; i++) outputs[i].readStep(arena);
  }

  /**
   * Checks all the input of a call of `rows` rows, `steps` steps of each stream, before the first of them, so that a refusal
   * leaves every state as it was.
   */
  checkInputs(rows: number, steps = rows): void {
    for (const channel of this.inputs) {
      if (!channel.inner) channel.checkLength(channel.data, rows * channel.port.size, 'input');
      channel.checkNumbers(channel.data);
      channel.checkTokens(channel.data, steps);
      if (this.nonFinite === 'reject') channel.checkFinite(channel.data);
    }
  }

  /** `steps` steps of n slots, in pieces of as many rows as activations are laid out for. Inputs are checked already. */
  advance(slots: ArrayLike<number>, n: number, steps: number): void {
    const { plan, program } = this;
    if (plan.wholeSequence !== undefined && steps > program.rows) {
      program.need(steps);
      this.bind();
    }
    const whole = plan.wholeSequence !== undefined;
    const most = whole ? Math.max(1, Math.floor(program.rows / steps)) : program.rows;
    for (let first = 0; first < n; first += most) {
      const count = Math.min(most, n - first);
      const { u32 } = this.arena;
      for (let s = 0; s < count; s++) u32[(program.slotList >>> 2) + s] = slots[first + s];
      const piece = whole ? steps : plan.singleSteps ? 1 : Math.max(1, Math.floor(program.rows / count));
      for (let step = 0; step < steps; step += piece) {
        this.runPiece(first, count, step, Math.min(piece, steps - step));
      }
    }
    for (const channel of [...this.inputs, ...this.outputs]) channel.detach();
  }

  private runPiece(first: number, count: number, step: number, steps: number): void {
    const { arena, program, inputs, outputs } = this;
    for (let i = 0; i < inputs.length; i++) inputs[i].writeRows(arena, first, count, step, steps);
    this.execute(program.address, program.calls, program.slotList, count, steps);
    for (let i = 0; i < outputs.length; i++) outputs[i].readRows(arena, first, count, step, steps);
  }

  /** A slot's states without padding, in the plan's order. */
  readState(slot: number): Float32Array {
    const { f32 } = this.arena;
    const { states } = this.plan;
    const state = new Float32Array(states.reduce((sum, { size }) => sum + size, 0));
    let at = 0;
    for (const { offset, size } of states) {
      state.set(f32.subarray((slot + offset) / 4, (slot + offset) / 4 + size), at);
      at += size;
    }
    return state;
  }

  writeState(slot: number, state: Float32Array): void {
    let at = 0;
    for (const { offset, size } of this.plan.states) {
      this.arena.f32.set(state.subarray(at, at + size), (slot + offset) / 4);
      at += size;
    }
  }

  /** Checks what an explicit state is to begin with. */
  checkState(name: string, data: ArrayLike<number>): void {
    if (this.nonFinite === 'reject') checkFinite(name, data);
  }

  /** The row of an explicit state, its parts one after the other. */
  readCarried(slot: number, { states }: PlanCarried): Float32Array {
    const parts = states.map((name) => this.rowOf(slot, name));
    const row = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      row.set(part, at);
      at += part.length;
    }
    return row;
  }

  writeCarried(slot: number, { states }: PlanCarried, valueAt: (i: number) => number): void {
    let at = 0;
    for (const name of states) {
      const row = this.rowOf(slot, name);
      for (let i = 0; i < row.length; i++) row[i] = valueAt(at++);
    }
  }

  private rowOf(slot: number, name: string): Float32Array {
    const { offset, size } = this.plan.states.find((state) => state.name === name)!;
    return this.arena.f32.subarray((slot + offset) / 4, (slot + offset) / 4 + size);
  }

  private bind(): void {
    for (const channel of [...this.inputs, ...this.outputs]) channel.bind(this.program);
  }
}
