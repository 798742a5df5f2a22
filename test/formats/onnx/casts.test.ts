import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { model, node, tensor, value } from './writer.js';

const [BOOL, FLOAT, UINT8, INT8, INT32, INT64] = [9, 1, 2, 3, 6, 7];

/** What `nodes` make of a row of two zeros and the value `last`, added up. */
async function plus(weights: ReturnType<typeof tensor>[], nodes: ReturnType<typeof node>[], last: string) {
  const file = model({
    inputs: [value('x', ['N', 2])],
    outputs: [value('y', ['N', 2])],
    weights,
    nodes: [...nodes, node('Add', ['x', last], 'y')],
  });
  return [...(await loadModel(file)).createStream().step([0, 0])];
}

describe('Cast of what is known when the file is read', () => {
  it.each<[number, number, number]>([
    [2.7, INT64, 2],
    [-2.7, INT32, -2],
    [-3, BOOL, 1],
    [0.5, BOOL, 1],
    [0, BOOL, 0],
    [Number.POSITIVE_INFINITY, INT32, 2 ** 31 - 1],
    [Number.NEGATIVE_INFINITY, INT32, -(2 ** 31)],
    [3e9, INT32, 2 ** 31 - 1],
    [Number.NaN, INT64, 0],
  ])('%d to type %i and back is %d', async (number, to, expected) => {
    const casts = [node('Cast', ['a'], 'b', { to }), node('Cast', ['b'], 'c', { to: FLOAT })];
    expect(await plus([tensor('a', [2], [number, number])], casts, 'c')).toEqual([expected, expected].map(Math.fround));
  });

  it.each<[bigint, number, number]>([
    [4294967299n, INT32, 3],
    [2n ** 31n, INT32, -(2 ** 31)],
    [300n, UINT8, 44],
    [-5n, UINT8, 251],
    [-5n, INT32, -5],
  ])('the integer %d to type %i keeps the bits that there is room for', async (number, to, expected) => {
    const casts = [node('Cast', ['a'], 'b', { to }), node('Cast', ['b'], 'c', { to: FLOAT })];
    for (const shape of [[2], [1, 2]]) {
      expect(await plus([tensor('a', shape, [number, number])], casts, 'c')).toEqual([expected, expected]);
    }
  });

  it('"to the end" to int32 is another number, and is refused', async () => {
    const casts = [node('Cast', ['a'], 'b', { to: INT32 }), node('Cast', ['b'], 'c', { to: FLOAT })];
    const call = plus([tensor('a', [2], [2n ** 63n - 1n, 1n])], casts, 'c');
    await expect(call).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATOR', node: 'Cast_0' });
  });

  it('of an infinity to int64 is no fault of the reader, and what cannot run on it is named', async () => {
    const casts = [node('Cast', ['a'], 'b', { to: INT64 }), node('Cast', ['b'], 'c', { to: FLOAT })];
    const call = plus([tensor('a', [2], [Number.POSITIVE_INFINITY, 1])], casts, 'c');
    await expect(call).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATOR', node: 'Cast_1' });
  });

  it.each<[number, number, number]>([
    [2.7, INT64, 2],
    [-3, BOOL, 1],
    [0.5, BOOL, 1],
    [300, UINT8, 44],
    [-300, INT8, -44],
    [Number.POSITIVE_INFINITY, UINT8, 0],
  ])('a fill of %d to type %i and back is %d', async (number, to, expected) => {
    const nodes = [
      node('Shape', ['x'], 'shape'),
      node('Expand', ['scalar', 'shape'], 'a'),
      node('Cast', ['a'], 'b', { to }),
      node('Cast', ['b'], 'c', { to: FLOAT }),
    ];
    expect(await plus([tensor('scalar', [], [number])], nodes, 'c')).toEqual([expected, expected]);
  });
});

describe('a reduction over no axis', () => {
  it.each<[string, number, number]>([
    ['ReduceSumSquare', -3, 9],
    ['ReduceL1', -3, 3],
    ['ReduceL2', -3, 3],
    ['ReduceSum', -3, -3],
    ['ReduceMax', -3, -3],
    ['ReduceLogSum', Math.E, 1],
  ])('%s of %d is %d', async (op, number, expected) => {
    const file = model({
      inputs: [value('x', ['N', 1])],
      outputs: [value('y', ['N', 1])],
      nodes: [node(op, ['x'], 'y', { noop_with_empty_axes: 1 })],
      opset: 18,
    });
    expect((await loadModel(file)).createStream().step([number])[0]).toBeCloseTo(expected, 5);
  });
});

describe('what is computed of constants', () => {
  it.each<[string, number[], number[], number[]]>([
    ['Max', [Number.NaN, 1], [2, Number.NaN], [Number.NaN, Number.NaN]],
    ['Min', [Number.NaN, 3], [2, 2], [Number.NaN, 2]],
    ['Max', [-1, 3], [2, 2], [2, 3]],
  ])('%s of %j and %j is %j', async (op, a, b, expected) => {
    expect(await plus([tensor('a', [2], a), tensor('b', [2], b)], [node(op, ['a', 'b'], 'c')], 'c')).toEqual(expected);
  });

  it.each<[string, number[], number]>([
    ['ReduceL1', [2, -3], 5],
    ['ReduceL2', [3, -4], 5],
    ['ReduceLogSum', [2, 5], Math.log(7)],
    ['ReduceLogSumExp', [1000, 1000], 1000 + Math.LN2],
    ['ReduceLogSumExp', [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], Number.NEGATIVE_INFINITY],
    ['ReduceSumSquare', [2, -3], 13],
    ['ReduceMax', [3, Number.NaN], Number.NaN],
  ])('%s of %j is %d', async (op, numbers, expected) => {
    const [y] = await plus([tensor('a', [2], numbers)], [node(op, ['a'], 'c', { keepdims: 0 })], 'c');
    expect(y).toEqual(Math.fround(expected));
  });

  it.each<[string, number]>([
    ['ReduceL1', 2],
    ['ReduceL2', 2],
    ['ReduceLogSum', Math.log(2)],
    ['ReduceSumSquare', 4],
    ['ReduceMean', -2],
  ])('%s of one number without axes, or over none', async (op, expected) => {
    const number = op === 'ReduceLogSum' ? 2 : -2;
    expect(await plus([tensor('a', [], [number])], [node(op, ['a'], 'c')], 'c')).toEqual(
      [expected, expected].map(Math.fround),
    );
    const idle = [node(op, ['b'], 'c', { noop_with_empty_axes: 1 })];
    expect((await plus([tensor('b', [2], [number, 1])], idle, 'c'))[0]).toBe(Math.fround(expected));
  });

  it('integers are reduced to integers', async () => {
    for (const [op, expected] of [
      ['ReduceMean', 2],
      ['ReduceL2', 3],
    ] as const) {
      const nodes = [node(op, ['a'], 'b', { keepdims: 0 }), node('Cast', ['b'], 'c', { to: FLOAT })];
      expect(await plus([tensor('a', [2], [2n, 3n])], nodes, 'c')).toEqual([expected, expected]);
    }
  });
});

describe('Clip without a bound ends where float32 does', () => {
  const most = (2 - 2 ** -23) * 2 ** 127;
  const infinities = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

  it.each<[string, string[], number[]]>([
    ['at both sides', [], [most, -most]],
    ['above', ['low'], [most, 3]],
    ['below', ['', 'high'], [5, -most]],
  ])('%s', async (_, bounds, expected) => {
    const weights = [tensor('low', [], [3]), tensor('high', [], [5])];
    const file = model({
      inputs: [value('x', ['N', 2])],
      outputs: [value('y', ['N', 2])],
      weights,
      nodes: [node('Clip', ['x', ...bounds], 'y')],
    });
    const computed = (await loadModel(file, { nonFinite: 'propagate' })).createStream();
    expect([...computed.step(infinities)]).toEqual(expected);
    const constant = [...weights, tensor('a', [2], infinities)];
    expect(await plus(constant, [node('Clip', ['a', ...bounds], 'c')], 'c')).toEqual(expected);
  });

  it('before opset 11 too, where the bounds are attributes', async () => {
    const file = model({
      inputs: [value('x', ['N', 2])],
      outputs: [value('y', ['N', 2])],
      weights: [tensor('a', [2], infinities)],
      nodes: [node('Clip', ['a'], 'b', { max: { float: 5 } }), node('Add', ['x', 'b'], 'y')],
      opset: 9,
    });
    expect([...(await loadModel(file)).createStream().step([0, 0])]).toEqual([5, -most]);
  });
});
