import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readNamedColumns } from '../../src/cli/named-columns.js';
import { loadModel } from '../../src/index.js';
import { Forecaster, Scaler } from '../../src/sequences/index.js';
import { expectPyTorch, modelFile } from './pytorch.js';

const data = new URL('../../../shared/data/vega/sp500-2000.csv', import.meta.url);
if (!existsSync(data)) console.log('the errors on the S&P 500 are not checked: ../shared/data is not there');

const price = modelFile('stock/model.safetensors');
const volatility = modelFile('stock/volatility.safetensors');

/** 600 made-up closes that move by 0.2% a day for 300 days, then by 2%, up and down in turn. */
const MADE_UP = Float64Array.from({ length: 600 }, (_, t) => 2500 * (t % 2 === 0 ? 1 : 1 + (t < 300 ? 0.002 : 0.02)));

describe('models/stock', () => {
  it.each([
    ['price', price],
    ['volatility', volatility],
  ])('gives what PyTorch gives for 1,000 steps: %s', (name) =>
    expectPyTorch(`stock/${name === 'price' ? 'model' : name}.safetensors`, `stock-${name}`),
  );

  it('foresees larger moves after larger moves', async () => {
    const model = await loadModel(volatility);
    const deviations = model.createStream().run(Scaler.of(model)!.transform(MADE_UP)) as Float32Array;
    const shown = [250, 299, 350, 599].map((t) => deviations[t].toFixed(3));
    expect(shown).toEqual(['0.680', '0.668', '2.225', '2.042']);
  });

  it('forecasts a close near the last one', async () => {
    const forecaster = new Forecaster((await loadModel(price)).createStream());
    const changes = [...MADE_UP].map((close) => 100 * (forecaster.push([close])[0] / close - 1));
    expect([250, 599].map((t) => changes[t].toFixed(3))).toEqual(['0.021', '-0.065']);
  });

  it.runIf(existsSync(data))('has the errors of its card from 2018 on', async () => {
    const text = readFileSync(data, 'utf8');
    const closes = readNamedColumns(text, ['close'], { file: 'data' }).data;
    const from = text
      .trimEnd()
      .split('\n')
      .slice(1)
      .findIndex((line) => line >= '2018');
    const move = (t: number) => 100 * (closes[t] / closes[t - 1] - 1);
    const forecaster = new Forecaster((await loadModel(price)).createStream());
    const model = await loadModel(volatility);
    const deviations = model.createStream().run(Scaler.of(model)!.transform(closes)) as Float32Array;
    let [squares, nats] = [0, 0];
    for (let t = 0; t < closes.length - 1; t++) {
      const [forecast] = forecaster.push([closes[t]]);
      if (t + 1 < from) continue;
      squares += (100 * (forecast / closes[t] - 1) - move(t + 1)) ** 2;
      nats += 0.5 * Math.log(2 * Math.PI) + Math.log(deviations[t]) + move(t + 1) ** 2 / (2 * deviations[t] ** 2);
    }
    const days = closes.length - from;
    expect([Math.sqrt(squares / days).toFixed(4), (nats / days).toFixed(4)]).toEqual(['1.5205', '1.3483']);
  });
});
