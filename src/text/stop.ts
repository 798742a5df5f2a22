import { RivuletError } from '../errors.js';

/** Finds the first of several texts in characters that come one by one, and holds back what may be its beginning. */
export class StopText {
  readonly #stops: readonly string[];
  #held = '';
  #isFound = false;

  /** @throws RivuletError `INVALID_OPTION` for an empty text, which would be everywhere */
  constructor(stops: string | readonly string[]) {
    this.#stops = typeof stops === 'string' ? [stops] : [...stops];
    if (this.#stops.some((stop) => typeof stop !== 'string' || stop === '')) {
      throw new RivuletError('INVALID_OPTION', 'Bad stop', { expected: 'texts of at least one character' });
    }
  }

  /** Whether a stop text has ended. If two end with the same character, the longer one counts. */
  get isFound(): boolean {
    return this.#isFound;
  }

  /** Takes one character; gives the text that is now known to stand before every stop, often ''. */
  push(character: string): string {
    const text = this.#held + character;
    let keep = 0; // length of the longest end of `text` that is a stop or begins one
    for (const stop of this.#stops) {
      if (text.endsWith(stop)) {
        keep = this.#isFound ? Math.max(keep, stop.length) : stop.length;
        this.#isFound = true;
      } else if (!this.#isFound) {
        keep = Math.max(keep, overlap(text, stop));
      }
    }
    this.#held = this.#isFound ? '' : text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** The text held back, once no more comes. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** Length of the longest end of `text` with which `stop` begins, short of the whole stop. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (!text.endsWith(stop.slice(0, length))) length--;
  return length;
}
