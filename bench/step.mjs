// npm run bench:step [-- --cells=LSTM --sizes=1x16,8x32,128x256 --builds=simd --rounds=25 --json=FILE]
// What a step costs around its kernels: `stream.step` beside the same list of kernel calls made straight from JavaScript.
// The rest is checking and copying the input, the state's address, copying the output.
import { parseArgs } from 'node:util';
import { build, keep, machine, settle } from './lib/host.mjs';

settle();
build();
const { makeCell } = await import('./lib/cells.mjs');
const { makeCase, openRivulet } = await import('./lib/contenders.mjs');
const { ours } = await import('./lib/suite.mjs');
const { measure } = await import('./lib/timing.mjs');
const { values: options } = parseArgs({
  options: {
    cells: { type: 'string', default: 'LSTM' },
    sizes: { type: 'string', default: '1x16,8x32,128x256' },
    builds: { type: 'string', default: 'simd' },
    rounds: { type: 'string', default: '25' },
    json: { type: 'string' },
  },
});

const host = machine();
console.log(`${host.cpu}, Node ${host.node}, rivulet ${host.rivulet}`);
console.log(`nanoseconds: median [quartiles] of ${options.rounds} rounds`);
const results = [];
for (const op of options.cells.split(',')) {
  for (const size of options.sizes.split(',')) {
    const [inputs, hidden] = size.split('x').map(Number);
    const kase = makeCase(makeCell(op, inputs, hidden), 'step');
    for (const variant of ours({ builds: options.builds, weights: 'float32' })) {
      const step = await openRivulet(kase, variant);
      if (step) await compare({ op, inputs, hidden, build: variant.build }, step);
    }
  }
}
keep(options.json, host, results);

async function compare(what, step) {
  const { engine } = step.stream;
  const { kernels, program } = engine;
  const alone = {
    name: 'kernels',
    run(count) {
      for (let i = 0; i < count; i++) kernels.execute(program.address, program.calls, program.slotList, 1, 1);
    },
  };
  const times = await measure([{ ...step, name: 'step' }, alone], { rounds: Number(options.rounds) });
  const around = times.get('step').median - times.get('kernels').median;
  const shown = [...times].map(([name, { median, low, high }]) => {
    const [middle, least, most] = [median, low, high].map((microseconds) => Math.round(1000 * microseconds));
    return `${name} ${middle} [${least}, ${most}]`;
  });
  console.log(
    `  ${what.op} (${what.inputs}, ${what.hidden}), ${what.build}: ${shown.join(', ')}, around the kernels ${Math.round(1000 * around)}`,
  );
  results.push({ ...what, times: Object.fromEntries(times) });
  step.release();
}
