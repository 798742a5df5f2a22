import { type ErrorDetails, RivuletError } from '../errors.js';
import type { Dim, Graph, GraphNode, Tensor } from './graph.js';
import { byteLength, isDataType } from './tensor.js';

/** What a graph may have at most. Far above any real recurrent model, low enough that a hostile one costs little. */
export const GRAPH_LIMITS = {
  nodes: 16_384,
  tensors: 65_536,
  /** Graph inputs, graph outputs and states, each. */
  ports: 4_096,
  /** Inputs, or outputs, of one node. */
  edges: 4_096,
  /** Axes of a tensor or value. */
  rank: 8,
  /** Characters of a name. */
  nameLength: 1_024,
  /** Items of one attribute's list. */
  attributeItems: 65_536,
} as const;

const SYMBOL = /^[A-Za-z_]\w*$/;

/** Who makes a value: a node (by its index), or the graph's surroundings. */
type Maker = number | 'graph input' | 'state input' | 'tensor';

/**
 * Checks the structure of a graph and returns its nodes in an order in which each comes after those it reads from.
 * Nodes that stand in such an order already keep it. Operators, attributes and the shapes between nodes are not looked
 * at.
 *
 * @param file path or URL to name in errors.
 * @throws RivuletError `INVALID_GRAPH`: a name missing or given twice, a value made twice or by nobody, a cycle, a dim
 *   that is neither a positive integer nor a symbol, a state whose parts disagree. `LIMIT_EXCEEDED`: more than
 *   {@link GRAPH_LIMITS}.
 */
export function checkGraph(graph: Graph, file?: string): GraphNode[] {
  return new Checker(graph, file).check();
}

class Checker {
  private readonly makers = new Map<string, Maker>();

  constructor(
    private readonly graph: Graph,
    private readonly file: string | undefined,
  ) {}

  check(): GraphNode[] {
    const { inputs, outputs, states, nodes, tensors } = this.graph;
    this.limit('nodes', nodes.length, GRAPH_LIMITS.nodes);
    this.limit('tensors', tensors.size, GRAPH_LIMITS.tensors);
    this.limit('inputs', inputs.length, GRAPH_LIMITS.ports);
    this.limit('outputs', outputs.length, GRAPH_LIMITS.ports);
    this.limit('states', states.length, GRAPH_LIMITS.ports);

    for (const [key, tensor] of tensors) this.checkTensor(key, tensor);
    for (const { name, type, shape } of inputs) {
      this.checkValue(name, type, shape);
      this.make(name, 'graph input');
    }
    for (const { input, type, shape } of states) {
      this.checkValue(input, type, shape);
      this.make(input, 'state input');
    }
    this.checkNodes();
    for (const node of nodes) {
      for (const name of node.inputs) {
        if (name !== '' && !this.makers.has(name)) {
          throw this.error('Reads a value that nobody makes', { node: node.name, found: `"${name}"` });
        }
      }
    }
    this.checkOutputs();
    this.checkStates();
    return this.sort();
  }

  private checkTensor(key: string, tensor: Tensor): void {
    const { name, type, shape, bytes } = tensor;
    this.checkName(name, 'A tensor');
    if (key !== name)
      throw this.error('A tensor is filed under another name', { expected: `"${name}"`, found: `"${key}"` });
    if (!isDataType(type)) throw this.error('Unknown element type', { tensor: name, found: `"${type}"` });
    this.limit('dims', shape.length, GRAPH_LIMITS.rank, { tensor: name });
    const length = byteLength(type, shape);
    if (bytes.length !== length) {
      throw this.error('Bytes and shape disagree', {
        tensor: name,
        expected: `${length} bytes`,
        found: `${bytes.length}`,
      });
    }
    this.make(name, 'tensor');
  }

  private checkValue(name: string, type: string, shape: readonly Dim[]): void {
    this.checkName(name, 'A value');
    if (!isDataType(type)) throw this.error('Unknown element type', { tensor: name, found: `"${type}"` });
    this.limit('dims', shape.length, GRAPH_LIMITS.rank, { tensor: name });
    for (const dim of shape) {
      if (typeof dim === 'string' ? SYMBOL.test(dim) : Number.isSafeInteger(dim) && dim > 0) continue;
      throw this.error('Not a dim', {
        tensor: name,
        expected: 'a positive integer or a symbol',
        found: JSON.stringify(dim),
      });
    }
  }

  private checkNodes(): void {
    const names = new Set<string>();
    for (const [index, { name, op, inputs, outputs, attributes }] of this.graph.nodes.entries()) {
      this.checkName(name, `Node ${index}`);
      if (names.has(name)) throw this.error('Two nodes have this name', { node: name });
      names.add(name);
      if (op === '') throw this.error('Has no operator', { node: name });
      this.limit('inputs', inputs.length, GRAPH_LIMITS.edges, { node: name });
      this.limit('outputs', outputs.length, GRAPH_LIMITS.edges, { node: name });
      for (const value of Object.values(attributes)) {
        if (Array.isArray(value))
          this.limit('attribute items', value.length, GRAPH_LIMITS.attributeItems, { node: name });
      }
      const made = outputs.filter((output) => output !== '');
      if (made.length === 0) throw this.error('Makes no value', { node: name });
      for (const output of made) {
        this.checkName(output, 'An output', { node: name });
        this.make(output, index);
      }
    }
  }

  private checkOutputs(): void {
    const seen = new Set<string>();
    if (this.graph.outputs.length === 0) throw this.error('The graph has no outputs');
    for (const { name, type, shape } of this.graph.outputs) {
      this.checkValue(name, type, shape);
      if (seen.has(name)) throw this.error('Two graph outputs have this name', { tensor: name });
      seen.add(name);
      if (!this.makers.has(name)) throw this.error('A graph output that nobody makes', { tensor: name });
    }
  }

  private checkStates(): void {
    for (const { input, output, type, shape, initial } of this.graph.states) {
      const maker = this.makers.get(output);
      if (maker === undefined || maker === 'tensor') {
        throw this.error('The next value of a state is made by no node', { tensor: input, found: `"${output}"` });
      }
      if (initial === undefined) continue;
      const tensor = this.graph.tensors.get(initial);
      if (!tensor)
        throw this.error('The initial value of a state is no tensor', { tensor: input, found: `"${initial}"` });
      // A symbol in a state's shape counts sequences side by side; the tensor begins each of them.
      const fits =
        tensor.type === type &&
        tensor.shape.length === shape.length &&
        shape.every((dim, axis) => tensor.shape[axis] === (typeof dim === 'string' ? 1 : dim));
      if (!fits) {
        throw this.error('The initial value does not fit the state', {
          tensor: input,
          expected: `${type} [${shape.map((dim) => (typeof dim === 'string' ? `${dim} = 1` : dim)).join(', ')}]`,
          found: `${tensor.type} [${tensor.shape.join(', ')}]`,
        });
      }
    }
  }

  /** Depth first, without recursion: what a node reads goes before it. */
  private sort(): GraphNode[] {
    const { nodes } = this.graph;
    const sorted: GraphNode[] = [];
    const progress = new Uint8Array(nodes.length); // 0 untouched, 1 on the path, 2 placed
    for (let root = 0; root < nodes.length; root++) {
      if (progress[root] !== 0) continue;
      progress[root] = 1;
      const path = [{ index: root, next: 0 }];
      for (let top = path.at(-1); top; top = path.at(-1)) {
        const node = nodes[top.index];
        if (top.next === node.inputs.length) {
          progress[top.index] = 2;
          sorted.push(node);
          path.pop();
          continue;
        }
        const maker = this.makers.get(node.inputs[top.next++]);
        if (typeof maker !== 'number' || progress[maker] === 2) continue;
        if (progress[maker] === 1) {
          const from = path.findIndex(({ index }) => index === maker);
          throw this.cycle([...path.slice(from).map(({ index }) => index), maker]);
        }
        progress[maker] = 1;
        path.push({ index: maker, next: 0 });
      }
    }
    return sorted;
  }

  /** `path` goes from reader to maker; people read it the way the data flows. */
  private cycle(path: number[]): RivuletError {
    const names = path.reverse().map((index) => `"${this.graph.nodes[index].name}"`);
    const shown = names.length <= 12 ? names : [...names.slice(0, 6), '...', ...names.slice(-5)];
    return this.error('The nodes form a cycle', {
      found: shown.join(' -> '),
      hint: 'A value from the step before must be a state',
    });
  }

  private make(name: string, maker: Maker): void {
    const before = this.makers.get(name);
    if (before === undefined) {
      this.makers.set(name, maker);
      return;
    }
    const describe = (who: Maker) =>
      typeof who === 'number' ? `an output of node "${this.graph.nodes[who].name}"` : `a ${who}`;
    throw this.error('A value is made twice', { tensor: name, found: `${describe(before)} and ${describe(maker)}` });
  }

  private checkName(name: string, what: string, where: ErrorDetails = {}): void {
    if (name === '') throw this.error(`${what} has no name`, where);
    this.limit('characters in a name', name.length, GRAPH_LIMITS.nameLength, where);
  }

  private limit(what: string, found: number, most: number, where: ErrorDetails = {}): void {
    if (found <= most) return;
    throw new RivuletError('LIMIT_EXCEEDED', `Too many ${what}`, {
      file: this.file,
      expected: `at most ${most}`,
      found: `${found}`,
      ...where,
    });
  }

  private error(what: string, details: ErrorDetails = {}): RivuletError {
    return new RivuletError('INVALID_GRAPH', what, { file: this.file, ...details });
  }
}
