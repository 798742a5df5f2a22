import { describe, expect, it } from 'vitest';
import { withWeights, writeNative } from '../../src/convert/index.js';
import { readNative } from '../../src/formats/safetensors/native.js';
import { toFloat32 } from '../../src/graph/tensor.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../../src/io/binary.js';
import { float32ToBfloat16, float32ToFloat16 } from '../../src/io/narrow.js';
import { filterWithStates, floats, graphOf, node, value } from '../support/graphs.js';

const patterns = Uint16Array.from({ length: 65_536 }, (_, i) => i);

describe.each([
  { name: 'float16', narrow: float32ToFloat16, widen: float16ToFloat32, infinity: 0x7c00 },
  { name: 'bfloat16', narrow: float32ToBfloat16, widen: bfloat16ToFloat32, infinity: 0x7f80 },
])('float32 to $name', ({ narrow, widen, infinity }) => {
  const differing = (a: Uint16Array, b: ArrayLike<number>) => a.filter((bits, i) => bits !== b[i]).length;

  it('gives every pattern back, and NaN for NaN', () => {
    const numbers = patterns.filter((bits) => (bits & 0x7fff) <= infinity);
    expect(differing(narrow(widen(numbers)), numbers)).toBe(0);
    const others = patterns.filter((bits) => (bits & 0x7fff) > infinity);
    expect(widen(narrow(widen(others))).every(Number.isNaN)).toBe(true);
  });

  it('rounds to nearest, ties to even, up to infinity', () => {
    const finite = patterns.filter((bits) => bits < infinity);
    const below = widen(finite);
    // What follows the largest number would be, were there room for its exponent.
    const above = (i: number) => (i + 1 < finite.length ? below[i + 1] : 2 * below[i] - below[i - 1]);
    const halves = Float32Array.from(below, (x, i) => (x + above(i)) / 2);
    const moved = (by: number) => {
      const words = new Int32Array(halves.slice().buffer).map((word) => word + by);
      return new Float32Array(words.buffer);
    };
    expect(
      differing(
        narrow(halves),
        finite.map((bits) => bits + (bits & 1)),
      ),
    ).toBe(0);
    expect(differing(narrow(moved(-1)), finite)).toBe(0);
    expect(
      differing(
        narrow(moved(1).map((x) => -x)),
        finite.map((bits) => (bits + 1) | 0x8000),
      ),
    ).toBe(0);
  });
});

describe('withWeights', () => {
  it('rounds floating-point tensors, and leaves integers and what a state begins as', () => {
    const graph = withWeights(filterWithStates(), 'float16');
    expect(Array.from(graph.tensors.values(), ({ name, type }) => [name, type])).toEqual([
      ['leak', 'float16'],
      ['W', 'float16'],
      ['R', 'float16'],
      ['start', 'float32'],
    ]);
    const again = readNative(writeNative(graph));
    expect([...toFloat32(again.tensors.get('leak')!)]).toEqual([0.5, 0.25, -0.5, Math.fround(1843 / 2048)]);
  });

  it('keeps what is of the type already', () => {
    const graph = withWeights(filterWithStates(), 'bfloat16');
    expect(withWeights(graph, 'bfloat16').tensors).toEqual(graph.tensors);
    expect(writeNative(withWeights(graph, 'float32')).length).toBeGreaterThan(writeNative(graph).length);
  });

  it.each([
    ['float16', 65_520],
    ['bfloat16', 3.4e38],
    ['float16', Number.NaN],
  ] as const)('refuses what %s cannot hold: %d', (type, number) => {
    const graph = graphOf({
      inputs: [value('x', ['N', 1])],
      outputs: [value('y', ['N', 1])],
      nodes: [node('Add', ['x', 'bias'], 'y')],
      tensors: [floats('bias', [1], [number])],
    });
    expect(() => withWeights(graph, type)).toThrow(/tensor "bias": A weight is out of the range of b?float16/);
  });
});
