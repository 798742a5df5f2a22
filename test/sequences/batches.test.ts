import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, RivuletError } from '../../src/index.js';
import { sequenceBatches, windows } from '../../src/sequences/index.js';
import { cell, numbers } from '../support/graphs.js';

const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const codeOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return error instanceof RivuletError ? error.code : error;
  }
  return undefined;
};

describe('sequenceBatches', () => {
  it('cuts 0 to 9 into the sequences 0-4 and 5-9, and these into batches with next-step targets', () => {
    const batches = [...sequenceBatches(TEN, { batchSize: 2, sequenceLength: 2 })];
    expect(batches.map(({ start, steps }) => [start, steps])).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(batches.map(({ inputs }) => [...inputs])).toEqual([
      [0, 1, 5, 6],
      [2, 3, 7, 8],
    ]);
    expect(batches.map(({ targets }) => [...targets])).toEqual([
      [1, 2, 6, 7],
      [3, 4, 8, 9],
    ]);
  });

  it('makes the last batch shorter, and leaves out what fills no sequence', () => {
    const batches = [...sequenceBatches([...TEN, 10], { batchSize: 2, sequenceLength: 3 })];
    expect(batches.map(({ start, steps, inputs, targets }) => [start, steps, [...inputs], [...targets]])).toEqual([
      [0, 3, [0, 1, 2, 5, 6, 7], [1, 2, 3, 6, 7, 8]],
      [3, 1, [3, 8], [4, 9]],
    ]);
  });

  it('takes targets that are given row by row', () => {
    const targets = TEN.flatMap((i) => [-i, 100 + i]);
    const [first, second] = sequenceBatches(TEN, { batchSize: 2, sequenceLength: 3, targets });
    expect([...first.inputs]).toEqual([0, 1, 2, 5, 6, 7]);
    expect([...first.targets]).toEqual([-0, 100, -1, 101, -2, 102, -5, 105, -6, 106, -7, 107]);
    expect([...second.inputs]).toEqual([3, 4, 8, 9]);
    expect([...second.targets]).toEqual([-3, 103, -4, 104, -8, 108, -9, 109]);
  });

  it('looks several steps ahead at some of the columns', () => {
    // Rows 0 10 100, 1 11 101, ... and, of each, what columns 2 and 0 hold in the next two.
    const data = TEN.flatMap((i) => [i, i + 10, i + 100]);
    const options = { batchSize: 2, sequenceLength: 5, width: 3, horizon: 2, targetColumns: [2, 0] };
    const [batch, ...more] = sequenceBatches(data, options);
    expect(more).toEqual([]);
    expect(batch.steps).toBe(3);
    expect([...batch.inputs.subarray(0, 6)]).toEqual([0, 10, 100, 1, 11, 101]);
    expect([...batch.inputs.subarray(9, 12)]).toEqual([5, 15, 105]);
    expect([...batch.targets.subarray(0, 8)]).toEqual([101, 1, 102, 2, 102, 2, 103, 3]);
    expect([...batch.targets.subarray(12, 16)]).toEqual([106, 6, 107, 7]);
  });

  it.each(['simd', 'scalar'] as const)('gives each sequence the bits of one uncut pass (%s)', async (kernels) => {
    const bytes = writeNative(cell({ op: 'LSTM', inputs: 3, hidden: 10 }));
    const model = await loadModel(bytes, { kernels });
    const data = numbers(3 * 203, 7);
    for (const sequenceLength of [1, 7, 16, 200]) {
      const batchSize = 4; // of 50 steps, 49 of which have a next
      const streams = Array.from({ length: batchSize }, () => model.createStream());
      const found = streams.map((): number[] => []);
      for (const { inputs, steps } of sequenceBatches(data, { batchSize, sequenceLength, width: 3 })) {
        const outputs = model.runMany(streams, inputs, steps);
        for (const [s, list] of found.entries()) list.push(...outputs.subarray(s * steps * 10, (s + 1) * steps * 10));
      }
      for (const [s, list] of found.entries()) {
        const uncut = model.createStream().run(data.subarray(s * 150, s * 150 + 147));
        expect(list).toEqual([...uncut]);
      }
    }
  });

  it('refuses at the call what it cannot cut', () => {
    const cut = (data: number[], options: object) => () =>
      sequenceBatches(data, { batchSize: 2, sequenceLength: 2, ...options });
    expect(codeOf(cut(TEN, { batchSize: 0 }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { sequenceLength: 1.5 }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { horizon: 0 }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { targetColumns: [1] }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { targetColumns: [] }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { width: 3 }))).toBe('INVALID_INPUT');
    expect(codeOf(cut(TEN, { targets: [1, 2, 3] }))).toBe('INVALID_INPUT');
    expect(codeOf(cut(TEN, { targets: TEN, horizon: 1 }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { targets: TEN, targetColumns: [0] }))).toBe('INVALID_OPTION');
    expect(codeOf(cut(TEN, { batchSize: 6 }))).toBe('INVALID_INPUT');
    expect(codeOf(cut(TEN, { batchSize: 5 }))).toBeUndefined();
  });
});

describe('windows', () => {
  it('cuts every series by itself, with what came after each window', () => {
    const series = [TEN.slice(0, 5), [0], [20, 21, 22, 23]];
    const found = [...windows(series, { length: 2, horizon: 2 })];
    expect(found.map(({ series, start, inputs, targets }) => [series, start, [...inputs], [...targets]])).toEqual([
      [0, 0, [0, 1], [2, 3]],
      [0, 1, [1, 2], [3, 4]],
      [2, 0, [20, 21], [22, 23]],
    ]);
  });

  it('steps by the stride, and takes targets from some columns', () => {
    const data = TEN.flatMap((i) => [i, -i]);
    const found = [...windows([data], { length: 3, stride: 4, width: 2, targetColumns: [1] })];
    expect(found.map(({ start, inputs, targets }) => [start, [...inputs], [...targets]])).toEqual([
      [0, [0, -0, 1, -1, 2, -2], [-3]],
      [4, [4, -4, 5, -5, 6, -6], [-7]],
    ]);
  });

  it('refuses bad options at the call', () => {
    expect(codeOf(() => windows([TEN], { length: 0 }))).toBe('INVALID_OPTION');
    expect(codeOf(() => windows([TEN], { length: 2, stride: 0 }))).toBe('INVALID_OPTION');
    expect(codeOf(() => windows([TEN], { length: 2, width: 4 }))).toBe('INVALID_INPUT');
  });
});
