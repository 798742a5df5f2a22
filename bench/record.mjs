// npm run bench:record [-- --only=node24-step,chromium]
// Measures what docs/performance.md shows, into bench/results/, in new processes: each of the Nodes that RIVULET_NODES names
// (paths with colons between them) or that this is, and each browser that is installed. Then `npm run bench:draw`.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const LSTM = '--cells=LSTM';
const WEB = '--peers=onnxruntime-web';
const SOME = '--sizes=8x32,64x128,256x512';
const simd = '--builds=simd';

/** What is run for each file. A build has processes of its own: the second model of a process may be the slower for it. */
const RUNS = {
  'node20-step': [20, 'run', LSTM, '--modes=step', simd, WEB],
  'node24-step': [24, 'run', LSTM, '--modes=step', simd, WEB],
  'node24-step-relaxed': [24, 'run', LSTM, '--modes=step', '--builds=relaxed', WEB],
  'node24-run': [24, 'run', LSTM, '--modes=run', simd, WEB],
  'node24-run-relaxed': [24, 'run', LSTM, '--modes=run', '--builds=relaxed', WEB],
  'node24-many': [24, 'run', LSTM, '--modes=many', simd, WEB],
  'node24-many-relaxed': [24, 'run', LSTM, '--modes=many', '--builds=relaxed', WEB],
  'node24-cells': [24, 'run', '--cells=GRU,RNN', '--modes=step', SOME, WEB],
  'node24-peers': [
    ...[24, 'run', LSTM, '--modes=step', simd],
    '--peers=onnxruntime-web,onnxruntime-node,tfjs-wasm,tfjs-cpu,LiteRT.js',
  ],
  'node24-int8': [
    ...[24, 'run', LSTM, '--modes=step', '--builds=auto', '--weights=float32,int8'],
    '--peers=onnxruntime-web,onnxruntime-web-int8,onnxruntime-node-int8,LiteRT.js-int8',
  ],
  'node24-int8-many': [
    ...[24, 'run', LSTM, '--modes=many', '--builds=auto', '--weights=float32,int8'],
    '--peers=onnxruntime-web,onnxruntime-web-int8,onnxruntime-node-int8,LiteRT.js-int8',
  ],
  'node24-sequences': [24, 'run', '--cells=GRU-before', '--modes=run', SOME, simd, '--peers=onnxruntime-web,brain.js'],
  'node20-around': [20, 'step'],
  'node24-around': [24, 'step'],
  chromium: [undefined, 'browser', '--browsers=chromium'],
  firefox: [undefined, 'browser', '--browsers=firefox'],
};

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
mkdirSync(path('results'), { recursive: true });

const versionOf = (node) => spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '';
const nodes = [process.execPath, ...(process.env.RIVULET_NODES?.split(':') ?? [])];

for (const name of only?.split(',') ?? Object.keys(RUNS)) {
  const [major, script, ...args] = RUNS[name];
  const node = nodes.find((each) => major === undefined || versionOf(each).startsWith(`v${major}.`));
  if (!node) console.error(`${name}: no Node ${major} here (RIVULET_NODES names more)`);
  if (!node) continue;
  console.log(`--- ${name}`);
  const { status } = spawnSync(node, [path(`${script}.mjs`), ...args, `--json=${path(`results/${name}.json`)}`], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
