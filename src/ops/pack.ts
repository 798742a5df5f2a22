/** A matrix of float32: element (output o, input k) stands at `o * outputStride + k * inputStride`. */
export interface Matrix {
  data: Float32Array;
  depth: number;
  outputStride: number;
  inputStride: number;
}

/** A row-major [outputs, depth] matrix, from element `offset` of `data` on. */
export function rowMajor(data: Float32Array, depth: number, offset = 0): Matrix {
  return { data: data.subarray(offset), depth, outputStride: depth, inputStride: 1 };
}

/** Outputs in a panel; see assembly/product.ts. */
export const PANEL_WIDTH = 16;

export const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** float32 in a pack of `outputs` lanes and the given depth, the bias row included. */
export function packedCount(outputs: number, depth: number): number {
  return roundUp(outputs, PANEL_WIDTH) * (1 + depth);
}

/**
 * Lays the PANEL_WIDTH rows of `depth` numbers that begin at the elements `from` of `data` (-1: none, which gives zeros) into
 * the columns of `target`, from element `at` on. False where that is left to the caller.
 */
export type PackRows = (
  target: Float32Array,
  at: number,
  data: Float32Array,
  from: Int32Array,
  depth: number,
) => boolean;

/** Fills a pack, which is zero; by `packRows`, where the host has a way faster than JavaScript that runs for the first time. */
export type Packer = (target: Float32Array, packRows?: PackRows) => void;

/**
 * Packs matrices that share their outputs into panels [panels][1 + sum of depths][16]: row 0 holds the biases.
 * `order[lane]` is the output that lane takes, -1 for padding, which stays zero; `target` is expected to be zero.
 */
export function packPanels(
  target: Float32Array,
  order: readonly number[],
  bias: (output: number) => number,
  matrices: readonly Matrix[],
  packRows?: PackRows,
): void {
  const from = new Int32Array(PANEL_WIDTH);
  let at = 0;
  for (let first = 0; first < order.length; first += PANEL_WIDTH) {
    for (let lane = 0; lane < PANEL_WIDTH; lane++) {
      const output = order[first + lane] ?? -1;
      if (output >= 0) target[at + lane] = bias(output);
    }
    at += PANEL_WIDTH;
    for (const { data, depth, outputStride, inputStride } of matrices) {
      for (let lane = 0; lane < PANEL_WIDTH; lane++) {
        const output = order[first + lane] ?? -1;
        from[lane] = output < 0 ? -1 : output * outputStride;
      }
      if (inputStride !== 1 || !packRows?.(target, at, data, from, depth)) {
        packElements(target, at, data, from, depth, inputStride);
      }
      at += depth * PANEL_WIDTH;
    }
  }
}

/**
 * `depth` rows of a panel, from the elements `from` on (-1: none). A loop of its own, so that the engine compiles it while the
 * first of many panels is packed.
 */
function packElements(
  target: Float32Array,
  at: number,
  data: Float32Array,
  from: Int32Array,
  depth: number,
  inputStride: number,
): void {
  for (let k = 0, offset = 0; k < depth; k++, offset += inputStride) {
    for (let lane = 0; lane < PANEL_WIDTH; lane++, at++) {
      const element = from[lane];
      if (element >= 0) target[at] = data[element + offset];
    }
  }
}

/**
 * The order of lanes for cells: for each 4 units, `gates` groups of 4 lanes. `rowOf(gate, unit)` is the weight row.
 */
export function gateOrder(hidden: number, gates: number, rowOf: (gate: number, unit: number) => number): number[] {
  const order: number[] = [];
  for (let first = 0; first < hidden; first += 4) {
    for (let gate = 0; gate < gates; gate++) {
      for (let unit = first; unit < first + 4; unit++) order.push(unit < hidden ? rowOf(gate, unit) : -1);
    }
  }
  return order;
}

/** The plain order: lane = output. */
export const plainOrder = (outputs: number, first = 0): number[] =>
  Array.from({ length: outputs }, (_, lane) => first + lane);
