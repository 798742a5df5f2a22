import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { model, node, tensor, value } from './writer.js';

const [BOOL, FLOAT, INT32, INT64] = [9, 1, 6, 7];

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

  it('of an infinity to int64 is no fault of the reader, and what cannot run on it is named', async () => {
    const casts = [node('Cast', ['a'], 'b', { to: INT64 }), node('Cast', ['b'], 'c', { to: FLOAT })];
    const call = plus([tensor('a', [2], [Number.POSITIVE_INFINITY, 1])], casts, 'c');
    await expect(call).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATOR', node: 'Cast_1' });
  });

  it.each<[number, number, number]>([
    [2.7, INT64, 2],
    [-3, BOOL, 1],
    [0.5, BOOL, 1],
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
