import type { CellType, Layer } from '../chain/layers.js';

/** Which layers may follow each other, by their sizes. */

/** PyTorch's names of modules with weights. */
export type LayerType = 'Embedding' | 'Linear' | 'LayerNorm' | 'BatchNorm1d' | 'Conv1d' | CellType | `${CellType}Cell`;

/** A layer in a part that its weights allow it. */
export interface Role {
  layer: Layer;
  type: LayerType;
  /** Numbers in; an Embedding takes tokens. */
  inputs: number | 'tokens';
  outputs: number;
}

/** Positions that the search for an order looks at before it gives up: ample for a dozen layers of distinct sizes. */
const SEARCH_STEPS = 20_000;
/** Two are enough to know that there is not one. */
const ENOUGH = 2;

/** Every part that a layer can have; more than one only for a matrix without a bias. */
export function rolesOf(layer: Layer): Role[] {
  if (layer.kind === 'recurrent') {
    const type = layer.single ? (`${layer.type}Cell` as const) : layer.type;
    return [{ layer, type, inputs: layer.inputs, outputs: layer.directions * layer.projected }];
  }
  if (layer.kind === 'statistics') {
    const [size] = layer.mean.shape;
    return [{ layer, type: 'BatchNorm1d', inputs: size, outputs: size }];
  }
  const [rows, columns] = layer.weight.shape;
  // In one group, until an architecture says otherwise.
  if (layer.kind === 'convolution') return [{ layer, type: 'Conv1d', inputs: columns, outputs: rows }];
  if (layer.kind === 'vector') return [{ layer, type: 'LayerNorm', inputs: rows, outputs: rows }];
  const linear: Role = { layer, type: 'Linear', inputs: columns, outputs: rows };
  if (layer.bias) return [linear];
  const embedding: Role = { layer, type: 'Embedding', inputs: 'tokens', outputs: columns };
  return /emb/i.test(layer.prefix) ? [embedding] : [embedding, linear];
}

const follows = (before: Role | undefined, role: Role): boolean =>
  before ? role.inputs === before.outputs : role.type === 'Embedding' || role.inputs !== 'tokens';

/** The ways in which the layers can run in the order given: none, the one, or the first two of several. */
export function chainsInOrder(layers: readonly Layer[]): Role[][] {
  let chains: Role[][] = [[]];
  for (const layer of layers) {
    const roles = rolesOf(layer);
    chains = chains.flatMap((chain) =>
      roles.filter((role) => follows(chain.at(-1), role)).map((role) => [...chain, role]),
    );
    // An Embedding stands first or nowhere, so no more than two chains are ever open; the bound is for readers.
    chains = chains.slice(0, ENOUGH);
  }
  return chains;
}

/** The same in any order. `undefined` where there are too many orders to try. */
export function chainsInAnyOrder(layers: readonly Layer[]): Role[][] | undefined {
  const all = layers.map(rolesOf);
  const used = layers.map(() => false);
  const path: Role[] = [];
  const found: Role[][] = [];
  let steps = 0;
  // As deep as there are layers, whose number LAYER_LIMITS bounds.
  const extend = (): boolean => {
    if (path.length === layers.length) found.push([...path]);
    for (let i = 0; i < all.length && found.length < ENOUGH; i++) {
      if (used[i]) continue;
      for (const role of all[i]) {
        if (++steps > SEARCH_STEPS) return false;
        if (!follows(path.at(-1), role)) continue;
        used[i] = true;
        path.push(role);
        const complete = extend();
        path.pop();
        used[i] = false;
        if (!complete) return false;
      }
    }
    return true;
  };
  return extend() || found.length >= ENOUGH ? found : undefined;
}
