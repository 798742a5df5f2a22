// brain.js: whole sequences of one stream, from a zero state. Of its cells only the GRU is one that others run too: it resets
// before the product. Its "LSTM" has no cell state (the forget gate meets the last output).
import { checkOutputs, GATES, reference } from '../lib/cells.mjs';

const REASONS = {
  LSTM: 'its LSTM has no cell state',
  GRU: 'its GRU resets before the product, not behind it',
  RNN: "its RNN's activation is relu, not tanh",
};

/** A peer of the package's class `GRUTimeStep`. */
export const brainPeer = (name, version, GRUTimeStep) => ({
  name,
  version,
  refuses: ({ op }, mode) => REASONS[op] ?? (mode === 'run' ? undefined : 'it keeps no state between calls'),
  open(cell) {
    const { op, inputs: I, hidden: H, W, R, B } = cell;
    // It gives the last step's output alone, through a linear layer: of one output, so that it costs next to nothing.
    const net = new GRUTimeStep({ inputSize: I, hiddenLayers: [H], outputSize: 1 });
    net.initialize();
    const [layer] = net.model.hiddenLayers;
    for (const [gate, kind] of ['updateGate', 'resetGate', 'cellWrite'].entries()) {
      layer[`${kind}InputMatrix`].weights.set(W.subarray(gate * H * I, (gate + 1) * H * I));
      layer[`${kind}HiddenMatrix`].weights.set(R.subarray(gate * H * H, (gate + 1) * H * H));
      layer[`${kind}Bias`].weights.set(
        B.subarray(gate * H, (gate + 1) * H).map((b, j) => b + B[(GATES[op] + gate) * H + j]),
      );
    }
    const head = Float32Array.from({ length: H }, (_, j) => Math.cos(j));
    net.model.outputConnector.weights.set(head);
    net.model.output.weights.fill(0);
    net.bindEquation();
    return {
      input: (xs) => Array.from({ length: xs.length / I }, (_, t) => xs.slice(t * I, (t + 1) * I)),
      run: (X) => net.runArrays(X),
      check(y, xs) {
        const h = reference(cell, xs).subarray(-H);
        checkOutputs(name, y, [h.reduce((sum, value, j) => sum + value * head[j], 0)], 1e-4);
      },
      reset() {},
      release() {},
    };
  },
});
