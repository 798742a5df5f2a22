import fc from 'fast-check';
import { describe, it } from 'vitest';
import { RivuletError } from '../../src/errors.js';
import { readModelSync } from '../../src/formats/registry.js';
import { parseSafetensors, type SafetensorsFile } from '../../src/formats/safetensors/container.js';
import { writeSafetensors } from '../../src/formats/safetensors/write-container.js';
import { checkGraph } from '../../src/graph/check.js';
import { readNpy, writeNpy } from '../../src/io/npy.js';
import { fixture } from './files.js';

/** Whatever the bytes, a reader returns or throws a RivuletError. */
function survives(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof RivuletError)) throw error;
  }
}

type Edit = (bytes: Uint8Array) => Uint8Array;

/** A share of a length, evenly spread: fast-check's doubles and its bias favour zero, where nothing deep is reached. */
const at = fc.noBias(fc.nat(2 ** 20 - 1)).map((n) => n / 2 ** 20);

/** Where edits fall: half of them in the first 300 bytes, where they meet lengths and structure. */
const place = fc.tuple(at, fc.boolean());
const position = (length: number, [share, early]: [number, boolean]) =>
  Math.floor(share * (early ? Math.min(length, 300) : length));

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(([where, byte]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[position(copy.length, where)] = byte;
    return copy;
  }),
  fc.tuple(place, fc.nat(7)).map(([where, bit]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[position(copy.length, where)] ^= 1 << bit;
    return copy;
  }),
  place.map((where) => (bytes: Uint8Array) => bytes.slice(0, position(bytes.length, where))),
  fc.tuple(place, fc.nat(40)).map(([where, length]) => (bytes: Uint8Array) => {
    const from = position(bytes.length, where);
    return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + length)]);
  }),
  fc.tuple(place, place, fc.nat(80)).map(([from, to, length]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy.copyWithin(position(bytes.length, to), position(bytes.length, from), position(bytes.length, from) + length);
    return copy;
  }),
);

/** Text of the header with something replaced, and its length put right, so that the edit reaches the deeper checks. */
const rewrite: fc.Arbitrary<Edit> = fc
  .tuple(
    fc.constantFrom(/\d+/g, /\[[^[\]]*\]/g, /\{[^{}]*\}/g, /"[\w.]+"/g, /[,:]/g),
    at,
    fc.constantFrom(
      '0',
      '-1',
      '1.5',
      '1e20',
      '9007199254740991',
      'null',
      '""',
      '"x"',
      '[]',
      '{}',
      '[[]]',
      '"__proto__"',
      '{"a":1}',
      ',',
      '',
    ),
  )
  .map(([pattern, share, replacement]) => (bytes: Uint8Array) => {
    if (bytes.length < 8) return bytes;
    const length = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), bytes.length - 8);
    const header = String.fromCharCode(...bytes.subarray(8, 8 + length));
    const matches = [...header.matchAll(pattern)];
    if (matches.length === 0) return bytes;
    const { index, 0: found } = matches[Math.floor(share * matches.length)];
    const changed = header.slice(0, index) + replacement + header.slice(index + found.length);
    const out = new Uint8Array(8 + changed.length + bytes.length - 8 - length);
    new DataView(out.buffer).setUint32(0, changed.length, true);
    for (let i = 0; i < changed.length; i++) out[8 + i] = changed.charCodeAt(i);
    out.set(bytes.subarray(8 + length), 8 + changed.length);
    return out;
  });

type Tree = unknown[] | Record<string, unknown>;

/** Every place in a JSON value: who holds it, and under which key. */
function placesOf(value: unknown): [Tree, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]): [Tree, string][] => [[value as Tree, key], ...placesOf(item)]);
}

const scrap = fc.constantFrom<unknown[]>('', 'x', 'T', 0, -1, 1.5, 2 ** 53, 7, null, [], {}, [[1]]);

/** The graph with a part replaced by another part or by something else: sound JSON, so its own checks are reached. */
const replant: fc.Arbitrary<Edit> = fc
  .array(
    fc.tuple(
      at,
      fc.oneof(
        at.map((other) => ({ other })),
        scrap.map((value) => ({ value })),
      ),
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((changes) => (bytes: Uint8Array) => {
    let file: SafetensorsFile;
    try {
      file = parseSafetensors(bytes);
    } catch {
      return bytes;
    }
    const graph = JSON.parse(file.metadata.get('rivulet.graph') ?? '{}');
    for (const [share, by] of changes) {
      const places = placesOf(graph);
      if (places.length === 0) break;
      const pick = (where: number) => places[Math.floor(where * places.length)];
      const value = 'other' in by ? Reflect.get(...pick(by.other)) : by.value;
      Reflect.set(...pick(share), structuredClone(value));
    }
    return writeSafetensors({
      ...file,
      metadata: new Map([...file.metadata, ['rivulet.graph', JSON.stringify(graph)]]),
    });
  });

const seeds = ['lstm-1-1', 'gru-explicit-state-initial', 'text-lstm-softmax-f16', 'onnx-lstm-all'].map(fixture);

describe('damaged files', () => {
  it('end as a graph or a RivuletError', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.oneof(
          replant.map((one) => [one]),
          fc.array(fc.oneof(edit, rewrite), { minLength: 1, maxLength: 3 }),
        ),
        (seed, edits) => {
          const bytes = edits.reduce((current, apply) => apply(current), seed);
          survives(() => checkGraph(readModelSync(bytes)));
          survives(() => parseSafetensors(bytes));
        },
      ),
      { numRuns: 5000 },
    );
  }, 120_000);

  it('end so at every length', () => {
    const [bytes] = seeds;
    for (let length = 0; length < bytes.length; length++) survives(() => readModelSync(bytes.subarray(0, length)));
  });

  it('end so as noise behind a plausible start', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const bytes = Uint8Array.from([noise.length + 2, 0, 0, 0, 0, 0, 0, 0, 0x7b, ...noise, 0x7d]);
        survives(() => readModelSync(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  it('end so as .npy', () => {
    const seed = writeNpy(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [3, 4],
    );
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        survives(() => readNpy(edits.reduce((current, apply) => apply(current), seed)));
      }),
      { numRuns: 10_000 },
    );
  });
});
