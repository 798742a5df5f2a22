import { COLUMNS, columnsOf } from './columns.js';
import { Constants, type Dense } from './dense.js';
import { type NodeDef, outputOf, type Ref } from './node-def.js';
import type { Place, Scope } from './scope.js';

/** The product of a value [N, rows] with a constant matrix [rows, columns]. */
export interface Product {
  readonly input: Place;
  readonly matrix: Dense;
}

/** A value [N, columns] as a sum. */
export interface Linear {
  readonly products: readonly Product[];
  /** [columns], or [1] for all columns; absent where there is none. */
  readonly bias: Dense | undefined;
  /** What else is added. */
  readonly rest: readonly Place[];
}

/** Sums within sums, and parts of one sum: more than a gate has. */
const MAX_DEPTH = 64;
const MAX_PARTS = 16;

/**
 * Reads values as sums of products with constant matrices, which is what is inside the gates of a cell, in whichever way a
 * trainer or an optimiser wrote it: `x W + h R + b` at once, as a part of a wider product, or in pieces.
 */
export class LinearReader {
  readonly constants = new Constants();
  private readonly known = new Map<Scope, Map<Ref, Linear | undefined>>();

  /** Undefined where a sum is nested too deep, or of biases that do not fit. */
  read({ scope: from, ref: given }: Place, depth = 0): Linear | undefined {
    const place = from.settle(given);
    const known = this.known.get(place.scope) ?? new Map<Ref, Linear | undefined>();
    this.known.set(place.scope, known);
    if (known.has(place.ref)) return known.get(place.ref);
    const linear = depth < MAX_DEPTH ? this.compute(place, depth + 1) : undefined;
    known.set(place.ref, linear);
    return linear;
  }

  private compute(place: Place, depth: number): Linear | undefined {
    const { scope, ref } = place;
    const constant = this.constants.read(place);
    if (constant) {
      const bias = vectorOf(constant);
      return bias && { products: [], bias, rest: [] };
    }
    const node = scope.find(ref);
    if (node && SUMS.has(node.op)) {
      scope.checkAttributes(node, 'data_format');
      return sumOf(node.inputs.map((input) => this.read({ scope, ref: input }, depth)));
    }
    const found = node?.op === 'MatMul' ? this.product(scope, node) : node && this.columns(scope, node, ref, depth);
    return found ?? { products: [], bias: undefined, rest: [place] };
  }

  private product(scope: Scope, node: NodeDef): Linear | undefined {
    scope.checkAttributes(node, 'transpose_a', 'transpose_b');
    const attributes = scope.attributes(node);
    const [left, right] = node.inputs;
    const factor = node.inputs.length === 2 ? this.constants.read({ scope, ref: right }) : undefined;
    if (attributes.flag('transpose_a') || factor?.shape.length !== 2) return undefined;
    const matrix = attributes.flag('transpose_b') ? this.constants.transposed(factor) : factor;
    return { products: [{ input: scope.settle(left), matrix }], bias: undefined, rest: [] };
  }

  /** A part of the columns of a sum. */
  private columns(scope: Scope, node: NodeDef, ref: Ref, depth: number): Linear | undefined {
    const input = COLUMNS.get(node.op);
    const value = input === undefined ? undefined : node.inputs[input];
    const whole = value === undefined ? undefined : this.read({ scope, ref: value }, depth);
    const width = whole?.products[0]?.matrix.shape[1];
    if (!whole || width === undefined || whole.rest.length > 0) return undefined;
    const range = columnsOf(scope, node, outputOf(ref), width);
    const { bias } = whole;
    const fits = whole.products.every(({ matrix }) => matrix.shape[1] === width);
    if (!range || !fits || ![1, width].includes(bias?.data.length ?? 1)) return undefined;
    const [start, end] = range;
    return {
      products: whole.products.map(({ input, matrix }) => ({
        input,
        matrix: this.constants.cut(matrix, 1, start, end - start),
      })),
      bias: bias && bias.data.length > 1 ? this.constants.cut(bias, 0, start, end - start) : bias,
      rest: [],
    };
  }
}

const SUMS: ReadonlySet<string> = new Set(['Add', 'AddV2', 'AddN', 'BiasAdd']);

function sumOf(parts: readonly (Linear | undefined)[]): Linear | undefined {
  let bias: Dense | undefined;
  for (const part of parts) {
    if (!part) return undefined;
    const both = bias && part.bias ? added(bias, part.bias) : (bias ?? part.bias);
    if (part.bias && !both) return undefined;
    bias = both;
  }
  const known = parts as readonly Linear[];
  const [products, rest] = [known.flatMap(({ products }) => products), known.flatMap(({ rest }) => rest)];
  return products.length + rest.length <= MAX_PARTS ? { products, bias, rest } : undefined;
}

/** The sum of two biases, of which one may be one number for all columns. */
function added(a: Dense, b: Dense): Dense | undefined {
  const length = Math.max(a.data.length, b.data.length);
  if ([a, b].some(({ data }) => data.length !== length && data.length !== 1)) return undefined;
  const at = ({ data }: Dense, i: number) => data[data.length === 1 ? 0 : i];
  return { shape: [length], data: Float32Array.from({ length }, (_, i) => at(a, i) + at(b, i)) };
}

/** A bias as numbers side by side, which it is where all axes before the last are 1. */
const vectorOf = ({ shape, data }: Dense): Dense | undefined =>
  shape.slice(0, -1).every((length) => length === 1) ? { shape: [data.length], data } : undefined;
