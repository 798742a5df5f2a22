import type { Plan } from '../plan/plan.js';
import type { Arena } from './arena.js';

/** Slots in the first slab; each later slab is as large as all before it, up to `LARGEST`. */
const FIRST = 4;
const LARGEST = 1024;

/** The streams' states: one slot each, taken and given back in constant time. */
export class SlotPool {
  private readonly free: number[] = [];
  private total = 0;
  /** What a new stream's slot holds, or undefined where that is zeros. */
  private readonly initial: Float32Array | undefined;
  private readonly words: number;

  constructor(
    private readonly arena: Arena,
    plan: Plan,
  ) {
    this.words = plan.slotBytes / 4;
    if (plan.states.some((state) => state.initial)) {
      this.initial = new Float32Array(this.words);
      for (const { offset, initial } of plan.states) if (initial) this.initial.set(initial, offset / 4);
    }
  }

  /** The address of a slot in its initial state. */
  take(): number {
    if (this.free.length === 0) this.addSlab();
    const slot = this.free.pop()!;
    this.reset(slot);
    return slot;
  }

  give(slot: number): void {
    this.free.push(slot);
  }

  reset(slot: number): void {
    const { f32 } = this.arena;
    if (this.initial) f32.set(this.initial, slot / 4);
    else f32.fill(0, slot / 4, slot / 4 + this.words);
  }

  copy(to: number, from: number): void {
    this.arena.f32.copyWithin(to / 4, from / 4, from / 4 + this.words);
  }

  private addSlab(): void {
    const count = Math.min(Math.max(FIRST, this.total), LARGEST);
    // A model without state still needs addresses that differ.
    const bytes = Math.max(this.words * 4, 64);
    // Kernels may read, never use, up to a line past a state; past the last one the memory could end.
    const first = this.arena.reserve(count * bytes + 64);
    this.total += count;
    for (let i = count - 1; i >= 0; i--) this.free.push(first + i * bytes);
  }
}
