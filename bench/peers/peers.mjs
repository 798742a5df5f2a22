// The peers that run the same networks, by name. Not here: brain.js, whose "LSTM" has no cell state, and LiteRT.js,
// which runs in browsers alone and refuses the fused operator.
import { loadNative, loadWeb } from './onnxruntime.mjs';
import { loadTensorflow } from './tensorflow.mjs';

export const PEERS = {
  'onnxruntime-web': loadWeb,
  'onnxruntime-node': loadNative,
  'tfjs-wasm': () => loadTensorflow('wasm'),
  'tfjs-cpu': () => loadTensorflow('cpu'),
};
