/**
 * Measures every model that ships by its own metric with its weights in float32, bfloat16 and int8.
 *
 *     node models/weights.mjs --shakespeare input.txt --headlines titles.txt --energy ETTh1.csv --stock sp500-2000.csv \
 *       --anomaly NAB
 *
 * The files are those of the models' cards; a model whose data are not given is left out. In a clone, after npm run build.
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from 'rivulet';
import { Scaler } from 'rivulet/sequences';
import { bestScore, PROFILES, readCorpus } from './anomaly/nab.mjs';
import { accuracy, shows } from './nature-show/show.mjs';
import { readTable } from './table.mjs';

const TYPES = ['float32', 'bfloat16', 'int8'];
/** Scenes in between, of those that the card has. */
const BETWEEN = [0, 5, 20, 100, 500];

const names = ['shakespeare', 'headlines', 'energy', 'stock', 'anomaly'];
const { values: data } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What the command says in JSON. */
const rivulet = (verb, model, file, ...options) =>
  JSON.parse(
    execFileSync(process.execPath, [path('../dist/cli.js'), verb, path(model), file, '--json', ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );

const nats = (model, file) => (weights) => rivulet('evaluate', model, file, '--from', '0.9', '--weights', weights).loss;
const squares = (model, file, ...range) => (weights) =>
  rivulet('forecast', model, file, '--evaluate', ...range, '--weights', weights).scores[0].meanSquaredError;

async function shareRight(file, weights) {
  const model = await loadModel(path(file), { weights });
  const right = BETWEEN.map((between) => accuracy(model, shows(between, 1000, between)));
  return right.reduce((sum, share) => sum + share, 0) / right.length;
}

/** Nats per day of the moves from 2018 on, as models/stock/measure.mjs has them. */
async function unlikely(file, weights) {
  const { date, close } = readTable(file);
  const closes = close.map(Number);
  const model = await loadModel(path('stock/volatility.safetensors'), { weights });
  const deviations = model.createStream().run(Scaler.of(model).transform(closes));
  const days = closes.flatMap((price, t) => {
    if (t === 0 || date[t] < '2018') return [];
    const move = 100 * (price / closes[t - 1] - 1);
    return 0.5 * Math.log(2 * Math.PI) + Math.log(deviations[t - 1]) + move ** 2 / (2 * deviations[t - 1] ** 2);
  });
  return days.reduce((sum, day) => sum + day, 0) / days.length;
}

async function benchmarkScore(folder, weights) {
  const model = await loadModel(path('anomaly/model.safetensors'), { weights });
  const corpus = readCorpus(folder);
  const scores = corpus.map(({ readings }) => model.createStream().run(readings));
  return bestScore(corpus, scores, PROFILES.standard).score;
}

const rows = [
  ['shakespeare', 'nats per character', data.shakespeare && nats('shakespeare', data.shakespeare)],
  ['headlines', 'nats per character', data.headlines && nats('headlines', data.headlines)],
  ['headlines, RNN', 'nats per character', data.headlines && nats('headlines/rnn.safetensors', data.headlines)],
  ...[
    ['nature-show', 'model'],
    ['nature-show, GRU', 'gru'],
    ['nature-show, RNN', 'rnn'],
  ].map(([name, file]) => [name, 'share right', (weights) => shareRight(`nature-show/${file}.safetensors`, weights)]),
  ['energy', 'MSE', data.energy && squares('energy', data.energy, '--skip', '11520', '--length', '2880')],
  ['stock, price', 'MSE, scaled', data.stock && squares('stock', data.stock, '--skip', `${from2018(data.stock)}`)],
  ['stock, volatility', 'nats per day', data.stock && ((weights) => unlikely(data.stock, weights))],
  ['anomaly', 'NAB score', data.anomaly && ((weights) => benchmarkScore(data.anomaly, weights))],
];

function from2018(file) {
  return file && readTable(file).date.findIndex((date) => date >= '2018');
}

console.log('| model | metric | float32 | bfloat16 | % | int8 | % |\n| --- | --- | --- | --- | --- | --- | --- |');
for (const [name, metric, measure] of rows) {
  if (!measure) continue;
  const found = [];
  for (const weights of TYPES) found.push(await measure(weights));
  const columns = found.flatMap((value, i) => {
    const change = ((100 * (value - found[0])) / found[0]).toFixed(2).replace('-0.00', '0.00');
    return [value.toPrecision(5), ...(i === 0 ? [] : [change])];
  });
  console.log(`| ${[name, metric, ...columns].join(' | ')} |`);
}
