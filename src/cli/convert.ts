import {
  calibrate,
  type VerifyOptions,
  verifyModel,
  type WeightType,
  withWeights,
  writeNative,
} from '../convert/index.js';
import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { loadModel, type Model } from '../index.js';
import { readArrays } from './arrays.js';
import { writeFile } from './files.js';
import type { Context, Verb } from './host.js';
import { kernelsOf, MODEL_NOTE, openGraph } from './model.js';
import { type Arguments, columns, KEEP, KERNELS, UsageError } from './options.js';
import { bytes, count, figure } from './output.js';
import { Progress } from './progress.js';
import { READER_OPTIONS } from './reader-options.js';
import { portsOf } from './series.js';

/** Endings of formats that are read and not written. */
const OTHERS = /\.(onnx|pt|pth|pkl|h5|hdf5|keras|tflite|json|nam|npy|csv)$/i;

/** Types of weights by the names that the command line takes, and how far rounding to them may move an output. */
const WEIGHTS = {
  f32: { type: 'float32', tolerance: 1e-5 },
  f16: { type: 'float16', tolerance: 1e-2 },
  bf16: { type: 'bfloat16', tolerance: 1e-1 },
  int8: { type: 'int8', tolerance: 5e-1 },
} as const satisfies Record<string, { type: WeightType; tolerance: number }>;

export const convertVerb: Verb = {
  name: 'convert',
  summary: 'Writes a model of any format as a native file, and checks that it gives the same numbers',
  positionals: ['MODEL', '[INPUT]', '[EXPECTED]'],
  notes: [
    MODEL_NOTE,
    'What is written is run beside the original graph in plain float64, on random input; or, with --verify, on INPUT, and',
    'held to EXPECTED, what the trainer gave for it. Where they differ by more than the tolerance, nothing is written.',
    'INPUT and EXPECTED are .npy of the whole shape or of [T, numbers a step], or CSV with a row for each step.',
  ],
  options: {
    output: { short: 'o', value: 'FILE', help: 'The .safetensors file to write' },
    weights: { value: 'TYPE', help: 'f32, f16, bf16 or int8: round the weights to it (default: as they are)' },
    ...KEEP,
    calibrate: { value: 'FILE', help: 'Say what int8 costs on this series (.npy or .csv), and each layer of it' },
    verify: { help: 'Check with INPUT and EXPECTED' },
    input: { value: 'NAME=FILE', multiple: true, help: 'Check with these numbers for an input' },
    expect: { value: 'NAME=FILE', multiple: true, help: 'Check that an output gives these numbers' },
    tolerance: {
      value: 'NUMBER',
      help: 'Largest difference allowed (default: 1e-5; for f16 0.01, bf16 0.1, int8 0.5)',
    },
    ...READER_OPTIONS,
    ...KERNELS,
  },
  examples: [
    'rivulet convert model.safetensors --weights int8 --calibrate data.npy --output small.safetensors',
    'rivulet convert model.onnx --output model.safetensors',
    'rivulet convert model.pt --verify x.npy y.npy --output model.safetensors --weights f16',
  ],

  async run(args, context) {
    const output = args.text('output');
    if (output === undefined) throw new UsageError('--output is missing');
    if (OTHERS.test(output)) throw new UsageError(`--output ${output}: what is written is a .safetensors file`);
    const weights = args.choice('weights', Object.keys(WEIGHTS) as (keyof typeof WEIGHTS)[]);
    const tolerance = args.number('tolerance', { min: 0 }) ?? WEIGHTS[weights ?? 'f32'].tolerance;
    const { graph, format, file } = await openGraph(args, context);
    const keep = args.list('keep');
    if (weights !== 'int8' && (keep.length > 0 || args.text('calibrate') !== undefined)) {
      throw new UsageError('--keep and --calibrate go with --weights int8');
    }
    const written = writeNative(weights ? withWeights(graph, WEIGHTS[weights].type, keep) : graph);
    const model = await loadModel(written, { name: file, ...kernelsOf(args) });
    const found = verifyModel(model, graph, await arraysOf(model, args, context));
    if (found.difference > tolerance) {
      throw new RivuletError('INVALID_FILE', 'The converted model gives other numbers; nothing was written', {
        file,
        tensor: found.output,
        expected: `a difference of at most ${tolerance}`,
        found: figure(found.difference),
      });
    }
    await writeFile(output, written);
    const held = `largest difference ${figure(found.difference)} in ${count(found.count)} numbers`;
    await context.stdout.write(`${output}: ${bytes(written.length)}, from ${format}; ${held}\n`);
    await context.stdout.write(await calibrationOf(graph, model, args, context));
  },
};

/** What `--calibrate` prints. */
async function calibrationOf(graph: Graph, model: Model, args: Arguments, context: Context): Promise<string> {
  const file = args.text('calibrate');
  if (file === undefined) return '';
  const { input } = portsOf(model);
  const inputs = await readArrays(model.inputs, new Map([[input.name, file]]), context);
  const { loss, layers } = await Progress.during(context.stderr, 'Calibrating', () =>
    calibrate(loadModel, graph, inputs, { keep: args.list('keep'), ...kernelsOf(args) }),
  );
  const percent = (share: number) => `${figure(100 * share)}%`;
  const rows = layers.map(({ name, loss: alone }) => [name, percent(alone)]);
  return [
    `int8 moves the outputs on ${file} by ${percent(loss)} of their size (root mean square); by layer:`,
    columns(rows),
    'What costs too much stays in float32 with --keep LAYER.\n',
  ].join('\n');
}

/** What the options say of inputs and of what is expected. */
async function arraysOf(model: Model, args: Arguments, context: Context): Promise<VerifyOptions> {
  const inputs = args.named('input');
  const expected = args.named('expect');
  const [, x, y] = args.positionals;
  if (args.flag('verify') !== (y !== undefined)) throw new UsageError('--verify goes with INPUT and EXPECTED');
  if (args.flag('verify')) {
    const { input, output } = portsOf(model);
    inputs.set(input.name, x);
    expected.set(output.name, y);
  }
  return {
    inputs: await readArrays(model.inputs, inputs, context),
    expected: await readArrays(model.outputs, expected, context),
  };
}
