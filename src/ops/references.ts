/** The graph in plain float64 TypeScript: slow, obvious, and what every kernel and build is held to. */

import { RivuletError } from '../errors.js';
import { checkGraph } from '../graph/check.js';
import type { Graph, Tensor } from '../graph/graph.js';
import { toFloat32, toIntegers } from '../graph/tensor.js';
import { activationOperators, activationReference } from './activations.js';
import { convReference, convTransposeReference } from './convolution.js';
import { concatReference } from './copy.js';
import { dequantizeLinearReference } from './dequantize.js';
import { einsumReference } from './einsum.js';
import { binaryOperators, binaryReference } from './elementwise.js';
import { fourierReferences } from './fourier.js';
import { gruReference } from './gru.js';
import { lstmReference } from './lstm.js';
import {
  expandReference,
  padReference,
  sliceReference,
  splitReference,
  tileReference,
  triluReference,
} from './move.js';
import { ndReferences } from './nd.js';
import { batchReference, groupReference, lastAxesReference } from './normalization.js';
import type { Reference, ReferenceTensor } from './operator.js';
import { pointwiseReferences } from './pointwise.js';
import { globalPoolReference, poolReference } from './pooling.js';
import { gemmReference, matMulReference } from './product.js';
import { cumSumReference, placeReference, reduceReference, reductionOperators } from './reduction.js';
import { rnnReference } from './rnn.js';
import { selectReferences } from './select.js';
import {
  identityReference,
  reshapeReference,
  squeezeReference,
  transposeReference,
  unsqueezeReference,
} from './shape.js';
import { softmaxReference } from './softmax.js';
import { timeStackReference, timeStepReference } from './time.js';

const REFERENCES = new Map<string, Reference>([
  ['LSTM', lstmReference],
  ['LSTMP', lstmReference],
  ['GRU', gruReference],
  ['RNN', rnnReference],
  ['MatMul', matMulReference],
  ['Gemm', gemmReference],
  ['Einsum', einsumReference],
  ['DequantizeLinear', dequantizeLinearReference],
  ['LayerNormalization', lastAxesReference],
  ['RMSNormalization', lastAxesReference],
  ['InstanceNormalization', groupReference],
  ['GroupNormalization', groupReference],
  ['BatchNormalization', batchReference],
  ['Conv', convReference],
  ['ConvTranspose', convTransposeReference],
  ['MaxPool', poolReference],
  ['AveragePool', poolReference],
  ['GlobalMaxPool', globalPoolReference],
  ['GlobalAveragePool', globalPoolReference],
  ['Split', splitReference],
  ['Expand', expandReference],
  ['Tile', tileReference],
  ['Pad', padReference],
  ['Trilu', triluReference],
  ['ArgMax', placeReference],
  ['ArgMin', placeReference],
  ['CumSum', cumSumReference],
  ...reductionOperators.flatMap(({ op }): [string, Reference][] =>
    op.startsWith('Reduce') ? [[op, reduceReference]] : [],
  ),
  ...pointwiseReferences(),
  ...selectReferences(),
  ...ndReferences(),
  ...fourierReferences(),
  ['Concat', concatReference],
  ['Slice', sliceReference],
  ['Identity', identityReference],
  ['TimeStep', timeStepReference],
  ['TimeStack', timeStackReference],
  ['TimeLast', identityReference],
  ['Squeeze', squeezeReference],
  ['Unsqueeze', unsqueezeReference],
  ['Reshape', reshapeReference],
  ['Transpose', transposeReference],
  ['Softmax', softmaxReference],
  ['LogSoftmax', softmaxReference],
  ...binaryOperators.map(({ op }): [string, Reference] => [op, binaryReference]),
  ...activationOperators.map(({ op }): [string, Reference] => [op, activationReference]),
]);

/**
 * Runs a graph in float64 on whole inputs, shapes as given (`[T, N, ...]`). Explicit states are inputs by their input
 * name, and come back by their output name. Weights are taken as float32 stores them.
 */
export function evaluateReference(
  graph: Graph,
  inputs: Readonly<Record<string, ReferenceTensor>>,
): Record<string, ReferenceTensor> {
  const values = new Map<string, ReferenceTensor>(Object.entries(inputs));
  for (const tensor of graph.tensors.values()) values.set(tensor.name, toReference(tensor));
  for (const node of checkGraph(graph)) {
    const reference = REFERENCES.get(node.op);
    if (!reference) throw new RivuletError('UNSUPPORTED_OPERATOR', `no reference for ${node.op}`, { node: node.name });
    const results = reference(
      node,
      node.inputs.map((name) => values.get(name)),
    );
    for (const [i, name] of node.outputs.entries()) if (name) values.set(name, results[i]);
  }
  const wanted = [...graph.outputs.map(({ name }) => name), ...graph.states.map(({ output }) => output)];
  return Object.fromEntries(wanted.map((name) => [name, values.get(name)!]));
}

function toReference(tensor: Tensor): ReferenceTensor {
  const floating = tensor.type.startsWith('float') || tensor.type === 'bfloat16';
  return { shape: tensor.shape, data: Float64Array.from(floating ? toFloat32(tensor) : toIntegers(tensor)) };
}
