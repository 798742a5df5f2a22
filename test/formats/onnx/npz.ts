import { inflateRawSync } from 'node:zlib';
import { type NpyArray, readNpy } from '../../../src/io/npy.js';

/** The arrays of a NumPy .npz archive, by name. Trusts the file: for tests alone. */
export function readNpz(bytes: Uint8Array): Record<string, NpyArray> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const arrays: Record<string, NpyArray> = {};
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--;
  let at = view.getUint32(end + 16, true);
  for (let i = view.getUint16(end + 10, true); i > 0; i--) {
    const method = view.getUint16(at + 10, true);
    const packed = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    const title = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = bytes.subarray(start, start + packed);
    arrays[title.replace(/\.npy$/, '')] = readNpy(method === 0 ? content : new Uint8Array(inflateRawSync(content)));
    at += 46 + name + extra + comment;
  }
  return arrays;
}
