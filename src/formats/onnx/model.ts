import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import { WireMessage } from './protobuf.js';

/**
 * ONNX's messages as plain data: what the reader needs of them, by the field numbers of onnx.proto. Text that is for
 * people (doc strings, names of producers), value_info and training_info are skipped: none changes what a model computes.
 */

export interface OnnxModel {
  /** Version of each operator set, by domain; the default domain is ''. */
  opsets: Map<string, number>;
  metadata: Map<string, string>;
  graph: OnnxGraph;
}

export interface OnnxGraph {
  name: string;
  nodes: OnnxNode[];
  initializers: OnnxTensor[];
  inputs: OnnxValueInfo[];
  outputs: OnnxValueInfo[];
  /** Names of weights that are stored sparse. */
  sparse: string[];
}

export interface OnnxNode {
  name: string;
  op: string;
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, OnnxAttribute>;
}

export type OnnxAttribute =
  | { kind: 'float'; value: number }
  | { kind: 'floats'; value: number[] }
  | { kind: 'int'; value: bigint }
  | { kind: 'ints'; value: bigint[] }
  | { kind: 'string'; value: string }
  | { kind: 'strings'; value: string[] }
  | { kind: 'tensor'; value: OnnxTensor }
  | { kind: 'graph'; value: OnnxGraph }
  /** A list of tensors, a type ...: named, and read by nobody. */
  | { kind: 'other'; value: string };

export interface OnnxTensor {
  name: string;
  /** Number of the element type in TensorProto.DataType. */
  type: number;
  shape: number[];
  /** Bytes as they lie in the file; undefined where the numbers stand in one of the lists. */
  raw?: Uint8Array;
  floats: number[];
  doubles: number[];
  /** int32_data, int64_data or uint64_data. */
  integers: bigint[];
  strings: number;
  /** Where the bytes lie, if in another file. */
  external?: ExternalData;
}

/** A part of a file beside the model's; without a length, all from the offset on. */
export interface ExternalData {
  location: string;
  offset: number;
  length?: number;
}

export interface OnnxValueInfo {
  name: string;
  /** Number of the element type; 0 where the value is no tensor. */
  type: number;
  /** Lengths, names, or undefined for an axis of which nothing is said; absent where no shape is given. */
  shape?: (number | string | undefined)[];
}

/** Reads ONNX's protobuf. Numbers and names are checked where they are used. */
export function parseModel(bytes: Uint8Array, file?: string): OnnxModel {
  return new Parser(file).model(new WireMessage(plain(bytes), 'the model', file));
}

/** Reads a TensorProto by itself, as ONNX's test data hold them. */
export function parseTensor(bytes: Uint8Array, file?: string): OnnxTensor {
  return new Parser(file).tensor(new WireMessage(plain(bytes), 'a tensor', file));
}

/** Node's Buffer is a Uint8Array whose `slice` makes views; tensors promise the plain kind. */
const plain = (bytes: Uint8Array) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const ATTRIBUTE_KINDS: Record<number, string> = {
  1: 'float',
  2: 'int',
  3: 'string',
  4: 'tensor',
  5: 'graph',
  6: 'floats',
  7: 'ints',
  8: 'strings',
  9: 'tensors',
  10: 'graphs',
  11: 'a sparse tensor',
  12: 'sparse tensors',
  13: 'a type',
  14: 'types',
};

class Parser {
  /** Nodes so far, those of subgraphs included. */
  private nodes = 0;

  constructor(private readonly file: string | undefined) {}

  model(message: WireMessage): OnnxModel {
    const opsets = new Map<string, number>();
    const metadata = new Map<string, string>();
    let graph: OnnxGraph | undefined;
    while (message.next()) {
      if (message.field === 7) {
        if (graph) throw message.wrong('one graph', 'a second');
        graph = this.graph(message.message('the graph'));
      } else if (message.field === 8) {
        const [domain, version] = this.opset(message.message('an operator set'));
        opsets.set(domain, version);
      } else if (message.field === 14) {
        const [key, value] = this.entry(message.message('metadata'));
        metadata.set(key, value);
      }
    }
    if (!graph) throw message.wrong('a graph', 'none');
    return { opsets, metadata, graph };
  }

  private opset(message: WireMessage): [string, number] {
    let domain = '';
    let version = 0;
    while (message.next()) {
      if (message.field === 1) domain = message.text();
      else if (message.field === 2) version = message.integer();
    }
    return [domain === 'ai.onnx' ? '' : domain, version];
  }

  private entry(message: WireMessage): [string, string] {
    let key = '';
    let value = '';
    while (message.next()) {
      if (message.field === 1) key = message.text();
      else if (message.field === 2) value = message.text();
    }
    return [key, value];
  }

  private graph(message: WireMessage): OnnxGraph {
    const graph: OnnxGraph = { name: '', nodes: [], initializers: [], inputs: [], outputs: [], sparse: [] };
    while (message.next()) {
      if (message.field === 1) {
        this.checkLimit('nodes', ++this.nodes, GRAPH_LIMITS.nodes);
        graph.nodes.push(this.node(message.message('a node')));
      } else if (message.field === 2) graph.name = message.text();
      else if (message.field === 5) {
        this.add('tensors', graph.initializers, this.tensor(message.message('a tensor')), GRAPH_LIMITS.tensors);
      } else if (message.field === 11) {
        // Old files list every weight among the inputs too.
        const most = GRAPH_LIMITS.ports + GRAPH_LIMITS.tensors;
        this.add('inputs', graph.inputs, this.valueInfo(message.message('an input')), most);
      } else if (message.field === 12) {
        this.add('outputs', graph.outputs, this.valueInfo(message.message('an output')), GRAPH_LIMITS.ports);
      } else if (message.field === 15) graph.sparse.push(this.sparseName(message.message('a sparse tensor')));
    }
    return graph;
  }

  private node(message: WireMessage): OnnxNode {
    const node: OnnxNode = { name: '', op: '', domain: '', inputs: [], outputs: [], attributes: new Map() };
    while (message.next()) {
      if (message.field === 1) this.add('inputs of a node', node.inputs, message.text(), GRAPH_LIMITS.edges);
      else if (message.field === 2) this.add('outputs of a node', node.outputs, message.text(), GRAPH_LIMITS.edges);
      else if (message.field === 3) node.name = message.text();
      else if (message.field === 4) node.op = message.text();
      else if (message.field === 5) {
        const [name, attribute] = this.attribute(message.message('an attribute'));
        if (node.attributes.has(name)) throw message.wrong('each attribute once', `"${name}" again`);
        node.attributes.set(name, attribute);
      } else if (message.field === 7) node.domain = message.text();
    }
    if (node.domain === 'ai.onnx') node.domain = '';
    return node;
  }

  private attribute(message: WireMessage): [string, OnnxAttribute] {
    let name = '';
    let type = 0;
    let float = 0;
    let int = 0n;
    let string = '';
    let tensor: OnnxTensor | undefined;
    let graph: OnnxGraph | undefined;
    const floats: number[] = [];
    const ints: bigint[] = [];
    const strings: string[] = [];
    // Files of the earliest writers give no type; the one field that is there says it.
    let seen = 0;
    while (message.next()) {
      const { field } = message;
      if (field === 1) name = message.text();
      else if (field === 2) float = message.float32();
      else if (field === 3) int = message.int64();
      else if (field === 4) string = message.text();
      else if (field === 5) tensor = this.tensor(message.message('a tensor'));
      else if (field === 6) graph = this.graph(message.message('a graph'));
      else if (field === 7) message.floats(floats);
      else if (field === 8) message.integers(ints);
      else if (field === 9) strings.push(message.text());
      else if (field === 20) type = message.integer();
      else if (field === 21) throw message.wrong('an attribute with a value', "a reference to a function's attribute");
      if (field >= 2 && field <= 11) seen = field;
    }
    const guessed = ({ 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10 } as Record<number, number>)[seen];
    const kind = ATTRIBUTE_KINDS[type === 0 ? guessed : type];
    switch (kind) {
      case 'float':
        return [name, { kind, value: float }];
      case 'floats':
        return [name, { kind, value: floats }];
      case 'int':
        return [name, { kind, value: int }];
      case 'ints':
        return [name, { kind, value: ints }];
      case 'string':
        return [name, { kind, value: string }];
      case 'strings':
        return [name, { kind, value: strings }];
      case 'tensor':
        if (!tensor) throw message.wrong('a tensor', 'none');
        return [name, { kind, value: tensor }];
      case 'graph':
        if (!graph) throw message.wrong('a graph', 'none');
        return [name, { kind, value: graph }];
      case undefined:
        throw message.wrong('a type of attribute', `${type}`);
      default:
        return [name, { kind: 'other', value: kind }];
    }
  }

  tensor(message: WireMessage): OnnxTensor {
    const dims: bigint[] = [];
    const tensor: OnnxTensor = {
      name: '',
      type: 0,
      shape: [],
      floats: [],
      doubles: [],
      integers: [],
      strings: 0,
    };
    const entries = new Map<string, string>();
    let external = false;
    while (message.next()) {
      const { field } = message;
      if (field === 1) message.integers(dims);
      else if (field === 2) tensor.type = message.integer();
      else if (field === 3) throw message.wrong('a whole tensor', 'a segment of one');
      else if (field === 4) message.floats(tensor.floats);
      else if (field === 5 || field === 7 || field === 11) message.integers(tensor.integers);
      else if (field === 6) {
        message.content();
        tensor.strings++;
      } else if (field === 8) tensor.name = message.text();
      else if (field === 9) tensor.raw = message.content();
      else if (field === 10) message.doubles(tensor.doubles);
      else if (field === 13) {
        const [key, value] = this.entry(message.message('a part of external data'));
        entries.set(key, value);
      } else if (field === 14) external = message.integer() === 1;
    }
    if (external) tensor.external = externalData(message, entries);
    const wrong = dims.find((dim) => dim < 0n || dim > Number.MAX_SAFE_INTEGER);
    if (wrong !== undefined) throw message.wrong('lengths from 0 to 2^53 - 1', `${wrong}`);
    this.checkLimit('dims', dims.length, GRAPH_LIMITS.rank);
    tensor.shape = dims.map(Number);
    return tensor;
  }

  private sparseName(message: WireMessage): string {
    let name = '';
    while (message.next()) if (message.field === 1) name = this.tensor(message.message('a tensor')).name;
    return name;
  }

  private valueInfo(message: WireMessage): OnnxValueInfo {
    const info: OnnxValueInfo = { name: '', type: 0 };
    while (message.next()) {
      if (message.field === 1) info.name = message.text();
      else if (message.field === 2) {
        const type = message.message('a type');
        while (type.next()) if (type.field === 1) this.tensorType(type.message('a type'), info);
      }
    }
    return info;
  }

  private tensorType(message: WireMessage, info: OnnxValueInfo): void {
    while (message.next()) {
      if (message.field === 1) info.type = message.integer();
      else if (message.field === 2) {
        const shape: (number | string | undefined)[] = [];
        const dims = message.message('a shape');
        while (dims.next()) {
          if (dims.field === 1) this.add('dims', shape, this.dim(dims.message('a dim')), GRAPH_LIMITS.rank);
        }
        info.shape = shape;
      }
    }
  }

  private dim(message: WireMessage): number | string | undefined {
    let dim: number | string | undefined;
    while (message.next()) {
      if (message.field === 1) {
        const length = message.integer();
        // Some writers say 0 or -1 for a length that they don't know.
        dim = length <= 0 ? undefined : length;
      } else if (message.field === 2) {
        const name = message.text();
        dim = name === '' ? undefined : name;
      }
    }
    return dim;
  }

  private add<T>(what: string, list: T[], item: T, most: number): void {
    this.checkLimit(what, list.length + 1, most);
    list.push(item);
  }

  private checkLimit(what: string, found: number, most: number): void {
    if (found <= most) return;
    throw new RivuletError('LIMIT_EXCEEDED', `Too many ${what}`, {
      file: this.file,
      expected: `at most ${most}`,
      found: `${found}`,
    });
  }
}

/** The keys of external data, all text. A checksum is of the whole other file, and nothing here depends on it. */
function externalData(message: WireMessage, entries: ReadonlyMap<string, string>): ExternalData {
  const location = entries.get('location');
  if (location === undefined) throw message.wrong('a location of external data', 'none');
  const count = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw message.wrong(`a count as the ${key} of external data`, JSON.stringify(text.slice(0, 40)));
  };
  const length = count('length');
  return { location, offset: count('offset') ?? 0, ...(length === undefined ? {} : { length }) };
}
