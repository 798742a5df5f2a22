import { RivuletError } from '../../errors.js';
import { checkGraph } from '../../graph/check.js';
import { BATCH, type DataType, type Dim, type Graph, type GraphNode, type StatePair, TIME } from '../../graph/graph.js';
import type { Json } from '../json.js';
import { Axis, type Length, pin, resolve } from '../lengths.js';
import { type RefusalOptions, Refusals } from '../refusals.js';
import { Config } from './config.js';
import { entryOf } from './entry.js';
import type { InputSpec } from './inputs.js';
import type { InitialStatePair, ModelContext } from './layer.js';
import { readLayer, readModel } from './model.js';
import type { WeightSource } from './weights.js';
import { GraphWriter, type Value } from './writer.js';

/** A model as a file of Keras's or TensorFlow.js's says it. */
export interface SavedModel extends RefusalOptions {
  /** `{"class_name": "Sequential" | "Functional" | "Model", "config": ...}` */
  topology: Json;
  weights: WeightSource;
  /** What the file says of the Keras that wrote it. */
  kerasVersion: string | undefined;
  /** The graph's name, where the model has none. */
  name: string;
  /** Path or URL to name in errors. */
  file: string | undefined;
  /** The sequences hold no padding: masks may be left out. */
  unpadded: boolean;
}

/**
 * The graph of a model, which `checkGraph` has passed. Batch first, as Keras has it: [N, T, I] in, [N, T, O] or [N, O] out.
 * @throws RivuletError `INVALID_FILE`, `UNSUPPORTED_OPERATOR`, `UNSUPPORTED_ATTRIBUTE`, `LIMIT_EXCEEDED`
 */
export function translate(saved: SavedModel): Graph {
  return new Translation(saved).translate();
}

class Translation {
  private readonly graph: GraphWriter;
  private readonly inputs = new Set<Value>();
  private readonly states: InitialStatePair[] = [];
  private readonly context: ModelContext;
  private readonly refusals: Refusals;

  constructor(private readonly saved: SavedModel) {
    const { file } = saved;
    this.graph = new GraphWriter(file);
    this.refusals = new Refusals(saved.onRefusal);
    const top = new Config(new Map(), saved.name, 'model', file);
    this.context = {
      graph: this.graph,
      version: versionOf(saved.kerasVersion, file),
      window: isWindow(saved.topology),
      unpadded: saved.unpadded,
      read: (json, weights, prefix) => readLayer(entryOf(json, top), weights, this.context, prefix, file),
      takesTokens: (value) => {
        if (this.inputs.has(value)) value.type = 'int64';
        return value.type === 'int64';
      },
      isInput: (value) => this.inputs.has(value),
      lastSteps: new Map(),
      addState: (state) => this.states.push(state),
      refuse: (error, className) => this.refusals.tell(error, className),
    };
  }

  translate(): Graph {
    const { saved, graph } = this;
    const entry = entryOf(saved.topology, new Config(new Map(), saved.name, 'model', saved.file));
    const model = readModel(entry, saved.weights.root, this.context, '', saved.file);
    this.refusals.end();
    const inputs = model.inputs.map((spec) => this.input(spec));
    // Before any node's: an output is called as its layer is.
    const names = model.outputs.map((layer) => graph.fresh(layer));
    const outputs = model.apply(inputs, { name: '', lead: 1, initial: [] });
    saved.weights.end();
    for (const { shape } of inputs) nameAxes(shape);
    const named = outputs.map((value, i) => ({ name: names[i], value }));

    const carried = new Set(this.states.map(({ input }) => input));
    const final = new Set(this.states.map(({ final }) => final));
    const kept = named.filter(({ value }) => !final.has(value.name));
    // A model that gives nothing but its states gives them.
    const wanted = kept.length > 0 ? kept : named;
    const states = this.states.map((pair): StatePair => this.statePair(pair, outputs));
    this.renameOutputs(wanted);
    const nodes = prune(graph.nodes, [...wanted.map(({ name }) => name), ...states.map(({ output }) => output)]);
    const read = new Set([...nodes.flatMap((node) => node.inputs), ...wanted.map(({ name }) => name)]);
    const result: Graph = {
      name: entry.name,
      inputs: inputs
        .filter((input) => !carried.has(input))
        .map(({ name, type, shape }) => ({ name, type, shape: shape.map(dimOf) })),
      outputs: wanted.map(({ name, value }) => ({ name, type: value.type, shape: value.shape.map(dimOf) })),
      states,
      nodes,
      tensors: new Map([...graph.tensors].filter(([name]) => read.has(name))),
      metadata: {},
    };
    result.nodes = checkGraph(result, saved.file);
    return result;
  }

  private input({ name, shape, dtype }: InputSpec): Value {
    const value: Value = {
      name: this.graph.fresh(name),
      type: typeOf(dtype, name, this.saved.file),
      shape: shape.map((length) => new Axis('', length ?? undefined)),
    };
    this.inputs.add(value);
    return value;
  }

  /** Gives values the names that they have as outputs. What has one already, or is an input, gets a node for another. */
  private renameOutputs(outputs: readonly { name: string; value: Value }[]): void {
    const { graph } = this;
    const renamed = new Map<string, string>();
    const fixed = new Set([...this.inputs].map(({ name }) => name));
    for (const { name, value } of outputs) {
      if (!renamed.has(value.name) && !fixed.has(value.name) && !graph.tensors.has(value.name)) {
        renamed.set(value.name, name);
      } else {
        const node = { name: graph.label(name), op: 'Identity', inputs: [value.name], outputs: [name], attributes: {} };
        graph.add(node);
      }
    }
    const rename = (name: string) => renamed.get(name) ?? name;
    for (const node of graph.nodes) {
      node.inputs = node.inputs.map(rename);
      node.outputs = node.outputs.map(rename);
    }
  }

  /** A state that comes in as an input and goes out as an output is the stream's to carry. */
  private statePair({ input, raw, final, shape, layer }: InitialStatePair, outputs: readonly Value[]): StatePair {
    const { nodes } = this.graph;
    const readers = nodes.filter(({ inputs }) => inputs.includes(input.name));
    if (readers.length !== 1 || !outputs.some(({ name }) => name === final)) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'An initial state that is given at run time', {
        file: this.saved.file,
        node: layer,
        tensor: input.name,
        expected: 'a state whose final value is an output of the model, so that a stream can carry it',
        found: readers.length === 1 ? 'none' : `${readers.length} nodes that read it`,
      });
    }
    return { input: input.name, output: raw, type: 'float32', shape: shape.map(dimOf) };
  }
}

/** The major version whose rules hold. TensorFlow.js computes by those of Keras 2. */
function versionOf(text: string | undefined, file: string | undefined): number {
  if (text === undefined) return 2;
  const major = text.startsWith('tfjs') ? 2 : Number(/^(\d+)\./.exec(text)?.[1]);
  if (major >= 2 && major <= 3) return major;
  throw new RivuletError('UNSUPPORTED_OPERATOR', 'a model of this version of Keras', {
    file,
    expected: '2 or 3',
    found: text.slice(0, 40),
  });
}

function typeOf(dtype: string, input: string, file: string | undefined): DataType {
  if (/^u?int(8|16|32|64)$/.test(dtype)) return 'int64';
  if (/^b?float(16|32|64)$/.test(dtype)) return 'float32';
  throw new RivuletError('UNSUPPORTED_OPERATOR', 'an input of this type', {
    file,
    tensor: input,
    expected: 'numbers',
    found: dtype.slice(0, 40),
  });
}

/** Layers that carry a state from step to step. */
const RECURRENT = /^(CuDNN)?(LSTM|GRU|SimpleRNN|RNN)(V[12])?$/;
/** Layers that need to know how many steps there are. */
const NEEDS_LENGTH = /^(Flatten|Reshape|Conv1D|Convolution1D|(Global)?(Max|Average)Pooling1D)$/;

/** Whether a model looks at one window of its input as a whole. */
function isWindow(topology: Json): boolean {
  let [recurrent, needsLength] = [false, false];
  const visit = (json: Json): void => {
    if (Array.isArray(json)) for (const item of json) visit(item);
    if (!(json instanceof Map)) return;
    const name = json.get('class_name');
    if (typeof name === 'string') {
      recurrent ||= RECURRENT.test(name);
      const config = json.get('config');
      const causal = config instanceof Map && config.get('padding') === 'causal';
      needsLength ||= NEEDS_LENGTH.test(name) && !causal;
    }
    for (const item of json.values()) visit(item);
  };
  visit(topology);
  return needsLength && !recurrent;
}

/** The axes of an input that no layer has spoken about: batch first, then time where there are features behind it. */
function nameAxes(shape: readonly Length[]): void {
  const taken = new Set(shape.map((length) => roleOf(length)));
  for (const [place, length] of shape.entries()) {
    const axis = resolve(length);
    if (typeof axis === 'number' || axis.role) continue;
    if (place === 0 && !taken.has(BATCH)) axis.role = BATCH;
    else if (place === 1 && !taken.has(TIME) && (shape.length > 2 || axis.fixed === undefined)) axis.role = TIME;
    else pin(axis);
  }
}

const roleOf = (length: Length): string | undefined => {
  const known = resolve(length);
  return typeof known === 'number' ? undefined : known.role;
};

const dimOf = (length: Length): Dim => {
  const known = resolve(length);
  return typeof known === 'number' ? known : (known.role ?? known.fixed ?? '?');
};

/** The nodes that something needs, in order; outputs that nobody reads are left out. */
function prune(nodes: readonly GraphNode[], roots: readonly string[]): GraphNode[] {
  const needed = new Set(roots);
  const kept: GraphNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    const outputs = node.outputs.map((output) => (needed.has(output) ? output : ''));
    while (outputs.at(-1) === '') outputs.pop();
    kept.push({ ...node, outputs });
  }
  return kept.reverse();
}
