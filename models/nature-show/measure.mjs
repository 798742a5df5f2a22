/**
 * Measures the models of models/nature-show: how often each names the last animal rightly, by the number of
 * observations between the one that decides and the question. Prints a table and writes curve.svg beside itself.
 *
 *     node models/nature-show/measure.mjs
 */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel } from 'rivulet';
import { accuracy, shows } from './show.mjs';

const BETWEEN = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500];
const COUNT = 1000;
const MODELS = [
  { name: 'LSTM', file: 'model.safetensors', colour: '#0072b2' },
  { name: 'GRU', file: 'gru.safetensors', colour: '#009e73' },
  { name: 'RNN', file: 'rnn.safetensors', colour: '#d55e00' },
];
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

const curves = [];
for (const { name, file, colour } of MODELS) {
  const model = await loadModel(path(file));
  curves.push({ name, colour, shares: BETWEEN.map((between) => accuracy(model, shows(between, COUNT, between))) });
}
console.log(['between'.padEnd(8), ...curves.map(({ name }) => name.padStart(6))].join(''));
for (const [i, between] of BETWEEN.entries()) {
  console.log([`${between}`.padEnd(8), ...curves.map(({ shares }) => shares[i].toFixed(3).padStart(6))].join(''));
}
writeFileSync(path('curve.svg'), draw(curves));

/** A line for each model over the distance, which is drawn as log(1 + distance). */
function draw(curves) {
  const [width, height, left, top, right, bottom] = [640, 400, 60, 40, 70, 50];
  const last = Math.log1p(BETWEEN.at(-1));
  const x = (between) => (left + ((width - left - right) * Math.log1p(between)) / last).toFixed(1);
  const y = (share) => (height - bottom - ((height - top - bottom) * (share - 0.4)) / 0.6).toFixed(1);
  const text = (at, down, content, more = '') => `<text x="${at}" y="${down}" ${more}>${content}</text>`;
  const middle = 'text-anchor="middle"';
  const lines = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map(
    (share) =>
      `<path d="M${left} ${y(share)}H${width - right}" stroke="#ddd"/>` +
      text(left - 8, y(share), `${Math.round(100 * share)} %`, 'text-anchor="end" dominant-baseline="middle"'),
  );
  const ticks = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => text(x(n), height - bottom + 18, n, middle));
  let labelled = 0;
  const series = [...curves].sort((a, b) => b.shares.at(-1) - a.shares.at(-1)).map(({ name, colour, shares }) => {
    const points = shares.map((share, i) => `${x(BETWEEN[i])},${y(share)}`).join(' ');
    // Names that would lie on one another stand below one another.
    labelled = Math.max(labelled + 14, Number(y(shares.at(-1))));
    const end = text(width - right + 8, labelled, name, `fill="${colour}" dominant-baseline="middle"`);
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>${end}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>Dog or wolf: right answers by the distance of the observation that decides</title>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 22, 'Dog or wolf: right answers by the distance of what decides', `${middle} font-size="15"`),
    ...lines,
    `<path d="M${left} ${y(0.5)}H${width - right}" stroke="#888" stroke-dasharray="4 4"/>`,
    text(width - right - 4, Number(y(0.5)) + 14, 'chance', 'text-anchor="end" fill="#666"'),
    ...ticks,
    text((width + left - right) / 2, height - 10, 'observations in between (logarithmic)', middle),
    ...series,
    '</svg>\n',
  ].join('\n');
}
