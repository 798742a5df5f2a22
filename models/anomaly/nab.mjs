/**
 * The Numenta Anomaly Benchmark's own score (Lavin and Ahmad, 2015, https://arxiv.org/abs/1510.03336), from its
 * published rules. A detector gives every reading a score; those at or above one threshold, the same for all streams,
 * are detections. In each labelled window only the most valuable detection counts, more the earlier it is; a window
 * without one costs. Each detection outside costs, less just behind a window. The first 15% of a stream, 750 readings
 * at most, count for nothing.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTable } from '../table.mjs';

/** What a missed window and a detection outside of any window cost; a window found early is worth up to 1. */
export const PROFILES = {
  standard: { missed: 1, outside: 0.11 },
  reward_low_FP_rate: { missed: 1, outside: 0.22 },
  reward_low_FN_rate: { missed: 2, outside: 0.11 },
};

/** The streams of a folder of NAB. @returns {{ name: string, readings: number[], windows: [number, number][] }[]} */
export function readCorpus(folder) {
  const labels = JSON.parse(readFileSync(join(folder, 'labels', 'combined_windows.json'), 'utf8'));
  return Object.entries(labels).map(([name, spans]) => {
    const { timestamp, value } = readTable(join(folder, 'data', name));
    const windows = spans.map(([from, to]) => [
      timestamp.findIndex((time) => time >= from.slice(0, 19)),
      timestamp.findLastIndex((time) => time <= to.slice(0, 19)),
    ]);
    return { name, readings: value.map(Number), windows };
  });
}

/** Value of a detection by where it lies: -1 is where a window begins, 0 where it ends, 1 as far behind it. */
const valueAt = (position) => (position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1);

/** What each reading is worth as a detection, its window (-1 for none), and where scoring begins. */
function worthOf({ readings, windows }) {
  const worth = new Float64Array(readings.length).fill(-1);
  const windowOf = new Int32Array(readings.length).fill(-1);
  for (const [i, [from, to]] of windows.entries()) {
    const behind = windows[i + 1]?.[0] ?? readings.length;
    for (let t = from; t <= to; t++) {
      worth[t] = valueAt((t - to - 1) / (to - from + 1)) / valueAt(-1);
      windowOf[t] = i;
    }
    for (let t = to + 1; t < behind; t++) worth[t] = valueAt((t - to) / (to - from));
  }
  return { worth, windowOf, first: Math.min(750, Math.floor(0.15 * readings.length)) };
}

/** Adds up one stream at one threshold, before normalisation. */
export function rawScore(stream, scores, threshold, { missed, outside }) {
  const { worth, windowOf, first } = worthOf(stream);
  const found = stream.windows.map(() => -missed);
  let sum = 0;
  for (let t = first; t < worth.length; t++) {
    if (scores[t] < threshold) continue;
    if (windowOf[t] < 0) sum += outside * worth[t];
    else found[windowOf[t]] = Math.max(found[windowOf[t]], worth[t]);
  }
  return found.reduce((total, value) => total + value, sum);
}

/**
 * The score of a detector with the threshold that suits it best, as the benchmark chooses it: 0 is to detect nothing,
 * 100 to detect each window at its first reading and nothing else.
 *
 * @param {number[][]} scores one for each reading of each stream of the corpus
 */
export function bestScore(corpus, scores, profile) {
  const { missed, outside } = profile;
  // Lowering the threshold past a reading changes the sum by what is listed here.
  const changes = [];
  let windows = 0;
  for (const [i, stream] of corpus.entries()) {
    const { worth, windowOf, first } = worthOf(stream);
    const inside = stream.windows.map(() => []);
    for (let t = first; t < worth.length; t++) {
      if (windowOf[t] < 0) changes.push({ score: scores[i][t], change: outside * worth[t] });
      else inside[windowOf[t]].push(t);
    }
    for (const times of inside) {
      let best = -missed;
      for (const t of times.sort((a, b) => scores[i][b] - scores[i][a])) {
        if (worth[t] <= best) continue;
        changes.push({ score: scores[i][t], change: worth[t] - best });
        best = worth[t];
      }
      windows++;
    }
  }
  changes.sort((a, b) => b.score - a.score);
  let sum = -missed * windows;
  let best = { sum, threshold: Number.POSITIVE_INFINITY };
  for (const [i, { score, change }] of changes.entries()) {
    sum += change;
    if (sum > best.sum && changes[i + 1]?.score !== score) best = { sum, threshold: score };
  }
  return { score: (100 * (best.sum + missed * windows)) / (windows * (1 + missed)), threshold: best.threshold };
}
