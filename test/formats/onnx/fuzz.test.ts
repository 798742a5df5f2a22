import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../../src/errors.js';
import { type OnnxModel, parseModel } from '../../../src/formats/onnx/model.js';
import { looksLikeOnnx, readOnnx } from '../../../src/formats/onnx/onnx.js';
import { toGraph } from '../../../src/formats/onnx/to-graph.js';
import { makePlan } from '../../../src/plan/plan.js';
import { type ModelSpec, model, type NodeSpec, tensor, value } from './writer.js';

const SEEDS = ['tagger-trace', 'stepper-dynamo', 'characters-trace', 'classifier-fixed-trace', 'both-dynamo'];
const files: Uint8Array[] = SEEDS.map((name) => {
  const bytes = readFileSync(fileURLToPath(new URL(`./fixtures/${name}.onnx`, import.meta.url)));
  return new Uint8Array(bytes);
});

/** Milliseconds in which any file, however made, must be answered. */
const LIMIT = 2000;
/** Files whose bytes are changed, and half as many whose content is; RIVULET_FUZZ_RUNS asks for more. */
const RUNS = Number(process.env.RIVULET_FUZZ_RUNS ?? 3000);

/** Whatever is read, there is a graph that can be looked at, or a RivuletError; and soon. Says whether it was read. */
function survives(read: () => ReturnType<typeof readOnnx>): boolean {
  const start = performance.now();
  try {
    makePlan(read());
    return true;
  } catch (error) {
    if (!(error instanceof RivuletError)) throw error;
    return false;
  } finally {
    expect(performance.now() - start).toBeLessThan(LIMIT);
  }
}

type Edit = (bytes: Uint8Array) => Uint8Array;

const at = fc.noBias(fc.nat(2 ** 20 - 1)).map((n) => n / 2 ** 20);
const position = (bytes: Uint8Array, share: number) => Math.floor(share * bytes.length);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(at, fc.nat(255)).map(([where, byte]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[position(copy, where)] = byte;
    return copy;
  }),
  fc.tuple(at, fc.nat(7)).map(([where, bit]) => (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[position(copy, where)] ^= 1 << bit;
    return copy;
  }),
  at.map((where) => (bytes: Uint8Array) => bytes.slice(0, position(bytes, where))),
  fc.tuple(at, fc.nat(40)).map(([where, length]) => (bytes: Uint8Array) => {
    const from = position(bytes, where);
    return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + length)]);
  }),
  fc.tuple(at, fc.uint8Array({ maxLength: 12 })).map(([where, more]) => (bytes: Uint8Array) => {
    const from = position(bytes, where);
    return Uint8Array.from([...bytes.subarray(0, from), ...more, ...bytes.subarray(from)]);
  }),
  fc.tuple(at, at, fc.nat(200)).map(([from, to, length]) => (bytes: Uint8Array) => {
    const copy = Uint8Array.from(bytes);
    copy.copyWithin(position(copy, to), position(copy, from), position(copy, from) + length);
    return copy;
  }),
);

/** Every place in a model that holds something simple: who holds it, and under which key. */
function placesOf(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  if (value instanceof Map) return [...value.values()].flatMap(placesOf);
  return Object.entries(value).flatMap(([key, item]): [Record<string, unknown>, string][] => [
    // The kind of an attribute says what its value is; the parser never gives one without the other.
    ...(key === 'kind' ? [] : [[value, key] as [Record<string, unknown>, string]]),
    ...placesOf(item),
  ]);
}

/** What may stand in for what: lists for lists of the same name, objects for objects with the same keys. */
const kindOf = (value: unknown, key: string): string => {
  if (typeof value !== 'object' || value === null) return typeof value;
  if (Array.isArray(value)) return `list ${key} of ${typeof value[0]}`;
  return value instanceof Uint8Array ? 'bytes' : Object.keys(value).sort().join();
};

const INTEGERS = [0, 1, -1, 2, 3, 7, 64, 2 ** 20, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, -(2 ** 40)];

describe('hostile ONNX files', () => {
  it('bytes changed, added, left out', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.nat(files.length - 1), fc.array(edit, { minLength: 1, maxLength: 3 }), (file, edits) => {
        const bytes = edits.reduce((mutated, one) => one(mutated), files[file]);
        looksLikeOnnx(bytes);
        if (survives(() => readOnnx(bytes, 'fuzz.onnx'))) read++;
      }),
      { numRuns: RUNS },
    );
    // Weights are most of a file: many changes must still give a model.
    expect(read).toBeGreaterThan(RUNS / 100);
  }, 300_000);

  it('a sound file whose content is another', () => {
    fc.assert(
      fc.property(
        fc.nat(files.length - 1),
        fc.array(fc.tuple(at, at, fc.nat(INTEGERS.length - 1), fc.boolean()), { minLength: 1, maxLength: 4 }),
        (file, changes) => {
          const model: OnnxModel = parseModel(files[file]);
          for (const [where, other, number, swap] of changes) {
            const places = placesOf(model.graph);
            const [holder, key] = places[Math.floor(where * places.length)];
            const old = holder[key];
            // Another value of the same type, from elsewhere in the model or from the list.
            const same = places.filter(([from, at]) => kindOf(from[at], at) === kindOf(old, key));
            const [from, at] = same[Math.floor(other * same.length)];
            if (swap && typeof old === 'object') [holder[key], from[at]] = [from[at], old];
            else if (typeof old === 'number') holder[key] = Math.abs(INTEGERS[number]);
            else if (typeof old === 'bigint') holder[key] = BigInt(INTEGERS[number]);
            else if (typeof old === 'string') holder[key] = from[at];
          }
          survives(() => toGraph(model, 'fuzz.onnx'));
        },
      ),
      { numRuns: RUNS / 2 },
    );
  }, 300_000);

  const many = (count: number, nodeOf: (i: number) => NodeSpec): NodeSpec[] =>
    Array.from({ length: count }, (_, i) => nodeOf(i));
  const named = (i: number) => (i === 0 ? 'x' : `v${i}`);
  const x = value('x', ['N', 4]);
  const constant = tensor(
    'x',
    [64, 64],
    Array.from({ length: 4096 }, () => 1),
  );

  it.each<[string, ModelSpec]>([
    [
      'nodes of one name',
      {
        nodes: many(60_000, (i) => ({ op: 'Relu', name: 'same', inputs: [named(i)], outputs: [named(i + 1)] })),
        inputs: [x],
        outputs: [value('v60000', undefined)],
      },
    ],
    [
      'constants moved again and again',
      {
        nodes: many(60_000, (i) => ({ op: 'Transpose', inputs: [named(i)], outputs: [named(i + 1)] })),
        inputs: [],
        weights: [constant],
        outputs: [value('v60000', undefined)],
      },
    ],
    [
      'constants doubled again and again',
      {
        nodes: many(40, (i) => ({
          op: 'Concat',
          inputs: [named(i), named(i)],
          outputs: [named(i + 1)],
          attributes: { axis: 0 },
        })),
        inputs: [],
        weights: [constant],
        outputs: [value('v40', undefined)],
      },
    ],
    [
      'zeros of any size',
      {
        nodes: [
          { op: 'ConstantOfShape', inputs: ['s'], outputs: ['z'] },
          { op: 'Add', inputs: ['x', 'z'], outputs: ['y'] },
        ],
        inputs: [x],
        weights: [tensor('s', [2], [2n ** 40n, 4n])],
        outputs: [value('y', undefined)],
      },
    ],
    [
      'states without end',
      {
        nodes: many(20_000, (i) => ({
          op: 'RNN',
          inputs: ['x', 'W', 'R', '', '', `h${i % 1000}`],
          outputs: [`y${i}`, `n${i}`],
        })),
        inputs: [value('x', ['T', 'N', 4]), ...Array.from({ length: 1000 }, (_, i) => value(`h${i}`, [1, 'N', 8]))],
        weights: [tensor('W', [1, 8, 4], Array(32).fill(0)), tensor('R', [1, 8, 8], Array(64).fill(0))],
        outputs: Array.from({ length: 1000 }, (_, i) => value(`n${i}`, undefined)),
      },
    ],
  ])(
    '%s',
    (_, spec) => {
      const bytes = model(spec);
      // The reader alone: how long a plan of so many nodes takes is the planner's affair.
      const start = performance.now();
      try {
        readOnnx(bytes, 'fuzz.onnx');
      } catch (error) {
        if (!(error instanceof RivuletError)) throw error;
      }
      expect(performance.now() - start).toBeLessThan(LIMIT);
    },
    60_000,
  );
});
