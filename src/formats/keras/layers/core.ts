import type { Json } from '../../json.js';
import { type Length, reshapeLengths, resolve, showLengths } from '../../lengths.js';
import { activate, activationOf } from '../activations.js';
import type { Config } from '../config.js';
import {
  type Call,
  features,
  type LayerReader,
  type ModelContext,
  markSteps,
  only,
  pinned,
  refuseMask,
  simple,
  withFeatures,
  wrongRank,
} from '../layer.js';
import type { Value } from '../writer.js';
import { expectShape } from './cells.js';

/** Layers of a step: products, embeddings, functions, shapes, masks, and what does nothing once a model is trained. */

const dense: LayerReader = ({ config, weights, model }) => {
  const units = config.count('units');
  const biased = config.boolean('use_bias', true);
  const activation = activationOf(config, 'activation', model.version);
  config.ignore('input_dim', 'lora_alpha');
  config.only('lora_rank');
  config.only('quantization_config');
  config.end();
  const kernel = expectShape(weights.take('kernel'), [undefined, units], config);
  const { graph } = model;
  const matrix = graph.tensor(`${config.layer}.kernel`, kernel);
  const bias = biased && graph.tensor(`${config.layer}.bias`, expectShape(weights.take('bias'), [units], config));
  return simple(config, (x, { name }) => {
    features(x, config, kernel.shape[0]);
    let y = graph.node('MatMul', [x.name, matrix], `${name}.matmul`);
    if (bias) y = graph.node('Add', [y, bias], `${name}.add`);
    return activate(graph, withFeatures(x, y, units), activation, name);
  });
};

const embedding: LayerReader = ({ config, weights, model }) => {
  const [rows, columns] = [config.count('input_dim'), config.count('output_dim')];
  const masks = config.boolean('mask_zero', false);
  config.ignore('input_length', 'sparse', 'lora_alpha');
  config.only('lora_rank');
  config.only('quantization_config');
  config.end();
  const table = model.graph.tensor(
    `${config.layer}.embeddings`,
    expectShape(weights.take('embeddings'), [rows, columns], config),
  );
  return simple(config, (x, { name }) => {
    if (!model.takesTokens(x)) {
      throw config.fail('UNSUPPORTED_OPERATOR', 'Embedding: its tokens are computed', {
        expected: 'an input of the model',
      });
    }
    return {
      name: model.graph.node('Gather', [table, x.name], `${name}.gather`, { axis: 0 }),
      type: 'float32',
      shape: [...x.shape, columns],
      mask: masks ? config.layer : x.mask,
    };
  });
};

const activationLayer: LayerReader = ({ config, model }) => {
  const activation = activationOf(config, 'activation', model.version);
  config.end();
  return simple(config, (x, { name }) => activate(model.graph, x, activation, name));
};

const softmax: LayerReader = ({ config, model }) => {
  const axis = config.integer('axis', -1);
  config.end();
  return simple(config, (x, { name }) => {
    refuseMask(x, config, model);
    lastAxis(axis, x, config);
    return activate(model.graph, x, { op: 'Softmax', attributes: { axis: -1 } }, name);
  });
};

const relu: LayerReader = ({ config, model }) => {
  const highest = config.has('max_value') ? config.number('max_value') : undefined;
  const slope = config.number('negative_slope', 0);
  const threshold = config.number('threshold', 0);
  config.ignore('max_value');
  config.end();
  const given = [highest !== undefined, slope !== 0, threshold !== 0].filter(Boolean).length;
  if (given > 1) throw config.unsupported('max_value, negative_slope, threshold', 'one of them', `${given} of them`);
  return simple(config, (x, { name }) => {
    if (highest !== undefined) return activate(model.graph, x, { op: 'Clip', bounds: [0, highest] }, name);
    if (slope !== 0) return activate(model.graph, x, { op: 'LeakyRelu', attributes: { alpha: slope } }, name);
    if (threshold === 0) return activate(model.graph, x, { op: 'Relu' }, name);
    return activate(model.graph, x, { op: 'ThresholdedRelu', attributes: { alpha: threshold } }, name);
  });
};

/** A function with one parameter, which Keras calls by one of `keys`. */
const withAlpha =
  (op: string, ...keys: string[]): LayerReader =>
  ({ config, model }) => {
    const key = keys.find((one) => config.has(one)) ?? keys[0];
    const alpha = config.number(key);
    config.end();
    return simple(config, (x, { name }) => activate(model.graph, x, { op, attributes: { alpha } }, name));
  };

const prelu: LayerReader = ({ config, weights, model }) => {
  config.ignore('shared_axes');
  config.end();
  const alpha = weights.take('alpha');
  const width = alpha.shape.at(-1) ?? 0;
  // One slope for each feature: others would tell one step from the next.
  expectShape(alpha, [...alpha.shape.slice(0, -1).map(() => 1), width], config);
  const slope = model.graph.tensor(`${config.layer}.alpha`, { ...alpha, shape: [width] });
  return simple(config, (x, { name }) => {
    features(x, config, width === 1 ? undefined : width);
    return { ...x, name: model.graph.node('PRelu', [x.name, slope], `${name}.prelu`) };
  });
};

/** Layers that only training sees, and the keys that they have. */
const nothing =
  (...keys: string[]): LayerReader =>
  ({ config }) => {
    config.ignore(...keys);
    config.end();
    return simple(config, (x) => x);
  };

const masking: LayerReader = ({ config, model }) => {
  const value = config.number('mask_value', 0);
  config.end();
  return simple(config, (x) => {
    const masked = { ...x, mask: config.layer };
    // Keras sets masked steps to zero, which those that hold nothing but zeros are.
    if (value !== 0) refuseMask(masked, config, model);
    return masked;
  });
};

const flatten: LayerReader = ({ config, model }) => {
  config.only('data_format', 'channels_last');
  config.end();
  return simple(config, (x, { name, lead }) => {
    const inner = x.shape.slice(lead).map((length) => pinned(length, config, 'it joins the steps'));
    const width = inner.reduce((product, length) => product * length, 1);
    return reshaped(x, [...x.shape.slice(0, lead), width], name, model);
  });
};

const reshape: LayerReader = ({ config, model }) => {
  const target = (config.get('target_shape') ?? []) as Json;
  config.end();
  if (!Array.isArray(target) || target.length === 0) throw config.wrong('target_shape', 'a list of lengths', target);
  const wanted = target.map((length) => {
    if (length === null || length === -1) return -1;
    if (Number.isSafeInteger(length) && (length as number) > 0) return length as number;
    throw config.wrong('target_shape', 'lengths, and at most one -1', target);
  });
  if (wanted.filter((length) => length === -1).length > 1) throw config.wrong('target_shape', 'at most one -1', target);
  return simple(config, (x, { name, lead }) => {
    const free = x.shape.filter(isSymbol);
    const shape = reshapeLengths(x.shape, [...x.shape.slice(0, lead), ...wanted]);
    if (!shape || free.some((axis) => !isSymbol(axis) || !shape.some((length) => resolve(length) === resolve(axis)))) {
      throw config.fail('UNSUPPORTED_OPERATOR', 'Reshape: steps or sequences would be joined or cut', {
        expected: `time and batch as they are in ${showLengths(x.shape)}`,
        found: `[${wanted.join(', ')}]`,
      });
    }
    return reshaped(x, shape, name, model);
  });
};

/** Whether an axis is time or batch already. */
const isSymbol = (length: Length): boolean => {
  const known = resolve(length);
  return typeof known !== 'number' && known.role !== undefined;
};

/** ONNX's Reshape: 0 where an axis stays, and one -1. */
function reshaped(x: Value, shape: Length[], name: string, { graph }: ModelContext): Value {
  const from = x.shape.map(resolve);
  const to = shape.map(resolve);
  const same = (axis: number) => to[axis] === from[axis];
  if (from.length === to.length && to.every((_, axis) => same(axis))) return x;
  const wanted = to.map((length, axis) => (typeof length === 'number' ? length : same(axis) ? 0 : -1));
  const node = graph.node('Reshape', [x.name, graph.integers(`${name}.shape`, wanted)], `${name}.reshape`);
  return { ...x, name: node, shape };
}

const permute: LayerReader = ({ config, model }) => {
  const dims = config.integers('dims');
  config.end();
  return simple(config, (x, { name, lead }) => {
    const perm = [0, ...dims];
    const valid =
      perm.length === x.shape.length && new Set(perm).size === perm.length && perm.every((axis) => axis in x.shape);
    if (!valid || lead !== 1) throw config.wrong('dims', `a permutation of ${x.shape.length - 1} axes`, dims);
    return {
      ...x,
      name: model.graph.node('Transpose', [x.name], `${name}.transpose`, { perm }),
      shape: perm.map((axis) => x.shape[axis]),
    };
  });
};

const rescaling: LayerReader = ({ config, model }) => {
  const [scale, offset] = [config.number('scale'), config.number('offset', 0)];
  config.end();
  const { graph } = model;
  return simple(config, (x, { name }) => {
    const scaled = graph.node('Mul', [x.name, graph.floats(`${name}.scale`, [scale])], `${name}.mul`);
    return { ...x, name: graph.node('Add', [scaled, graph.floats(`${name}.offset`, [offset])], `${name}.add`) };
  });
};

/** What is in every step is done in every step: the inner layer is given one axis more. */
const timeDistributed: LayerReader = ({ config, weights, model }) => {
  const inner = model.read(config.get('layer') ?? null, weights.part('layer'), `${config.layer}/`);
  config.end();
  return (inputs, { name, lead }) => {
    const x = only(inputs, config);
    if (x.shape.length < 3) throw wrongRank(x, config, 'at least 3 axes: batch, time, features');
    if (lead !== 1) throw config.fail('UNSUPPORTED_OPERATOR', 'TimeDistributed inside TimeDistributed');
    markSteps(x, model);
    const call: Call = { name, lead: 2, initial: [] };
    return inner([x], call);
  };
};

const refused =
  (what: string, hint: string): LayerReader =>
  ({ config }) => {
    throw config.fail('UNSUPPORTED_OPERATOR', `layer class ${config.className}: ${what}`, { hint });
  };

/** The axis of a layer that knows no other than the last. */
export function lastAxis(axis: number, x: Value, config: Config): void {
  if (axis === -1 || axis === x.shape.length - 1) return;
  throw config.unsupported('axis', `-1, the last of ${x.shape.length}`, axis);
}

export const coreLayers: Readonly<Record<string, LayerReader>> = {
  Dense: dense,
  Embedding: embedding,
  Activation: activationLayer,
  Softmax: softmax,
  ReLU: relu,
  LeakyReLU: withAlpha('LeakyRelu', 'negative_slope', 'alpha'),
  ELU: withAlpha('Elu', 'alpha'),
  ThresholdedReLU: withAlpha('ThresholdedRelu', 'theta'),
  PReLU: prelu,
  InputLayer: nothing('sparse', 'ragged', 'optional', 'type_spec'),
  Identity: nothing(),
  Dropout: nothing('rate', 'noise_shape', 'seed'),
  SpatialDropout1D: nothing('rate', 'noise_shape', 'seed', 'data_format'),
  SpatialDropout2D: nothing('rate', 'noise_shape', 'seed', 'data_format'),
  GaussianNoise: nothing('stddev', 'seed'),
  GaussianDropout: nothing('rate', 'seed'),
  AlphaDropout: nothing('rate', 'noise_shape', 'seed'),
  ActivityRegularization: nothing('l1', 'l2'),
  Masking: masking,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  Rescaling: rescaling,
  TimeDistributed: timeDistributed,
  RepeatVector: refused(
    'one state becomes many steps',
    'Split the model in two: an encoder that ends in the state, and a decoder that is given it in every step',
  ),
  Lambda: refused(
    'it holds a Python function, which is never run',
    'Put its work before or behind the model, and save the rest',
  ),
};
