import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { RivuletError } from '../errors.js';
import { CsvSplitter } from '../io/csv.js';
import type { Context } from './host.js';
import { otherThanText } from './series.js';

/** What errors call it. */
export const STDIN = 'standard input';

/** All that arrives on standard input. */
export const readAll = ({ stdin, signal }: Context): Promise<Uint8Array> => buffer(addAbortSignal(signal, stdin));

/** The CSV records of standard input, as they arrive. */
export async function* recordsOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<{ text: string; line: number }> {
  const splitter = new CsvSplitter({ file: STDIN });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let start: Uint8Array | undefined;
  const decode = (piece?: Uint8Array) => {
    start ??= piece;
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch (cause) {
      throw new RivuletError('INVALID_FILE', 'Not text in UTF-8', {
        file: STDIN,
        ...(start && otherThanText(start)),
        cause,
      });
    }
  };
  for await (const piece of pieces) yield* splitter.push(decode(piece));
  yield* splitter.push(decode());
  yield* splitter.end();
}
