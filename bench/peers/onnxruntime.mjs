// onnxruntime, in a browser or in Node, on one thread.
import { writeCellOnnx, writeQuantizedLstmOnnx } from '../lib/onnx.mjs';

/** A peer of the package `ort`; `int8`: with the operator that its dynamic quantisation makes of an LSTM. */
export const onnxruntimePeer = (name, version, ort, options, { int8 = false } = {}) => ({
  name,
  version,
  int8,
  refuses: ({ op }) => (int8 && op !== 'LSTM' ? `its dynamic quantisation has no ${op}` : undefined),
  /** A session of a model file, and what makes the tensors that it takes. */
  async openFile(bytes) {
    const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'all', ...options });
    return { session, tensor: (type, data, shape) => new ort.Tensor(type, data, shape) };
  },
  /** A session that runs `steps` steps of `streams` streams in one call and carries their states. */
  async open(cell, steps, streams) {
    const { session, tensor } = await this.openFile(
      (int8 ? writeQuantizedLstmOnnx : writeCellOnnx)(cell, steps, streams),
    );
    const zeros = () => tensor('float32', new Float32Array(streams * cell.hidden), [1, streams, cell.hidden]);
    const states = cell.op === 'LSTM' ? ['h', 'c'] : ['h'];
    const feeds = {};
    const reset = () => {
      for (const state of states) feeds[`initial_${state}`] = zeros();
    };
    reset();
    return {
      /** The caller's numbers [steps, streams, I], made ready outside of what is timed. */
      input: (xs) => tensor('float32', xs, [steps, streams, cell.inputs]),
      async run(X) {
        feeds.X = X;
        const results = await session.run(feeds);
        for (const state of states) feeds[`initial_${state}`] = results[`Y_${state}`];
        return results.Y.data;
      },
      reset,
      release: () => session.release(),
    };
  },
});
