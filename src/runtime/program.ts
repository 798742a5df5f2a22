import { KERNEL_CODES } from '../ops/kernels.js';
import type { Argument } from '../ops/operator.js';
import type { Packers, Plan } from '../plan/plan.js';
import type { Arena } from './arena.js';
import type { Staging } from './staging.js';

/** Rows that a layout is made for when nothing asks for more: enough to read each weight once for many rows. */
const ROWS = 64;
/** Bytes of activations that a layout takes at most by itself; wide models get fewer rows. */
const ACTIVATION_BYTES = 1 << 20;
const LEAST_ROWS = 8;

/**
 * A plan with every address filled in: the weights packed, the argument words and the list of calls written into the
 * arena. Activations are laid out for `rows` rows; asking for more lays them out anew.
 */
export class Program {
  /** Address of the list of calls, [calls][kernel code, address of its argument words]. */
  readonly address: number;
  /** Address of the list of slots that `execute` works on, `rows` long. */
  slotList = 0;
  rows = 0;
  private readonly weightsAt: number;
  private readonly recordsAt = new Map<string, number>();
  private readonly argumentsAt: number[] = [];
  private readonly weightOffsets: Map<string, number>;
  private readonly valuesByName: Map<string, { offset: number; stride: number }>;
  private readonly statesByName: Map<string, number>;
  private activations = 0;
  private scratch = 0;

  constructor(
    private readonly arena: Arena,
    private readonly plan: Plan,
    packers: Packers,
    staging: Staging,
    layOutBytes?: (address: number, bytes: number) => void,
  ) {
    this.weightOffsets = new Map(plan.weights.map(({ label, offset }) => [label, offset]));
    this.valuesByName = new Map(plan.values.map((value) => [value.name, value]));
    this.statesByName = new Map(plan.states.map(({ name, offset }) => [name, offset]));
    this.weightsAt = arena.reserve(plan.weightBytes);
    staging.begin();
    for (const { label, offset, count, bytes } of plan.weights) {
      const at = (this.weightsAt + offset) / 4;
      packers.get(label)!(arena.f32.subarray(at, at + count), staging.packRows);
      if (bytes) layOutBytes!(at * 4, count * 4);
    }
    staging.end();
    for (const { label, words } of plan.records) this.recordsAt.set(label, arena.reserve(words.length * 4));
    for (const call of plan.calls) this.argumentsAt.push(arena.reserve(Object.keys(call.arguments).length * 4));
    this.address = arena.reserve(plan.calls.length * 8);
    const perRow = Math.max(plan.rowBytes + plan.scratch.perRow + plan.scratch.perStream, 1);
    this.layOut(Math.max(LEAST_ROWS, Math.min(ROWS, Math.floor(ACTIVATION_BYTES / perRow))));
  }

  /** Makes room for `rows` rows at once. What activations held is lost. */
  need(rows: number): void {
    if (rows > this.rows) this.layOut(Math.max(rows, 2 * this.rows));
  }

  /** float32 index of a value's first row. */
  indexOf(value: string): number {
    return this.addressOf(value) / 4;
  }

  /** float32 from a row to the next. */
  strideOf(value: string): number {
    return this.valuesByName.get(value)!.stride / 4;
  }

  get calls(): number {
    return this.plan.calls.length;
  }

  private layOut(rows: number): void {
    const { arena, plan } = this;
    const { perRow, perStream, fixed } = plan.scratch;
    this.slotList = arena.reserve(rows * 4);
    this.activations = arena.reserve(plan.rowBytes * rows);
    this.scratch = arena.reserve((perRow + perStream) * rows + fixed);
    this.rows = rows;
    for (const { label, words } of plan.records) this.write(this.recordsAt.get(label)!, words);
    for (const [i, call] of plan.calls.entries()) {
      this.write(this.argumentsAt[i], Object.values(call.arguments));
      this.arena.u32[this.address / 4 + 2 * i] = KERNEL_CODES.get(call.kernel)!;
      this.arena.u32[this.address / 4 + 2 * i + 1] = this.argumentsAt[i];
    }
  }

  private write(address: number, words: readonly Argument[]): void {
    for (const [i, word] of words.entries()) {
      const at = address / 4 + i;
      if (typeof word === 'object' && 'float' in word) this.arena.f32[at] = word.float;
      else this.arena.u32[at] = this.resolve(word);
    }
  }

  private resolve(word: Exclude<Argument, { float: number }>): number {
    if (typeof word === 'number') return word;
    if ('value' in word) return this.addressOf(word.value) + (word.offset ?? 0);
    if ('strideOf' in word) return this.valuesByName.get(word.strideOf)!.stride;
    if ('weights' in word) {
      return this.recordsAt.get(word.weights) ?? this.weightsAt + this.weightOffsets.get(word.weights)!;
    }
    if ('state' in word) return this.statesByName.get(word.state)!;
    return this.scratch;
  }

  private addressOf(value: string): number {
    return this.activations + this.valuesByName.get(value)!.offset * this.rows;
  }
}
