import { RivuletError } from '../errors.js';
import { BATCH, type Dim, TIME } from '../graph/graph.js';
import type { ShapedArray } from '../runtime/model.js';

/** Arrays of a model's inputs or outputs, whole or step by step. */

export type Arrays = Record<string, ShapedArray>;

/** A name and the axes that a graph declares for it. */
interface Declared {
  name: string;
  shape: readonly Dim[];
}

/** Steps of random inputs, of one sequence: a constant initial state fits no more. Enough that a wrong state shows. */
export const STEPS = 32;

/** What T and N are in the inputs given. */
export function symbolsOf(ports: readonly Declared[], inputs: Readonly<Arrays>): Record<string, number> {
  const sizes: Record<string, number> = { [TIME]: STEPS, [BATCH]: 1 };
  for (const { name, shape } of ports) {
    for (const [axis, dim] of shape.entries()) {
      if (typeof dim === 'string' && inputs[name]?.shape[axis]) sizes[dim] = inputs[name].shape[axis];
    }
  }
  return sizes;
}

/** One row for all steps, such as a sampling rate, stands at each of them. */
export function repeated({ data, shape }: ShapedArray, steps: number, size: number): ShapedArray {
  if (data.length === steps * size) return { data, shape: [steps, size] };
  if (data.length === size) {
    return { data: Float64Array.from({ length: steps * size }, (_, i) => data[i % size]), shape: [steps, size] };
  }
  throw invalid('', 'an input has another number of steps', `[${steps}, ${size}]`, shown(shape));
}

/** Arrays of one sequence as a stream takes and gives them: whatever belongs to a step side by side, steps in order. */
export function inSteps(ports: readonly Declared[], arrays: Readonly<Arrays>): Arrays {
  const entries = ports.map(({ name, shape: dims }): [string, ShapedArray] => {
    const { data, shape } = arrays[name];
    const time = dims.indexOf(TIME);
    // What has no time, or is in order already, stays.
    const outer = count(shape.slice(0, Math.max(time, 0)));
    if (outer === 1) return [name, arrays[name]];
    const [steps, inner] = [shape[time], count(shape.slice(time + 1))];
    const at = (i: number) => {
      const [step, rest] = [Math.floor(i / (outer * inner)), i % (outer * inner)];
      return (Math.floor(rest / inner) * steps + step) * inner + (rest % inner);
    };
    return [name, { data: Float64Array.from(data, (_, i) => data[at(i)]), shape }];
  });
  return Object.fromEntries(entries);
}

export const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

export const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

export function invalid(tensor: string, what: string, expected: string, found?: string): RivuletError {
  return new RivuletError('INVALID_INPUT', what, { tensor, expected, found });
}
