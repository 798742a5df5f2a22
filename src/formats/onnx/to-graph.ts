import { RivuletError } from '../../errors.js';
import { checkGraph } from '../../graph/check.js';
import { BATCH, type DataType, type Dim, type Graph, type GraphNode, type Tensor, TIME } from '../../graph/graph.js';
import { toFloat32 } from '../../graph/tensor.js';
import { floatTensor, integerTensor } from '../constants.js';
import { Axis, type Length, numberOf, resolve, showLengths } from '../lengths.js';
import {
  isRefusal,
  isRefusedOperator,
  operatorRefused,
  type RefusalOptions,
  Refusals,
  refusedOperator,
} from '../refusals.js';
import { nameAxes } from './axis-names.js';
import { Builder, type Draft, NodeContext, unknownOperator, type Value } from './builder.js';
import { cell, type InitialState } from './cell-operators.js';
import { cast } from './compute-operators.js';
import { type Inline, ifElse } from './control.js';
import { fold } from './fold.js';
import { atTurn, loop } from './loop.js';
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo } from './model.js';
import { CELLS, TRANSLATIONS } from './operators.js';
import { checkOptions, fixedInput, inputLengths, type OnnxOptions } from './options.js';
import { inOrder, namesRead } from './order.js';
import { expandQuantized, readNarrow, type Translate } from './quantized.js';
import { scan } from './scan.js';
import { type FoundStates, findStates, type Port, statePair } from './states.js';
import { integersOf, readTensor, typeName, typeOf } from './tensors.js';

/** Versions of ONNX's operator set whose meaning the reader knows. */
export const OPSETS = { oldest: 7, newest: 28 } as const;

/** The operator set in whose words quantised operators are written out. */
const EXPANSION_OPSET = 13;

/** Operators that the planner has and ONNX has not. */
const NOT_ONNX: ReadonlySet<string> = new Set(['LSTMP', 'Linear']);

/**
 * Makes a graph of an ONNX model: constants folded, lengths followed, time and batch found, states paired.
 * @throws RivuletError `INVALID_FILE`, `INVALID_GRAPH`, `UNSUPPORTED_OPERATOR`, `UNSUPPORTED_ATTRIBUTE`,
 *   `LIMIT_EXCEEDED`, `INVALID_OPTION`.
 */
export function toGraph(model: OnnxModel, file?: string, options: OnnxOptions & RefusalOptions = {}): Graph {
  return new Translator(model, file, options).translate();
}

class Translator {
  private readonly graph: OnnxGraph;
  private readonly builder: Builder;
  private readonly initial: InitialState[] = [];
  private readonly inputs: Port[] = [];
  private readonly inputValues = new Set<Value>();
  private readonly tensors = new Map<string, Tensor>();
  /** What stands around the body of a Scan or Loop, while it is translated. */
  private surroundings: ReadonlySet<string> | undefined;
  private readonly refusals: Refusals;
  private readonly told = new Set<string | undefined>();
  /** Inputs that were given once for all. */
  private readonly fixed: Record<string, number[]> = {};

  constructor(
    private readonly model: OnnxModel,
    private readonly file: string | undefined,
    private readonly options: OnnxOptions & RefusalOptions,
  ) {
    this.graph = model.graph;
    this.refusals = new Refusals(options.onRefusal);
    const { inputs, initializers, nodes, outputs } = this.graph;
    const named = [...inputs, ...initializers].map(({ name }) => name);
    const given = new Set(outputs.map(({ name }) => name));
    this.builder = new Builder([...named, ...nodes.flatMap(({ outputs }) => outputs)], file, given);
  }

  translate(): Graph {
    const opset = this.opset();
    this.readWeights(this.graph, new Map());
    this.readInputs();
    this.translateNodes(this.graph.nodes, opset, new Map());
    try {
      return this.finish();
    } catch (error) {
      if (!(error instanceof RivuletError)) throw error;
      // What can't be finished may be so because of what was refused before.
      for (const { op, name, unknown } of this.options.onRefusal ? this.builder.drafts : []) {
        if (unknown && !isRefusedOperator(op)) this.tell(unknownOperator(op, name, this.file), op);
      }
      throw this.refusals.first ?? error;
    }
  }

  /** @param renames what values of subgraphs are called in the graph, where they stand beside all others. */
  private translateNodes(
    nodes: readonly OnnxNode[],
    opset: number,
    renames: ReadonlyMap<string, string>,
    expanded = false,
  ): void {
    const renamed = (name: string) => renames.get(name) ?? name;
    for (const [index, stored] of inOrder(nodes).entries()) {
      const node = { ...stored, inputs: stored.inputs.map(renamed), outputs: stored.outputs.map(renamed) };
      const name = node.name === '' ? `${node.op}_${index}` : node.name;
      const context = new NodeContext(this.builder, node, name, opset);
      try {
        this.translateNode(context, expanded, (graph, inputs) => this.inline(graph, inputs, opset, renames));
      } catch (error) {
        this.refuse(error, context);
      }
    }
  }

  /** @param expanded whether the node stands for a quantised one. */
  private translateNode(context: NodeContext, expanded: boolean, inline: Inline): void {
    const { op, domain } = context.node;
    if (this.surroundings) {
      if (atTurn(context)) return;
      this.checkStep(context);
    }
    const translate: Translate = (one) => this.translateNodes([one], EXPANSION_OPSET, new Map(), true);
    if (!expanded) readNarrow(context);
    if (expandQuantized(context, translate)) return;
    if (domain !== '') this.leave(context);
    else if (fold(context)) return;
    else if (CELLS.has(op)) cell(context, this.initial);
    else if (op === 'Cast') cast(context, (value, type) => this.retype(value, type));
    else if (op === 'If') ifElse(context, inline);
    else if (op === 'Scan') this.inStep(context, inline, scan);
    else if (op === 'Loop') this.inStep(context, inline, loop);
    else (TRANSLATIONS.get(op) ?? ((one) => this.leave(one)))(context);
  }

  /** Ends the reading; or tells of a refusal, and leaves the node for those behind it to be looked at. */
  private refuse(error: unknown, context: NodeContext): void {
    const { node, builder } = context;
    this.tell(error, node.op);
    const made = node.outputs.map((name, i) => {
      if (!context.wants(i)) return undefined;
      return builder.values.get(name) ?? context.give(i, { type: 'float32' });
    });
    context.emit(refusedOperator(node.op), context.inputs(), made, {}, { unknown: true });
  }

  /** Tells of what was thrown, once for each node, and not of what follows from another refusal. */
  private tell(error: unknown, operator: string): void {
    if (this.options.onRefusal && isRefusal(error)) {
      if (this.builder.consequences.has(error) || this.told.has(error.node)) return;
      if (error.node !== undefined) this.told.add(error.node);
    }
    this.refusals.tell(error, operator);
  }

  /** The body of a Scan or Loop stands in the graph of one step, where no sequence is seen whole and no other one runs. */
  private inStep(node: NodeContext, inline: Inline, translate: (node: NodeContext, inline: Inline) => void): void {
    if (this.surroundings) throw node.unsupported('inside another', 'no Scan or Loop within one', node.node.op);
    translate(node, (graph, inputs) => {
      this.surroundings = new Set(this.builder.values.keys());
      const made = inline(graph, inputs);
      this.surroundings = undefined;
      return made;
    });
  }

  /** Refuses what the body of a Scan or Loop may not hold. */
  private checkStep(node: NodeContext): void {
    for (const name of node.node.inputs) {
      const shape = this.surroundings?.has(name) ? this.builder.values.get(name)?.shape : undefined;
      if (!shape?.map(resolve).some((length) => typeof length !== 'number' && length.role === 'T')) continue;
      throw node.unsupported('a step reads a whole sequence', 'sequences that the Scan or Loop takes apart', name);
    }
  }

  /** The nodes of a subgraph, which sees all that its surroundings made. */
  private inline(
    graph: OnnxGraph,
    inputs: readonly Value[],
    opset: number,
    outer: ReadonlyMap<string, string>,
  ): Value[] {
    const renames = new Map(outer);
    for (const [i, { name }] of graph.inputs.entries()) if (inputs[i]) renames.set(name, inputs[i].name);
    const made = [...graph.initializers.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)];
    for (const name of made) if (name !== '') renames.set(name, this.builder.fresh(name));
    this.readWeights(graph, renames);
    this.translateNodes(graph.nodes, opset, renames);
    return graph.outputs.map(({ name }) => {
      const value = this.builder.values.get(renames.get(name) ?? name);
      if (value) return value;
      throw new RivuletError('INVALID_GRAPH', 'An output that no node makes', { file: this.file, tensor: name });
    });
  }

  private opset(): number {
    const opset = this.model.opsets.get('');
    if (opset !== undefined && opset >= OPSETS.oldest && opset <= OPSETS.newest) return opset;
    throw new RivuletError('UNSUPPORTED_OPERATOR', 'A version of the operator set that is not known', {
      file: this.file,
      expected: `opset ${OPSETS.oldest} to ${OPSETS.newest}`,
      found: opset === undefined ? 'none' : `${opset}`,
      hint: 'Convert the model with onnx.version_converter',
    });
  }

  /** Initializers that some node or output names; the others are nothing to the model. */
  private readWeights(graph: OnnxGraph, renames: ReadonlyMap<string, string>): void {
    const { initializers, sparse } = graph;
    const used = namesRead(graph);
    const hidden = sparse.find((name) => used.has(name));
    if (hidden !== undefined) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'Weights that are stored sparse', {
        file: this.file,
        tensor: hidden,
        hint: 'Export the model with dense weights',
      });
    }
    for (const stored of initializers) {
      if (!used.has(stored.name)) continue;
      const name = renames.get(stored.name) ?? stored.name;
      this.builder.define(name, this.builder.constant(readTensor(stored, name, this.file)));
    }
  }

  private readInputs(): void {
    const weights = new Set(this.graph.initializers.map(({ name }) => name));
    // Old files list every weight among the inputs too.
    const inputs = this.graph.inputs.filter(({ name }) => !weights.has(name));
    const names = ({ name }: { name: string }) => name;
    checkOptions(this.options, inputs.map(names), this.graph.outputs.map(names), this.file);
    const { constants = {}, shapes = {} } = this.options;
    const axes = new Map<string, Axis>();
    for (const info of inputs) {
      const { name } = info;
      const type = typeOf(info.type);
      const fixed = Object.hasOwn(constants, name) ? constants[name] : undefined;
      if (type && fixed !== undefined) {
        const constant = fixedInput(info, type, fixed, this.file);
        this.builder.define(name, this.builder.constant(constant));
        this.fixed[name] = typeof fixed === 'number' ? [fixed] : Array.from(fixed);
        continue;
      }
      const shape = inputLengths(info, Object.hasOwn(shapes, name) ? shapes[name] : undefined, axes, this.file);
      if (!type || !shape) {
        this.tell(this.openInput(info), '');
        this.builder.open = true;
        this.builder.define(name, { name, type: 'float32' });
        continue;
      }
      const value: Value = { name, type: signalType(type), shape };
      if (type === 'int8' || type === 'uint8') value.narrow = 'nobody';
      if (value.type !== 'float32') value.choice = true;
      this.builder.define(name, value);
      this.inputs.push({ name, value });
      this.inputValues.add(value);
    }
  }

  private openInput({ name, type }: OnnxValueInfo): RivuletError {
    const typed = typeOf(type) !== undefined;
    return new RivuletError('UNSUPPORTED_OPERATOR', typed ? 'An input without a shape' : 'An input of this type', {
      file: this.file,
      tensor: name,
      expected: typed ? 'a shape, with names for lengths that vary' : 'float32, int32 or int64',
      found: typed ? 'none' : typeName(type),
      ...(typed && { hint: 'Give it when loading', options: { shapes: { [name]: [TIME, BATCH, 8] } } }),
    });
  }

  /** An operator that the reader does not know; its outputs have no shape. */
  private leave(context: NodeContext): void {
    const { op, domain, outputs } = context.node;
    const name = domain === '' ? (NOT_ONNX.has(op) ? `ai.onnx.${op}` : op) : `${domain}.${op}`;
    const made = outputs.map((_, i) => (context.wants(i) ? context.give(i, { type: 'float32' }) : undefined));
    context.emit(name, context.inputs(), made, context.rest(), { unknown: true });
  }

  private retype(value: Value, type: DataType): void {
    if (this.inputValues.has(value)) value.type = type;
  }

  private finish(): Graph {
    const outputs = this.graph.outputs.map((info): Port & { info: OnnxValueInfo } => {
      const value = this.builder.values.get(info.name);
      if (value) return { name: info.name, value, info };
      throw new RivuletError('INVALID_GRAPH', 'An output that no node makes', { file: this.file, tensor: info.name });
    });
    for (const output of outputs) this.checkDeclared(output.value, output.info);
    const all = this.valuesInOrder();
    const states = findStates(
      all,
      this.initial,
      this.builder.carried,
      this.inputs,
      outputs,
      this.options.states ?? {},
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
    for (const { refusal, op } of drafts) if (refusal) this.tell(refusal, operatorRefused(op));
    this.checkConsumed(drafts, states);
    nameAxes([...inputs.map(({ value }) => value), ...states.pairs.map(({ input }) => input)], drafts, this.file);
    for (const { initial } of states.pairs) if (initial) this.placeInitial(initial);
    for (const { name, value } of wanted) this.place(this.builder.materialize(value, { tensor: name }), value.name);

    const made = new Set(drafts.flatMap(({ outputs }) => outputs));
    const nodes = drafts.map((draft) => this.write(draft, made));
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
      name: this.graph.name,
      inputs: inputs.map(({ name, value }) => ({ name, type: value.type, shape: this.dims(value.shape!) })),
      outputs: graphOutputs,
      states: states.pairs.map((pair) => statePair(pair, this.dims(pair.input.shape ?? pair.output.shape ?? []))),
      nodes,
      tensors: this.tensors,
      metadata: this.metadata(),
      ...(Object.keys(this.fixed).length > 0 ? { fixed: this.fixed } : {}),
    };
    graph.nodes = checkGraph(graph, this.file);
    return graph;
  }

  private metadata(): Record<string, string> {
    const entries = Array.from(this.model.metadata, ([key, value]): [string, string] => {
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

  private write(draft: Draft, made: ReadonlySet<Value | undefined>): GraphNode {
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
    return draft.reshapes ? this.writeReshape(node, draft) : node;
  }

  /** A change of shape as the planner takes it: 0 where an axis stays, and one -1. */
  private writeReshape(node: GraphNode, draft: Draft): GraphNode {
    const from = this.dims(draft.inputs[0]!.shape!);
    const to = this.dims(draft.outputs[0]!.shape!);
    if (from.join() === to.join()) return { ...node, op: 'Identity' };
    const wanted = to.map((dim, axis) => (typeof dim === 'number' ? dim : from[axis] === dim ? 0 : -1));
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

/** Signals are computed with as float32, whatever floating-point type the file gives them. */
const signalType = (type: DataType): DataType =>
  type === 'float16' || type === 'bfloat16' || type === 'float64' ? 'float32' : type;
