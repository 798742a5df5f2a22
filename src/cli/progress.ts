import { count, type Output } from './output.js';

/** Work shorter than this shows nothing. */
const DELAY = 1000;

/** Between two changes of the line. */
const INTERVAL = 100;

/** One line on a terminal's stderr that says how far long work has come, and is wiped at its end. */
export class Progress {
  readonly #output: Output;
  readonly #label: string;
  readonly #now: () => number;
  #next: number;
  #isShown = false;

  /** @param now milliseconds, for tests */
  constructor(output: Output, label: string, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#label = label;
    this.#now = now;
    this.#next = now() + DELAY;
  }

  /** Calls `work` with a progress line, and wipes the line whether the work succeeds or fails. */
  static async during<Result>(
    output: Output,
    label: string,
    work: (progress: Progress) => Promise<Result>,
  ): Promise<Result> {
    const progress = new Progress(output, label);
    try {
      return await work(progress);
    } finally {
      progress.clear();
    }
  }

  /** @param total where it is known */
  update(done: number, total?: number): void {
    if (!this.#output.isTerminal || this.#now() < this.#next) return;
    this.#next = this.#now() + INTERVAL;
    this.#isShown = true;
    const share = total ? `${Math.floor((100 * done) / total)} %` : count(done);
    this.#write(`\r\x1b[K${this.#output.dim(`${this.#label} ${share}`)}`);
  }

  clear(): void {
    if (this.#isShown) this.#write('\r\x1b[K');
    this.#isShown = false;
  }

  /** A progress line that can't be shown is no reason to stop the work. */
  #write(text: string): void {
    this.#output.write(text).catch(() => undefined);
  }
}
