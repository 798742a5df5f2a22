import { RivuletError } from '../errors.js';
import type { Dim, Graph, GraphNode, StatePair, ValueInfo } from '../graph/graph.js';
import { elementCount, isIntegral, toFloat32 } from '../graph/tensor.js';
import { broadcastIndices } from '../ops/elementwise.js';
import type { KernelName } from '../ops/kernels.js';
import { NodeReader } from '../ops/node.js';
import type { Argument, Lowering, Operand, Operators, StateHandle, ValueType } from '../ops/operator.js';
import { type Packer, roundUp } from '../ops/pack.js';
import { CELLS, SEQUENCE_LENS } from '../ops/recurrent.js';
import { rowAxes, rowSize } from '../ops/rows.js';
import { operatorOf, type TypedGraph } from './infer.js';
import type {
  Packers,
  Plan,
  PlanCall,
  PlanCarried,
  PlanLayer,
  PlanPort,
  PlanRecord,
  PlanState,
  PlanWeights,
} from './plan.js';

/** Everything of a plan but where its values lie. */
export type LoweredGraph = Omit<Plan, 'values' | 'rowBytes' | 'modules'> & {
  /** Width of every value that some call reads or writes. */
  widths: Map<string, number>;
  packers: Packers;
};

/** Asks every node's operator for its kernel calls, and hoists recurrent states into the streams' slots. */
export function lowerGraph(typed: TypedGraph): LoweredGraph {
  return new Lowerer(typed).lower();
}

class Lowerer {
  readonly graph: Graph;
  readonly operators: Operators;
  readonly nodes: readonly GraphNode[];
  readonly types: Map<string, ValueType>;
  readonly widths = new Map<string, number>();
  /** Value -> the value whose memory it shares. */
  readonly aliases = new Map<string, string>();
  readonly calls: PlanCall[] = [];
  readonly states: PlanState[] = [];
  readonly weights: PlanWeights[] = [];
  readonly packers = new Map<string, Packer>();
  readonly records: PlanRecord[] = [];
  readonly scratch = { perRow: 0, perStream: 0, fixed: 0 };
  readonly pairs = new Map<string, StatePair>();
  /** State pairs that a recurrent kernel keeps in the slot itself, by input name. */
  readonly hoisted = new Set<string>();
  /** State inputs that some call reads as a value. */
  readonly readStates = new Set<string>();
  slotBytes = 0;
  weightBytes = 0;
  wholeSequence: string | undefined;
  singleSteps = false;
  private readonly readers = new Map<string, number>();
  /** The names that the graph gives. */
  private readonly given: ReadonlySet<string>;

  constructor({ graph, operators, nodes, types }: TypedGraph) {
    this.graph = graph;
    this.operators = operators;
    this.nodes = nodes;
    this.types = types;
    this.given = new Set([...types.keys(), ...graph.tensors.keys()]);
    for (const pair of graph.states) this.pairs.set(pair.input, pair);
    for (const node of nodes) for (const name of node.inputs) this.readers.set(name, (this.readers.get(name) ?? 0) + 1);
  }

  lower(): LoweredGraph {
    const inputs = this.graph.inputs.map((input) => this.port(input.name, input.type, input.shape));
    for (const node of this.nodes) {
      operatorOf(node, this.operators).lower(new NodeLowering(this, node) as Lowering);
    }
    for (const { name } of this.graph.outputs) {
      const value = this.resolve(name);
      if (this.pairs.has(value)) this.readStates.add(value);
    }
    this.lowerExplicitStates();
    const outputs = this.graph.outputs.map((output) => this.outputPort(output));
    const layers = this.nodes.map((node) => this.layer(node));
    return {
      name: this.graph.name,
      inputs,
      outputs,
      ...(this.graph.fixed ? { fixed: this.graph.fixed } : {}),
      layers,
      parameters: this.parametersOf(new Set(this.nodes.flatMap(({ inputs }) => inputs))),
      widths: this.widths,
      states: this.states,
      carried: this.graph.states.map((pair) => this.carried(pair)),
      slotBytes: this.slotBytes,
      weights: this.weights,
      packers: this.packers,
      weightBytes: this.weightBytes,
      records: this.records,
      calls: this.calls,
      scratch: this.scratch,
      ...(this.wholeSequence === undefined ? {} : { wholeSequence: this.wholeSequence }),
      singleSteps: this.singleSteps,
    };
  }

  /** States that no recurrent kernel took: read into a value before the first call, written back after the last. */
  private lowerExplicitStates(): void {
    const reads: PlanCall[] = [];
    for (const pair of this.graph.states) {
      if (this.wholeSequence !== undefined && (!this.hoisted.has(pair.input) || this.readStates.has(pair.input))) {
        throw new RivuletError('UNSUPPORTED_OPERATOR', 'a state that steps one by one in a model of whole sequences', {
          tensor: pair.input,
          found: this.wholeSequence,
        });
      }
      const size = rowSize(pair.shape);
      if (!this.hoisted.has(pair.input)) {
        const state = this.allotState(pair.input, size, this.initialOf(pair, 0, 1));
        const { address, stride } = this.valueOperand(this.resolve(pair.output), size);
        const from = { from: address, fromStride: stride };
        this.calls.push({
          kernel: 'writeState',
          node: pair.output,
          arguments: { ...from, state: { state: state.name }, bytes: size * 4 },
        });
        this.singleSteps = true;
      }
      if (!this.readStates.has(pair.input)) continue;
      const { address, stride } = this.valueOperand(pair.input, size);
      reads.push({
        kernel: 'readState',
        node: pair.input,
        arguments: { to: address, toStride: stride, state: { state: pair.input }, bytes: size * 4 },
      });
      this.singleSteps = true;
    }
    this.calls.unshift(...reads);
  }

  /** `name` for what is the plan's own, changed where a value of the graph has it. */
  own(name: string): string {
    return this.given.has(name) ? this.own(`${name}'`) : name;
  }

  resolve(value: string): string {
    return this.aliases.get(value) ?? value;
  }

  /** The operand of a value, which thereby gets a place in the arena. */
  valueOperand(value: string, width: number): Operand {
    const name = this.resolve(value);
    this.widths.set(name, Math.max(width, this.widths.get(name) ?? 0));
    return { address: { value: name }, stride: { strideOf: name } };
  }

  isRead(value: string): boolean {
    if (value === '') return false;
    const kept = this.graph.outputs.some(({ name }) => name === value);
    const carried = this.graph.states.some((pair) => pair.output === value && !this.hoisted.has(pair.input));
    return kept || carried || (this.readers.get(value) ?? 0) > 0;
  }

  allotState(name: string, size: number, initial: Float32Array | undefined): StateHandle {
    // A copy: a view of the tensor would keep the whole file.
    this.states.push({ name, size, offset: this.slotBytes, ...(initial ? { initial: initial.slice() } : {}) });
    // Padded to a cache line: kernels write whole groups of four numbers.
    this.slotBytes += roundUp(size * 4, 64);
    return { name, size };
  }

  /** Part `part` of `parts` of a pair's initial tensor. */
  initialOf(pair: StatePair, part: number, parts: number): Float32Array | undefined {
    if (pair.initial === undefined) return undefined;
    const tensor = this.graph.tensors.get(pair.initial)!;
    const size = rowSize(pair.shape);
    if (elementCount(tensor.shape) !== size) {
      throw new RivuletError('INVALID_GRAPH', 'an initial state has the wrong size', {
        tensor: tensor.name,
        expected: `${size} numbers`,
        found: `[${tensor.shape.join(', ')}]`,
      });
    }
    return toFloat32(tensor).subarray((part * size) / parts, ((part + 1) * size) / parts);
  }

  private carried({ input, output, shape }: StatePair): PlanCarried {
    const names = this.states.map(({ name }) => name);
    const parts = [`${input}.0`, `${input}.1`].map((name) => this.own(name)).filter((name) => names.includes(name));
    return { input, output, shape, states: names.includes(input) ? [input] : parts };
  }

  private port(name: string, type: PlanPort['type'], shape: Dim[]): PlanPort {
    const size = rowSize(shape);
    const constant = this.graph.tensors.has(this.resolve(name));
    if (constant) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'an output that is a constant', { tensor: name });
    }
    const { address } = this.valueOperand(name, size);
    const { value } = address as { value: string };
    const takes = (node: GraphNode, i: number) => this.resolve(node.inputs[i] ?? '') === value;
    const limits = this.nodes
      .filter((node) => node.op === 'Gather' && takes(node, 1))
      .map((node) => Number(this.types.get(node.inputs[0])!.shape.at(Number(node.attributes.axis ?? 0))));
    const lengths = type !== 'float32' && this.nodes.some((node) => CELLS.has(node.op) && takes(node, SEQUENCE_LENS));
    return {
      ...{ name, type, shape, size, value },
      ...(limits.length > 0 ? { limit: Math.min(...limits) } : {}),
      ...(lengths ? { lengths } : {}),
    };
  }

  /** Whole numbers and truth leave as floats, which is what a caller gets. */
  private outputPort({ name, type, shape }: ValueInfo): PlanPort {
    if (type === 'float32') return this.port(name, type, shape);
    const floats = this.own(`${name}.float32`);
    const cast: GraphNode = {
      name: floats,
      op: 'Cast',
      inputs: [name],
      outputs: [floats],
      attributes: { to: 'float32' },
    };
    this.types.set(floats, { type: 'float32', shape });
    operatorOf(cast, this.operators).lower(new NodeLowering(this, cast) as Lowering);
    return { ...this.port(floats, type, shape), name };
  }

  private layer(node: GraphNode): PlanLayer {
    return {
      name: node.name,
      op: shownOperator(node),
      shape: this.types.get(node.outputs[0] ?? '')?.shape ?? [],
      parameters: this.parametersOf(node.inputs),
    };
  }

  /** Trained numbers of these values. */
  private parametersOf(names: Iterable<string>): number {
    let sum = 0;
    for (const name of names) {
      const tensor = this.graph.tensors.get(name);
      if (tensor && !tensor.type.startsWith('int')) sum += elementCount(tensor.shape);
    }
    return sum;
  }
}

/** A node's operator as people wrote it: what was fused is named by its parts. */
function shownOperator({ op, inputs, attributes }: GraphNode): string {
  if (op !== 'Linear') return op;
  return ['MatMul', inputs[2] ? 'Add' : '', attributes.activation ?? ''].filter(Boolean).join(' + ');
}

/** The view of the lowerer that one node's operator gets. */
class NodeLowering extends NodeReader implements Lowering {
  constructor(
    private readonly lowerer: Lowerer,
    node: GraphNode,
  ) {
    super(
      node,
      node.inputs.map((name) => lowerer.types.get(name)),
      lowerer.graph.tensors,
    );
  }

  width(i: number): number {
    return rowSize(this.shape(i));
  }

  rowShape(i: number): number[] {
    return rowAxes(this.shape(i));
  }

  outputWidth(i: number): number {
    return rowSize(this.lowerer.types.get(this.node.outputs[i])!.shape);
  }

  input(i: number): Operand {
    const name = this.node.inputs[i];
    if (this.constant(i)) throw this.unsupported(`input ${i} is a constant`, 'a computed value', name);
    const value = this.lowerer.resolve(name);
    if (this.lowerer.pairs.has(value)) this.lowerer.readStates.add(value);
    return this.lowerer.valueOperand(value, this.width(i));
  }

  output(i: number): Operand {
    return this.lowerer.valueOperand(this.node.outputs[i], this.outputWidth(i));
  }

  wanted(i: number): boolean {
    return this.lowerer.isRead(this.node.outputs[i] ?? '');
  }

  alias(output: number, value: string): void {
    if (this.lowerer.graph.tensors.has(value)) throw this.unsupported('a constant', 'a computed value', value);
    const target = this.lowerer.resolve(value);
    if (this.lowerer.pairs.has(target)) this.lowerer.readStates.add(target);
    this.lowerer.aliases.set(this.node.outputs[output], target);
  }

  temporary(label: string, width: number): Operand {
    return this.lowerer.valueOperand(this.local(label), width);
  }

  weights(label: string, count: number, fill: (target: Float32Array) => void, bytes = false): Argument {
    const { lowerer } = this;
    lowerer.weights.push({
      label: this.local(label),
      count,
      offset: lowerer.weightBytes,
      ...(bytes ? { bytes } : {}),
    });
    lowerer.packers.set(this.local(label), fill);
    lowerer.weightBytes += roundUp(count * 4, 64);
    return { weights: this.local(label) };
  }

  record(label: string, words: readonly Argument[]): Argument {
    this.lowerer.records.push({ label: this.local(label), words: [...words] });
    return { weights: this.local(label) };
  }

  constantRow(i: number, shape: readonly Dim[]): Operand {
    // T and N stand for one row: a constant that varied along them would have no place in a stream.
    const row = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
    const from = this.constant(i)!.shape;
    const varies = from.some((dim, axis) => dim !== 1 && typeof shape[axis + shape.length - from.length] === 'string');
    if (varies) throw this.unsupported('a constant varies along T or N', '1 there', `[${from.join(', ')}]`);
    const count = rowSize(shape);
    const integers = isIntegral(this.constant(i)!.type);
    // Kernels count in 32 bits; a constant that only padded or bounded something would not have come here.
    const wide = integers ? this.integers(i).find((number) => number !== (number | 0)) : undefined;
    if (wide !== undefined) throw this.unsupported('a constant beyond 32 bits', 'integers of 32 bits', String(wide));
    // Padded to whole rows of 64 bytes, as values are: the kernel runs over the padding too.
    const address = this.weights(`constant${i}`, roundUp(count, 16), (packed) => {
      const target = integers ? new Int32Array(packed.buffer, packed.byteOffset, packed.length) : packed;
      const data = integers ? this.integers(i) : this.floats(i);
      if (data.length === 1) {
        target.fill(data[0], 0, count);
        return;
      }
      let at = 0;
      for (const index of broadcastIndices(from, row)) target[at++] = data[index];
    });
    return { address, stride: 0 };
  }

  recurrentState(label: string, size: number, input: number, output: number, part: number, parts: number): StateHandle {
    const { lowerer } = this;
    const name = this.node.inputs[input] ?? '';
    if (name === '') return lowerer.allotState(this.local(label), size, undefined);
    const constant = this.constant(input);
    if (constant) {
      if (elementCount(constant.shape) !== size * parts) {
        throw this.malformed(
          'an initial state has the wrong shape',
          `${size * parts} numbers`,
          `[${constant.shape}]`,
          input,
        );
      }
      return lowerer.allotState(this.local(label), size, toFloat32(constant).subarray(part * size, (part + 1) * size));
    }
    const pair = lowerer.pairs.get(name);
    if (pair && pair.output === this.node.outputs[output]) {
      lowerer.hoisted.add(name);
      return lowerer.allotState(
        parts > 1 ? lowerer.own(`${name}.${part}`) : name,
        size,
        lowerer.initialOf(pair, part, parts),
      );
    }
    throw this.unsupported(
      `the initial state "${name}" is computed`,
      "a constant, or an explicit state of the graph whose output is this node's",
      name,
    );
  }

  state(label: string, size: number): StateHandle {
    return this.lowerer.allotState(this.local(label), size, undefined);
  }

  scratch(perRow: number, perStream: number, fixed: number): Argument {
    const { scratch } = this.lowerer;
    scratch.perRow = Math.max(scratch.perRow, perRow);
    scratch.perStream = Math.max(scratch.perStream, perStream);
    scratch.fixed = Math.max(scratch.fixed, fixed);
    return { scratch: 0 };
  }

  call(kernel: KernelName, args: Record<string, Argument>): void {
    this.lowerer.calls.push({ kernel, node: this.node.name, arguments: args });
  }

  readState(output: number, state: StateHandle, offset: number): void {
    const to = this.output(output);
    const { value } = to.address as { value: string };
    this.call('readState', {
      to: { value, offset },
      toStride: to.stride,
      state: { state: state.name },
      bytes: state.size * 4,
    });
  }

  needsWholeSequence(why: string): void {
    this.lowerer.wholeSequence ??= `node "${this.node.name}" (${this.node.op}): ${why}`;
  }

  needsSingleSteps(): void {
    this.lowerer.singleSteps = true;
  }

  private local(label: string): string {
    return this.lowerer.own(`${this.node.name}.${label}`);
  }
}
