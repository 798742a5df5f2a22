import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readNamedColumns } from '../../src/cli/named-columns.js';
import { loadModel, type Model } from '../../src/index.js';
import { Forecaster, forecastTask, Scaler } from '../../src/sequences/index.js';
import { expectPyTorch, modelFile } from './pytorch.js';

const data = new URL('../../../shared/data/ETT-small/ETTh1.csv', import.meta.url);
if (!existsSync(data)) console.log('the error on ETTh1 is not checked: ../shared/data is not there');

const file = modelFile('energy/model.safetensors');

/** Errors of all forecasts made from row `begin` - 1 on whose hours lie before row `end`; scaled readings [rows, columns]. */
function errors(model: Model, readings: Float64Array, begin: number, end: number) {
  const { columns, horizon } = forecastTask(model);
  const width = columns.length;
  const forecasts = model.createStream().run(readings) as Float32Array;
  let [squares, absolutes, count] = [0, 0, 0];
  for (let row = begin - 1; row < end - horizon; row++) {
    for (let i = 0; i < horizon * width; i++, count++) {
      const error = forecasts[row * horizon * width + i] - readings[(row + 1) * width + i];
      squares += error * error;
      absolutes += Math.abs(error);
    }
  }
  return { mse: squares / count, mae: absolutes / count };
}

/** 30 days of seven made-up loads, scaled: a triangle over each day that grows by a hundredth a day, later for each column. */
function madeUp(): Float64Array {
  const value = (hour: number, column: number) => {
    const phase = (((hour + 2 * column) % 24) + 24) % 24;
    return (Math.abs(phase - 12) / 6 - 1) * (1 + hour / 2400);
  };
  return Float64Array.from({ length: 30 * 24 * 7 }, (_, i) => value(Math.floor(i / 7), i % 7));
}

describe('models/energy', () => {
  it.each(['simd', 'scalar'] as const)('forecasts as PyTorch does for 1,000 steps, with %s kernels', (kernels) =>
    expectPyTorch('energy/model.safetensors', 'energy', kernels),
  );

  it('has the errors that it had when it was made, on days that it has never seen', async () => {
    const { mse, mae } = errors(await loadModel(file), madeUp(), 10 * 24, 30 * 24);
    expect([mse, mae].map((error) => error.toFixed(4))).toEqual(['0.0642', '0.1979']);
  });

  it.runIf(existsSync(data))('has the errors of its card in the months of validation and test', async () => {
    const model = await loadModel(file);
    const { columns } = forecastTask(model);
    const table = readNamedColumns(readFileSync(data, 'utf8'), columns, { file: 'data' });
    const readings = Scaler.of(model)!.transform(table.data);
    const found = [
      [12 * 720, 16 * 720],
      [16 * 720, 20 * 720],
    ].map(([begin, end]) => errors(model, readings, begin, end));
    const shown = found.map(({ mse, mae }) => [mse.toFixed(4), mae.toFixed(4)]);
    expect(shown).toEqual([
      ['0.3896', '0.4113'],
      ['0.3064', '0.3553'],
    ]);
  });

  it('reads and forecasts in the units of the data', async () => {
    const model = await loadModel(file);
    const scaler = Scaler.of(model)!;
    const forecaster = new Forecaster(model.createStream());
    const stream = model.createStream();
    const reading = [5.8, 2, 1.6, 0.5, 4.2, 1.3, 30.5];
    const scaled = stream.step(scaler.transform(reading)) as Float32Array;
    expect([...forecaster.push(reading)]).toEqual([...scaler.inverse(scaled)]);
  });
});
