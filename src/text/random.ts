import { RivuletError } from '../errors.js';
import { shown } from '../options.js';

/** State of a `Random`: four 32-bit words. Plain data, so it survives JSON. */
export type RandomState = readonly [number, number, number, number];

/**
 * A small seeded generator of uniform numbers, the same on every machine: xoshiro128** 1.1 by David Blackman and
 * Sebastiano Vigna (https://prng.di.unimi.it/xoshiro128starstar.c, public domain), of period 2^128 - 1, in 32-bit
 * integer operations. Not for cryptography.
 */
export class Random {
  readonly #s = new Uint32Array(4);

  /** @param seed a safe integer of at least 0; different seeds give different sequences */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RivuletError('INVALID_OPTION', 'Bad seed', {
        expected: `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`,
        found: shown(seed),
      });
    }
    // The finaliser of MurmurHash3 is a bijection, so the four words differ from each other and can't all be zero,
    // the one state that the generator never leaves.
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32);
    for (let i = 0; i < 4; i++) this.#s[i] = mix(mix(low + Math.imul(i + 1, 0x9e3779b9)) + high);
  }

  /** The next integer of [0, 2^32). */
  next(): number {
    const s = this.#s;
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** The next multiple of 2^-53 in [0, 1); takes two integers. */
  uniform(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  save(): RandomState {
    const [a = 0, b = 0, c = 0, d = 0] = this.#s;
    return [a, b, c, d];
  }

  /** Goes on from what `save` gave. Throws RivuletError `INVALID_INPUT` for anything else, and is then unchanged. */
  restore(state: RandomState): void {
    const isWord = (word: number) => Number.isInteger(word) && word >= 0 && word < 2 ** 32;
    if (state.length !== 4 || !state.every(isWord) || state.every((word) => word === 0)) {
      throw new RivuletError('INVALID_INPUT', 'Not the state of a random generator', {
        expected: 'four integers of 32 bits, not all zero',
        found: JSON.stringify(state),
      });
    }
    this.#s.set(state);
  }
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** MurmurHash3's 32-bit finaliser (Austin Appleby, public domain). */
function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
