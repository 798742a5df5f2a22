/** ONNX's Einsum of one value or two: a product of matrices, once the axes lie in its order. */

import type { Dim } from '../graph/graph.js';
import { arrayOf, indicesOf } from './array.js';
import { lowerTranspose } from './move.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operand, Operator, Reference } from './operator.js';
import { lowerProducts } from './product.js';
import { product } from './rows.js';

interface Equation {
  /** A letter for each axis of each operand. */
  operands: string[][];
  result: string[];
}

/** "bij, bjk -> bik"; without an arrow, the letters that stand once, in alphabetical order. */
function parse(equation: string): Equation | undefined {
  const [left, right] = equation.replaceAll(' ', '').split('->');
  const operands = left.split(',').map((letters) => [...letters]);
  const all = operands.flat();
  const result =
    right === undefined ? all.filter((one) => all.indexOf(one) === all.lastIndexOf(one)).sort() : [...right];
  const distinct = [...operands, result].every((letters) => new Set(letters).size === letters.length);
  const known = all.every((letter) => /^[a-zA-Z]$/.test(letter)) && result.every((letter) => all.includes(letter));
  return distinct && known ? { operands, result } : undefined;
}

interface Axes extends Equation {
  lengths: Map<string, Dim>;
  /** Letters of both operands and the result, of one operand and the result, of both operands alone. */
  batch: string[];
  free: string[][];
  summed: string[];
}

function readEinsum(node: NodeReader): Axes {
  const text = node.node.attributes.equation;
  const equation = typeof text === 'string' ? parse(text) : undefined;
  const count = node.node.inputs.length;
  if (!equation || equation.operands.length !== count) {
    throw node.wrongAttribute('equation', `one letter for each axis of ${count} operands, none twice in one of them`);
  }
  const { operands, result } = equation;
  const lengths = new Map<string, Dim>();
  for (const [i, letters] of operands.entries()) {
    const shape = node.shape(i);
    if (
      shape.length !== letters.length ||
      letters.some((letter, axis) => (lengths.get(letter) ?? shape[axis]) !== shape[axis])
    ) {
      throw node.malformed('an operand does not fit the equation', letters.join(''), `[${shape.join(', ')}]`, i);
    }
    for (const [axis, letter] of letters.entries()) lengths.set(letter, shape[axis]);
  }
  const others = operands.map((_, i) => operands.filter((_, other) => other !== i).flat());
  const summed = [...new Set(operands.flat())].filter((letter) => !result.includes(letter));
  const shared = operands[0].filter((letter) => others[0].includes(letter));
  if (summed.some((letter) => typeof lengths.get(letter) !== 'number' || (count === 2 && !shared.includes(letter)))) {
    throw node.unsupported('a sum over T, N, or an axis of one operand alone', 'letters of both', String(text));
  }
  return {
    ...equation,
    lengths,
    batch: shared.filter((letter) => result.includes(letter)),
    free: operands.map((letters, i) => letters.filter((one) => result.includes(one) && !others[i].includes(one))),
    summed,
  };
}

/** An operand or the result as a row whose axes are in another order; those of T and N have no place in it. */
function reordered(
  node: Lowering,
  x: Operand,
  y: Operand,
  axes: Axes,
  from: readonly string[],
  to: readonly string[],
  label: string,
) {
  const inside = (letters: readonly string[]) => letters.filter((one) => typeof axes.lengths.get(one) === 'number');
  const [before, after] = [inside(from), inside(to)];
  const shape = before.map((letter) => Number(axes.lengths.get(letter)));
  lowerTranspose(
    node,
    x,
    y,
    shape,
    after.map((letter) => before.indexOf(letter)),
    label,
  );
}

export const einsum: Operator = {
  op: 'Einsum',
  attributes: ['equation'],
  inputs: [1, 2],
  infer(node) {
    const { lengths, result } = readEinsum(node);
    return [{ type: 'float32', shape: result.map((letter) => lengths.get(letter)!) }];
  },
  lower(node) {
    const axes = readEinsum(node);
    const { operands, result, batch, free, summed } = axes;
    const size = (letters: readonly string[]) =>
      product(letters.map((letter) => axes.lengths.get(letter)).filter((length) => typeof length === 'number'));
    const order =
      operands.length === 1
        ? [[...free[0], ...summed]]
        : [
            [...batch, ...free[0], ...summed],
            [...batch, ...summed, ...free[1]],
          ];
    const rows = order.map((letters, i): Operand => {
      const given = node.constant(i) ? node.constantRow(i, node.shape(i)) : node.input(i);
      const turned = node.temporary(`turned${i}`, size(letters));
      reordered(node, given, turned, axes, operands[i], letters, `order${i}`);
      return turned;
    });
    const y = node.output(0);
    const made = node.temporary('made', node.outputWidth(0));
    if (rows.length === 1) {
      const count = size(summed);
      const words = { outer: size(free[0]), count, inner: 1, what: 0, last: 0 };
      node.call('reduce', {
        x: rows[0].address,
        xStride: rows[0].stride,
        y: made.address,
        yStride: made.stride,
        ...words,
      });
      reordered(node, made, y, axes, free[0], result, 'result');
      return;
    }
    const [pairs, depth] = [size(batch), size(summed)];
    const shapes = { a: [pairs, size(free[0]), depth], b: [pairs, depth, size(free[1])], batch: [pairs] };
    lowerProducts(node, rows[0], rows[1], made, shapes);
    reordered(node, made, y, axes, [...batch, ...free[0], ...free[1]], result, 'result');
  },
};

// ---- float64 reference --------------------------------------------------------------------------------------------

export const einsumReference: Reference = (node, inputs) => {
  const { operands, result } = parse(String(node.attributes.equation))!;
  const all = inputs.map((input) => input!);
  const lengths = new Map(
    operands.flatMap((letters, i) => letters.map((one, axis) => [one, all[i].shape[axis]] as const)),
  );
  const summed = [...lengths.keys()].filter((letter) => !result.includes(letter));
  const lengthsOf = (letters: readonly string[]) => letters.map((letter) => lengths.get(letter)!);
  const y = arrayOf(lengthsOf(result), (index) => {
    let sum = 0;
    for (const inner of indicesOf(lengthsOf(summed))) {
      const at = (letter: string) =>
        result.includes(letter) ? index[result.indexOf(letter)] : inner[summed.indexOf(letter)];
      sum += all.reduce((total, { shape, data }, i) => {
        return total * data[operands[i].reduce((place, letter, axis) => place * shape[axis] + at(letter), 0)];
      }, 1);
    }
    return sum;
  });
  return [y];
};
