import { numberOf, readMetadata, type WithMetadata } from '../formats/metadata.js';

/** Metadata key under which a text model carries it. */
const KEY = 'generation';

/** How to write one text with a model where nobody says otherwise. */
export interface TextTask {
  /** What a stream reads before a text, as a line end before a headline. */
  prompt: string;
  /** Texts that end it. */
  stop: readonly string[];
  /** The most characters. */
  length: number | undefined;
  temperature: number | undefined;
}

/**
 * What a model carries as metadata `generation`; undefined where it carries none, as a model of endless text.
 * @throws RivuletError `INVALID_FILE` where it is malformed
 */
export function textTask(model: WithMetadata): TextTask | undefined {
  return readMetadata(model, KEY, (fields) => ({
    prompt: fields.has('prompt') ? fields.text('prompt') : '',
    stop: fields.has('stop') ? fields.texts('stop') : [],
    length: fields.has('length') ? fields.count('length') : undefined,
    temperature: fields.has('temperature') ? numberOf(fields, 'temperature', 0) : undefined,
  }));
}
