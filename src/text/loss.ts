import { RivuletError } from '../errors.js';
import { checkOptions, shown } from '../options.js';
import { throwIfAborted } from './generate.js';
import { Pacer } from './pause.js';
import { logitsWidth, runInChunks, type TokenStream } from './stream.js';

export interface EvaluateOptions {
  /** Called as the work goes on, with tokens predicted and to predict. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
  /** Ends the work with RivuletError `ABORTED`; the stream has then read a part of the text. */
  signal?: AbortSignal | undefined;
}

export interface TextLoss {
  /** Mean cross-entropy in nats per token (a character, for a character model). */
  loss: number;
  /** e^loss: the number of equally likely tokens that would be as hard to guess. */
  perplexity: number;
  /** loss / ln 2. */
  bitsPerCharacter: number;
  /** Tokens predicted: one less than given, since the first is predicted by nothing. */
  count: number;
}

/**
 * How well a model predicts a text: the stream reads `ids` from the state it is in, and each next token is scored by
 * the log-softmax of the logits, in float64. Afterwards the stream has read all ids but the last. The event loop turns
 * every few milliseconds.
 *
 * @param ids token ids, at least two
 * @throws RivuletError `INVALID_INPUT` (too few ids, an id outside the vocabulary, no text model), `INVALID_OPTION`, `ABORTED`
 */
export async function evaluateText(
  stream: TokenStream,
  ids: ArrayLike<number>,
  options: EvaluateOptions = {},
): Promise<TextLoss> {
  checkOptions(options, ['onProgress', 'signal'], 'evaluateText');
  const pacer = new Pacer();
  throwIfAborted(options.signal);
  const sums = lossSums(stream, ids);
  for (;;) {
    const { done, value } = sums.next();
    if (done) return value;
    options.onProgress?.({ done: value, total: ids.length - 1 });
    if (pacer.isDue()) await pacer.pause();
    throwIfAborted(options.signal);
  }
}

/** As `evaluateText`, for a caller that can't wait: it never lets the event loop turn. */
export function evaluateTextSync(stream: TokenStream, ids: ArrayLike<number>): TextLoss {
  const sums = lossSums(stream, ids);
  for (;;) {
    const { done, value } = sums.next();
    if (done) return value;
  }
}

/** Yields the number of tokens predicted after each chunk. */
function* lossSums(stream: TokenStream, ids: ArrayLike<number>): Generator<number, TextLoss, void> {
  const width = logitsWidth(stream);
  if (typeof ids !== 'object' || ids === null) {
    throw new RivuletError('INVALID_INPUT', 'No text to evaluate', {
      expected: 'an array of token ids',
      found: shown(ids),
    });
  }
  const count = ids.length - 1;
  if (count < 1) {
    throw new RivuletError('INVALID_INPUT', 'Too little text to evaluate', {
      expected: 'at least 2 token ids: one to read and one to predict',
      found: String(ids.length),
    });
  }
  const tokens = Int32Array.from(ids);
  const wrong = tokens.findIndex((id, i) => id !== ids[i] || id < 0 || id >= width);
  if (wrong >= 0) {
    throw new RivuletError('INVALID_INPUT', `Token ${wrong} is outside the vocabulary`, {
      expected: `an integer from 0 to ${width - 1}`,
      found: String(ids[wrong]),
    });
  }
  const sum = new LossSum(width);
  for (const { start, end, logits } of runInChunks(stream, tokens.subarray(0, count), width)) {
    sum.add(logits, tokens.subarray(start + 1, end + 1));
    yield end;
  }
  return sum.loss;
}

/** Adds up how well logits predict tokens. */
export class LossSum {
  private sum = 0;
  private count = 0;

  /** @param width of the logits */
  constructor(private readonly width: number) {}

  /** @param logits [n, width], for the n tokens of `targets` */
  add(logits: Float32Array, targets: ArrayLike<number>): void {
    const { width } = this;
    for (let i = 0; i < targets.length; i++) this.sum += crossEntropy(logits, i * width, width, targets[i]);
    this.count += targets.length;
  }

  get loss(): TextLoss {
    const loss = this.sum / this.count;
    return { loss, perplexity: Math.exp(loss), bitsPerCharacter: loss / Math.LN2, count: this.count };
  }
}

/** -log softmax(logits[at .. at + width))[target]. */
function crossEntropy(logits: Float32Array, at: number, width: number, target: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = at; i < at + width; i++) highest = Math.max(highest, logits[i]);
  let sum = 0;
  for (let i = at; i < at + width; i++) sum += Math.exp(logits[i] - highest);
  return Math.log(sum) + highest - logits[at + target];
}
