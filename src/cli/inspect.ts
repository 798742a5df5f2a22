import { RivuletError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { byteLength } from '../graph/tensor.js';
import { loadOperators, type Model } from '../index.js';
import { surveyGraph } from '../plan/survey.js';
import type { Verb } from './host.js';
import { MODEL_NOTE, type OpenedGraph, openGraph, openModel } from './model.js';
import { HELD, JSON_OUTPUT, KERNELS } from './options.js';
import { bytes, count, type Output, printable, table } from './output.js';
import { READING } from './reading.js';

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
    ...READING,
    ...KERNELS,
    ...HELD,
  },
  examples: ['rivulet inspect models/shakespeare', 'rivulet inspect model.safetensors --plan --json'],

  async run(args, context) {
    const read = await openGraph(args, context);
    const problems = surveyGraph(read.graph, await loadOperators());
    const { stdout } = context;
    const isJson = args.flag('json');
    if (problems.length > 0) {
      const facts = { ...describeFile(read), problems: problems.map((problem) => problemOf(problem, read.graph)) };
      await stdout.write(isJson ? asJson(facts) : refusalReport(facts, stdout));
      const found = problems.length === 1 ? 'one reason' : `${problems.length} reasons`;
      throw new RivuletError(problems[0].code, 'The model does not run', { file: read.file, found });
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

/** A reason for which a model does not run; `node` and `operator` where it is one node's. */
function problemOf({ code, node, message, hint }: RivuletError, graph: Graph) {
  const operator = graph.nodes.find(({ name }) => name === node)?.op;
  // The hint, such as the list of all operators, is the same for many.
  const reason = hint !== undefined && message.endsWith(hint) ? message.slice(0, -hint.length - 2) : message;
  return { node, operator, code, reason: reason.replace(`node "${node}": `, '') };
}

function report(facts: FileFacts & ReturnType<typeof describeModel>, summary: string, output: Output): string {
  const lines = [
    ['file', `${facts.file} (${facts.format}, ${bytes(facts.fileBytes)})`],
    ['state', facts.streamable ? `${bytes(facts.stateBytes)} per stream` : 'none: runs on whole sequences only'],
    ['kernels', facts.kernels],
    ['fingerprint', facts.fingerprint],
    ['metadata', facts.metadata.join(', ') || 'none'],
  ];
  const tensors = facts.tensors.map((tensor) => [tensor.name, tensor.type, shapeOf(tensor), count(tensor.bytes)]);
  return [
    heading(facts, lines, output),
    `\n${printable(summary.trimEnd())}\n`,
    section('Ports', portsOf(facts), output),
    section('Tensors', [['name', 'type', 'shape', 'bytes'], ...tensors], output),
  ].join('');
}

function refusalReport(facts: FileFacts & { problems: ReturnType<typeof problemOf>[] }, output: Output): string {
  const problems = facts.problems.map(({ node, operator, reason }) => [node ?? '', operator ?? '', reason]);
  return [
    heading(facts, [['file', `${facts.file} (${facts.format}, ${bytes(facts.fileBytes)})`]], output),
    section('Ports', portsOf(facts), output),
    section('Does not run', [['node', 'operator', 'why'], ...problems], output),
  ].join('');
}

const shapeOf = ({ shape }: { shape: readonly (number | string)[] }): string => `[${shape.join(', ')}]`;

const heading = ({ name }: FileFacts, lines: string[][], output: Output): string =>
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
