import { type VerifyOptions, verifyModel, type WeightType, withWeights, writeNative } from '../convert/index.js';
import { RivuletError } from '../errors.js';
import { loadModel, type Model } from '../index.js';
import { namedFiles, readArrays } from './arrays.js';
import { writeFile } from './files.js';
import type { Context, Verb } from './host.js';
import { ARCHITECTURE, kernelsOf, MODEL_NOTE, openGraph } from './model.js';
import { type Arguments, KERNELS, UsageError } from './options.js';
import { bytes, count, figure } from './output.js';
import { portsOf } from './series.js';

/** Types of weights by the names that the command line takes, and how far rounding to them may move an output. */
const WEIGHTS = {
  f32: { type: 'float32', tolerance: 1e-5 },
  f16: { type: 'float16', tolerance: 1e-2 },
  bf16: { type: 'bfloat16', tolerance: 1e-1 },
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
    weights: { value: 'TYPE', help: 'f32, f16 or bf16: round the weights to it (default: as they are)' },
    verify: { help: 'Check with INPUT and EXPECTED' },
    input: { value: 'NAME=FILE', multiple: true, help: 'Check with these numbers for an input' },
    expect: { value: 'NAME=FILE', multiple: true, help: 'Check that an output gives these numbers' },
    tolerance: { value: 'NUMBER', help: 'Largest difference allowed (default: 1e-5; for f16 0.01, for bf16 0.1)' },
    ...ARCHITECTURE,
    ...KERNELS,
  },
  examples: [
    'rivulet convert model.onnx --output model.safetensors',
    'rivulet convert model.pt --verify x.npy y.npy --output model.safetensors --weights f16',
  ],

  async run(args, context) {
    const output = args.text('output');
    if (output === undefined) throw new UsageError('--output is missing');
    const weights = args.choice('weights', Object.keys(WEIGHTS) as (keyof typeof WEIGHTS)[]);
    const tolerance = args.number('tolerance', { min: 0 }) ?? WEIGHTS[weights ?? 'f32'].tolerance;
    const { graph, format, file } = await openGraph(args, context);
    const written = writeNative(weights ? withWeights(graph, WEIGHTS[weights].type) : graph);
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
  },
};

/** What the options say of inputs and of what is expected. */
async function arraysOf(model: Model, args: Arguments, context: Context): Promise<VerifyOptions> {
  const inputs = namedFiles('input', args.list('input'));
  const expected = namedFiles('expect', args.list('expect'));
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
