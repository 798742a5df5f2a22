import { RivuletError } from '../errors.js';
import { checkOptions, shown } from '../options.js';
import { expOfNegative } from './exp.js';
import { Random, type RandomState } from './random.js';

export interface SamplerOptions {
  /** Divides the logits: below 1 bolder, above 1 more varied. 0 takes the likeliest token always. Default 1. */
  temperature?: number | undefined;
  /** Only the `topK` likeliest tokens can be drawn. Default: all. */
  topK?: number | undefined;
  /** Only the fewest likeliest tokens whose probabilities reach `topP` together can be drawn. Default 1: all. */
  topP?: number | undefined;
  /** An integer of at least 0: the same seed and logits give the same tokens on every machine. Default: a random one. */
  seed?: number | undefined;
}

export const SAMPLER_OPTIONS = [
  'temperature',
  'topK',
  'topP',
  'seed',
] as const satisfies readonly (keyof SamplerOptions)[];

/**
 * Draws token ids from logits.
 *
 * The result depends on the logits' bits, the options and the seed alone, on every engine: no `Math` function whose
 * last bits an engine may choose is used, sums run in a fixed order, and of equal logits the lower id comes first.
 * With both `topK` and `topP`, `topP` is a share of what `topK` leaves. Working memory is allocated on the first call
 * and kept, so a further call with as many logits allocates nothing.
 */
export class Sampler {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  /** The seed in use, also where none was given: with it the run can be repeated. */
  readonly seed: number;
  readonly #random: Random;
  /** e^((logit - highest) / temperature) by token id. */
  #weights = new Float64Array(0);
  /** A max-heap of token ids at the front, the ids taken from it (likeliest last) at the back. */
  #heap = new Int32Array(0);

  /** @throws RivuletError `INVALID_OPTION` for an option that there is not, or a value outside its range */
  constructor(options: SamplerOptions = {}) {
    checkOptions(options, SAMPLER_OPTIONS, 'Sampler');
    this.temperature = options.temperature ?? 1;
    this.topK = options.topK ?? Number.POSITIVE_INFINITY;
    this.topP = options.topP ?? 1;
    this.seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
    check(
      'temperature',
      this.temperature,
      'a finite number of at least 0',
      (t) => t >= 0 && t < Number.POSITIVE_INFINITY,
    );
    check(
      'topK',
      this.topK,
      'an integer of at least 1',
      (k) => k >= 1 && (Number.isInteger(k) || k === Number.POSITIVE_INFINITY),
    );
    check('topP', this.topP, 'a number above 0 and at most 1', (p) => p > 0 && p <= 1);
    this.#random = new Random(this.seed);
  }

  /**
   * One token id in `[0, logits.length)`. Temperature 0 takes nothing from the random sequence, every other draw takes
   * the same amount.
   *
   * @param logits one for each token; -Infinity rules a token out
   * @throws RivuletError `INVALID_INPUT` where there is no logit above -Infinity, or one is NaN or +Infinity; the
   *   random sequence is then where it was
   */
  sample(logits: ArrayLike<number>): number {
    const likeliest = argmax(logits);
    if (this.temperature === 0) return likeliest;

    const count = logits.length;
    if (this.#weights.length !== count) {
      this.#weights = new Float64Array(count);
      this.#heap = new Int32Array(count);
    }
    const weights = this.#weights;
    const highest = logits[likeliest];
    let total = 0;
    for (let id = 0; id < count; id++) {
      const weight = expOfNegative((logits[id] - highest) / this.temperature);
      weights[id] = weight;
      total += weight;
    }
    if (this.topK >= count && this.topP === 1) {
      const target = this.#random.uniform() * total;
      let sum = 0;
      for (let id = 0; id < count; id++) {
        sum += weights[id];
        if (target < sum) return id;
      }
      return likeliest; // the product was rounded up to the total itself
    }
    return this.#sampleLikeliest(logits, total);
  }

  #sampleLikeliest(logits: ArrayLike<number>, total: number): number {
    const weights = this.#weights;
    const heap = this.#heap;
    const count = heap.length;
    for (let id = 0; id < count; id++) heap[id] = id;
    for (let at = (count >> 1) - 1; at >= 0; at--) siftDown(heap, logits, at, count);

    const limit = Math.min(this.topK, count);
    let left = count; // ids still on the heap
    if (limit < count && this.topP < 1) {
      // topP is a share of the topK likeliest, so these are taken first and summed.
      total = 0;
      for (let rank = 0; rank < limit; rank++) total += weights[pop(heap, logits, left--)];
    }
    let kept = 0;
    let sum = 0;
    const enough = this.topP < 1 ? this.topP * total : Number.POSITIVE_INFINITY;
    while (kept < limit && sum < enough) {
      if (count - kept - 1 < left) pop(heap, logits, left--);
      sum += weights[heap[count - 1 - kept++]];
    }

    const target = this.#random.uniform() * sum;
    sum = 0;
    for (let rank = 0; rank < kept; rank++) {
      const id = heap[count - 1 - rank];
      sum += weights[id];
      if (target < sum) return id;
    }
    return heap[count - 1];
  }

  /** The place in the random sequence. */
  save(): RandomState {
    return this.#random.save();
  }

  /** Goes on from a saved place. Throws RivuletError `INVALID_INPUT` for what `save` did not give. */
  restore(state: RandomState): void {
    this.#random.restore(state);
  }
}

/** Id of the highest logit, the lowest such id; throws as `Sampler.sample` does. */
function argmax(logits: ArrayLike<number>): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id];
    if (!(logit < Number.POSITIVE_INFINITY)) {
      throw new RivuletError('INVALID_INPUT', `Logit ${id} can't be sampled from`, {
        expected: 'a finite number or -Infinity',
        found: String(logit),
      });
    }
    if (logit > highest) {
      highest = logit;
      best = id;
    }
  }
  if (best < 0) throw new RivuletError('INVALID_INPUT', 'There is no logit above -Infinity to sample from');
  return best;
}

function check(name: string, value: number, expected: string, isRight: (value: number) => boolean): void {
  if (typeof value !== 'number' || !isRight(value)) {
    throw new RivuletError('INVALID_OPTION', `Bad ${name}`, { expected, found: shown(value) });
  }
}

/** A total order, so that what is drawn never depends on how ids are sorted: by logit, the lower id first if equal. */
function isLikelier(logits: ArrayLike<number>, a: number, b: number): boolean {
  const x = logits[a];
  const y = logits[b];
  return x > y || (x === y && a < b);
}

/** Moves the likeliest of `heap[0..size)` to `heap[size - 1]`, leaves a heap of one less, and returns the id. */
function pop(heap: Int32Array, logits: ArrayLike<number>, size: number): number {
  const top = heap[0];
  heap[0] = heap[size - 1];
  heap[size - 1] = top;
  siftDown(heap, logits, 0, size - 1);
  return top;
}

function siftDown(heap: Int32Array, logits: ArrayLike<number>, at: number, size: number): void {
  const id = heap[at];
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && isLikelier(logits, heap[child + 1], heap[child])) child++;
    if (!isLikelier(logits, heap[child], id)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = id;
}
