// The measurement itself: cells of several sizes, run in several ways, by Rivulet's builds and by peers.
import { makeCell, multiplyAdds, weightBytes, weightBytesRead } from './cells.mjs';
import { MODES, makeCase, openPeer, openRivulet, sink } from './contenders.mjs';
import { floorSink, peakContenders, readContenders } from './floor.mjs';
import { measure } from './timing.mjs';

export const SIZES = '1x16,8x32,40x64,64x128,128x256,256x512,512x1024';

/** Options that every script here takes, for `parseArgs`. */
export const OPTIONS = {
  cells: { type: 'string', default: 'LSTM,GRU,RNN' },
  modes: { type: 'string', default: Object.keys(MODES).join(',') },
  sizes: { type: 'string', default: SIZES },
  builds: { type: 'string', default: 'simd,relaxed' },
  rounds: { type: 'string', default: '15' },
  json: { type: 'string' },
};

/**
 * Measures every combination and calls `onResult` with each as it comes:
 * `{ op, inputs, hidden, mode, bytes, bandwidth, times: { name: { median, low, high, floor } } }`, times in
 * microseconds per step of one stream, `bandwidth` in GB/s. Outputs are checked against float64 before anything is timed.
 */
export async function runSuite({ cells, modes, sizes, builds, rounds }, peers, onResult) {
  for (const mode of modes.split(',')) {
    for (const op of cells.split(',')) {
      for (const size of sizes.split(',')) {
        const [inputs, hidden] = size.split('x').map(Number);
        onResult(await measureCase(makeCase(makeCell(op, inputs, hidden), mode), builds.split(','), peers, rounds));
      }
    }
  }
  // Using the results keeps the engine from dropping the work.
  if (!Number.isFinite(sink.sum + floorSink())) throw new Error('a step gave a number that is not finite');
}

async function measureCase(kase, builds, peers, rounds) {
  const { cell, mode, steps, streams } = kase;
  const opened = [];
  for (const build of builds) opened.push(await openRivulet(kase, build));
  for (const peer of peers) opened.push(await openPeer(kase, peer));
  const contenders = opened.filter(Boolean);
  const bytes = weightBytes(cell);
  const readers = readContenders(bytes);
  const peaks = peakContenders();
  const measured = await measure([...contenders, ...readers, ...peaks], { rounds: Number(rounds) });
  for (const { release } of contenders) await release();
  const reading = Math.min(...readers.map(({ name, scale }) => measured.get(name).median * scale));
  const arithmetic = Object.fromEntries(
    peaks.map(({ build, name, multiplyAdds: done }) => [
      build,
      (measured.get(name).median / done) * multiplyAdds(cell),
    ]),
  );
  const perStep = steps * streams;
  const read = ((reading / bytes) * weightBytesRead(cell, steps)) / perStep;
  const times = Object.fromEntries(
    contenders.map(({ name }) => {
      const { median, low, high } = measured.get(name);
      const floor = Math.max(read, arithmetic[name] ?? arithmetic.simd);
      return [name, { median: median / perStep, low: low / perStep, high: high / perStep, floor }];
    }),
  );
  const { op, inputs, hidden } = cell;
  return { op, inputs, hidden, mode, bytes, bandwidth: bytes / reading / 1000, times };
}

export const digits = (value) => value.toPrecision(value >= 1000 ? 4 : 3);

/** Lines about one result: median, quartiles, share of the floor, and how it compares with each peer. */
export function describe({ op, inputs, hidden, mode, bytes, bandwidth, times }, builds, peers) {
  const head = `${op} (${inputs}, ${hidden}), ${mode}: ${(bytes / 1024).toFixed(1)} KB of weights, read at ${bandwidth.toFixed(0)} GB/s`;
  const lines = Object.entries(times).map(([name, { median, low, high, floor }]) => {
    const percent = (100 * floor) / median;
    let line = `  ${name.padEnd(18)}${`${digits(median)} [${digits(low)}, ${digits(high)}]`.padEnd(26)}`;
    line += `${percent.toFixed(percent < 10 ? 1 : 0).padStart(4)}% of the floor ${digits(floor)}`;
    if (builds.includes(name)) {
      for (const peer of peers) {
        if (times[peer]) line += `, ${(times[peer].median / median).toFixed(1)} x ${peer}`;
      }
    }
    return line;
  });
  return [head, ...lines].join('\n');
}
