/** Seeded numbers for mutations: the same seed and case give the same file on every machine. */
export class Random {
  private state: number;

  constructor(seed: number, index: number) {
    // Two multiplications apart, so that neighbouring cases share nothing.
    this.state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
    this.next();
    this.next();
  }

  /** An integer in [0, below), or 0 where there is none. */
  integer(below: number): number {
    return below > 0 ? Math.floor((this.next() / 2 ** 32) * below) : 0;
  }

  pick<T>(list: ArrayLike<T>): T {
    return list[this.integer(list.length)];
  }

  chance(share: number): boolean {
    return this.next() < share * 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() >>> 24);
  }

  /** A Weyl sequence through a multiply-and-shift mix: 32 bits. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  }
}
