import { RivuletError } from '../../errors.js';
import { GRAPH_LIMITS } from '../../graph/check.js';
import { Fields } from '../fields.js';
import type { Json } from '../json.js';
import { LEAST_INPUTS } from './arity.js';
import { unfused } from './fused.js';
import { type FunctionDef, type GraphDef, type NodeDef, type Nodes, type Ref, refOf } from './node-def.js';

/** The names of outputs of operators that have several; in a function an output is called by its name. */
const OUTPUTS: ReadonlyMap<string, readonly string[]> = new Map(
  ['FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3'].map((op) => [op, ['y']]),
);

/** What a node or function may have besides what is read. */
const IDLE = ['device', 'experimentalDebugInfo', 'experimentalType'];

/**
 * Reads a GraphDef from the JSON that protobuf prints. What says nothing of a result (devices, debug information, versions,
 * gradients, control dependencies) is skipped; nodes that do the work of several are taken apart.
 * @throws RivuletError `INVALID_FILE`, `INVALID_GRAPH`, `LIMIT_EXCEEDED`
 */
export function readGraphDef(json: Json, path: string, file: string | undefined): GraphDef {
  return new GraphReader(file).read(new Fields(json, path, file));
}

class GraphReader {
  /** Nodes so far, those of functions included. */
  private count = 0;

  constructor(private readonly file: string | undefined) {}

  read(fields: Fields): GraphDef {
    const nodes = this.nodes(fields.objects('node'));
    const functions = new Map<string, FunctionDef>();
    if (fields.has('library')) {
      const library = fields.fields('library');
      for (const one of library.has('function') ? library.objects('function') : []) {
        const [name, read] = this.function(one);
        if (functions.has(name)) throw this.twice('Two functions have this name', name);
        functions.set(name, read);
      }
    }
    return { nodes, functions };
  }

  private nodes(list: readonly Fields[]): Nodes {
    this.count += list.length;
    if (this.count > GRAPH_LIMITS.nodes) {
      throw new RivuletError('LIMIT_EXCEEDED', 'Too many nodes', {
        file: this.file,
        expected: `at most ${GRAPH_LIMITS.nodes}`,
        found: `${this.count}`,
      });
    }
    const operators = new Map(list.map((fields) => [fields.text('name'), fields.text('op')]));
    const nodes = new Map<string, NodeDef>();
    for (const fields of list) {
      const node = this.node(fields, operators);
      if (nodes.has(node.name)) throw this.twice('Two nodes have this name', node.name);
      nodes.set(node.name, node);
    }
    return unfused(nodes, this.file);
  }

  private node(fields: Fields, operators: ReadonlyMap<string, string>): NodeDef {
    const [name, op] = [fields.text('name'), fields.text('op')];
    const inputs = fields.has('input') ? fields.texts('input') : [];
    const attributes = fields.has('attr') ? fields.get('attr', 'an object') : new Map<string, Json>();
    if (!(attributes instanceof Map)) throw fields.wrong('attr', 'an object', attributes);
    for (const key of IDLE) if (fields.has(key)) fields.get(key, 'anything');
    fields.end();
    if (name === '' || name.includes(':') || name.length > GRAPH_LIMITS.nameLength) {
      throw fields.wrong('name', `a name of at most ${GRAPH_LIMITS.nameLength} characters without a colon`, name);
    }
    if (inputs.length > GRAPH_LIMITS.edges) {
      throw fields.wrong('input', `at most ${GRAPH_LIMITS.edges} inputs`, inputs.length);
    }
    const data = inputs.filter((input) => !input.startsWith('^')).map((input) => this.ref(input, operators, name));
    const least = LEAST_INPUTS.get(op) ?? 0;
    if (data.length < least) {
      throw new RivuletError('INVALID_GRAPH', `${op}: an input is missing`, {
        file: this.file,
        node: name,
        expected: `${least}`,
        found: `${data.length}`,
      });
    }
    return { name, op, inputs: data, attributes };
  }

  /** `node`, `node:1`, or in a function `node:output:0`. */
  private ref(text: string, operators: ReadonlyMap<string, string>, where: string): Ref {
    const [name, ...rest] = text.split(':');
    const index = rest.length === 0 ? '0' : (rest.at(-1) ?? '');
    if (name === '' || rest.length > 2 || !/^\d{1,5}$/.test(index)) {
      throw new RivuletError('INVALID_FILE', 'No reference to an output', {
        file: this.file,
        node: where,
        expected: 'a name, or a name and a number',
        found: JSON.stringify(text.slice(0, 100)),
      });
    }
    const outputs = rest.length === 2 ? (OUTPUTS.get(operators.get(name) ?? '') ?? []) : [];
    // What lies behind the outputs that are known is read by nobody here.
    const first = outputs.length === 0 ? 0 : outputs.indexOf(rest[0]);
    return refOf(name, (first < 0 ? GRAPH_LIMITS.edges : first) + Number(index));
  }

  private function(fields: Fields): [string, FunctionDef] {
    const signature = fields.fields('signature');
    const name = signature.text('name');
    const args = (key: string) => (signature.has(key) ? signature.objects(key).map((arg) => arg.text('name')) : []);
    const list = fields.has('nodeDef') ? fields.objects('nodeDef') : [];
    const operators = new Map(list.map((node) => [node.text('name'), node.text('op')]));
    const nodes = this.nodes(list);
    const given = fields.has('ret') ? fields.fields('ret') : undefined;
    const outputs = args('outputArg').map((output) => {
      if (!given) throw fields.wrong('ret', 'an object', null);
      return this.ref(given.text(output), operators, name);
    });
    return [name, { nodes, inputs: args('inputArg').map((arg) => refOf(arg)), outputs }];
  }

  private twice(what: string, node: string): RivuletError {
    return new RivuletError('INVALID_GRAPH', what, { file: this.file, node });
  }
}
