/**
 * Measures the models of models/stock, walking forward: each fold's networks, which have seen the days before it only,
 * on the days up to the next fold.
 *
 *     node models/stock/measure.mjs sp500-2000.csv
 *
 * Prices: error of the next day's close in percent of this day's, and how often the direction was right, beside the
 * naive forecast (tomorrow is as today) and beside saying "up" every day. Volatility: how unlikely the moves were, in
 * nats per day under a normal distribution of the deviation foreseen, beside the deviation of all days before the fold
 * and the weighted average of squared moves (0.94 of the day before) that RiskMetrics uses.
 */

import { fileURLToPath } from 'node:url';
import { loadModel } from 'rivulet';
import { Forecaster, Scaler } from 'rivulet/sequences';
import { readTable } from '../table.mjs';

const FOLDS = ['2010', '2012', '2014', '2016', '2018'];

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node models/stock/measure.mjs sp500-2000.csv');
  process.exit(2);
}
const { date: dates, close } = readTable(file);
const closes = close.map(Number);
const starts = [...FOLDS.map((year) => dates.findIndex((date) => date >= year)), closes.length];
/** In percent, from the day before to day t. */
const moves = closes.map((price, t) => (t === 0 ? 0 : 100 * (price / closes[t - 1] - 1)));

const load = (name, fold) => {
  const last = fold === FOLDS.at(-1);
  const path = last ? { price: 'model', volatility: 'volatility' }[name] : `folds/${name}-${fold}`;
  return loadModel(fileURLToPath(new URL(`${path}.safetensors`, import.meta.url)));
};

const rows = [];
for (const [i, fold] of FOLDS.entries()) {
  const forecaster = new Forecaster((await load('price', fold)).createStream());
  const volatility = await load('volatility', fold);
  const scaler = Scaler.of(volatility);
  const deviations = volatility.createStream().run(scaler.transform(closes));
  const constant = Math.sqrt(mean(moves.slice(1, starts[i]).map((move) => move ** 2)));
  let average = constant ** 2;
  for (let t = 0; t < starts[i + 1]; t++) {
    average = t === 0 ? average : 0.94 * average + 0.06 * moves[t] ** 2;
    const [forecast] = forecaster.push([closes[t]]);
    if (t + 1 < starts[i] || t + 1 >= starts[i + 1]) continue;
    const move = moves[t + 1];
    rows.push({
      fold,
      model: 100 * (forecast / closes[t] - 1) - move,
      naive: -move,
      right: Number(forecast > closes[t] === move > 0),
      up: Number(move > 0),
      volatility: unlikely(move, deviations[t]),
      average: unlikely(move, Math.sqrt(average)),
      constant: unlikely(move, constant),
    });
  }
}

const HEADINGS = ['RMSE, %', 'naive', 'right', '"up"', 'nats', 'average', 'constant'];
console.log(['fold'.padEnd(8), 'days'.padStart(6), ...HEADINGS.map((name) => name.padStart(9))].join(''));
for (const fold of [...FOLDS, 'all']) {
  const days = fold === 'all' ? rows : rows.filter((row) => row.fold === fold);
  const figures = [
    ...['model', 'naive'].map((key) => Math.sqrt(mean(days.map((day) => day[key] ** 2)))),
    ...['right', 'up', 'volatility', 'average', 'constant'].map((key) => mean(days.map((day) => day[key]))),
  ];
  const columns = figures.map((figure) => figure.toFixed(4).padStart(9));
  console.log([fold.padEnd(8), `${days.length}`.padStart(6), ...columns].join(''));
}

function unlikely(move, deviation) {
  return 0.5 * Math.log(2 * Math.PI) + Math.log(deviation) + move ** 2 / (2 * deviation ** 2);
}

function mean(numbers) {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
}
