import { describe, expect, it } from 'vitest';
import type { DataType, Tensor } from '../../src/graph/graph.js';
import { byteLength, elementCount, toFloat32, toIntegers } from '../../src/graph/tensor.js';

function tensor(type: DataType, data: ArrayBufferView, shape: number[]): Tensor {
  return { name: 'w', type, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

describe('sizes', () => {
  it('multiply', () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([3, 0, 2])).toBe(0);
    expect(byteLength('float16', [3, 5])).toBe(30);
    expect(byteLength('int64', [])).toBe(8);
  });

  it('are checked', () => {
    expect(() => elementCount([2 ** 30, 2 ** 30])).toThrow(/too many elements/);
    expect(() => elementCount([0, 2 ** 30, 2 ** 30])).toThrow(/too many elements/);
    expect(() => elementCount([-1])).toThrow(/not a count/);
    expect(() => elementCount([0.5])).toThrow(/not a count/);
    expect(() => byteLength('float64', [2 ** 51])).toThrow(/too many bytes/);
  });
});

describe('toFloat32', () => {
  it('views aligned float32 and copies what is not aligned', () => {
    const data = Float32Array.of(1, -2, Math.fround(0.1));
    expect(toFloat32(tensor('float32', data, [3])).buffer).toBe(data.buffer);
    const odd = new Uint8Array(13);
    odd.set(new Uint8Array(data.buffer), 1);
    expect(toFloat32(tensor('float32', odd.subarray(1), [3]))).toEqual(data);
  });

  it('converts every float16 exactly', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const values = toFloat32(tensor('float16', all, [65_536]));
    for (const [bits, value] of [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3c00, 1],
      [0x3555, 0.333251953125],
      [0x7bff, 65_504],
      [0xfbff, -65_504],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ]) {
      expect(values[bits]).toBe(value);
    }
    // Positive patterns are ordered as their values are, without a repetition.
    const positive = values.subarray(0, 0x7c01);
    expect(positive.findIndex((value, bits) => bits > 0 && !(value > positive[bits - 1]))).toBe(-1);
    expect(positive.findIndex((value, bits) => !Object.is(values[bits + 0x8000], -value))).toBe(-1);
  });

  it('converts bfloat16 exactly', () => {
    const bits = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f80, 0x8000);
    expect([...toFloat32(tensor('bfloat16', bits, [5]))]).toEqual([1, -2, 2 ** -133, Number.POSITIVE_INFINITY, -0]);
    expect(toFloat32(tensor('bfloat16', Uint16Array.of(0x7fc0), [1]))[0]).toBeNaN();
  });

  it('rounds float64, and refuses what leaves the range', () => {
    expect(toFloat32(tensor('float64', Float64Array.of(0.1, Number.NaN), [2]))).toEqual(
      Float32Array.of(0.1, Number.NaN),
    );
    expect(() => toFloat32(tensor('float64', Float64Array.of(0, 1e300), [2]))).toThrow(/1e\+300 at element 1/);
  });

  it('refuses integers and wrong lengths', () => {
    expect(() => toFloat32(tensor('int8', new Int8Array(2), [2]))).toThrow(/Not a floating-point tensor/);
    expect(() => toFloat32(tensor('float32', new Float32Array(2), [3]))).toThrow(/expected 12 bytes/);
  });
});

describe('toIntegers', () => {
  it('reads every integer type', () => {
    expect(toIntegers(tensor('int64', BigInt64Array.of(-1n, 2n ** 53n - 1n), [2]))).toEqual([-1, 2 ** 53 - 1]);
    expect(toIntegers(tensor('int32', Int32Array.of(-5), [1]))).toEqual([-5]);
    expect(toIntegers(tensor('int16', Int16Array.of(-300), [1]))).toEqual([-300]);
    expect(toIntegers(tensor('int8', Int8Array.of(-5), []))).toEqual([-5]);
    expect(toIntegers(tensor('uint8', Uint8Array.of(200), [1]))).toEqual([200]);
    expect(toIntegers(tensor('bool', Uint8Array.of(0, 1, 7), [3]))).toEqual([0, 1, 1]);
  });

  it('refuses what a number cannot hold, and floats', () => {
    expect(() => toIntegers(tensor('int64', BigInt64Array.of(2n ** 62n), [1]))).toThrow(
      /4611686018427387904 at element 0/,
    );
    expect(() => toIntegers(tensor('float32', new Float32Array(1), [1]))).toThrow(/Not an integer tensor/);
  });
});
