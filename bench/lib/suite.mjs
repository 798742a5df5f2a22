// The measurement itself: cells of several sizes, run in several ways, by Rivulet's builds and by peers.
import { makeCell, multiplyAdds, weightBytes, weightBytesRead } from './cells.mjs';
import { MODES, makeCase, openPeer, openRivulet, sink } from './contenders.mjs';
import { floorSink, peakContenders, readContenders } from './floor.mjs';
import { digits, measure } from './timing.mjs';

export const SIZES = '1x16,8x32,40x64,64x128,128x256,256x512,512x1024';

/** Options that every script here takes, for `parseArgs`. */
export const OPTIONS = {
  cells: { type: 'string', default: 'LSTM,GRU,RNN' },
  modes: { type: 'string', default: Object.keys(MODES).join(',') },
  sizes: { type: 'string', default: SIZES },
  builds: { type: 'string', default: 'simd,relaxed' },
  weights: { type: 'string', default: 'float32' },
  rounds: { type: 'string', default: '15' },
};

/**
 * Measures every combination and calls `onResult` with each as it comes:
 * `{ op, inputs, hidden, mode, bytes, bandwidth, times, refused }`. Times are microseconds per step of one stream,
 * `{ [name]: { median, low, high, floor } }`, the floor for float32 alone; `bandwidth` is in GB/s; `refused` says why a peer
 * is not among them, by its name. Outputs are checked against float64 before anything is timed.
 */
export async function runSuite({ cells, modes, sizes, builds, weights, rounds }, peers, onResult) {
  for (const mode of modes.split(',')) {
    for (const op of cells.split(',')) {
      for (const size of sizes.split(',')) {
        const [inputs, hidden] = size.split('x').map(Number);
        const kase = makeCase(makeCell(op, inputs, hidden), mode);
        await onResult(await measureCase(kase, ours({ builds, weights }), peers, Number(rounds)));
      }
    }
  }
  // Using the results keeps the engine from dropping the work.
  if (!Number.isFinite(sink.sum + floorSink())) throw new Error('a step gave a number that is not finite');
}

/** Rivulet's contenders: each build with weights of each type, by the name that stands in the results. */
export function ours({ builds, weights }) {
  return weights
    .split(',')
    .flatMap((type) =>
      builds
        .split(',')
        .map((build) => ({ build, weights: type, name: type === 'float32' ? build : `${build} ${type}` })),
    );
}

async function measureCase(kase, variants, peers, rounds) {
  const { cell, mode, steps, streams } = kase;
  const opened = [];
  const refused = {};
  for (const variant of variants) opened.push(await openRivulet(kase, variant));
  for (const peer of peers) {
    const reason = peer.refuses(cell, mode);
    if (reason) refused[peer.name] = reason;
    else opened.push(await openPeer(kase, peer));
  }
  const contenders = opened.filter(Boolean);
  const bytes = weightBytes(cell);
  const readers = readContenders(bytes);
  const peaks = peakContenders();
  const measured = await measure([...contenders, ...readers, ...peaks], { rounds });
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
    contenders.map(({ name, isNarrow }) => {
      const { median, low, high } = measured.get(name);
      const floor = isNarrow ? undefined : Math.max(read, arithmetic[name] ?? arithmetic.simd);
      return [name, { median: median / perStep, low: low / perStep, high: high / perStep, floor }];
    }),
  );
  const { op, inputs, hidden } = cell;
  return { op, inputs, hidden, mode, bytes, bandwidth: bytes / reading / 1000, times, refused };
}

/** Lines about one result: median, quartiles, share of the floor, and how Rivulet's compare with their first and with each peer. */
export function describe({ op, inputs, hidden, mode, bytes, bandwidth, times, refused }, variants, peers) {
  const head = `${op} (${inputs}, ${hidden}), ${mode}: ${(bytes / 1024).toFixed(1)} KB of weights, read at ${bandwidth.toFixed(0)} GB/s`;
  const names = variants.map(({ name }) => name);
  const lines = Object.entries(times).map(([name, { median, low, high, floor }]) => {
    const time = `${digits(median)} [${digits(low)}, ${digits(high)}]`;
    const percent = (100 * floor) / median;
    const others = names.includes(name) ? [names[0], ...peers.map((peer) => peer.name)] : [];
    const notes = [
      ...(floor ? [`${percent.toFixed(percent < 10 ? 1 : 0).padStart(3)}% of the floor ${digits(floor)}`] : []),
      ...others
        .filter((other) => times[other] && other !== name)
        .map((other) => `${(times[other].median / median).toFixed(1)} x ${other}`),
    ];
    return `  ${name.padEnd(22)}${time.padEnd(26)}${notes.join(', ')}`.trimEnd();
  });
  return [head, ...lines, ...Object.entries(refused).map(([name, reason]) => `  ${name}: ${reason}`)].join('\n');
}
