import type { Random } from './random.js';

/** A file made from another. Seeds are shared between cases: the bytes given are not written to. */
export type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

/** Numbers at which lengths, counts and offsets change their meaning. */
export const INTEGERS = [
  0,
  1,
  -1,
  2,
  3,
  7,
  8,
  64,
  127,
  128,
  255,
  256,
  65_535,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 40,
  2 ** 53 - 1,
];

export function splice(bytes: Uint8Array, from: number, to: number, ...parts: Uint8Array[]): Uint8Array {
  const all = [bytes.subarray(0, from), ...parts, bytes.subarray(to)];
  const result = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** Half of all edits fall into the first or last 300 bytes, where headers and directories are. */
function place(bytes: Uint8Array, random: Random): number {
  const near = Math.min(bytes.length, 300);
  if (random.chance(0.5)) return random.integer(bytes.length);
  return random.chance(0.7) ? random.integer(near) : bytes.length - 1 - random.integer(near);
}

const flipBit: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  copy[place(copy, random)] ^= 1 << random.integer(8);
  return copy;
};

const setByte: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  copy[place(copy, random)] = random.chance(0.5) ? random.integer(256) : random.pick(INTEGERS);
  return copy;
};

/** A little-endian integer of two, four or eight bytes becomes another. */
const setInteger: Mutation = (bytes, random) => {
  const size = random.pick([2, 4, 8]);
  if (bytes.length < size) return bytes;
  const copy = bytes.slice();
  const at = Math.min(place(copy, random), copy.length - size);
  const value = BigInt(random.pick(INTEGERS));
  for (let i = 0; i < size; i++) copy[at + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
  return copy;
};

/** Two integers that may be lengths or offsets (they are below the file's length) change places. */
const swapLengths: Mutation = (bytes, random) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const places: number[] = [];
  const first = random.integer(bytes.length);
  for (let i = 0; i < Math.min(bytes.length, 4096) && places.length < 2; i++) {
    const at = (first + i) % bytes.length;
    if (at + 4 > bytes.length || places.some((other) => Math.abs(other - at) < 4)) continue;
    const value = view.getUint32(at, true);
    if (value > 0 && value < bytes.length && random.chance(0.2)) places.push(at);
  }
  if (places.length < 2) return flipBit(bytes, random);
  const copy = bytes.slice();
  copy.set(bytes.subarray(places[0], places[0] + 4), places[1]);
  copy.set(bytes.subarray(places[1], places[1] + 4), places[0]);
  return copy;
};

const truncate: Mutation = (bytes, random) => bytes.slice(0, place(bytes, random));

const remove: Mutation = (bytes, random) => {
  const from = place(bytes, random);
  return splice(bytes, from, Math.min(bytes.length, from + 1 + random.integer(40)));
};

const insert: Mutation = (bytes, random) => {
  const at = place(bytes, random);
  return splice(bytes, at, at, random.bytes(1 + random.integer(12)));
};

/** A piece of the file a second time, over something else or between. */
const copyPiece: Mutation = (bytes, random) => {
  const from = place(bytes, random);
  const piece = bytes.subarray(from, from + 1 + random.integer(200));
  const to = place(bytes, random);
  return splice(bytes, to, random.chance(0.5) ? to : Math.min(bytes.length, to + piece.length), piece);
};

/** What any file can suffer, whatever its format. */
export const BYTE_MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  setInteger,
  swapLengths,
  truncate,
  remove,
  insert,
  copyPiece,
];

/** One to three of them, one after the other. */
export const mutateBytes: Mutation = (bytes, random) => {
  let result = bytes;
  for (let i = random.integer(3); i >= 0 && result.length > 0; i--)
    result = random.pick(BYTE_MUTATIONS)(result, random);
  return result;
};
