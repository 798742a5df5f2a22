import { RivuletError } from '../errors.js';
import { BATCH, TIME } from '../graph/graph.js';
import type { Port, ShapedArray } from '../index.js';
import { readNpy } from '../io/npy.js';
import type { Context } from './host.js';
import { readBytes } from './model.js';
import { NPY_START, plainNumbers, readSeries } from './series.js';

/**
 * The arrays of ports, by name, from files: `.npy` of the whole shape that the port declares, or a series (`.npy` or CSV,
 * a row for each step of one sequence).
 *
 * @param streams whether they go through a stream: an array of a row for each step is a series then, and not as many
 *   sequences of one step, which it has the shape of where the port declares `[N, size]`.
 * @throws RivuletError `INVALID_INPUT` for a name that no port has, or another shape; as `readSeries` does.
 */
export async function readArrays(
  ports: readonly Port[],
  files: ReadonlyMap<string, string>,
  context: Context,
  streams = false,
): Promise<Record<string, ShapedArray>> {
  const arrays: Record<string, ShapedArray> = {};
  for (const [name, file] of files) {
    const port = ports.find((one) => one.name === name);
    if (!port) {
      const expected = ports.map((one) => one.name).join(', ');
      throw new RivuletError('INVALID_INPUT', `The model has no such input or output: "${name}"`, { expected });
    }
    arrays[name] = readArray(port, await readBytes(file, context), file, streams);
  }
  return arrays;
}

function readArray({ shape, size }: Port, content: Uint8Array, file: string, streams: boolean): ShapedArray {
  if (content[0] === NPY_START) {
    const whole = readNpy(content, file);
    const fits = (dim: string | number, axis: number) => typeof dim === 'string' || dim === whole.shape[axis];
    const isSeries = streams && whole.shape.length === 2 && whole.shape[1] === size;
    if (!isSeries && whole.shape.length === shape.length && shape.every(fits)) {
      return { data: plainNumbers(whole.data), shape: whole.shape };
    }
  }
  const { data, steps } = readSeries(content, file, size);
  return { data, shape: shape.map((dim) => (dim === TIME ? steps : dim === BATCH ? 1 : Number(dim))) };
}
