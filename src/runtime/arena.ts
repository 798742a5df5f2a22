import { RivuletError } from '../errors.js';

const PAGE = 65536;
const ALIGNMENT = 64;

/**
 * The memory of one model: weights, programs, activations and the streams' slots, one after the other from the kernels'
 * heap base up. What is reserved is never given back; the views are made anew when the memory grows.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  f32!: Float32Array;
  u32!: Uint32Array;
  private end = 0;

  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1 });
    this.refresh();
  }

  /** Nothing below this address is given out. */
  startAt(address: number): void {
    this.end = Math.ceil(address / ALIGNMENT) * ALIGNMENT;
  }

  /** Bytes in use. */
  get used(): number {
    return this.end;
  }

  /** Reserves zeroed bytes at an address that is a multiple of 64. */
  reserve(bytes: number): number {
    const address = this.end;
    const end = Math.ceil((address + bytes) / ALIGNMENT) * ALIGNMENT;
    this.growTo(end);
    this.end = end;
    return address;
  }

  /**
   * The address of bytes beyond all that is reserved, for use until the next is. Whoever writes there leaves zeros.
   */
  beyond(bytes: number): number {
    this.growTo(this.end + bytes);
    return this.end;
  }

  private growTo(end: number): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.grow(missing);
  }

  private grow(pages: number): void {
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw new RivuletError('UNSUPPORTED_HOST', 'the engine gives no more memory', {
        found: `${this.memory.buffer.byteLength} bytes in use, ${pages * PAGE} more asked for`,
        hint: 'Dispose of streams, or use a smaller model',
        cause,
      });
    }
    this.refresh();
  }

  private refresh(): void {
    this.f32 = new Float32Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
  }
}
