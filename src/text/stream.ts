import { RivuletError } from '../errors.js';
import { shown } from '../options.js';

/** What text needs of a stream: token ids in, logits out. A `Stream` of a text model is one. */
export interface TokenStream {
  readonly model: {
    readonly name: string;
    readonly inputs: readonly { readonly size: number }[];
    readonly outputs: readonly { readonly size: number }[];
  };
  /** One token id -> logits `[vocabulary]`. */
  step(token: number, out?: Float32Array): Float32Array;
  /** Token ids `[T]` -> logits `[T, vocabulary]`. */
  run(tokens: ArrayLike<number>, out?: Float32Array): Float32Array;
}

/** Logits that one chunk of a run may take: 4 MiB. */
const CHUNK_NUMBERS = 2 ** 20;

/** Tokens of a chunk at most, so that the event loop can turn between two. */
const CHUNK_TOKENS = 64;

/**
 * Width of the logits.
 *
 * @throws RivuletError `INVALID_INPUT` where the model is no text model, or one of another vocabulary
 */
export function logitsWidth(stream: Pick<TokenStream, 'model'>, vocabularySize?: number): number {
  if (!stream?.model) {
    throw new RivuletError('INVALID_INPUT', 'Not a stream', { expected: 'model.createStream()', found: shown(stream) });
  }
  const { name, inputs, outputs } = stream.model;
  const [width] = outputs.map((port) => port.size);
  if (inputs.length !== 1 || inputs[0]?.size !== 1 || outputs.length !== 1 || width === undefined) {
    const list = (ports: readonly { size: number }[]) => ports.map((port) => port.size).join(', ') || 'none';
    throw new RivuletError('INVALID_INPUT', `Model "${name}" is not a text model`, {
      expected: 'one input of size 1 (a token id) and one output (the logits)',
      found: `inputs of size ${list(inputs)} and outputs of size ${list(outputs)}`,
    });
  }
  if (vocabularySize !== undefined && vocabularySize !== width) {
    throw new RivuletError('INVALID_INPUT', `The vocabulary does not fit model "${name}"`, {
      expected: `${width} characters, one for each logit`,
      found: String(vocabularySize),
    });
  }
  return width;
}

/** Runs `tokens` in chunks, and yields after each what it made: `logits` is `[end - start, width]`, overwritten by the next. */
export function* runInChunks(
  stream: TokenStream,
  tokens: Int32Array,
  width: number,
): Generator<{ start: number; end: number; logits: Float32Array }, void, void> {
  const chunk = Math.min(tokens.length, CHUNK_TOKENS, Math.max(1, Math.floor(CHUNK_NUMBERS / width)));
  const buffer = new Float32Array(chunk * width);
  for (let start = 0; start < tokens.length; start += chunk) {
    const end = Math.min(start + chunk, tokens.length);
    const logits = buffer.subarray(0, (end - start) * width);
    stream.run(tokens.subarray(start, end), logits);
    yield { start, end, logits };
  }
}
