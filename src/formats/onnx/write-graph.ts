import { RivuletError } from '../../errors.js';
import { checkGraph } from '../../graph/check.js';
import { BATCH, type DataType, type Dim, type Graph, type GraphNode, type Tensor, TIME } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import { floatTensor, integerTensor } from '../constants.js';
import { Axis, type Length, numberOf, resolve, showLengths } from '../lengths.js';
import { operatorRefused } from '../refusals.js';
import { nameAxes } from './axis-names.js';
import type { Builder, Draft, Value } from './builder.js';
import type { InitialState } from './cell-operators.js';
import type { OnnxModel, OnnxValueInfo } from './model.js';
import { type FoundStates, findStates, type Port, statePair } from './states.js';
import { integersOf, signalType, typeName, typeOf } from './tensors.js';

/** What was translated of a model. */
export interface Translated {
  model: OnnxModel;
  builder: Builder;
  /** Those of the file that are no constants. */
  inputs: readonly Port[];
  /** The states that cells begin with. */
  initial: readonly InitialState[];
  /** By the input that a state comes in by, the output that it leaves by, as the caller gives them. */
  states: Readonly<Record<string, string>>;
  /** Inputs that were given once for all. */
  fixed: Record<string, number[]>;
  /** Is told of a node that is needed and was refused. */
  tell(refusal: RivuletError, operator: string): void;
}

/**
 * The graph of what was translated: states paired, what nothing needs left out, time and batch named, constants taken in.
 * @throws RivuletError as `toGraph` does.
 */
export const writeGraph = (translated: Translated): Graph => new GraphWriter(translated).write();

class GraphWriter {
  private readonly builder: Builder;
  private readonly inputs: readonly Port[];
  private readonly file: string | undefined;
  private readonly tensors = new Map<string, Tensor>();

  constructor(private readonly from: Translated) {
    this.builder = from.builder;
    this.inputs = from.inputs;
    this.file = from.builder.file;
  }

  write(): Graph {
    const outputs = this.from.model.graph.outputs.map((info): Port & { info: OnnxValueInfo } => {
      const value = this.builder.values.get(info.name);
      if (value) return { name: info.name, value, info };
      throw new RivuletError('INVALID_GRAPH', 'An output that no node makes', { file: this.file, tensor: info.name });
    });
    for (const output of outputs) this.checkDeclared(output.value, output.info);
    const all = this.valuesInOrder();
    const states = findStates(
      all,
      this.from.initial,
      this.builder.carried,
      this.inputs,
      outputs,
      this.from.states,
      this.file,
    );
    const kept = outputs.filter(({ name }) => !states.outputs.has(name));
    // A model that gives nothing but its states gives them.
    const wanted = kept.length > 0 ? kept : outputs;
    const inputs = this.inputs.filter(({ name }) => !states.inputs.has(name));

    const drafts = this.prune(
      [...wanted.map(({ value }) => value), ...states.pairs.map(({ output }) => output)],
      new Set(states.pairs.map(({ input }) => input)),
    );
    for (const { refusal, op } of drafts) if (refusal) this.from.tell(refusal, operatorRefused(op));
    this.checkConsumed(drafts, states);
    nameAxes([...inputs.map(({ value }) => value), ...states.pairs.map(({ input }) => input)], drafts, this.file);
    for (const { initial } of states.pairs) if (initial) this.placeInitial(initial);
    for (const { name, value } of wanted) this.place(this.builder.materialize(value, { tensor: name }), value.name);

    const made = new Set(drafts.flatMap(({ outputs }) => outputs));
    const nodes = drafts.map((draft) => this.node(draft, made));
    const graphOutputs = wanted.map(({ name, value, info }) => {
      // Two names for one value: the graph's outputs keep the names of the file.
      if (value.name !== name) {
        const label = this.builder.nodeName(name);
        nodes.push({ name: label, op: 'Identity', inputs: [value.name], outputs: [name], attributes: {} });
      }
      return {
        name,
        type: value.whole ? 'float32' : this.outputType(info),
        shape: this.dims(value.shape ?? this.declared(info)),
      };
    });
    const graph: Graph = {
      name: this.from.model.graph.name,
      inputs: inputs.map(({ name, value }) => ({ name, type: value.type, shape: this.dims(value.shape!) })),
      outputs: graphOutputs,
      states: states.pairs.map((pair) => statePair(pair, this.dims(pair.input.shape ?? pair.output.shape ?? []))),
      nodes,
      tensors: this.tensors,
      metadata: this.metadata(),
      ...(Object.keys(this.from.fixed).length > 0 ? { fixed: this.from.fixed } : {}),
    };
    graph.nodes = checkGraph(graph, this.file);
    return graph;
  }

  private metadata(): Record<string, string> {
    const entries = Array.from(this.from.model.metadata, ([key, value]): [string, string] => {
      const reserved = key === 'format' || key.startsWith('rivulet.');
      return [reserved ? `onnx.${key}` : key, value];
    });
    return Object.fromEntries(entries);
  }

  /** Values in the order in which they were made. */
  private valuesInOrder(): Value[] {
    return this.builder.drafts.flatMap(({ outputs }) => outputs.filter((value) => value !== undefined));
  }

  /** The drafts that something needs, in order. States from outside end the search. */
  private prune(roots: readonly Value[], states: ReadonlySet<Value>): Draft[] {
    const needed = new Set<Value>(roots);
    const kept: Draft[] = [];
    for (let i = this.builder.drafts.length - 1; i >= 0; i--) {
      const draft = this.builder.drafts[i];
      if (!draft.outputs.some((value) => value && needed.has(value) && !states.has(value))) continue;
      for (const input of draft.inputs) if (input) needed.add(input);
      draft.outputs = draft.outputs.map((value) => (value && needed.has(value) ? value : undefined));
      while (draft.outputs.at(-1) === undefined) draft.outputs.pop();
      kept.push(draft);
    }
    return kept.reverse();
  }

  private node(draft: Draft, made: ReadonlySet<Value | undefined>): GraphNode {
    if (draft.op === 'LayerNormalization' && draft.outputs.length > 1) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'LayerNormalization: outputs Mean and InvStdDev', {
        file: this.file,
        node: draft.name,
        expected: 'one output',
        found: `${draft.outputs.filter(Boolean).length}`,
      });
    }
    const inputs = draft.inputs.map((value) => {
      if (!value) return '';
      if (!made.has(value)) this.place(this.builder.materialize(value, { node: draft.name }), value.name);
      return value.name;
    });
    const node: GraphNode = {
      name: draft.name,
      op: draft.op,
      inputs,
      outputs: draft.outputs.map((value) => value?.name ?? ''),
      attributes: draft.attributes,
    };
    return draft.reshapes ? this.reshape(node, draft) : node;
  }

  /** A change of shape as the planner takes it: 0 where an axis stays, and one -1; or axes of 1 that come or go. */
  private reshape(node: GraphNode, draft: Draft): GraphNode {
    const from = this.dims(draft.inputs[0]!.shape!);
    const to = this.dims(draft.outputs[0]!.shape!);
    if (from.join() === to.join()) return { ...node, op: 'Identity' };
    const wanted = to.map((dim, axis) => (typeof dim === 'number' ? dim : from[axis] === dim ? 0 : -1));
    if (wanted.indexOf(-1) !== wanted.lastIndexOf(-1)) {
      const [come, go] = [onesBetween(from, to), onesBetween(to, from)];
      const axes = come ?? go;
      if (axes) return { ...node, op: come ? 'Unsqueeze' : 'Squeeze', attributes: { axes } };
    }
    const shape = integerTensor(this.builder.fresh(`${node.name}.shape`), wanted);
    this.tensors.set(shape.name, shape);
    return { ...node, inputs: [node.inputs[0], shape.name] };
  }

  /** Takes a constant into the graph. */
  private place({ constant }: Value, name: string): void {
    if (constant) this.tensors.set(name, constant.name === name ? constant : { ...constant, name });
  }

  /** What a state begins with, as float32; integers in float32 are what they were. */
  private placeInitial({ constant, name }: Value): void {
    if (!constant) return;
    const data = integersOf(constant) ?? toFloat32(constant);
    this.tensors.set(name, floatTensor(name, data, constant.shape));
  }

  /** An input that became a state is read by whom it begins, and nobody else. */
  private checkConsumed(drafts: readonly Draft[], { inputs, pairs }: FoundStates): void {
    const gone = new Map(this.inputs.filter(({ name }) => inputs.has(name)).map(({ value, name }) => [value, name]));
    for (const { input, node } of this.builder.carried) gone.set(input, node);
    for (const { input } of pairs) gone.delete(input);
    for (const draft of drafts) {
      const read = draft.inputs.find((value) => value && gone.has(value));
      if (!read) continue;
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'An initial state is read as a signal too', {
        file: this.file,
        node: draft.name,
        tensor: gone.get(read),
      });
    }
  }

  private dims(shape: readonly Length[]): Dim[] {
    return shape.map((length): Dim => {
      const known = resolve(length);
      if (typeof known === 'number') return known;
      return known.role ? (known.role === 'T' ? TIME : BATCH) : (known.fixed ?? BATCH);
    });
  }

  private declared({ shape }: OnnxValueInfo): Length[] {
    return (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : new Axis(dim ?? '')));
  }

  private outputType({ name, type }: OnnxValueInfo): DataType {
    const known = typeOf(type);
    if (known) return signalType(known);
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'An output of this type', {
      file: this.file,
      tensor: name,
      expected: 'float32',
      found: typeName(type),
    });
  }

  /** What the file says of an output must be so, as far as it says something. */
  private checkDeclared(value: Value, { name, shape }: OnnxValueInfo): void {
    if (!shape || !value.shape) return;
    const found = value.shape.map(numberOf);
    const fits =
      shape.length === found.length &&
      shape.every((dim, i) => typeof dim !== 'number' || found[i] === undefined || found[i] === dim);
    if (fits) return;
    throw new RivuletError('INVALID_GRAPH', 'An output is not what the graph computes', {
      file: this.file,
      tensor: name,
      expected: `[${shape.map((dim) => dim ?? '?').join(', ')}], as declared`,
      found: showLengths(value.shape),
    });
  }
}

/** The axes of 1 that `wide` has beside those of `narrow`; undefined where something else differs. */
function onesBetween(narrow: readonly Dim[], wide: readonly Dim[]): number[] | undefined {
  const axes: number[] = [];
  for (const [axis, dim] of wide.entries()) {
    if (dim === narrow[axis - axes.length]) continue;
    if (dim !== 1) return undefined;
    axes.push(axis);
  }
  return wide.length - axes.length === narrow.length ? axes : undefined;
}
