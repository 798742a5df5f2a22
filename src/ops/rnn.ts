import { activationArguments, activationWords } from './activations.js';
import type { Argument, Lowering, Operator, Reference } from './operator.js';
import { packedCount, packPanels, plainOrder, rowMajor } from './pack.js';
import {
  align16,
  inferRecurrent,
  lowerFinalHidden,
  R,
  RECURRENT_ATTRIBUTES,
  type Recurrent,
  type RecurrentCall,
  readActivations,
  readRecurrent,
  recurrentCalls,
  referenceActivations,
  referenceClip,
  referenceRecurrence,
  SEQUENCE_LENS,
  summedBias,
  W,
} from './recurrent.js';

const DEFAULTS = ['Tanh'];

/** ONNX's RNN: the vanilla recurrent network, h' = f(W x + R h + b). */
export const rnn: Operator = {
  op: 'RNN',
  attributes: RECURRENT_ATTRIBUTES,
  inputs: [3, 6],
  integers: [SEQUENCE_LENS],
  infer: (node) => inferRecurrent(node, 1, false),
  lower: (node) =>
    lowerRnn(node, ({ inputs, hidden }, d, { rows, sizes, lengths }, words) => {
      node.call('rnn', {
        ...rows,
        weights: node.weights(`gates${d}`, packedCount(hidden, inputs + hidden), (target, packRows) => {
          const matrices = [
            rowMajor(node.floats(W), inputs, d * hidden * inputs),
            rowMajor(node.floats(R), hidden, d * hidden * hidden),
          ];
          packPanels(target, plainOrder(hidden), summedBias(node, hidden, d), matrices, packRows);
        }),
        ...sizes,
        unused: 0,
        scratch: node.scratch(packedCount(hidden, 0) * 4, align16(hidden * 4), align16((inputs + hidden) * 4)),
        ...words,
        ...lengths,
      });
    }),
};

/** Words 10 to 14 of a call: assembly/rnn.ts. */
export type RnnWords = Record<string, Argument>;

/** Checks the node and allots its states; `lowerCall` makes the call of each direction. */
export function lowerRnn(
  node: Lowering,
  lowerCall: (shape: Recurrent, d: number, call: RecurrentCall, words: RnnWords) => void,
): void {
  const shape = readRecurrent(node, 1);
  const { hidden, recurrent, directions, clip } = shape;
  if (recurrent !== hidden) throw node.malformed('R has the wrong shape', `${hidden} columns`, `${recurrent}`, R);
  const calls = recurrentCalls(node, shape);
  for (const [d, call] of calls.entries()) {
    const [activation] = readActivations(node, DEFAULTS, directions, d) ?? [activationArguments('Tanh')];
    lowerCall(shape, d, call, {
      backwards: call.backwards,
      ...activationWords(activation),
      clip: { float: clip },
    });
  }
  lowerFinalHidden(node, calls);
}

/** ONNX's equation in float64. */
export const rnnReference: Reference = (node, inputs) => {
  const clip = referenceClip(node);
  return referenceRecurrence(node, inputs, 1, 0, (s) => {
    const [f] = referenceActivations(node, DEFAULTS, s.D, s.d);
    const next = s.h.map((_, u) => f(clip(s.product(0, u) + s.inputBias(0, u) + s.recurrentBias(0, u))));
    s.h.set(next);
  });
};
