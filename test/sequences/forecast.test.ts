import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../src/index.js';
import { Forecaster, forecastTask, repeatLast, Scaler, seasonalNaive } from '../../src/sequences/index.js';
import { cell, numbers } from '../support/graphs.js';

const TASK = { columns: ['load', 'heat'], targets: ['heat'], horizon: 3, season: 24, step: 'hour' };
const SCALER = { kind: 'standard', columns: ['heat', 'load'], center: [20, 100], scale: [5, 10] };

/** Two numbers in, three out. */
function load(metadata: Record<string, unknown>) {
  const texts = Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)]);
  const graph = cell({ op: 'GRU', inputs: 2, hidden: 3, attributes: { linear_before_reset: 1 } });
  return loadModel(writeNative({ ...graph, metadata: Object.fromEntries(texts) }));
}

describe('Forecaster', () => {
  it('scales readings by column name, and forecasts back into their units', async () => {
    const model = await load({ forecast: TASK, scaler: SCALER });
    const forecaster = new Forecaster(model.createStream());
    expect(forecaster.task).toEqual(TASK);
    const plain = model.createStream();
    for (let t = 0; t < 5; t++) {
      const [load, heat] = [100 + 7 * t, 25 - t];
      const expected = plain.step([(load - 100) / 10, (heat - 20) / 5]);
      expect([...forecaster.push([load, heat])]).toEqual(Array.from(expected, (y) => y * 5 + 20));
    }
  });

  it('passes readings as they are where the model carries no scaler', async () => {
    const model = await load({ forecast: { columns: ['a', 'b'], targets: ['b'], horizon: 3 } });
    const forecaster = new Forecaster(model.createStream());
    const readings = numbers(2, 3);
    expect([...forecaster.push(readings)]).toEqual([...model.createStream().step(readings)]);
    expect(forecaster.task).toMatchObject({ season: undefined, step: undefined });
  });

  it('leaves the stream as it was when it refuses a reading', async () => {
    const model = await load({ forecast: TASK, scaler: SCALER });
    const forecaster = new Forecaster(model.createStream());
    const twin = new Forecaster(model.createStream());
    expect(() => forecaster.push([1, Number.NaN])).toThrow(expect.objectContaining({ code: 'NON_FINITE_INPUT' }));
    expect(() => forecaster.push([1])).toThrow(/expected load, heat/);
    expect(() => forecaster.push([1, 2, 3, 4])).toThrow(/expected load, heat/);
    expect(forecaster.push([90, 21])).toEqual(twin.push([90, 21]));
  });

  it.each([{ scaler: SCALER }, {}])('leaves it so too when out is too short or too long: %o', async (metadata) => {
    const model = await load({ forecast: TASK, ...metadata });
    const forecaster = new Forecaster(model.createStream());
    const twin = new Forecaster(model.createStream());
    for (const length of [0, 2, 4]) {
      expect(() => forecaster.push([90, 21], new Float64Array(length))).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', expected: '3 numbers', found: String(length) }),
      );
    }
    const out = new Float64Array(3);
    expect(forecaster.push([90, 21], out)).toBe(out);
    expect(out).toEqual(twin.push([90, 21]));
  });

  it.each([
    ['no task', {}, 'INVALID_INPUT', /does not say what it forecasts/],
    ['another number of columns', { forecast: { ...TASK, columns: ['heat'] } }, 'INVALID_INPUT', /1 numbers in/],
    ['another horizon', { forecast: { ...TASK, horizon: 2 } }, 'INVALID_INPUT', /2 x 1 out, found 2 in, 3 out/],
    ['a target that it does not read', { forecast: { ...TASK, targets: ['cold'] } }, 'INVALID_INPUT', /cold/],
    ['a key that nobody reads', { forecast: { ...TASK, lag: 1 } }, 'INVALID_FILE', /nobody reads/],
    ['no columns', { forecast: { horizon: 3 } }, 'INVALID_FILE', /has no "columns"/],
    [
      'a scaler of other columns',
      { forecast: TASK, scaler: { ...SCALER, columns: ['x', 'y'] } },
      'INVALID_INPUT',
      /load/,
    ],
  ])('refuses a model with %s', async (_, metadata, code, message) => {
    const model = await load(metadata);
    const make = () => new Forecaster(model.createStream());
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code }));
  });

  it('takes all columns as targets unless told', async () => {
    const graph = cell({ op: 'RNN', inputs: 2, hidden: 4 });
    const metadata = { forecast: JSON.stringify({ columns: ['a', 'b'], horizon: 2 }) };
    const model = await loadModel(writeNative({ ...graph, metadata }));
    expect(forecastTask(model).targets).toEqual(['a', 'b']);
  });

  it('has constants that a loaded model gives', async () => {
    const model = await load({ scaler: SCALER });
    expect(Scaler.of(model)?.center).toEqual([20, 100]);
  });
});

describe('baselines', () => {
  const data = [0, 10, 1, 11, 2, 12, 3, 13, 4, 14]; // rows t, 10 + t

  it('repeat the last row', () => {
    const out = new Float64Array(4);
    repeatLast(data, 2, 3, out);
    expect([...out]).toEqual([3, 13, 3, 13]);
  });

  it('repeat the last season, over a horizon longer than it', () => {
    const out = new Float64Array(8);
    seasonalNaive(3)(data, 2, 4, out);
    expect([...out]).toEqual([2, 12, 3, 13, 4, 14, 2, 12]);
  });

  it('begin a season that the data do not hold with the first row', () => {
    const out = new Float64Array(6);
    seasonalNaive(3)(data, 2, 1, out);
    expect([...out]).toEqual([0, 10, 0, 10, 1, 11]);
    expect(() => seasonalNaive(0)).toThrow(/season/);
  });
});
