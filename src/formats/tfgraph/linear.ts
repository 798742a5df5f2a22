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
    const input = VALUES.get(node.op);
    const value = input === undefined ? undefined : node.inputs[input];
    const whole = value === undefined ? undefined : this.read({ scope, ref: value }, depth);
    const width = whole?.products[0]?.matrix.shape[1];
    if (!whole || width === undefined || whole.rest.length > 0) return undefined;
    const range = rangeOf(scope, node, outputOf(ref), width);
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

/** Operators that give some columns of a value: which input that is. */
const VALUES: ReadonlyMap<string, number> = new Map([
  ['Split', 1],
  ['StridedSlice', 0],
  ['SplitV', 0],
]);

/** What of a StridedSlice says how its bounds are meant. */
const MASKS = ['begin_mask', 'end_mask', 'shrink_axis_mask', 'new_axis_mask', 'ellipsis_mask'];

/** Which columns of `width` an output holds, from where to where; undefined where they are none of [N, width]. */
function rangeOf(scope: Scope, node: NodeDef, output: number, width: number): [number, number] | undefined {
  scope.checkAttributes(node, 'num_split', ...MASKS);
  const attributes = scope.attributes(node);
  const isLast = (axis: number | undefined) => axis === 1 || axis === -1;
  if (node.op === 'Split') {
    const part = width / attributes.integer('num_split', 1);
    const fits = Number.isInteger(part) && isLast(scope.integer(node.inputs[0]));
    return fits && (output + 1) * part <= width ? [output * part, (output + 1) * part] : undefined;
  }
  if (node.op === 'SplitV') {
    const sizes = scope.integers(node.inputs[1]);
    if (!sizes || !isLast(scope.integer(node.inputs[2])) || output >= sizes.length) return undefined;
    const start = sizes.slice(0, output).reduce((a, b) => a + b, 0);
    const fits = sizes.every((size) => size > 0) && sizes.reduce((a, b) => a + b, 0) === width;
    return fits ? [start, start + sizes[output]] : undefined;
  }
  // x[:, a:b], every row.
  const [begin, end, steps] = node.inputs.slice(1).map((input) => scope.integers(input));
  const mask = (name: string) => attributes.integer(name, 0);
  const plain = ['shrink_axis_mask', 'new_axis_mask', 'ellipsis_mask'].every((name) => mask(name) === 0);
  if (begin?.length !== 2 || end?.length !== 2 || steps?.join() !== '1,1' || !plain) return undefined;
  if ((mask('begin_mask') & 1) === 0 || (mask('end_mask') & 1) === 0) return undefined;
  const bound = (at: number) => Math.min(Math.max(at < 0 ? at + width : at, 0), width);
  const from = mask('begin_mask') & 2 ? 0 : bound(begin[1]);
  const to = mask('end_mask') & 2 ? width : bound(end[1]);
  return from < to ? [from, to] : undefined;
}

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
