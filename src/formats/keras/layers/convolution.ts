import type { DataType } from '../../../graph/graph.js';
import { transposedBytes } from '../../constants.js';
import { Axis, type Length, resolve } from '../../lengths.js';
import { activate, activationOf } from '../activations.js';
import type { Config } from '../config.js';
import {
  features,
  type LayerReader,
  type ModelContext,
  markSteps,
  refuseMask,
  simple,
  withFeatures,
  wrongRank,
} from '../layer.js';
import type { GraphWriter, Value } from '../writer.js';
import { expectShape } from './cells.js';

/** Convolutions and pooling over the steps. ONNX has the channels before the steps: a transposition goes round each. */

/** ONNX's attributes of a window that moves over the steps. */
interface Window {
  size: number;
  stride: number;
  dilation: number;
  padding: string;
}

function readWindow(config: Config, size: string, stride: number, paddings: readonly string[]): Window {
  const window = {
    size: config.single(size, Number.NaN),
    stride: config.single('strides', stride),
    dilation: config.single('dilation_rate', 1),
    padding: config.text('padding', 'valid'),
  };
  if (Number.isNaN(window.size)) throw config.wrong(size, 'one integer above 0', undefined);
  if (!paddings.includes(window.padding)) throw config.unsupported('padding', paddings.join(' or '), window.padding);
  config.only('data_format', 'channels_last');
  return window;
}

/** Zeros before and after the steps, or the rule for them where the number of steps must be known. */
function padsOf({ size, stride, dilation, padding }: Window): { pads?: number[]; auto_pad?: string } {
  const reach = (size - 1) * dilation;
  if (padding === 'causal') return { pads: [reach, 0] };
  if (padding === 'valid') return {};
  if (stride > 1) return { auto_pad: 'SAME_UPPER' };
  return { pads: [Math.floor(reach / 2), reach - Math.floor(reach / 2)] };
}

function attributesOf(window: Window): Record<string, number[] | string> {
  const { auto_pad, pads } = padsOf(window);
  return {
    ...(auto_pad && { auto_pad }),
    ...(window.dilation > 1 && { dilations: [window.dilation] }),
    kernel_shape: [window.size],
    ...(pads?.some((pad) => pad > 0) && { pads }),
    ...(window.stride > 1 && { strides: [window.stride] }),
  };
}

/** The axis of steps after a window went over it: the same one where there are as many. */
function stepsAfter(time: Length, { size, stride, dilation, padding }: Window): Length {
  const known = resolve(time);
  if (typeof known === 'number') {
    const places = padding === 'valid' ? known - (size - 1) * dilation : known;
    return Math.ceil(places / stride);
  }
  if (stride === 1 && (padding !== 'valid' || size === 1)) return resolve(time);
  const after = new Axis('');
  after.role = 'T';
  return after;
}

/** The axis of steps of a value that has one. */
function steps(x: Value, config: Config, model: ModelContext): Length {
  if (x.shape.length !== 3) throw wrongRank(x, config, '3 axes: batch, time, features');
  markSteps(x, model);
  return x.shape[1];
}

/** A node over [N, C, T], between two transpositions. */
function overSteps(
  graph: GraphWriter,
  op: string,
  inputs: string[],
  name: string,
  attributes: Record<string, number | number[] | string>,
): string {
  const [x, ...others] = inputs;
  const first = graph.node('Transpose', [x], `${name}.channels_first`, { perm: [0, 2, 1] });
  const result = graph.node(op, [first, ...others], `${name}.${op.toLowerCase()}`, attributes);
  return graph.node('Transpose', [result], `${name}.channels_last`, { perm: [0, 2, 1] });
}

const conv1d: LayerReader = ({ config, weights, model }) => {
  const filters = config.count('filters');
  const window = readWindow(config, 'kernel_size', 1, ['valid', 'same', 'causal']);
  const groups = config.count('groups', 1);
  const biased = config.boolean('use_bias', true);
  const activation = activationOf(config, 'activation', model.version);
  config.only('lora_rank');
  config.ignore('lora_alpha', 'input_dim');
  config.end();
  const { graph } = model;
  const kernel = expectShape(weights.take('kernel'), [window.size, undefined, filters], config);
  const [size, depth] = kernel.shape;
  const pointwise = size === 1 && window.stride === 1 && groups === 1;
  const weight = pointwise
    ? graph.tensor(`${config.layer}.kernel`, { ...kernel, shape: [depth, filters] })
    : graph.tensor(`${config.layer}.kernel`, {
        type: kernel.type,
        shape: [filters, depth, size],
        bytes: reversedAxes(kernel.bytes, kernel.type, kernel.shape),
      });
  const bias = biased && graph.tensor(`${config.layer}.bias`, expectShape(weights.take('bias'), [filters], config));
  return simple(config, (x, { name, lead }) => {
    features(x, config, depth * groups);
    // One step is looked at alone: a product, as a Dense is.
    if (pointwise) {
      let y = graph.node('MatMul', [x.name, weight], `${name}.matmul`);
      if (bias) y = graph.node('Add', [y, bias], `${name}.add`);
      return activate(graph, withFeatures(x, y, filters), activation, name);
    }
    if (lead !== 1) throw config.fail('UNSUPPORTED_OPERATOR', `${config.className} inside TimeDistributed`);
    const time = steps(x, config, model);
    const inputs = [x.name, weight, ...(bias ? [bias] : [])];
    const y = overSteps(graph, 'Conv', inputs, name, { ...attributesOf(window), ...(groups > 1 && { group: groups }) });
    const shape = [x.shape[0], stepsAfter(time, window), filters];
    return activate(graph, { ...x, name: y, shape }, activation, name);
  });
};

/** A row-major [a, b, c] as [c, b, a]. */
function reversedAxes(bytes: Uint8Array, type: DataType, shape: number[]): Uint8Array {
  const [a, b, c] = shape;
  // [a b, c] -> [c, a, b], and each of the c matrices turned.
  const outer = transposedBytes(bytes, type, a * b, c);
  const block = outer.length / c;
  const out = new Uint8Array(outer.length);
  for (let i = 0; i < c; i++)
    out.set(transposedBytes(outer.subarray(i * block, (i + 1) * block), type, a, b), i * block);
  return out;
}

const pooling =
  (op: string): LayerReader =>
  ({ config, model }) => {
    const size = config.single('pool_size', 2);
    const window = { ...readWindow(config, 'pool_size', size, ['valid', 'same']), dilation: 1 };
    config.end();
    return simple(config, (x, { name, lead }) => {
      if (lead !== 1) throw config.fail('UNSUPPORTED_OPERATOR', `${config.className} inside TimeDistributed`);
      const time = steps(x, config, model);
      return {
        ...x,
        name: overSteps(model.graph, op, [x.name], name, attributesOf(window)),
        shape: [x.shape[0], stepsAfter(time, window), x.shape[2]],
      };
    });
  };

const globalPooling =
  (op: string): LayerReader =>
  ({ config, model }) => {
    config.only('data_format', 'channels_last');
    const kept = config.boolean('keepdims', false);
    config.end();
    const { graph } = model;
    return simple(config, (x, { name, lead }) => {
      if (lead !== 1) throw config.fail('UNSUPPORTED_OPERATOR', `${config.className} inside TimeDistributed`);
      refuseMask(x, config, model);
      steps(x, config, model);
      const y = overSteps(graph, op, [x.name], name, {});
      const shape = [x.shape[0], 1, x.shape[2]];
      if (kept) return { ...x, name: y, shape, mask: undefined };
      const squeezed = graph.node('Squeeze', [y, graph.integers(`${name}.axis`, [1])], `${name}.squeeze`);
      return { ...x, name: squeezed, shape: [x.shape[0], x.shape[2]], mask: undefined };
    });
  };

export const convolutionLayers: Readonly<Record<string, LayerReader>> = {
  Conv1D: conv1d,
  Convolution1D: conv1d,
  MaxPooling1D: pooling('MaxPool'),
  AveragePooling1D: pooling('AveragePool'),
  GlobalMaxPooling1D: globalPooling('GlobalMaxPool'),
  GlobalAveragePooling1D: globalPooling('GlobalAveragePool'),
};
