import { describe, expect, it } from 'vitest';
import { PANEL_WIDTH, packedCount, packPanels, plainOrder, rowMajor } from '../../src/ops/pack.js';
import { Arena } from '../../src/runtime/arena.js';
import { Hash } from '../../src/runtime/hash.js';
import { instantiateKernels } from '../../src/runtime/kernels.js';
import { Staging } from '../../src/runtime/staging.js';
import { builds, kernelSet } from '../assembly/harness.js';
import { numbers } from '../support/graphs.js';

/** What is written around a pack, to see that nothing else is. */
const GUARD = 7.25;
const GUARDS = 64;

describe.each(builds)('staging, %s', (build) => {
  const arena = new Arena();
  const kernels = instantiateKernels(kernelSet(build), ['core'], arena.memory);
  arena.startAt(kernels.heapBase());
  const staging = new Staging(arena, kernels);

  /** A pack by the kernel, in the arena, with what lies around it. */
  function packed(count: number, pack: (target: Float32Array) => void): Float32Array {
    const at = arena.reserve((count + 2 * GUARDS) * 4) / 4;
    staging.begin();
    const around = arena.f32.subarray(at, at + count + 2 * GUARDS);
    around.fill(GUARD, 0, GUARDS);
    around.fill(GUARD, GUARDS + count);
    pack(around.subarray(GUARDS, GUARDS + count));
    staging.end();
    return around;
  }

  /** The same in JavaScript alone. */
  function expected(count: number, pack: (target: Float32Array) => void): Float32Array {
    const around = new Float32Array(count + 2 * GUARDS).fill(GUARD);
    around.fill(0, GUARDS, GUARDS + count);
    pack(around.subarray(GUARDS, GUARDS + count));
    return around;
  }

  const depths = [1, 3, 4, 17, 1023, 1024, 1025];
  const orders: [string, number, number[]][] = [
    ['one output', 1, plainOrder(1)],
    ['rows in order', 35, plainOrder(35)],
    ['groups of four', 32, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27, 4, 5, 6, 7]],
    ['backwards, with gaps', 9, [8, -1, 7, 6, -1, -1, 5, 4, 3, 2, 1, 0, -1]],
  ];

  it.each(orders)('packs as JavaScript does: %s', (_, outputs, order) => {
    for (const depth of depths) {
      const other = 5;
      const matrices = [
        rowMajor(Float32Array.from(numbers(outputs * depth + 3, depth)), depth, 3),
        // Inputs that do not follow each other: left to JavaScript, behind what the kernel wrote.
        { data: Float32Array.from(numbers(64 * other, 2)), depth: other, outputStride: 1, inputStride: 64 },
      ];
      const count = packedCount(order.length, depth + other);
      const bias = (output: number) => output + 0.5;
      const calls: boolean[] = [];
      const found = packed(count, (target) =>
        packPanels(target, order, bias, matrices, (...rows) => {
          calls.push(staging.packRows(...rows));
          return calls.at(-1)!;
        }),
      );
      expect(found).toEqual(expected(count, (target) => packPanels(target, order, bias, matrices)));
      expect(calls).toEqual(Array(Math.ceil(order.length / PANEL_WIDTH)).fill(depth <= 1024));
    }
  });

  it('hashes as JavaScript does, at any length and alignment', () => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 2654435761) >>> 13);
    const piece = 65_536 - 8;
    for (const length of [0, 5, 1023, 1024, 1027, piece - 1, piece, piece + 1, 2 * piece, 2 * piece + 5]) {
      for (const from of [0, 4, 5]) {
        const given = bytes.subarray(from, from + length);
        const twice = (hash: Hash) => hash.update(given).update(bytes.subarray(0, 40)).digest();
        staging.begin();
        expect(twice(new Hash(staging))).toEqual(twice(new Hash()));
        staging.end();
      }
    }
  });

  it('leaves zeros where the arena reserves next', () => {
    staging.begin();
    new Hash(staging).update(new Uint8Array(100_000).fill(255));
    staging.end();
    const at = arena.reserve(1 << 17) / 4;
    expect(arena.f32.subarray(at, at + (1 << 15)).every((number) => number === 0)).toBe(true);
  });
});

it('a hash is what it was: snapshots are kept', () => {
  expect(new Hash().update(Uint8Array.of(1, 2, 3, 4, 5)).digest()).toMatchInlineSnapshot(`
    [
      1356667626,
      2055107732,
    ]
  `);
});
