import { RivuletError } from '../errors.js';
import { BATCH } from '../graph/graph.js';
import type { Model, NamedOutputs, Port, ShapedArray } from '../index.js';
import { writeCsv } from '../io/csv.js';
import { writeNpy } from '../io/npy.js';
import { Pacer } from '../text/pause.js';
import { readArrays } from './arrays.js';
import { writeFile } from './files.js';
import { type Context, throwIfInterrupted } from './host.js';
import { openStream, saveState } from './model.js';
import { type Arguments, UsageError } from './options.js';
import { Progress } from './progress.js';
import { ofItsStep } from './series.js';

type Arrays = Record<string, ShapedArray>;

/** Steps between two looks at the clock. */
const CHUNK = 64;

/**
 * The output that a value of `--output` names as NAME=FILE; undefined where it is a file's name, which may hold `=` too.
 * @throws UsageError for a NAME that is no output, and no part of a path either
 */
export function outputNamed(model: Model, value: string): Port | undefined {
  const port = model.outputs.find(({ name }) => value.startsWith(`${name}=`));
  const stranger = /^([^=./\\]+)=/.exec(value)?.[1];
  if (port || stranger === undefined) return port;
  throw new UsageError(
    `--output names "${stranger}", which is none of the outputs: ${namesOf(model)}; a file of this name is written as ./${value}`,
  );
}

const namesOf = (model: Model): string => model.outputs.map(({ name }) => name).join(', ');

/**
 * Runs a model with inputs and outputs by name, each in a file; or one that needs whole sequences. One sequence goes through
 * a stream, step by step; several side by side, and what does not stream, are run whole.
 */
export async function runArrays(model: Model, args: Arguments, context: Context): Promise<void> {
  const targets = targetsOf(model, args);
  const inputs = await readArrays(model.inputs, sourcesOf(model, args), context, model.streamable);
  const missing = model.inputs.find(({ name }) => !(name in inputs));
  if (missing) throw new UsageError(`--input ${missing.name}=FILE is missing`);
  const isWhole = !model.streamable || model.inputs.some((port) => sequences(port, inputs[port.name]) > 1);
  const results = isWhole ? runWhole(model, inputs, args) : await runStream(model, inputs, args, context);
  for (const [port, file] of targets) await writeArray(port, results[port.name], file, args, context);
}

/** How many sequences an array holds side by side. */
const sequences = ({ shape }: Port, array: ShapedArray): number => array.shape[shape.indexOf(BATCH)] ?? 1;

/** The files of inputs: those named, or INPUT for the only one. */
function sourcesOf(model: Model, args: Arguments): Map<string, string> {
  const files = args.named('input');
  const [, path] = args.positionals;
  if (path === undefined) return files;
  if (files.size > 0 || model.inputs.length !== 1) throw new UsageError('INPUT and --input exclude each other');
  return new Map([[model.inputs[0].name, path]]);
}

/** Where each output goes; the only one, to standard output unless said. */
function targetsOf(model: Model, args: Arguments): Map<Port, string> {
  const given = args.list('output');
  if (given.length === 0) given.push('-');
  const targets = new Map<Port, string>();
  for (const value of given) {
    const named = outputNamed(model, value);
    const port = named ?? (model.outputs.length === 1 ? model.outputs[0] : undefined);
    if (!port) throw new UsageError(`--output takes NAME=FILE for this model, whose outputs are ${namesOf(model)}`);
    if (targets.has(port)) throw new UsageError(`--output names "${port.name}" twice`);
    targets.set(port, named ? value.slice(port.name.length + 1) : value);
  }
  return targets;
}

function runWhole(model: Model, inputs: Arrays, args: Arguments): Arrays {
  for (const option of ['state', 'save-state', 'steps']) {
    if (args.text(option) !== undefined)
      throw new UsageError(`--${option} is for one sequence through a model that streams`);
  }
  return model.run(inputs);
}

async function runStream(model: Model, inputs: Arrays, args: Arguments, context: Context): Promise<Arrays> {
  const stream = await openStream(model, args, context);
  const steps = stepsOf(model, inputs, args.number('steps', { min: 0, integer: true }));
  const rows = model.inputs.map((port): [Port, ArrayLike<number>] => [port, repeated(port, inputs[port.name], steps)]);
  const part = (start: number, end: number): Record<string, number[]> =>
    Object.fromEntries(
      rows.map(([{ name, size }, data]) => [name, Array.prototype.slice.call(data, start * size, end * size)]),
    );
  const results = Object.fromEntries(model.outputs.map((port) => [port.name, new Float32Array(steps * port.size)]));
  await Progress.during(context.stderr, 'Running', async (progress) => {
    const pacer = new Pacer();
    for (let start = 0; start < steps; start += CHUNK) {
      const end = Math.min(start + CHUNK, steps);
      let made: NamedOutputs;
      try {
        made = stream.run(part(start, end));
      } catch (error) {
        throw ofItsStep(error, start, { steps }, (step) => stream.step(part(step, step + 1)));
      }
      for (const { name, size } of model.outputs) results[name].set(made[name], start * size);
      if (!pacer.isDue()) continue;
      progress.update(end, steps);
      await pacer.pause();
      throwIfInterrupted(context.signal);
    }
  });
  await saveState(stream, args);
  return Object.fromEntries(
    model.outputs.map(({ name, size }) => [name, { data: results[name], shape: [steps, size] }]),
  );
}

/** As many steps as the inputs have rows, at most those asked for; an input of one row is given at each. */
function stepsOf(model: Model, inputs: Arrays, asked: number | undefined): number {
  const rows = model.inputs.map(({ name, size }) => inputs[name].data.length / size);
  const longest = Math.max(...rows);
  const wrong = rows.findIndex((count) => count !== longest && count !== 1);
  if (wrong >= 0) {
    throw new RivuletError('INVALID_INPUT', 'Inputs of several lengths', {
      tensor: model.inputs[wrong].name,
      expected: `${longest} steps, or one for all`,
      found: `${rows[wrong]}`,
    });
  }
  return longest === 1 ? (asked ?? 1) : Math.min(longest, asked ?? longest);
}

function repeated({ size }: Port, { data }: ShapedArray, steps: number): ArrayLike<number> {
  return data.length === size ? Float64Array.from({ length: steps * size }, (_, i) => data[i % size]) : data;
}

async function writeArray(
  { size }: Port,
  { data, shape }: ShapedArray,
  file: string,
  args: Arguments,
  { stdout }: Context,
): Promise<void> {
  const format = args.choice('output-format', ['csv', 'npy']) ?? (file.endsWith('.npy') ? 'npy' : 'csv');
  const values = Float32Array.from(data);
  const result = format === 'npy' ? writeNpy(values, [...shape]) : writeCsv(values, [values.length / size, size]);
  if (file === '-') await stdout.write(result);
  else await writeFile(file, result);
}
