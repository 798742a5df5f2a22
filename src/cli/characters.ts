import { RivuletError } from '../errors.js';
import type { Model } from '../index.js';
import { Vocabulary } from '../text/index.js';
import type { Arguments, Options } from './options.js';

export const UNKNOWN: Options = {
  unknown: { value: 'CHARACTER', help: 'Stands in for characters that the model does not know (default: an error)' },
};

/** A model's vocabulary, with what `--unknown` says. @throws RivuletError as `Vocabulary.of` does */
export function vocabularyOf(model: Model, args: Arguments): Vocabulary {
  if (model.metadata.vocabulary !== undefined) return Vocabulary.of(model, { unknown: args.text('unknown') });
  throw new RivuletError('INVALID_INPUT', `Model "${model.name}" is none of characters`, {
    expected: 'a vocabulary in its metadata',
    hint: 'Models of series go with forecast, detect and run',
  });
}

/**
 * Token ids of a text.
 * @param file where the text is from, if it is from one
 * @throws RivuletError `INVALID_INPUT` for a character that the model does not know
 */
export function encodeText(vocabulary: Vocabulary, text: string, file?: string): Int32Array {
  try {
    return vocabulary.encode(text);
  } catch (error) {
    if (!(error instanceof RivuletError)) throw error;
    const isEnd = text.includes('\r\n') && error.message.includes('"\\r"');
    throw error.with({
      file,
      hint: isEnd
        ? "The text has line ends of Windows: tr -d '\\r' takes them out"
        : 'Remove or replace it, or say with --unknown what stands in for it',
    });
  }
}
