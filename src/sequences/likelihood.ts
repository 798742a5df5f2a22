import { RivuletError } from '../errors.js';
import { checkOptions, shown } from '../options.js';
import { checkCount } from './targets.js';

export interface LikelihoodOptions {
  /** Past errors that say what is usual (default: 1000). */
  window?: number | undefined;
  /** Last errors, whose mean is judged (default: 10). */
  recent?: number | undefined;
  /** Errors before the first judgement; scores are 0 until then (default: 10 times `recent`). */
  warmUp?: number | undefined;
  /** The least deviation that is believed, in the errors' unit, or a series that stands still would make noise an alarm (default: 0.001). */
  resolution?: number | undefined;
}

export const LIKELIHOOD_OPTIONS = [
  'window',
  'recent',
  'warmUp',
  'resolution',
] as const satisfies readonly (keyof LikelihoodOptions)[];

/** How far the squares may fall below the most they have been before the sums are taken anew: what rounding left then counts. */
const FALL = 1e3;

/**
 * How unusual a stream's last errors are, given those before: the tail probability of the mean of the last `recent`
 * errors, were it drawn from a normal distribution with the mean and deviation of the `window` errors before them (the
 * anomaly likelihood of Ahmad, Lavin, Purdy and Agha, "Unsupervised real-time anomaly detection for streaming data",
 * Neurocomputing 262, 2017). A score is -log10 of it: 3 is one in a thousand.
 *
 * Constant time, on average, and memory for each error.
 */
export class ErrorLikelihood {
  /** The last `window + recent` errors, in a ring. */
  private readonly errors: Float64Array;
  private readonly recent: number;
  private readonly warmUp: number;
  private readonly resolution: number;
  private count = 0;
  /** Of the errors before the recent ones, and of their squares. */
  private sum = 0;
  private squares = 0;
  /** The most that the squares have been since the sums were taken anew: their rounding is of its size. */
  private peak = 0;

  /** @throws RivuletError `INVALID_OPTION` */
  constructor(options: LikelihoodOptions = {}) {
    checkOptions(options, LIKELIHOOD_OPTIONS, 'ErrorLikelihood');
    const { window = 1000, recent = 10, warmUp = 10 * recent, resolution = 1e-3 } = options;
    this.recent = checkCount('recent', recent);
    this.errors = new Float64Array(checkCount('window', window) + recent);
    this.warmUp = Math.max(checkCount('warmUp', warmUp), recent + 1);
    if (!(typeof resolution === 'number' && resolution > 0)) {
      throw new RivuletError('INVALID_OPTION', 'Bad resolution', { expected: 'above 0', found: shown(resolution) });
    }
    this.resolution = resolution;
  }

  /** Takes the next error, finite and of either sign, and gives the score of the last ones. */
  push(error: number): number {
    const { errors, recent } = this;
    const at = this.count % errors.length;
    // The oldest leaves the window, and the oldest of the recent ones enters it.
    const leaves = errors[at];
    const enters = this.count >= recent ? errors[(this.count - recent) % errors.length] : 0;
    this.sum += enters - leaves;
    this.squares += enters * enters - leaves * leaves;
    errors[at] = error;
    this.count++;
    this.peak = Math.max(this.peak, this.squares);
    // What rounding has left in the sums goes away once a turn, and when a glitch has left the window; even errors made
    // for it fall so far a few hundred times a turn at most.
    if (at === 0 || !(this.squares * FALL >= this.peak)) this.sumUp();
    return this.count < this.warmUp ? 0 : this.score();
  }

  private score(): number {
    const { errors, count, recent } = this;
    const held = Math.min(count, errors.length) - recent;
    const mean = this.sum / held;
    const deviation = Math.sqrt(Math.max(0, this.squares / held - mean * mean));
    let sum = 0;
    for (let i = 1; i <= recent; i++) sum += errors[(count - i) % errors.length];
    return -logTail((sum / recent - mean) / Math.max(deviation, this.resolution));
  }

  private sumUp(): void {
    const { errors, count, recent } = this;
    this.sum = 0;
    this.squares = 0;
    for (let i = recent + 1; i <= Math.min(count, errors.length); i++) {
      const error = errors[(count - i) % errors.length];
      this.sum += error;
      this.squares += error * error;
    }
    this.peak = this.squares;
  }
}

/** log10 of the probability that a standard normal number is above z; exact to about ten digits, however far out. */
export function logTail(z: number): number {
  if (z < 0) return Math.log1p(-(10 ** logTail(-z))) * Math.LOG10E;
  const x = z / Math.SQRT2;
  if (x < 2) {
    // erf by its Maclaurin series (DLMF 7.6.1).
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= -(x * x) / n;
      sum += term / (2 * n + 1);
    }
    return Math.log10(0.5 - sum / Math.sqrt(Math.PI));
  }
  // erfc by its continued fraction (DLMF 7.9.1), e^(-x^2) apart, which would underflow.
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return -x * x * Math.LOG10E - Math.log10(2 * Math.sqrt(Math.PI) * (x + fraction));
}
