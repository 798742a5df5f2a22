import { RivuletError } from '../../errors.js';
import { elementCount } from '../../graph/tensor.js';
import { encodeUtf8 } from '../../io/utf8.js';
import { BITS, MAX_HEADER_BYTES, METADATA, PREFIX, type SafetensorsFile, tooLong } from './container.js';

const ALIGNMENT = 8;

/**
 * Writes a safetensors file. The same content gives the same bytes, whatever the order of the maps: the widest elements
 * come first, which keeps every tensor aligned, then names by code point; metadata keep the order given.
 *
 * @throws RivuletError `INVALID_INPUT` where bytes and shape disagree or a name is reserved; `LIMIT_EXCEEDED`.
 */
export function writeSafetensors({ metadata, tensors }: SafetensorsFile): Uint8Array {
  const sorted = [...tensors].sort(
    ([a, { dtype: p }], [b, { dtype: q }]) => BITS[q] - BITS[p] || compareCodePoints(a, b),
  );
  // Written piece by piece: an object would put keys such as "0" before all others.
  const entries: string[] = [];
  if (metadata.size > 0) {
    const pairs = Array.from(metadata, ([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    entries.push(`"${METADATA}":{${pairs.join(',')}}`);
  }
  let length = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    const expected = (elementCount(shape) * BITS[dtype]) / 8;
    if (bytes.length !== expected || name === METADATA) {
      throw new RivuletError('INVALID_INPUT', name === METADATA ? 'A reserved name' : 'Bytes and shape disagree', {
        tensor: name,
        expected: name === METADATA ? undefined : `${expected} bytes for ${dtype} [${shape.join(', ')}]`,
        found: name === METADATA ? undefined : `${bytes.length}`,
      });
    }
    const [begin, end] = [length, (length += bytes.length)];
    entries.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${begin},${end}]}`,
    );
  }
  const json = encodeUtf8(`{${entries.join(',')}}`);
  const headerLength = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  if (headerLength > MAX_HEADER_BYTES) throw tooLong(headerLength, undefined);

  const out = new Uint8Array(PREFIX + headerLength + length).fill(0x20, PREFIX + json.length, PREFIX + headerLength);
  new DataView(out.buffer).setUint32(0, headerLength, true);
  out.set(json, PREFIX);
  let at = PREFIX + headerLength;
  for (const [, { bytes }] of sorted) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** Order by code point, which is that of UTF-8 and of Python; `<` alone compares UTF-16 units. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i].codePointAt(0)! - right[i].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
