import { RivuletError } from '../errors.js';

/** How many times longer than its data the result of deflate can be at most. */
export const DEFLATE_RATIO = 1_032;

/**
 * Inflates what was deflated: `deflate` is zlib's form (HDF5, PNG), `deflate-raw` the bare one (ZIP).
 *
 * @param length bytes that come out; anything else is refused before more is held.
 * @param what names the data in errors.
 * @throws RivuletError `INVALID_FILE` where the data are damaged or of another length; `UNSUPPORTED_HOST` where the host
 *   has no DecompressionStream (an AudioWorklet).
 */
export async function inflate(
  data: Uint8Array,
  format: 'deflate' | 'deflate-raw',
  length: number,
  what: string,
  file?: string,
): Promise<Uint8Array> {
  if (typeof DecompressionStream === 'undefined') {
    throw new RivuletError('UNSUPPORTED_HOST', 'Compressed data cannot be read here', {
      file,
      expected: 'a host with DecompressionStream',
      found: what,
      hint: 'Store the file without compression',
    });
  }
  const invalid = (found: string, cause?: unknown) =>
    new RivuletError('INVALID_FILE', `${what} cannot be inflated`, {
      file,
      expected: `${length} bytes`,
      found,
      ...(cause === undefined ? {} : { cause }),
    });
  const out = new Uint8Array(length);
  let at = 0;
  const reader = new Blob([data as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream(format))
    .getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw invalid('damaged data', cause);
    });
    if (done) break;
    if (at + value.length > length) {
      await reader.cancel().catch(() => undefined);
      throw invalid('more');
    }
    out.set(value, at);
    at += value.length;
  }
  if (at < length) throw invalid(`${at}`);
  return out;
}
