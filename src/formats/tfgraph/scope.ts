import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';
import { isIntegral, toIntegers } from '../../graph/tensor.js';
import { Attributes } from './attributes.js';
import { type NodeDef, type Nodes, nodeOf, outputOf, type Ref } from './node-def.js';

/** A value in the scope in which its node stands. */
export interface Place {
  readonly scope: Scope;
  readonly ref: Ref;
}

/** Nodes that hand on their first input as it is, once a model is trained. */
const HANDS_ON: ReadonlySet<string> = new Set([
  ...['Identity', 'StopGradient', 'PreventGradient', 'Snapshot', 'EnsureShape', 'ReadVariableOp', 'CheckNumerics'],
]);

/** A graph, or the body of a function or loop, in which references have a meaning. */
export class Scope {
  private readonly settled = new Map<Ref, Place>();

  constructor(
    readonly nodes: Nodes,
    /** The weights of the file, by the names of their constants; texts are none. */
    readonly weights: ReadonlyMap<string, Tensor | undefined>,
    readonly file: string | undefined,
    /** Stands before the names of nodes in errors and of values made of them. */
    readonly prefix = '',
    /** What arguments stand for that are the same in every turn of a loop. */
    private readonly links: ReadonlyMap<Ref, Place> = new Map(),
  ) {}

  /** @throws RivuletError `INVALID_GRAPH` where there is none */
  node(ref: Ref, reader = ''): NodeDef {
    const node = this.nodes.get(nodeOf(ref));
    if (node) return node;
    throw new RivuletError('INVALID_GRAPH', 'Reads a value that no node makes', {
      file: this.file,
      node: reader || undefined,
      found: JSON.stringify(nodeOf(ref)),
    });
  }

  /** The node that makes a value; undefined for an argument of a function. */
  find(ref: Ref): NodeDef | undefined {
    return this.nodes.get(nodeOf(ref));
  }

  attributes(node: NodeDef): Attributes {
    return new Attributes(node, this.file);
  }

  /** Refuses a node that has other attributes than these. */
  checkAttributes(node: NodeDef, ...known: string[]): void {
    const attributes = this.attributes(node);
    attributes.ignore(...known);
    attributes.end();
  }

  /** Where a value is made, behind whatever only hands it on. */
  settle(ref: Ref): Place {
    const passed = new Set<Ref>();
    for (let at = ref; !passed.has(at); ) {
      const link = this.links.get(at);
      const handed = link ? undefined : handedOn(this.find(at), at);
      const place =
        this.settled.get(at) ??
        link?.scope.settle(link.ref) ??
        (handed === undefined ? { scope: this, ref: at } : undefined);
      passed.add(at);
      if (place) {
        for (const one of passed) this.settled.set(one, place);
        return place;
      }
      at = handed!;
    }
    throw new RivuletError('INVALID_GRAPH', 'The nodes form a cycle', { file: this.file, node: nodeOf(ref) });
  }

  /** The content of a value that is a constant; undefined where it is computed. */
  constant(ref: Ref | undefined): Tensor | undefined {
    if (ref === undefined) return undefined;
    const place = this.settle(ref);
    const node = place.scope.find(place.ref);
    return node?.op === 'Const' ? place.scope.weight(node) : undefined;
  }

  /** The integers of a constant; undefined where the value is computed, or of another type. */
  integers(ref: Ref | undefined): number[] | undefined {
    const tensor = this.constant(ref);
    return tensor && isIntegral(tensor.type) ? toIntegers(tensor) : undefined;
  }

  /** The same of a constant that is one integer. */
  integer(ref: Ref | undefined): number | undefined {
    const numbers = this.integers(ref);
    return numbers?.length === 1 ? numbers[0] : undefined;
  }

  /** The tensor of a Const, which must be what the node says of it. */
  weight(node: NodeDef): Tensor {
    const tensor = this.weights.get(node.name);
    if (tensor) return tensor;
    if (this.weights.has(node.name)) {
      throw new RivuletError('UNSUPPORTED_OPERATOR', 'A constant of texts', {
        file: this.file,
        node: node.name,
        expected: 'numbers',
        hint: 'Leave what reads texts out of the graph',
      });
    }
    throw new RivuletError('INVALID_FILE', 'A constant without a weight', {
      file: this.file,
      node: node.name,
      expected: 'a weight of this name in "weightsManifest"',
    });
  }
}

/** The input that an output of a node is, if it is one. */
function handedOn(node: NodeDef | undefined, ref: Ref): Ref | undefined {
  if (node?.op === 'IdentityN') return node.inputs[outputOf(ref)];
  return node && HANDS_ON.has(node.op) ? node.inputs[0] : undefined;
}

export const samePlace = (a: Place, b: Place): boolean => a.scope === b.scope && a.ref === b.ref;
