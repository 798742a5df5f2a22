import { activationOperators } from './activations.js';
import { concat, slice } from './copy.js';
import { binaryOperators } from './elementwise.js';
import { gather } from './gather.js';
import { gru } from './gru.js';
import { layerNormalization } from './layer-normalization.js';
import { gemm, linear, matMul } from './linear.js';
import { lstm, lstmp } from './lstm.js';
import type { Operators } from './operator.js';
import { rnn } from './rnn.js';
import { identity, reshape, squeeze, transpose, unsqueeze } from './shape.js';
import { softmaxOperators } from './softmax.js';

/** The core's operators: recurrent cells and what most models have around them. All others stand in all.ts. */
export const OPERATORS: Operators = new Map(
  [
    lstm,
    lstmp,
    gru,
    rnn,
    matMul,
    gemm,
    linear,
    gather,
    layerNormalization,
    concat,
    slice,
    identity,
    squeeze,
    unsqueeze,
    reshape,
    transpose,
    ...softmaxOperators,
    ...binaryOperators,
    ...activationOperators,
  ].map((operator) => [operator.op, operator]),
);
