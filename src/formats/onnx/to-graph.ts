import { RivuletError } from '../../errors.js';
import { BATCH, type DataType, type Graph, TIME } from '../../graph/graph.js';
import { type Axis, resolve } from '../lengths.js';
import { isRefusal, isRefusedOperator, type RefusalOptions, Refusals, refusedOperator } from '../refusals.js';
import { Builder, NodeContext, unknownOperator, type Value } from './builder.js';
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
import type { Port } from './states.js';
import { readTensor, signalType, typeName, typeOf } from './tensors.js';
import { writeGraph } from './write-graph.js';

/** Versions of ONNX's operator set whose meaning the reader knows. */
const OPSETS = { oldest: 7, newest: 28 } as const;

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
      return writeGraph({
        model: this.model,
        builder: this.builder,
        inputs: this.inputs,
        initial: this.initial,
        states: this.options.states ?? {},
        fixed: this.fixed,
        tell: (refusal, operator) => this.tell(refusal, operator),
      });
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
}
