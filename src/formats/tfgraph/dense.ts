import { RivuletError } from '../../errors.js';
import { elementCount, isIntegral, toFloat32 } from '../../graph/tensor.js';
import { COLUMNS, columnsOf } from './columns.js';
import { type NodeDef, outputOf } from './node-def.js';
import type { Place, Scope } from './scope.js';

/** A constant array of floating-point numbers, row-major. */
export interface Dense {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Numbers that may be copied while cells are recognised, all together. */
const MAX_COPIED_ELEMENTS = 2 ** 24;
/** Constants made of constants. */
const MAX_DEPTH = 16;

/** Reads and cuts the constants that the cells of one file are made of. */
export class Constants {
  private copied = 0;

  /** A floating-point value that is made of constants alone; undefined where it is not, or in a way not followed here. */
  read({ scope: from, ref: given }: Place, depth = 0): Dense | undefined {
    const { scope, ref } = from.settle(given);
    const node = scope.find(ref);
    if (!node || depth > MAX_DEPTH) return undefined;
    if (node.op === 'Const') {
      const tensor = scope.weight(node);
      return isIntegral(tensor.type) ? undefined : { shape: tensor.shape, data: toFloat32(tensor) };
    }
    const value = PARTS.get(node.op) ?? COLUMNS.get(node.op);
    const source = value === undefined ? undefined : node.inputs[value];
    const x = source === undefined ? undefined : this.read({ scope, ref: source }, depth + 1);
    if (!x || PARTS.has(node.op)) return x && this.part(scope, node, outputOf(ref), x);
    const range = x.shape.length === 2 ? columnsOf(scope, node, outputOf(ref), x.shape[1]) : undefined;
    return range && this.cut(x, 1, range[0], range[1] - range[0]);
  }

  /** What a node that takes a value apart, or changes its shape, makes of it. */
  private part(scope: Scope, node: NodeDef, output: number, x: Dense): Dense | undefined {
    scope.checkAttributes(node, 'num_split', 'axis', 'num', 'squeeze_dims');
    const attributes = scope.attributes(node);
    const rank = x.shape.length;
    const at = (axis: number) => (axis < 0 ? axis + rank : axis);
    if (node.op === 'Squeeze') {
      const axes = (attributes.integers('squeeze_dims') ?? []).map(at);
      const shape = x.shape.filter((length, i) => length !== 1 || (axes.length > 0 && !axes.includes(i)));
      return { shape, data: x.data };
    }
    const axis = at(node.op === 'Unpack' ? attributes.integer('axis', 0) : (scope.integer(node.inputs[0]) ?? rank));
    const length = x.shape[axis];
    const count = node.op === 'Unpack' ? length : attributes.integer('num_split', 1);
    if (length === undefined || length % count !== 0 || output >= count) return undefined;
    const part = this.cut(x, axis, (output * length) / count, length / count);
    return node.op === 'Unpack' ? { ...part, shape: part.shape.filter((_, i) => i !== axis) } : part;
  }

  /** `length` numbers of an axis, from `start` on. */
  cut({ shape, data }: Dense, axis: number, start: number, length: number): Dense {
    const inner = elementCount(shape.slice(axis + 1));
    const outer = elementCount(shape.slice(0, axis));
    this.spend(outer * length * inner);
    const out = new Float32Array(outer * length * inner);
    for (let o = 0; o < outer; o++) {
      const from = (o * shape[axis] + start) * inner;
      out.set(data.subarray(from, from + length * inner), o * length * inner);
    }
    return { shape: shape.map((all, a) => (a === axis ? length : all)), data: out };
  }

  /** [rows, columns] -> [columns, rows] */
  transposed({ shape: [rows, columns], data }: Dense): Dense {
    this.spend(data.length);
    const out = new Float32Array(data.length);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c];
    return { shape: [columns, rows], data: out };
  }

  private spend(count: number): void {
    this.copied += count;
    if (this.copied <= MAX_COPIED_ELEMENTS) return;
    throw new RivuletError('LIMIT_EXCEEDED', 'Too many numbers to compute while loading', {
      expected: `at most ${MAX_COPIED_ELEMENTS}`,
    });
  }
}

/** Operators that give a part of a value, or all of it in another shape: which input that is. */
const PARTS: ReadonlyMap<string, number> = new Map([
  ['Split', 1],
  ['Unpack', 0],
  ['Squeeze', 0],
]);
