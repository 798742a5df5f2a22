import { PANEL_WIDTH, type PackRows } from '../ops/pack.js';
import type { Arena } from './arena.js';
import type { Mixer } from './hash.js';
import type { KernelExports } from './kernels.js';

/** Numbers of a row that are packed at once; longer rows are left to JavaScript, whose loop they give time to be compiled. */
const DEPTH = 1024;
const BYTES = PANEL_WIDTH * DEPTH * 4;

/**
 * A model's weights on their way from the file through the kernels that hash and pack them (assembly/staging.ts), a piece at a
 * time: loops in JavaScript would run for the first time, and make a new process's first load a quarter longer on Node 20. The
 * pieces lie where the arena reserves next, so that they take no memory that the model would not.
 */
export class Staging implements Mixer {
  private address = 0;
  private bytes!: Uint8Array<ArrayBuffer>;
  private floats!: Float32Array;

  constructor(
    private readonly arena: Arena,
    private readonly kernels: KernelExports,
  ) {}

  /** Makes room behind all that is reserved, for use until `end`; nothing is reserved meanwhile. */
  begin(): void {
    this.address = this.arena.beyond(BYTES);
    this.bytes = new Uint8Array(this.arena.memory.buffer, this.address, BYTES);
    this.floats = new Float32Array(this.arena.memory.buffer, this.address, BYTES / 4);
  }

  /** Leaves zeros, which is what the arena reserves. */
  end(): void {
    this.floats.fill(0);
  }

  readonly packRows: PackRows = (target, at, data, from, depth) => {
    if (depth > DEPTH) return false;
    for (let lane = 0, to = 0; lane < PANEL_WIDTH; ) {
      const first = from[lane];
      let rows = 1;
      if (first < 0) this.floats.fill(0, to, to + depth);
      else {
        // Rows that follow each other come in one copy.
        while (lane + rows < PANEL_WIDTH && from[lane + rows] === first + rows * depth) rows++;
        this.floats.set(data.subarray(first, first + rows * depth), to);
      }
      lane += rows;
      to += rows * depth;
    }
    this.kernels.packRows(target.byteOffset + 4 * at, this.address, depth);
    return true;
  };

  mixWords(lanes: Int32Array, bytes: Uint8Array): void {
    const kept = new Int32Array(this.bytes.buffer, this.address, 2);
    const room = this.bytes.subarray(kept.byteLength);
    kept.set(lanes);
    for (let at = 0; at < bytes.length; at += room.length) {
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      this.kernels.mixWords(this.address, this.address + kept.byteLength, piece.length / 4);
    }
    lanes.set(kept);
  }
}
