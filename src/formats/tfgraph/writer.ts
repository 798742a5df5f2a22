import { type ErrorDetails, RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import type { DataType, Tensor } from '../../graph/graph.js';
import { isIntegral, toFloat32, toIntegers } from '../../graph/tensor.js';
import { floatTensor, integerTensor } from '../constants.js';
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor } from '../onnx/model.js';
import type { Attributes } from './attributes.js';
import { LinearReader } from './linear.js';
import { type Loop, Loops, type Scanned } from './loops.js';
import { type GraphDef, type NodeDef, nodeOf, outputOf, type Ref, refOf } from './node-def.js';
import type { Place, Scope } from './scope.js';

/** An attribute of an ONNX node as it is written down here: whole numbers are integers there, `{ float }` is not. */
export type Attribute =
  | number
  | readonly number[]
  | string
  | readonly string[]
  | { float: number }
  | { graph: OnnxGraph }
  | { tensor: Tensor };

/** ONNX's numbers of element types. */
const ONNX_TYPES: Partial<Record<DataType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** ONNX's number of an element type. */
export const onnxType = (type: DataType | undefined): number => (type && ONNX_TYPES[type]) ?? 0;

/** Nodes of the bodies of loops that are looked at, all together: one body may be that of many loops. */
const MAX_VISITED = 2 ** 18;

/** What all graphs of one file share while they are translated. */
export class Translation {
  readonly initializers: OnnxTensor[] = [];
  readonly loops: Loops;
  readonly linear = new LinearReader();
  /** Axes of placeholders along which loops go. */
  readonly times = new Map<Ref, number>();
  /** What the loops give that are written by now. */
  readonly scanned = new Map<Loop, Scanned>();
  private readonly names: Set<string>;
  private readonly suffixes = new Map<string, number>();
  private readonly constants = new Map<Tensor, string>();
  private nodes = 0;
  private outputs = 0;
  private visited = 0;

  constructor(
    graph: GraphDef,
    readonly file: string | undefined,
    /** Names that are not to be given again: those of inputs and outputs. */
    taken: Iterable<string>,
    /** Writes one node of TensorFlow's in ONNX's words. */
    readonly translate: (node: NodeWriter) => void,
  ) {
    this.loops = new Loops(graph);
    this.names = new Set(taken);
  }

  /** A name that no value has. */
  fresh(base: string): string {
    let name = base;
    let i = this.suffixes.get(base) ?? 0;
    while (this.names.has(name)) name = `${base}.${++i}`;
    this.suffixes.set(base, i);
    this.names.add(name);
    return name;
  }

  /** Counts a node that is written, and what it gives. */
  count(outputs: number): void {
    this.nodes++;
    this.outputs += outputs;
    if (this.nodes <= GRAPH_LIMITS.nodes && this.outputs <= GRAPH_LIMITS.tensors) return;
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many nodes', {
      file: this.file,
      expected: `at most ${GRAPH_LIMITS.nodes}, and ${GRAPH_LIMITS.tensors} outputs`,
    });
  }

  /** Counts the nodes that are looked at to tell what a loop is. */
  visit(): void {
    if (++this.visited <= MAX_VISITED) return;
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many nodes in loops', {
      file: this.file,
      expected: `at most ${MAX_VISITED}, counted in each loop`,
    });
  }

  /** What a constant is called in the model. */
  constant(tensor: Tensor): string {
    const known = this.constants.get(tensor);
    if (known !== undefined) return known;
    const name = this.fresh(tensor.name);
    this.initializers.push(onnxTensor({ ...tensor, name }));
    this.constants.set(tensor, name);
    return name;
  }
}

const onnxTensor = ({ name, type, shape, bytes }: Tensor): OnnxTensor => ({
  name,
  type: onnxType(type),
  shape,
  raw: bytes,
  floats: [],
  doubles: [],
  integers: [],
  strings: 0,
});

/** Writes the graph of one scope: the nodes that what it gives needs, and no others. */
export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  /** Nodes that are needed, and which of their outputs. */
  private readonly wanted = new Map<NodeDef, Ref[]>();
  /** Nodes of which not every output has a translation. */
  private readonly left: NodeDef[] = [];
  /** Outputs of the nodes that are written. */
  private readonly made = new Set<string>();
  private readonly names = new Map<Ref, string>();

  constructor(
    readonly shared: Translation,
    readonly scope: Scope,
    /** Values that are there already, by what the scope calls them. */
    private readonly given: ReadonlyMap<Ref, string>,
    /** The graph around this one, whose values it sees. */
    private readonly outer?: GraphWriter,
  ) {}

  /** What a value is called in the ONNX model. The node that makes it is written by and by. */
  value({ scope, ref }: Place, reader = ''): string {
    const place = scope.settle(ref);
    const maker = place.scope.find(place.ref);
    if (maker?.op === 'Const') return this.shared.constant(place.scope.weight(maker));
    if (place.scope !== this.scope) {
      if (this.outer) return this.outer.value(place, reader);
      throw new RivuletError('INVALID_GRAPH', 'Reads a value of a loop from outside', {
        file: this.shared.file,
        node: reader || undefined,
        found: nodeOf(place.ref),
      });
    }
    const known = this.given.get(place.ref) ?? this.names.get(place.ref);
    if (known !== undefined) return known;
    const node = this.scope.node(place.ref, reader);
    const name = this.nameOf(place.ref);
    this.names.set(place.ref, name);
    const refs = this.wanted.get(node);
    if (refs) refs.push(place.ref);
    else this.wanted.set(node, [place.ref]);
    return name;
  }

  /** Translates nodes until all that is needed is there. */
  finish(): void {
    // What is wanted grows while it is walked.
    for (const node of this.wanted.keys()) this.shared.translate(new NodeWriter(this, node));
    for (const node of this.left) {
      const asked = (this.wanted.get(node) ?? []).map((ref) => this.value({ scope: this.scope, ref }));
      const outputs = asked.filter((name) => !this.made.has(name));
      if (outputs.length > 0) this.add(node.op, this.scope.prefix + node.name, [], outputs, {}, 'tensorflow');
    }
  }

  /** Leaves those outputs of a node that no node here makes to the planner, which refuses the operator by its name. */
  leave({ node }: NodeWriter): void {
    this.left.push(node);
  }

  add(
    op: string,
    name: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): void {
    this.shared.count(outputs.length);
    const entries = Object.entries(attributes).map(([key, value]): [string, OnnxAttribute] => [
      key,
      onnxAttribute(value),
    ]);
    for (const output of outputs) this.made.add(output);
    this.nodes.push({ name, op, domain, inputs: [...inputs], outputs: [...outputs], attributes: new Map(entries) });
  }

  private nameOf(ref: Ref): string {
    const name = this.scope.prefix + nodeOf(ref);
    const plain = outputOf(ref) === 0 ? name : `${name}:${outputOf(ref)}`;
    return this.shared.fresh(plain);
  }
}

function onnxAttribute(value: Attribute): OnnxAttribute {
  if (typeof value === 'number') return { kind: 'int', value: BigInt(value) };
  if (typeof value === 'string') return { kind: 'string', value };
  if ('float' in value) return { kind: 'float', value: value.float };
  if ('tensor' in value) return { kind: 'tensor', value: onnxTensor(value.tensor) };
  if ('graph' in value) return { kind: 'graph', value: value.graph };
  return value.every((item) => typeof item === 'string')
    ? { kind: 'strings', value: [...(value as readonly string[])] }
    : { kind: 'ints', value: value.map((item) => BigInt(item)) };
}

/** One node of TensorFlow's, for its translation into ONNX's words. */
export class NodeWriter {
  readonly attributes: Attributes;
  readonly scope: Scope;

  constructor(
    readonly graph: GraphWriter,
    readonly node: NodeDef,
  ) {
    this.scope = graph.scope;
    this.attributes = this.scope.attributes(node);
  }

  get name(): string {
    return this.scope.prefix + this.node.name;
  }

  get count(): number {
    return this.node.inputs.length;
  }

  ref(i: number): Ref {
    const ref = this.node.inputs[i];
    if (ref !== undefined) return ref;
    throw this.error('INVALID_GRAPH', `${this.node.op}: input ${i} is missing`);
  }

  place(i: number): Place {
    return this.scope.settle(this.ref(i));
  }

  /** What ONNX calls input i. */
  input(i: number): string {
    return this.graph.value({ scope: this.scope, ref: this.ref(i) }, this.name);
  }

  inputs(): string[] {
    return this.node.inputs.map((_, i) => this.input(i));
  }

  /** The constant that input i is. */
  constant(i: number): Tensor | undefined {
    return this.scope.constant(this.ref(i));
  }

  /** The integers of a constant input. */
  integers(i: number): number[] {
    const tensor = this.constant(i);
    if (tensor && isIntegral(tensor.type)) return toIntegers(tensor);
    throw this.unsupported(`input ${i} is computed`, 'a constant', nodeOf(this.ref(i)));
  }

  integer(i: number): number {
    const numbers = this.integers(i);
    if (numbers.length === 1) return numbers[0];
    throw this.unsupported(`input ${i}`, 'one number', `${numbers.length}`);
  }

  /** The numbers of a constant input. */
  floats(i: number): Float32Array {
    const tensor = this.constant(i);
    if (tensor && !isIntegral(tensor.type)) return toFloat32(tensor);
    throw this.unsupported(`input ${i} is computed`, 'a constant', nodeOf(this.ref(i)));
  }

  /** What ONNX calls output i. */
  output(i = 0): string {
    return this.graph.value({ scope: this.scope, ref: refOf(this.node.name, i) });
  }

  /** Writes a node that gives this node's output. */
  give(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): void {
    this.graph.add(op, this.name, inputs, [this.output()], attributes);
  }

  /** Writes a node on the way there, and gives what its result is called. */
  step(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const result = this.graph.shared.fresh(`${this.name}/${op}`);
    this.graph.add(op, result, inputs, [result], attributes);
    return result;
  }

  /** A constant list of integers. */
  list(values: readonly number[], label: string): string {
    return this.graph.shared.constant(integerTensor(`${this.name}/${label}`, values));
  }

  /** A constant of floating-point numbers, one by itself or side by side. */
  numbers(values: number | ArrayLike<number>, label: string): string {
    const [data, shape] = typeof values === 'number' ? [[values], []] : [values, [values.length]];
    return this.graph.shared.constant(floatTensor(`${this.name}/${label}`, data, shape));
  }

  error(code: RivuletError['code'], what: string, details: ErrorDetails = {}): RivuletError {
    return new RivuletError(code, what, { file: this.graph.shared.file, node: this.name, ...details });
  }

  unsupported(what: string, expected: string, found: string, hint?: string): RivuletError {
    return this.error('UNSUPPORTED_OPERATOR', `${this.node.op}: ${what}`, { expected, found, hint });
  }
}
