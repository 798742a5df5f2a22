import { conv, convTranspose, fusedConv } from './convolution.js';
import { dequantizeLinear } from './dequantize.js';
import { einsum } from './einsum.js';
import { fourierOperators } from './fourier.js';
import { expand, pad, slice, split, tile, transpose, trilu } from './move.js';
import { narrowOperators } from './narrow.js';
import { ndOperators } from './nd.js';
import { normalizationOperators } from './normalization.js';
import type { Operators } from './operator.js';
import { pointwiseOperators } from './pointwise.js';
import { poolingOperators } from './pooling.js';
import { gemm, matMul } from './product.js';
import { reductionOperators } from './reduction.js';
import { OPERATORS } from './registry.js';
import { selectOperators } from './select.js';
import { softmaxOperators } from './softmax-axis.js';
import { timeOperators } from './time.js';

/**
 * Every operator that runs: the core's, and those that only some graphs need, loaded when one does. Where a name stands
 * in both, this one takes more forms, and makes the core's calls of the forms that the core has.
 */
export const ALL_OPERATORS: Operators = new Map([
  ...OPERATORS,
  ...[
    conv,
    fusedConv,
    convTranspose,
    ...poolingOperators,
    ...reductionOperators,
    ...normalizationOperators,
    ...pointwiseOperators,
    ...selectOperators,
    ...ndOperators,
    ...softmaxOperators,
    ...fourierOperators,
    matMul,
    gemm,
    einsum,
    transpose,
    slice,
    split,
    expand,
    tile,
    pad,
    trilu,
    dequantizeLinear,
    ...narrowOperators,
    ...timeOperators,
  ].map((operator): [string, typeof operator] => [operator.op, operator]),
]);
