import type { Tensor } from '../../../graph/graph.js';
import { toFloat32, toIntegers } from '../../../graph/tensor.js';
import type { Config } from '../config.js';
import { features, type LayerReader, simple } from '../layer.js';
import type { Value } from '../writer.js';
import { expectShape } from './cells.js';
import { lastAxis } from './core.js';

/** Keras divides by no deviation smaller than this. */
const LEAST_DEVIATION = 1e-7;

/** The axis over which a layer normalises, which must be the last. */
function checkAxis(axes: readonly number[], x: Value, config: Config): void {
  if (axes.length !== 1) throw config.unsupported('axis', 'one axis', [...axes]);
  lastAxis(axes[0], x, config);
}

/** Once trained, a factor and a summand for each feature, computed in float64. */
const batchNormalization: LayerReader = ({ config, weights, model }) => {
  const axes = config.integers('axis');
  const epsilon = config.number('epsilon');
  const [scaled, centred] = [config.boolean('scale', true), config.boolean('center', true)];
  config.ignore('momentum', 'fused', 'synchronized', 'renorm_clipping', 'renorm_momentum');
  config.only('renorm', false);
  config.only('virtual_batch_size');
  config.only('adjustment');
  config.end();
  const gamma = scaled ? weights.take('gamma') : undefined;
  const beta = centred ? weights.take('beta') : undefined;
  const mean = toFloat32(weights.take('moving_mean'));
  const variance = toFloat32(weights.take('moving_variance'));
  const width = mean.length;
  const floats = (tensor: Tensor | undefined) => tensor && toFloat32(expectShape(tensor, [width], config));
  const [factor, summand] = [floats(gamma), floats(beta)];
  if (variance.length !== width) {
    throw config.fail('INVALID_FILE', 'BatchNormalization: mean and variance differ in length', {
      expected: `${width}`,
      found: `${variance.length}`,
    });
  }
  const { graph } = model;
  const scale = Float64Array.from(variance, (v, i) => (factor?.[i] ?? 1) / Math.sqrt(v + epsilon));
  const shift = Float64Array.from(mean, (m, i) => (summand?.[i] ?? 0) - m * scale[i]);
  return simple(config, (x, { name }) => {
    checkAxis(axes, x, config);
    features(x, config, width);
    const scaled = graph.node('Mul', [x.name, graph.floats(`${name}.scale`, scale)], `${name}.mul`);
    return { ...x, name: graph.node('Add', [scaled, graph.floats(`${name}.shift`, shift)], `${name}.add`) };
  });
};

const layerNormalization: LayerReader = ({ config, weights, model }) => {
  const axes = config.integers('axis');
  const epsilon = config.number('epsilon');
  const [scaled, centred] = [config.boolean('scale', true), config.boolean('center', true)];
  config.only('rms_scaling', false);
  config.end();
  const gamma = scaled ? weights.take('gamma') : undefined;
  const beta = centred ? weights.take('beta') : undefined;
  const { graph } = model;
  return simple(config, (x, { name }) => {
    checkAxis(axes, x, config);
    const width = features(x, config);
    const keep = (tensor: Tensor | undefined, label: string) =>
      tensor && graph.tensor(`${name}.${label}`, expectShape(tensor, [width], config));
    const scale = keep(gamma, 'gamma') ?? graph.floats(`${name}.gamma`, new Float64Array(width).fill(1));
    const shift = keep(beta, 'beta');
    const inputs = [x.name, scale, ...(shift ? [shift] : [])];
    return { ...x, name: graph.node('LayerNormalization', inputs, `${name}.norm`, { axis: -1, epsilon }) };
  });
};

/** Standardisation by a mean and a variance that the data gave, or the config gives. */
const normalization: LayerReader = ({ config, weights, model }) => {
  const axes = config.has('axis') ? config.integers('axis') : [];
  config.ignore('axis');
  config.only('invert', false);
  const given = ['mean', 'variance'].map((key) => {
    if (!config.has(key)) return undefined;
    const list = [config.get(key) ?? []].flat(8);
    if (list.every((item) => typeof item === 'number')) return list;
    throw config.wrong(key, 'numbers', config.get(key));
  });
  config.end();
  const learnt = given[0] === undefined || given[1] === undefined;
  const read = (role: string, i: number) => (learnt ? toFloat32(weights.take(role)) : given[i]!);
  const [mean, variance] = [read('mean', 0), read('variance', 1)];
  // How many numbers they were taken from.
  if (learnt) toIntegers(weights.take('count'));
  const width = mean.length;
  if (variance.length !== width) throw config.wrong('variance', `${width} numbers`, variance.length);
  const { graph } = model;
  const deviation = Float64Array.from(variance, (v) => Math.max(Math.sqrt(v), LEAST_DEVIATION));
  return simple(config, (x, { name }) => {
    if (axes.length > 0) checkAxis(axes, x, config);
    if (width > 1) features(x, config, width);
    // In this order, as Keras has it: a mean that is large beside the deviation would otherwise cost digits.
    const centred = graph.node('Sub', [x.name, graph.floats(`${name}.mean`, mean)], `${name}.sub`);
    return { ...x, name: graph.node('Div', [centred, graph.floats(`${name}.deviation`, deviation)], `${name}.div`) };
  });
};

export const normalizationLayers: Readonly<Record<string, LayerReader>> = {
  BatchNormalization: batchNormalization,
  BatchNormalizationV1: batchNormalization,
  BatchNormalizationV2: batchNormalization,
  LayerNormalization: layerNormalization,
  Normalization: normalization,
};
