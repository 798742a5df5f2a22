import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import type { AttributeValue, DataType, GraphNode, Tensor } from '../../graph/graph.js';
import { floatTensor, integerTensor } from '../constants.js';
import type { Length } from '../lengths.js';

/** A value of the model while it is translated. */
export interface Value {
  /** Its name in the graph. */
  name: string;
  type: DataType;
  /** Batch first, as Keras has it, unless a layer is time-major. */
  shape: Length[];
  /** The layer that masks steps of it, if one does. */
  mask?: string | undefined;
}

/** Calls of layers in a model, those of models within models counted each time: a short config may ask for any number. */
const MAX_CALLS = 65_536;

/** The nodes and tensors of the graph as they are written. */
export class GraphWriter {
  readonly nodes: GraphNode[] = [];
  readonly tensors = new Map<string, Tensor>();
  private readonly values = new Map<string, number>();
  private readonly labels = new Map<string, number>();
  private calls = 0;

  constructor(readonly file: string | undefined) {}

  /** Counts a call of a layer. */
  countCall(): void {
    if (++this.calls > MAX_CALLS) throw this.tooMany('calls of layers', MAX_CALLS);
  }

  /** A name that no value has: `base`, or the first of `base.1`, `base.2`, ... that is free. */
  fresh(base: string): string {
    return unused(base, this.values);
  }

  /** The same for a node. */
  label(base: string): string {
    return unused(base, this.labels);
  }

  /** A node of one output. */
  node(op: string, inputs: string[], base: string, attributes: Record<string, AttributeValue> = {}): string {
    const output = this.fresh(base);
    this.add({ name: this.label(base), op, inputs, outputs: [output], attributes });
    return output;
  }

  add(node: GraphNode): void {
    if (this.nodes.length >= GRAPH_LIMITS.nodes) throw this.tooMany('nodes', GRAPH_LIMITS.nodes);
    this.nodes.push({ ...node, attributes: sorted(node.attributes) });
  }

  /** A constant under a name of its own. */
  tensor(base: string, tensor: Omit<Tensor, 'name'>): string {
    const name = this.fresh(base);
    this.tensors.set(name, { type: tensor.type, shape: tensor.shape, bytes: tensor.bytes, name });
    return name;
  }

  floats(base: string, values: ArrayLike<number>, shape: number[] = [values.length]): string {
    return this.tensor(base, floatTensor('', values, shape));
  }

  integers(base: string, values: readonly number[]): string {
    return this.tensor(base, integerTensor('', values));
  }

  private tooMany(what: string, most: number): RivuletError {
    return new RivuletError('LIMIT_EXCEEDED', `Too many ${what}`, { file: this.file, expected: `at most ${most}` });
  }
}

/** `taken` counts, for each name, how far the numbers behind it are used up. */
function unused(base: string, taken: Map<string, number>): string {
  let name = base;
  let i = taken.get(base) ?? 0;
  while (taken.has(name)) name = `${base}.${++i}`;
  taken.set(base, i);
  if (name !== base) taken.set(name, 0);
  return name;
}

/** By name, as a native file has them: what is converted keeps its fingerprint. */
const sorted = (attributes: Record<string, AttributeValue>): Record<string, AttributeValue> =>
  Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
