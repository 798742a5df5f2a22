import { RivuletError } from '../../errors.js';
import type { Tensor } from '../../graph/graph.js';

/** What of a layer decides where its weights are found. */
export interface LayerId {
  name: string;
  className: string;
  /** The names of all layers within it. */
  inner: readonly string[];
}

/** The weights of a layer or model, each to be taken once. */
export interface WeightScope {
  /** The scopes of a model's layers, in the order of its config. */
  layers(list: readonly LayerId[]): WeightScope[];
  /** The scope of a wrapped layer or cell, by the attribute in which Keras keeps it. */
  part(attribute: 'cell' | 'layer' | 'forward_layer' | 'backward_layer'): WeightScope;
  /** The scopes of stacked cells. */
  cells(list: readonly LayerId[]): WeightScope[];
  /**
   * The next weight, by the name that Keras gives its role, e.g. `recurrent_kernel`.
   * @throws RivuletError `INVALID_FILE` where there is none.
   */
  take(role: string): Tensor;
}

/** A weight by the path that the trainer gave it, e.g. `lstm/lstm_cell/kernel`. */
export interface NamedWeight {
  path: string;
  tensor: Tensor;
}

/** Weights of the layers of one file, and which of them were taken. */
class Ledger {
  readonly taken = new Set<Tensor>();

  constructor(readonly file: string | undefined) {}

  fail(what: string, expected?: string, found?: string, hint?: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found, hint });
  }

  /** Refuses weights that no layer has taken. */
  checkAllTaken(all: Iterable<NamedWeight>): void {
    const left = Array.from(all).filter(({ tensor }) => !this.taken.has(tensor));
    if (left.length === 0) return;
    const names = left.slice(0, 8).map(({ path }) => `"${path.slice(0, 100)}"`);
    throw this.fail(
      'Weights that no layer reads',
      'none',
      `${names.join(', ')}${left.length > 8 ? ` and ${left.length - 8} more` : ''}`,
      'If they belong to layers that the architecture leaves out, list those: "ignore": ["layer", ...]',
    );
  }
}

const segmentsOf = (path: string): string[] => path.split('/');

/** What a weight is to its layer: the last part of its path, without the suffix that makes TensorFlow's names unique. */
const roleOf = (path: string): string => segmentsOf(path).at(-1)!.replace(/:\d+$/, '').replace(/_\d+$/, '');

/** Weights in a list: Keras's HDF5 files and TensorFlow.js. The order within a role is that of the layers. */
class ListScope implements WeightScope {
  constructor(
    private readonly weights: readonly NamedWeight[],
    private readonly ledger: Ledger,
    private readonly name: string,
  ) {}

  layers(list: readonly LayerId[]): WeightScope[] {
    return splitByName(this.weights, list, this.ledger).map((own, i) => new ListScope(own, this.ledger, list[i].name));
  }

  part(attribute: string): WeightScope {
    const direction = /^(forward|backward)_layer$/.exec(attribute)?.[1];
    if (!direction) return this;
    const own = this.weights.filter(({ path }) => segmentsOf(path).some((part) => part.startsWith(`${direction}_`)));
    return own.length === 0 ? this : new ListScope(own, this.ledger, `${this.name}.${direction}`);
  }

  cells(list: readonly LayerId[]): WeightScope[] {
    // TensorFlow.js numbers the cells of a stack; Keras's files have them in order.
    return list.map(({ name }, i) => {
      const own = this.weights.filter(({ path }) => segmentsOf(path).includes(`RNNCell_${i}`));
      return own.length === 0 ? this : new ListScope(own, this.ledger, name);
    });
  }

  take(role: string): Tensor {
    const { taken } = this.ledger;
    const found = this.weights.find(({ path, tensor }) => !taken.has(tensor) && (path === '' || roleOf(path) === role));
    if (!found) {
      const left = this.weights.filter(({ tensor }) => !taken.has(tensor)).map(({ path }) => `"${path.slice(0, 100)}"`);
      throw this.ledger.fail(
        `Layer "${this.name}" has no weight "${role}"`,
        role,
        left.slice(0, 8).join(', ') || 'none',
      );
    }
    taken.add(found.tensor);
    return found.tensor;
  }
}

/** The weights of each layer: those with its name, or a name within it, earliest in their paths. */
function splitByName(weights: readonly NamedWeight[], list: readonly LayerId[], ledger: Ledger): NamedWeight[][] {
  const owners = new Map<string, number>();
  const inner = new Map<string, number>();
  for (const [i, layer] of list.entries()) {
    owners.set(layer.name, i);
    for (const name of layer.inner) inner.set(name, inner.has(name) && inner.get(name) !== i ? -1 : i);
  }
  const split: NamedWeight[][] = list.map(() => []);
  for (const weight of weights) {
    const parts = segmentsOf(weight.path).slice(0, -1);
    const outer = parts.find((part) => owners.has(part));
    const within = parts.find((part) => inner.has(part));
    const owner = outer !== undefined ? owners.get(outer)! : within !== undefined ? inner.get(within)! : undefined;
    if (owner === -1)
      throw ledger.fail('A weight may belong to several layers', 'one', `"${weight.path.slice(0, 100)}"`);
    if (owner !== undefined) split[owner].push(weight);
  }
  return split;
}

/** Where a model's weights come from, and the check that nothing is left of them. */
export interface WeightSource {
  root: WeightScope;
  end(): void;
}

/** Weights of a flat list: those of a TensorFlow.js manifest. */
export function weightsByName(weights: readonly NamedWeight[], file: string | undefined): WeightSource {
  const ledger = new Ledger(file);
  return { root: new ListScope(weights, ledger, 'model'), end: () => ledger.checkAllTaken(weights) };
}

/** Weights in the order in which the layer has them, without names: `get_weights()`. */
export function weightsInOrder(tensors: readonly Tensor[], file?: string): WeightSource {
  const weights = tensors.map((tensor) => ({ path: '', tensor }));
  const ledger = new Ledger(file);
  const scope = new ListScope(weights, ledger, 'layer');
  return {
    root: {
      layers: (list) => list.map(() => scope),
      part: () => scope,
      cells: (list) => list.map(() => scope),
      take: (role) => scope.take(role),
    },
    end: () => ledger.checkAllTaken(weights),
  };
}

/**
 * Weights of an HDF5 file of Keras 2's kind: a list for each layer of the outermost model.
 * @param ignored layers that the file has and the model has not.
 */
export function weightsByLayer(
  layers: ReadonlyMap<string, readonly NamedWeight[]>,
  ignored: readonly string[],
  file: string | undefined,
): WeightSource {
  const ledger = new Ledger(file);
  const scopeOf = (name: string) => new ListScope(layers.get(name) ?? [], ledger, name);
  return {
    root: {
      layers: (list) => list.map(({ name }) => scopeOf(name)),
      part: () => scopeOf(''),
      cells: () => [],
      take: (role) => scopeOf('').take(role),
    },
    end: () =>
      ledger.checkAllTaken([...layers].flatMap(([name, weights]) => (ignored.includes(name) ? [] : [...weights]))),
  };
}

/** A group of the weights file of a `.keras` archive: numbered variables, and groups of parts. */
export interface WeightTree {
  path: string;
  /** Tensors of the group `vars` by number. */
  variables: ReadonlyMap<string, Tensor>;
  /** The name that the layer had, where the file says so. */
  name: string | undefined;
  groups: ReadonlyMap<string, WeightTree>;
}

const EMPTY: Omit<WeightTree, 'path'> = { variables: new Map(), name: undefined, groups: new Map() };

class TreeScope implements WeightScope {
  private next = 0;

  constructor(
    private readonly tree: WeightTree,
    private readonly ledger: Ledger,
  ) {}

  layers(list: readonly LayerId[]): WeightScope[] {
    return this.container('layers', list);
  }

  part(attribute: string): WeightScope {
    return this.child(this.tree, attribute);
  }

  cells(list: readonly LayerId[]): WeightScope[] {
    return this.container('cells', list);
  }

  take(role: string): Tensor {
    const { path, variables } = this.tree;
    const tensor = variables.get(`${this.next}`);
    if (!tensor) throw this.ledger.fail('A weight is missing', `${path}/vars/${this.next} (${role})`, 'none');
    this.next++;
    this.ledger.taken.add(tensor);
    return tensor;
  }

  /** Keras names the items of a list by their classes, and counts those of one class. */
  private container(attribute: string, list: readonly LayerId[]): TreeScope[] {
    const { tree } = this.child(this.tree, attribute);
    const counts = new Map<string, number>();
    return list.map(({ name, className }) => {
      const base = snakeCase(className);
      const count = counts.get(base) ?? 0;
      counts.set(base, count + 1);
      const scope = this.child(tree, count === 0 ? base : `${base}_${count}`);
      if (scope.tree.name !== undefined && scope.tree.name !== name) {
        throw this.ledger.fail('The weights are of another layer', `"${name}"`, `"${scope.tree.name.slice(0, 100)}"`);
      }
      return scope;
    });
  }

  private child(tree: WeightTree, name: string): TreeScope {
    return new TreeScope(tree.groups.get(name) ?? { ...EMPTY, path: `${tree.path}/${name}` }, this.ledger);
  }
}

/** Weights of a `.keras` archive. */
export function weightsByTree(tree: WeightTree, file: string | undefined): WeightSource {
  const ledger = new Ledger(file);
  return { root: new TreeScope(tree, ledger), end: () => ledger.checkAllTaken(variablesOf(tree)) };
}

function* variablesOf({ path, variables, groups }: WeightTree): Generator<NamedWeight> {
  for (const [number, tensor] of variables) yield { path: `${path}/vars/${number}`, tensor };
  for (const group of groups.values()) yield* variablesOf(group);
}

/** Keras's own way from a class's name to that of a layer. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
