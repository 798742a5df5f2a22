// Rivulet itself, from dist/ so that what is measured is what ships.

// The writer of the native format is no part of the public surface; this is the same source before bundling.
import { writeNative } from '../../build/ts/formats/safetensors/write-native.js';
import { loadModel } from '../../dist/index.js';
import { GATES, onnxOf } from './cells.mjs';

const tensor = (name, shape, data) => ({
  name,
  type: Array.isArray(data) ? 'int64' : 'float32',
  shape,
  bytes: new Uint8Array(Array.isArray(data) ? new BigInt64Array(data.map(BigInt)).buffer : data.buffer),
});

/** A native model file of a cell: X [T, N, I] in, the hidden states [T, N, H] out. */
export function writeCell(cell) {
  const { op, inputs: I, hidden: H, W, R, B } = cell;
  const rows = GATES[op] * H;
  const tensors = [
    tensor('W', [1, rows, I], W),
    tensor('R', [1, rows, H], R),
    tensor('B', [1, 2 * rows], B),
    tensor('directions', [1], [1]),
  ];
  const { operator, attributes } = onnxOf(cell);
  return writeNative({
    name: `${op.toLowerCase()}-${I}-${H}`,
    inputs: [{ name: 'X', type: 'float32', shape: ['T', 'N', I] }],
    outputs: [{ name: 'hidden', type: 'float32', shape: ['T', 'N', H] }],
    states: [],
    nodes: [
      { name: 'cell', op: operator, inputs: ['X', 'W', 'R', 'B'], outputs: ['Y'], attributes },
      { name: 'squeeze', op: 'Squeeze', inputs: ['Y', 'directions'], outputs: ['hidden'], attributes: {} },
    ],
    tensors: new Map(tensors.map((entry) => [entry.name, entry])),
    metadata: {},
  });
}

/** The model with the kernels and the weights asked for, or undefined where this engine cannot run them. */
export async function openCell(cell, kernels, weights) {
  try {
    return await loadModel(writeCell(cell), { kernels, weights });
  } catch (error) {
    if (error.code === 'UNSUPPORTED_HOST') return undefined;
    throw error;
  }
}
