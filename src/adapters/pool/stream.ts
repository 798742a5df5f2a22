import { RivuletError } from '../../errors.js';
import type { NamedInputs, NamedOutputs, StepInput } from '../../runtime/stream.js';
import { gone, type WorkerLink } from './link.js';
import type { StreamMethod } from './messages.js';
import type { Pool } from './pool.js';
import { compact } from './rows.js';

/**
 * A stream that lives in one of the pool's workers. Its methods are those of `Stream`, answered by a promise: calls of one
 * stream are carried out in the order in which they were made.
 */
export class PoolStream {
  /** @internal The last call that listed this stream. */
  mark = 0;
  private live = true;

  /** @internal Use `pool.createStream()`. */
  constructor(
    readonly pool: Pool,
    /** @internal */
    readonly link: WorkerLink,
    /** @internal */
    readonly id: number,
  ) {}

  /** Whether `dispose` was called, here or on the pool. */
  get disposed(): boolean {
    return !this.live || this.pool.disposed;
  }

  /** One time step: [inputs] -> [outputs], a new array; or by name. */
  step(x: StepInput): Promise<Float32Array>;
  step(x: NamedInputs): Promise<NamedOutputs>;
  step(x: StepInput | NamedInputs): Promise<Float32Array | NamedOutputs> {
    return this.call('step', x);
  }

  /** `T` time steps in one call: [T, inputs] -> [T, outputs]; or by name. */
  run(xs: ArrayLike<number>): Promise<Float32Array>;
  run(xs: Readonly<Record<string, ArrayLike<number>>>): Promise<NamedOutputs>;
  run(xs: ArrayLike<number> | Readonly<Record<string, ArrayLike<number>>>): Promise<Float32Array | NamedOutputs> {
    return this.call('run', xs);
  }

  /** The state as bytes, which any stream of the same model takes: in this pool, in another, or in no pool at all. */
  save(): Promise<Uint8Array> {
    return this.call('save');
  }

  /** Takes up a state that `save` gave. */
  restore(bytes: Uint8Array): Promise<void> {
    return this.call('restore', bytes);
  }

  /** Back to the initial state. */
  reset(): Promise<void> {
    return this.call('reset');
  }

  /** A second stream in the same state, in the same worker. */
  async clone(): Promise<PoolStream> {
    this.checkLive();
    return this.pool.cloneOf(this);
  }

  /** Gives the state's memory back. Calling it again does nothing. */
  dispose(): void {
    if (!this.disposed) {
      this.link.streams--;
      this.pool.forgetRoster();
      // A worker that has ended has nothing to give back.
      this.link.request({ op: 'dispose', id: this.id }).catch(() => {});
    }
    this.live = false;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal Refuses a stream that is no more; `index` is its place in a list. */
  checkLive(index?: number): void {
    if (this.pool.disposed) throw gone();
    if (this.live) return;
    throw new RivuletError('DISPOSED', `${index === undefined ? 'the stream' : `stream ${index}`} was disposed of`, {
      hint: 'Create another with pool.createStream()',
    });
  }

  private async call<T>(method: StreamMethod, argument?: unknown): Promise<T> {
    this.checkLive();
    return this.link.request<T>({ op: 'call', id: this.id, method, argument: compact(argument) });
  }
}
