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
 * Packs matrices that share their outputs into panels [panels][1 + sum of depths][16]: row 0 holds the biases.
 * `order[lane]` is the output that lane takes, -1 for padding, which stays zero; `target` is expected to be zero.
 */
export function packPanels(
  target: Float32Array,
  order: readonly number[],
  bias: (output: number) => number,
  matrices: readonly Matrix[],
): void {
  const rows = 1 + matrices.reduce((sum, matrix) => sum + matrix.depth, 0);
  for (let lane = 0; lane < order.length; lane++) {
    const output = order[lane];
    if (output < 0) continue;
    let at = Math.floor(lane / PANEL_WIDTH) * rows * PANEL_WIDTH + (lane % PANEL_WIDTH);
    target[at] = bias(output);
    for (const { data, depth, outputStride, inputStride } of matrices) {
      for (let k = 0, from = output * outputStride; k < depth; k++, from += inputStride) {
        target[(at += PANEL_WIDTH)] = data[from];
      }
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
