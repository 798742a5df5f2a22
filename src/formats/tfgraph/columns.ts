import type { NodeDef } from './node-def.js';
import type { Scope } from './scope.js';

/** Operators that give some columns of a value: which input that is. */
export const COLUMNS: ReadonlyMap<string, number> = new Map([
  ['Split', 1],
  ['StridedSlice', 0],
  ['SplitV', 0],
]);

/** What of a StridedSlice says how its bounds are meant. */
const MASKS = ['begin_mask', 'end_mask', 'shrink_axis_mask', 'new_axis_mask', 'ellipsis_mask'];

/** Which columns of `width` an output holds, from where to where; undefined where they are none of [N, width]. */
export function columnsOf(scope: Scope, node: NodeDef, output: number, width: number): [number, number] | undefined {
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
