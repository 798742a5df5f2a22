import { RivuletError } from '../errors.js';
import { shown } from '../options.js';
import { Hash } from './hash.js';

// Layout, little-endian: 0 magic "RVST", 4 version (u16), 6 zero (u16), 8 fingerprint (2 x u32), 16 bytes of state (u32),
// 20 checksum of all the rest (u32), 24 the states as float32, in the plan's order, without padding: no kernel's layout.
const MAGIC = 0x54535652;
const VERSION = 1;
const HEADER = 24;

/** Wraps a stream's state for keeping. */
export function writeSnapshot(fingerprint: readonly [number, number], state: Float32Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + state.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint32(8, fingerprint[0], true);
  view.setUint32(12, fingerprint[1], true);
  view.setUint32(16, state.byteLength, true);
  for (let i = 0; i < state.length; i++) view.setFloat32(HEADER + 4 * i, state[i], true);
  view.setUint32(20, checksum(bytes), true);
  return bytes;
}

/**
 * The state inside a snapshot, `size` float32.
 * @throws RivuletError `INVALID_SNAPSHOT`: not a snapshot, of a newer version, of another model, truncated or altered.
 */
export function readSnapshot(bytes: Uint8Array, fingerprint: readonly [number, number], size: number): Float32Array {
  if (!(bytes instanceof Uint8Array)) throw invalid('not bytes', 'a Uint8Array', shown(bytes));
  if (bytes.length < HEADER) throw invalid('too short', `at least ${HEADER} bytes`, `${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw invalid('not a snapshot', '"RVST" at its beginning', 'other bytes');
  const version = view.getUint16(4, true);
  if (version !== VERSION) {
    throw invalid('another version', `${VERSION}`, `${version}`, 'Update Rivulet to read it');
  }
  const length = view.getUint32(16, true);
  if (bytes.length !== HEADER + length) {
    throw invalid('truncated or extended', `${HEADER + length} bytes`, `${bytes.length}`);
  }
  if (view.getUint32(20, true) !== checksum(bytes))
    throw invalid('altered', 'its checksum', 'another', 'Take the bytes as `save` gave them');
  if (view.getUint32(8, true) !== fingerprint[0] || view.getUint32(12, true) !== fingerprint[1]) {
    const found = format([view.getUint32(8, true), view.getUint32(12, true)]);
    throw invalid('of another model', format(fingerprint), found, 'Restore it in a stream of the model that saved it');
  }
  if (length !== size * 4) throw invalid('of another size', `${size * 4} bytes of state`, `${length}`);
  return Float32Array.from({ length: size }, (_, i) => view.getFloat32(HEADER + 4 * i, true));
}

/** A fingerprint as people read it: 16 hexadecimal digits. */
export function format([a, b]: readonly [number, number]): string {
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
}

function checksum(bytes: Uint8Array): number {
  return new Hash().update(bytes.subarray(0, 20)).update(bytes.subarray(HEADER)).digest()[0];
}

function invalid(what: string, expected: string, found: string, hint?: string): RivuletError {
  return new RivuletError('INVALID_SNAPSHOT', `the snapshot is ${what}`, { expected, found, hint });
}
