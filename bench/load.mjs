// npm run bench:load [-- --rounds=11] [--json=FILE]
// From `import` to the first output of a model, in new processes, and the memory that they then hold: all that is resident,
// and on Linux the part of it that is theirs alone (the rest are pages of Node's own program, which its processes share).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCell } from './lib/cells.mjs';
import { keep, machine } from './lib/host.mjs';
import { writeCell } from './lib/rivulet.mjs';
import { quantile } from './lib/timing.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '11' }, json: { type: 'string' } },
});
const MODELS = [makeCell('LSTM', 64, 128), makeCell('LSTM', 128, 208)];
const entry = new URL('../dist/index.js', import.meta.url).href;

/** What the new process runs: `file` is absent for the one that does nothing. */
const child = (file, inputs) => `
  // Not by an import where there is another way: it would load much that a load then finds there.
  const { readFileSync } = process.getBuiltinModule?.('node:fs') ?? (await import('node:fs'));
  const resident = () => process.memoryUsage.rss() / 2 ** 20;
  const own = () => {
    try {
      return Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    } catch {
      return NaN;
    }
  };
  const bare = [resident(), own()];
  const started = performance.now();
  let imported = started, loaded = started;
  if (${JSON.stringify(Boolean(file))}) {
    const { loadModel } = await import(${JSON.stringify(entry)});
    imported = performance.now();
    const model = await loadModel(${JSON.stringify(file)});
    loaded = performance.now();
    globalThis.model = model;
    model.createStream().step(new Float32Array(${inputs}));
  }
  const ended = performance.now();
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({
    import: imported - started, load: loaded - imported, step: ended - loaded, total: ended - started,
    memory: resident() - bare[0], own: own() - bare[1], peak,
  }));`;

function launch(file, inputs) {
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', child(file, inputs)]);
  if (status !== 0) throw new Error(String(stderr));
  return JSON.parse(stdout);
}

const folder = mkdtempSync(join(tmpdir(), 'rivulet-load-'));
try {
  const cases = [{ name: 'bare Node' }];
  for (const cell of MODELS) {
    const file = join(folder, `${cell.hidden}.safetensors`);
    writeFileSync(file, writeCell(cell));
    cases.push({
      name: `LSTM (${cell.inputs}, ${cell.hidden})`,
      file,
      inputs: cell.inputs,
      bytes: statSync(file).size,
    });
  }
  const samples = cases.map(() => []);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [i, { file, inputs }] of cases.entries()) samples[i].push(launch(file, inputs));
  }
  const results = cases.map(({ name, bytes }, i) => {
    const of = (key, q = 0.5) =>
      quantile(
        samples[i].map((sample) => sample[key]).sort((a, b) => a - b),
        q,
      );
    const figures = Object.fromEntries(Object.keys(samples[i][0]).map((key) => [key, of(key)]));
    return { name, bytes, ...figures, low: of('total', 0.25), high: of('total', 0.75) };
  });
  console.log('start-up: milliseconds from `import` to the first output; MB of resident memory over the bare process');
  for (const r of results.slice(1)) {
    const [total, low, high, ...parts] = [r.total, r.low, r.high, r.import, r.load, r.step].map((x) => x.toFixed(1));
    console.log(
      `  ${r.name.padEnd(18)}${(r.bytes / 2 ** 20).toFixed(2)} MB file  ${total} [${low}, ${high}]` +
        ` (import ${parts[0]}, load ${parts[1]}, step ${parts[2]})` +
        `  memory ${(r.memory - results[0].memory).toFixed(1)}, at its peak ${(r.peak - results[0].peak).toFixed(1)}` +
        (Number.isNaN(r.own) ? '' : `, its own ${(r.own - results[0].own).toFixed(1)}`),
    );
  }
  keep(options.json, machine(), results);
} finally {
  rmSync(folder, { recursive: true });
}
