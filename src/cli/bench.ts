import { arch, cpus, platform } from 'node:os';
import type { Model } from '../index.js';
import { Random, Vocabulary } from '../text/index.js';
import { Pacer } from '../text/pause.js';
import { type Context, throwIfInterrupted, type Verb } from './host.js';
import { MODEL_NOTE, openModel } from './model.js';
import { HELD, JSON_OUTPUT, KERNELS } from './options.js';
import { bytes, figure, printable, table } from './output.js';
import { Progress } from './progress.js';
import { READER_OPTIONS } from './reader-options.js';
import { portsOf } from './series.js';

const STEPS = 100;
const STREAMS = 32;

/** One sample is a batch of calls that takes about this long, in milliseconds: far above the clock's resolution. */
const SAMPLE = 2;

const LEAST_ROUNDS = 5;

interface Case {
  name: string;
  /** Steps that one call computes, of all streams together. */
  steps: number;
  call(): void;
}

export const benchVerb: Verb = {
  name: 'bench',
  summary: 'Measures how fast a model runs here: step by step, many steps at once, many streams at once',
  positionals: ['MODEL'],
  notes: [MODEL_NOTE, 'The cases take turns, so that what else the machine does meets all alike.'],
  options: {
    seconds: { value: 'X', help: 'How long to measure each case (default: 1)' },
    ...JSON_OUTPUT,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: ['rivulet bench models/shakespeare --seconds 3', 'rivulet bench models/shakespeare --kernels scalar'],

  async run(args, context) {
    const seconds = args.number('seconds', { min: 0.001, max: 3600 }) ?? 1;
    const model = await openModel(args, context);
    const cases = casesOf(model);
    const samples = await measure(cases, 1000 * seconds * cases.length, context);
    const machine = {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      system: `${platform()} ${arch()}`,
      node: process.version,
    };
    const results = cases.map(({ name }, i) => ({ name, ...quartilesOf(samples[i]), samples: samples[i].length }));
    const facts = { model: model.name, kernels: model.kernels, weightBytes: model.weightBytes, ...machine };
    if (args.flag('json')) {
      await context.stdout.write(
        `${JSON.stringify({ ...facts, unit: 'microseconds per step', cases: results }, null, 2)}\n`,
      );
      return;
    }
    const rows = results.map(({ name, lower, median, upper }) => [
      name,
      ...[median, lower, upper].map((x) => figure(x, 3)),
    ]);
    await context.stdout.write(
      `${printable(model.name)}: ${bytes(model.weightBytes)} of weights, ${model.kernels} kernels\n` +
        `${machine.cpu}, ${machine.system}, Node ${machine.node}\n\n` +
        `${table([['µs per step', 'median', 'lower quartile', 'upper quartile'], ...rows])}`,
    );
  },
};

/** Microseconds per step, many samples for each case, in about `budget` milliseconds. */
function measure(cases: readonly Case[], budget: number, { stderr, signal }: Context): Promise<number[][]> {
  const batches = cases.map(batchOf);
  const samples = cases.map((): number[] => []);
  return Progress.during(stderr, 'Measuring', async (progress) => {
    const pacer = new Pacer();
    const started = performance.now();
    for (let round = 0, spent = 0; round < LEAST_ROUNDS || spent < budget; round++) {
      for (const [i, { steps, call }] of cases.entries()) {
        samples[i].push((1000 * timeOf(call, batches[i])) / (batches[i] * steps));
      }
      spent = performance.now() - started;
      progress.update(Math.min(spent, budget), budget);
      await pacer.pause();
      throwIfInterrupted(signal);
    }
    return samples;
  });
}

function casesOf(model: Model): Case[] {
  const { input, output } = portsOf(model);
  const inputs = inputsOf(model, Math.max(STEPS, STREAMS));
  const one = inputs.subarray(0, input.size);
  const many = inputs.subarray(0, STREAMS * input.size);
  const sequence = inputs.subarray(0, STEPS * input.size);
  const stream = model.createStream();
  const streams = Array.from({ length: STREAMS }, () => model.createStream());
  const y = new Float32Array(output.size);
  const ys = new Float32Array(Math.max(STEPS, STREAMS) * output.size);
  const sequenceOut = ys.subarray(0, STEPS * output.size);
  const manyOut = ys.subarray(0, STREAMS * output.size);
  return [
    { name: 'step', steps: 1, call: () => stream.step(one, y) },
    { name: `run, ${STEPS} steps`, steps: STEPS, call: () => stream.run(sequence, sequenceOut) },
    { name: `stepMany, ${STREAMS} streams`, steps: STREAMS, call: () => model.stepMany(streams, many, manyOut) },
  ];
}

/** Seeded inputs for `steps` steps: token ids where the model takes them, otherwise numbers of [-1, 1). */
function inputsOf(model: Model, steps: number): Float32Array {
  const { input } = portsOf(model);
  const random = new Random(1);
  // How many ids there are is known from the vocabulary; without one, id 0 is the only sure one.
  const ids = model.metadata.vocabulary === undefined ? 1 : Vocabulary.of(model).size;
  const draw = input.type.startsWith('int') ? () => random.next() % ids : () => 2 * random.uniform() - 1;
  return Float32Array.from({ length: steps * input.size }, draw);
}

/** Calls that take about `SAMPLE`; finding them warms the code up. */
function batchOf({ call }: Case): number {
  for (let batch = 1; ; batch *= 2) {
    if (timeOf(call, batch) >= SAMPLE) return batch;
  }
}

function timeOf(call: () => void, batch: number): number {
  const started = performance.now();
  for (let i = 0; i < batch; i++) call();
  return performance.now() - started;
}

function quartilesOf(samples: readonly number[]): { lower: number; median: number; upper: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))];
  return { lower: at(0.25), median: at(0.5), upper: at(0.75) };
}
