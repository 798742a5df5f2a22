/**
 * Measures models/anomaly on the Numenta Anomaly Benchmark, all 58 streams, by the benchmark's own score.
 *
 *     node models/anomaly/measure.mjs NAB [model.safetensors]
 *
 * NAB is the folder with data/, labels/ and results/; the published scores of others are printed from its results.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel } from 'rivulet';
import { bestScore, PROFILES, readCorpus } from './nab.mjs';

const shipped = fileURLToPath(new URL('model.safetensors', import.meta.url));
const [folder, file = shipped] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node models/anomaly/measure.mjs NAB [model.safetensors]');
  process.exit(2);
}
const model = await loadModel(file);
const corpus = readCorpus(folder);
const scores = corpus.map(({ readings }) => model.createStream().run(readings));

const results = Object.entries(PROFILES).map(([name, profile]) => [name, bestScore(corpus, scores, profile)]);
const rows = Object.entries(JSON.parse(readFileSync(join(folder, 'results', 'final_results.json'), 'utf8')));
rows.push(['models/anomaly', Object.fromEntries(results.map(([name, { score }]) => [name, score]))]);
rows.sort(([, a], [, b]) => b.standard - a.standard);
console.log(['detector'.padEnd(20), 'standard'.padStart(10), 'low FP'.padStart(10), 'low FN'.padStart(10)].join(''));
for (const [detector, of] of rows) {
  const columns = Object.keys(PROFILES).map((profile) => of[profile].toFixed(2).padStart(10));
  console.log([detector.padEnd(20), ...columns].join(''));
}
console.log(`thresholds of the model: ${results.map(([, { threshold }]) => threshold.toFixed(3)).join(', ')}`);
