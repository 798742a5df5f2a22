import { LossSum } from '../text/loss.js';

/** What was measured: by the name that JSON gives it, then the value, and its unit for people. */
export type Measures = Record<string, { value: number; unit: string }>;

/** Adds up how far outputs are from targets. */
export interface Score {
  /** @param outputs [n, outputs] @param targets of the same n steps */
  add(outputs: Float32Array, targets: Float64Array): void;
  readonly measures: Measures;
}

/** A text's: the loss of logits. */
export class TextScore implements Score {
  private readonly sum: LossSum;

  constructor(width: number) {
    this.sum = new LossSum(width);
  }

  add(outputs: Float32Array, targets: Float64Array): void {
    this.sum.add(outputs, targets);
  }

  get measures(): Measures {
    const { loss, perplexity, bitsPerCharacter, count } = this.sum.loss;
    return {
      loss: { value: loss, unit: 'nats per character' },
      perplexity: { value: perplexity, unit: '' },
      bitsPerCharacter: { value: bitsPerCharacter, unit: '' },
      count: { value: count, unit: 'characters' },
    };
  }
}

/** A series': mean squares and absolutes of the differences. */
export class SeriesScore implements Score {
  private squares = 0;
  private absolutes = 0;
  private count = 0;

  /** @param width numbers in a step's output */
  constructor(private readonly width: number) {}

  add(outputs: ArrayLike<number>, targets: ArrayLike<number>): void {
    for (let i = 0; i < targets.length; i++) {
      const error = outputs[i] - targets[i];
      this.squares += error * error;
      this.absolutes += Math.abs(error);
    }
    this.count += targets.length;
  }

  get meanSquaredError(): number {
    return this.squares / this.count;
  }

  get meanAbsoluteError(): number {
    return this.absolutes / this.count;
  }

  get measures(): Measures {
    return {
      meanSquaredError: { value: this.meanSquaredError, unit: '' },
      meanAbsoluteError: { value: this.meanAbsoluteError, unit: '' },
      count: { value: this.count / this.width, unit: 'steps' },
    };
  }
}
