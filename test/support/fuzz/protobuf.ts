import { INTEGERS, type Mutation, mutateBytes, splice } from './bytes.js';
import type { Random } from './random.js';

/** A field of a message: an integer (wire type 0), fixed bytes (1, 5), bytes, or a message inside. Never written to. */
interface Field {
  readonly number: number;
  readonly wire: number;
  readonly value: bigint | Uint8Array | readonly Field[];
}

const DEPTH = 12;

const bytesOf = (wire: number, length: bigint | undefined): number | undefined =>
  wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 && length !== undefined && length < 2 ** 31 ? Number(length) : undefined;

/** The fields that bytes hold if they are a message, which only the writer knows for sure; undefined where they can't be. */
function parse(bytes: Uint8Array, depth = 0): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    // Almost all are of one byte, and arithmetic of bigints is slow.
    if (bytes[at] < 128) return BigInt(bytes[at++]);
    let value = 0n;
    for (let shift = 0n; shift < 70n && at < bytes.length; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const field = { number: tag >> 3, wire: tag & 7 };
    // Also where there was none.
    if (!(tag >= 8 && tag < 1000)) return undefined;
    const value = field.wire === 0 || field.wire === 2 ? varint() : undefined;
    if (field.wire === 0) {
      if (value === undefined) return undefined;
      fields.push({ ...field, value });
      continue;
    }
    const length = bytesOf(field.wire, value);
    if (length === undefined || length > bytes.length - at) return undefined;
    const content = bytes.subarray(at, (at += length));
    const inner = field.wire === 2 && depth < DEPTH && !isText(content) ? parse(content, depth + 1) : undefined;
    fields.push({ ...field, value: inner ?? content });
  }
  return fields;
}

/** Names pass for messages now and then, and would be altered as such. */
const isText = (bytes: Uint8Array) => bytes.every((byte) => byte >= 32 && byte < 127);

function encodeVarint(value: bigint, into: number[]): void {
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) into.push(Number(rest & 127n) | 128);
  into.push(Number(rest));
}

/** What a field was written as before: most of a file stays as it is. */
const written = new WeakMap<Field, Uint8Array>();

function encodeField(field: Field): Uint8Array {
  const known = written.get(field);
  if (known) return known;
  const { number, wire, value } = field;
  const head: number[] = [];
  encodeVarint(BigInt(number * 8 + wire), head);
  if (typeof value === 'bigint') encodeVarint(value, head);
  const content = typeof value === 'bigint' ? new Uint8Array(0) : value instanceof Uint8Array ? value : encode(value);
  if (wire === 2) encodeVarint(BigInt(content.length), head);
  const bytes = new Uint8Array(head.length + content.length);
  bytes.set(head);
  bytes.set(content, head.length);
  written.set(field, bytes);
  return bytes;
}

const encode = (fields: readonly Field[]): Uint8Array => splice(new Uint8Array(0), 0, 0, ...fields.map(encodeField));

interface Place {
  field: Field;
  /** Where it stands: its index in the root, in the message there, and so on. */
  indices: readonly number[];
  /** Numbers of the fields that it lies in and its own: places of one path have one meaning. */
  path: string;
}

function placesOf(fields: readonly Field[], indices: readonly number[] = [], path = '', into: Place[] = []): Place[] {
  for (const [index, field] of fields.entries()) {
    const place = { field, indices: [...indices, index], path: `${path}.${field.number}` };
    into.push(place);
    if (Array.isArray(field.value)) placesOf(field.value, place.indices, place.path, into);
  }
  return into;
}

/** The message with other fields in one field's place; as it was where the place is gone. */
function replace(
  fields: readonly Field[],
  [index, ...rest]: readonly number[],
  by: readonly Field[],
): readonly Field[] {
  const field = fields[index];
  if (!field) return fields;
  if (rest.length === 0) return fields.toSpliced(index, 1, ...by);
  if (!Array.isArray(field.value)) return fields;
  return fields.toSpliced(index, 1, { ...field, value: replace(field.value, rest, by) });
}

function change(root: readonly Field[], places: readonly Place[], random: Random): readonly Field[] {
  const { field, indices, path } = random.pick(places);
  // Most often of the same meaning, so that names point elsewhere and cycles arise.
  const other = random.pick(random.chance(0.9) ? places.filter((place) => place.path === path) : places);
  const by = (...fields: Field[]) => replace(root, indices, fields);
  const choice = random.integer(12);
  if (choice === 0) return by();
  if (choice === 1) return by(field, other.field);
  if (choice === 2) {
    // The same field again and again, side by side or inside itself.
    const times = random.pick([2, 20, 400]);
    if (random.chance(0.5)) return by(...Array.from({ length: times }, () => field));
    let nested = field;
    for (let i = 0; i < times; i++) nested = { number: field.number, wire: 2, value: [nested] };
    return by(nested);
  }
  if (choice < 6) return by(other.field);
  if (typeof field.value === 'bigint') return by({ ...field, value: BigInt(random.pick(INTEGERS)) });
  if (choice < 9) return replace(by(other.field), other.indices, [field]);
  if (!(field.value instanceof Uint8Array) || field.wire !== 2) return root;
  return by({ ...field, value: random.chance(0.2) ? new Uint8Array(0) : mutateBytes(field.value, random) });
}

/** Seeds are taken apart once. */
const parsed = new WeakMap<Uint8Array, { root: readonly Field[]; places: readonly Place[] }>();

/** A protobuf file with up to three fields changed and every length put right, so that what is behind the parser is met. */
export const mutateProtobuf: Mutation = (bytes, random) => {
  let known = parsed.get(bytes);
  if (!known) {
    const root = parse(bytes);
    if (!root || root.length === 0) return mutateBytes(bytes, random);
    known = { root, places: placesOf(root) };
    parsed.set(bytes, known);
  }
  let root = change(known.root, known.places, random);
  // What was changed may be changed again, and what was repeated may not: gigabytes would come of it.
  while (random.chance(0.4) && encode(root).length < 2 ** 20) root = change(root, placesOf(root), random);
  return encode(root);
};
