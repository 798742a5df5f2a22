// Rivulet itself, from dist/ so that what is measured is what ships.

// The writer of the native format is no part of the public surface; this is the same source before bundling.
import { writeNative } from '../../build/ts/formats/safetensors/write-native.js';
import { loadModel } from '../../dist/index.js';

const tensor = (name, shape, data) => ({
  name,
  type: Array.isArray(data) ? 'int64' : 'float32',
  shape,
  bytes: new Uint8Array(Array.isArray(data) ? new BigInt64Array(data.map(BigInt)).buffer : data.buffer),
});

/** A native model file of the LSTM: X [T, N, I] in, the hidden states [T, N, H] out. */
export function writeLstm({ inputs: I, hidden: H, W, R, B }) {
  const tensors = [
    tensor('lstm.W', [1, 4 * H, I], W),
    tensor('lstm.R', [1, 4 * H, H], R),
    tensor('lstm.B', [1, 8 * H], B),
    tensor('directions', [1], [1]),
  ];
  return writeNative({
    name: `lstm-${I}-${H}`,
    inputs: [{ name: 'X', type: 'float32', shape: ['T', 'N', I] }],
    outputs: [{ name: 'hidden', type: 'float32', shape: ['T', 'N', H] }],
    states: [],
    nodes: [
      {
        name: 'lstm',
        op: 'LSTM',
        inputs: ['X', 'lstm.W', 'lstm.R', 'lstm.B'],
        outputs: ['Y'],
        attributes: { hidden_size: H },
      },
      { name: 'squeeze', op: 'Squeeze', inputs: ['Y', 'directions'], outputs: ['hidden'], attributes: {} },
    ],
    tensors: new Map(tensors.map((entry) => [entry.name, entry])),
    metadata: {},
  });
}

/** The model with the kernels asked for, or undefined where this engine cannot run them. */
export async function openLstm(lstm, kernels) {
  try {
    return await loadModel(writeLstm(lstm), { kernels });
  } catch (error) {
    if (error.code === 'UNSUPPORTED_HOST') return undefined;
    throw error;
  }
}
