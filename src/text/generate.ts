import { RivuletError } from '../errors.js';
import { checkOptions, shown } from '../options.js';
import { Pacer } from './pause.js';
import { SAMPLER_OPTIONS, Sampler, type SamplerOptions } from './sample.js';
import { StopText } from './stop.js';
import { logitsWidth, runInChunks, type TokenStream } from './stream.js';
import type { Vocabulary } from './vocabulary.js';

export interface GenerateOptions extends SamplerOptions {
  /**
   * Text that the stream reads first; it is not part of what is generated. Without it, the stream reads a line end,
   * or token 0 where the vocabulary has none: something has to ask for the first character.
   */
  prompt?: string | undefined;
  /** Characters to make at most; Infinity goes on until `stop`, `signal` or the consumer ends it. Default 500. */
  length?: number | undefined;
  /** The text ends before the first of these that it would contain. */
  stop?: string | readonly string[] | undefined;
  /** Ends the generation with RivuletError `ABORTED`. */
  signal?: AbortSignal | undefined;
  /** Draws with a sampler that the caller keeps, so that its random sequence goes on; the sampling options and `seed` are then not allowed. */
  sampler?: Sampler | undefined;
}

const OPTIONS = [
  'prompt',
  'length',
  'stop',
  'signal',
  'sampler',
  ...SAMPLER_OPTIONS,
] as const satisfies readonly (keyof GenerateOptions)[];

/** How a generation ended: the return value of the iterators. */
export interface Ending {
  reason: 'length' | 'stop';
  /** Characters drawn, those of the stop text included. */
  count: number;
  /** The last character drawn, or of the prompt where none was: the one that the stream has not read. */
  last: string;
}

/**
 * Generates text character by character: the stream reads the prompt, a token is drawn from the logits, read in its
 * turn, and so on. Each piece is one character as soon as it is known to be in the text, or several after a stop text
 * turned out to be another. The event loop turns every few milliseconds.
 *
 * Wrong options throw at the call, with the stream untouched. Whenever the iterator stands still, ended or threw from
 * `signal`, the stream has read the prompt and every character drawn but the last. So to go on, now or from a snapshot,
 * pass that character (`Ending.last`) as the next prompt. An abort while the prompt is read leaves it read in part.
 * Logits that can't be sampled are what the stream answers to the last character drawn: it has read that one too then.
 *
 * @throws RivuletError `INVALID_OPTION`, `INVALID_INPUT` (a prompt outside the vocabulary, a stream or vocabulary that
 *   does not fit, logits that can't be sampled), `ABORTED`
 */
export function generate(
  stream: TokenStream,
  vocabulary: Vocabulary,
  options: GenerateOptions = {},
): AsyncGenerator<string, Ending, void> {
  return paced(generatePieces(stream, vocabulary, options));
}

/** As `generate`, for a caller that can't wait: it never lets the event loop turn. */
export function generateSync(
  stream: TokenStream,
  vocabulary: Vocabulary,
  options: GenerateOptions = {},
): Generator<string, Ending, void> {
  return withoutEmpty(generatePieces(stream, vocabulary, options));
}

async function* paced(pieces: Generator<string, Ending, void>): AsyncGenerator<string, Ending, void> {
  const pacer = new Pacer();
  for (;;) {
    if (pacer.isDue()) await pacer.pause();
    const { done, value } = pieces.next();
    if (done) return value;
    if (value !== '') yield value;
  }
}

function* withoutEmpty(pieces: Generator<string, Ending, void>): Generator<string, Ending, void> {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
    if (value !== '') yield value;
  }
}

/** Checks everything, then gives an iterator of pieces; empty ones mark places where a caller may pause. */
function generatePieces(
  stream: TokenStream,
  vocabulary: Vocabulary,
  options: GenerateOptions,
): Generator<string, Ending, void> {
  checkOptions(options, OPTIONS, 'generate');
  const { length = 500, signal } = options;
  if (!(length >= 0 && (Number.isInteger(length) || length === Number.POSITIVE_INFINITY))) {
    throw new RivuletError('INVALID_OPTION', 'Bad length', {
      expected: 'an integer of at least 0, or Infinity',
      found: shown(length),
    });
  }
  if (typeof vocabulary?.encode !== 'function') {
    throw new RivuletError('INVALID_INPUT', 'Not a vocabulary', {
      expected: 'Vocabulary.of(model)',
      found: shown(vocabulary),
    });
  }
  const width = logitsWidth(stream, vocabulary.size);
  const sampler = samplerOf(options);
  const stop = new StopText(options.stop ?? []);
  const prompt = vocabulary.encode(options.prompt || (vocabulary.has('\n') ? '\n' : vocabulary.character(0)));
  return pieces();

  function* pieces(): Generator<string, Ending, void> {
    throwIfAborted(signal);
    let token = prompt[prompt.length - 1];
    for (const _ of runInChunks(stream, prompt.subarray(0, -1), width)) {
      yield '';
      throwIfAborted(signal);
    }
    const logits = new Float32Array(width);
    for (let count = 0; count < length; ) {
      stream.step(token, logits);
      token = sampler.sample(logits);
      count++;
      const piece = stop.push(vocabulary.character(token));
      if (piece !== '') yield piece;
      if (stop.isFound) return { reason: 'stop', count, last: vocabulary.character(token) };
      if (piece === '') yield '';
      throwIfAborted(signal);
    }
    const rest = stop.end();
    if (rest !== '') yield rest;
    return { reason: 'length', count: length, last: vocabulary.character(token) };
  }
}

function samplerOf({ sampler, temperature, topK, topP, seed }: GenerateOptions): Sampler {
  if (sampler === undefined) return new Sampler({ temperature, topK, topP, seed });
  const given = Object.entries({ temperature, topK, topP, seed }).find(([, value]) => value !== undefined);
  if (given) {
    throw new RivuletError('INVALID_OPTION', `Both a sampler and ${given[0]} are given`, {
      hint: `Set ${given[0]} where the sampler is made`,
    });
  }
  if (typeof sampler.sample === 'function') return sampler;
  throw new RivuletError('INVALID_OPTION', 'Bad sampler', { expected: 'a Sampler', found: shown(sampler) });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RivuletError('ABORTED', 'The work was aborted', { cause: signal.reason });
}
