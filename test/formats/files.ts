import { readdirSync, readFileSync } from 'node:fs';

const FIXTURES = new URL('../fixtures/', import.meta.url);

/** Names of the fixtures, without their endings. */
export const fixtureNames = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.safetensors'))
  .map((file) => file.slice(0, -'.safetensors'.length));

export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${name}.safetensors`, FIXTURES)));
}

/** A safetensors file with this header, written as it stands, and so many bytes of data. */
export function fileOf(header: string | object, data: number | Uint8Array = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const payload = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + json.length + payload.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(payload, 8 + json.length);
  return bytes;
}
