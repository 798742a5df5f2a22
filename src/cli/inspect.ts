import { RivuletError } from '../errors.js';
import { isRefusal, isRefusedOperator } from '../formats/refusals.js';
import { byteLength } from '../graph/tensor.js';
import { loadOperators, type Model } from '../index.js';
import { surveyGraph } from '../plan/survey.js';
import type { Context, Verb } from './host.js';
import { MODEL_NOTE, modelPath, type OpenedGraph, openGraph, openModel } from './model.js';
import { type Arguments, HELD, JSON_OUTPUT, KERNELS } from './options.js';
import { bytes, count, type Output, printable, table } from './output.js';
import { inShell, READER_OPTIONS } from './reader-options.js';

export const inspectVerb: Verb = {
  name: 'inspect',
  summary: 'Shows what a model is made of: layers, inputs, outputs, states, tensors',
  positionals: ['MODEL'],
  notes: [
    MODEL_NOTE,
    'Of a model that does not run, every operator is shown that would not, and why; the exit code is 1.',
  ],
  options: {
    plan: { help: 'Show the plan too: the arena and the kernel calls of a step' },
    ...JSON_OUTPUT,
    ...READER_OPTIONS,
    ...KERNELS,
    ...HELD,
  },
  examples: ['rivulet inspect models/shakespeare', 'rivulet inspect model.safetensors --plan --json'],

  async run(args, context) {
    const { read, problems } = await examine(args, context);
    const { stdout } = context;
    const isJson = args.flag('json');
    if (!read || problems.length > 0) {
      const file = await modelPath(args.positionals[0]);
      const facts = read && describeFile(read);
      await stdout.write(isJson ? asJson({ file, ...facts, problems }) : refusalReport(file, facts, problems, stdout));
      const found = problems.length === 1 ? 'one reason' : `${problems.length} reasons`;
      throw new RivuletError(problems[0].code, 'The model does not run', { file, found });
    }
    const model = await openModel(args, context);
    const facts = { ...describeFile(read), ...describeModel(model) };
    const plan = args.flag('plan') ? model.plan() : undefined;
    if (isJson) {
      await stdout.write(asJson(plan === undefined ? facts : { ...facts, plan }));
    } else {
      await stdout.write(report(facts, model.summary(), stdout));
      if (plan !== undefined)
        await stdout.write(`\n${stdout.bold('Plan')}\n${printable(JSON.stringify(plan, null, 2))}\n`);
    }
  },
};

/**
 * Reads the graph, and lists every reason for which it does not run: what the reader refuses, then what the planner does. The
 * graph is missing where the reader could make none.
 */
async function examine(
  args: Arguments,
  context: Context,
): Promise<{ read: OpenedGraph | undefined; problems: Problem[] }> {
  const problems: Problem[] = [];
  const tell = (refusal: RivuletError, operator: string) => problems.push(problemOf(refusal, operator));
  let read: OpenedGraph | undefined;
  try {
    read = await openGraph(args, context, tell);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (problems.length === 0) tell(error, '');
    return { read, problems };
  }
  const operators = new Map(read.graph.nodes.map(({ name, op }) => [name, op]));
  for (const problem of surveyGraph(read.graph, await loadOperators())) {
    const operator = operators.get(problem.node ?? '') ?? '';
    // The reader has told of those already, or of what they follow from.
    if (!isRefusedOperator(operator)) tell(problem, operator);
  }
  return { read, problems };
}

const asJson = (facts: object): string => `${JSON.stringify(facts, null, 2)}\n`;

type FileFacts = ReturnType<typeof describeFile>;

/** What the reader found. */
function describeFile({ file, format, size, graph }: OpenedGraph) {
  return {
    name: graph.name,
    file,
    format,
    fileBytes: size,
    inputs: graph.inputs,
    outputs: graph.outputs,
    states: graph.states,
    tensors: Array.from(graph.tensors.values(), ({ name, type, shape }) => ({
      name,
      type,
      shape,
      bytes: byteLength(type, shape),
    })),
    metadata: Object.keys(graph.metadata),
  };
}

/** What the planner made of it. */
function describeModel(model: Model) {
  return {
    parameters: model.parameterCount,
    weightBytes: model.weightBytes,
    stateBytes: model.stateBytes,
    kernels: model.kernels,
    fingerprint: model.fingerprint,
    streamable: model.streamable,
  };
}

/** A reason for which a model does not run; `node` and `operator` where it is one node's or layer's. */
type Problem = ReturnType<typeof problemOf>;

function problemOf(refusal: RivuletError, operator: string) {
  const { code, node, hint } = refusal;
  const shown = { file: undefined, node: undefined };
  // A list of all that is known is the same for many.
  const { message } = inShell(refusal).with(hint?.startsWith('Those that') ? { ...shown, hint: undefined } : shown);
  return { node, operator, code, reason: message };
}

function report(facts: FileFacts & ReturnType<typeof describeModel>, summary: string, output: Output): string {
  const lines = [
    ['file', fileOf(facts)],
    ['state', facts.streamable ? `${bytes(facts.stateBytes)} per stream` : 'none: runs on whole sequences only'],
    ['kernels', facts.kernels],
    ['fingerprint', facts.fingerprint],
    ['metadata', facts.metadata.join(', ') || 'none'],
  ];
  const tensors = facts.tensors.map((tensor) => [tensor.name, tensor.type, shapeOf(tensor), count(tensor.bytes)]);
  return [
    heading(facts.name, lines, output),
    `\n${printable(summary.trimEnd())}\n`,
    section('Ports', portsOf(facts), output),
    section('Tensors', [['name', 'type', 'shape', 'bytes'], ...tensors], output),
  ].join('');
}

/** `facts` as far as the reader came. */
function refusalReport(
  file: string,
  facts: FileFacts | undefined,
  problems: readonly Problem[],
  output: Output,
): string {
  const rows = problems.map(({ node, operator, reason }) => [node ?? '', operator, reason]);
  return [
    heading(facts?.name ?? file, [['file', facts ? fileOf(facts) : file]], output),
    facts ? section('Ports', portsOf(facts), output) : '',
    section('Does not run', [['node', 'operator', 'why'], ...rows], output),
  ].join('');
}

const fileOf = ({ file, format, fileBytes }: FileFacts): string => `${file} (${format}, ${bytes(fileBytes)})`;

const shapeOf = ({ shape }: { shape: readonly (number | string)[] }): string => `[${shape.join(', ')}]`;

const heading = (name: string, lines: string[][], output: Output): string =>
  `${output.bold(printable(name))}\n${lines.map(([label, value]) => `${label.padEnd(12)}${printable(value)}\n`).join('')}`;

const section = (title: string, rows: string[][], output: Output): string =>
  `\n${output.bold(title)}\n${printable(table(rows))}`;

function portsOf({ inputs, outputs, states }: FileFacts): string[][] {
  return [
    ['kind', 'name', 'type', 'shape'],
    ...inputs.map((port) => ['input', port.name, port.type, shapeOf(port)]),
    ...outputs.map((port) => ['output', port.name, port.type, shapeOf(port)]),
    ...states.map((state) => ['state', `${state.input} -> ${state.output}`, state.type, shapeOf(state)]),
  ];
}
