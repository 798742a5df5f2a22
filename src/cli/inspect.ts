import type { Graph } from '../graph/graph.js';
import { byteLength } from '../graph/tensor.js';
import type { Model } from '../index.js';
import type { Verb } from './host.js';
import { ARCHITECTURE, MODEL_NOTE, openGraph, openModel } from './model.js';
import { HELD, JSON_OUTPUT, KERNELS } from './options.js';
import { bytes, count, type Output, printable, table } from './output.js';

export const inspectVerb: Verb = {
  name: 'inspect',
  summary: 'Shows what a model is made of: layers, inputs, outputs, states, tensors',
  positionals: ['MODEL'],
  notes: [MODEL_NOTE],
  options: {
    plan: { help: 'Show the plan too: the arena and the kernel calls of a step' },
    ...JSON_OUTPUT,
    ...ARCHITECTURE,
    ...KERNELS,
    ...HELD,
  },
  examples: ['rivulet inspect models/shakespeare', 'rivulet inspect model.safetensors --plan --json'],

  async run(args, context) {
    const { graph, format, file, size } = await openGraph(args, context);
    const model = await openModel(args, context);
    const facts = describe(file, format, size, graph, model);
    const plan = args.flag('plan') ? model.plan() : undefined;
    const { stdout } = context;
    if (args.flag('json')) {
      await stdout.write(`${JSON.stringify(plan === undefined ? facts : { ...facts, plan }, null, 2)}\n`);
    } else {
      await stdout.write(report(facts, model.summary(), stdout));
      if (plan !== undefined)
        await stdout.write(`\n${stdout.bold('Plan')}\n${printable(JSON.stringify(plan, null, 2))}\n`);
    }
  },
};

type Facts = ReturnType<typeof describe>;

function describe(file: string, format: string, fileBytes: number, graph: Graph, model: Model) {
  return {
    name: model.name,
    file,
    format,
    fileBytes,
    parameters: model.parameterCount,
    weightBytes: model.weightBytes,
    stateBytes: model.stateBytes,
    kernels: model.kernels,
    fingerprint: model.fingerprint,
    streamable: model.streamable,
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

function report(facts: Facts, summary: string, output: Output): string {
  const shape = (dims: readonly (number | string)[]) => `[${dims.join(', ')}]`;
  const ports = [
    ...facts.inputs.map((port) => ['input', port.name, port.type, shape(port.shape)]),
    ...facts.outputs.map((port) => ['output', port.name, port.type, shape(port.shape)]),
    ...facts.states.map((state) => ['state', `${state.input} -> ${state.output}`, state.type, shape(state.shape)]),
  ];
  const tensors = facts.tensors.map((tensor) => [tensor.name, tensor.type, shape(tensor.shape), count(tensor.bytes)]);
  const lines = [
    ['file', `${facts.file} (${facts.format}, ${bytes(facts.fileBytes)})`],
    ['state', facts.streamable ? `${bytes(facts.stateBytes)} per stream` : 'none: runs on whole sequences only'],
    ['kernels', facts.kernels],
    ['fingerprint', facts.fingerprint],
    ['metadata', facts.metadata.join(', ') || 'none'],
  ];
  return [
    `${output.bold(printable(facts.name))}\n`,
    ...lines.map(([name, value]) => `${name.padEnd(12)}${printable(value)}\n`),
    `\n${printable(summary.trimEnd())}\n`,
    `\n${output.bold('Ports')}\n${printable(table([['kind', 'name', 'type', 'shape'], ...ports]))}`,
    `\n${output.bold('Tensors')}\n${printable(table([['name', 'type', 'shape', 'bytes'], ...tensors]))}`,
  ].join('');
}
