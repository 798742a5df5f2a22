import type { AttributeValue } from '../../graph/graph.js';
import type { Json } from '../json.js';
import { type Config, show } from './config.js';
import type { GraphWriter, Value } from './writer.js';

/** A function of each element, as an operator of ONNX. */
interface Activation {
  op: string;
  attributes?: Record<string, AttributeValue>;
  /** Bounds of Clip, which are inputs. */
  bounds?: [low: number, high: number];
}

/** `linear` is no node at all. */
const LINEAR = 'linear';

const PLAIN: Readonly<Record<string, Activation>> = {
  sigmoid: { op: 'Sigmoid' },
  tanh: { op: 'Tanh' },
  relu: { op: 'Relu' },
  elu: { op: 'Elu' },
  celu: { op: 'Elu' },
  selu: { op: 'Selu' },
  softplus: { op: 'Softplus' },
  softsign: { op: 'Softsign' },
  exponential: { op: 'Exp' },
  swish: { op: 'Swish' },
  silu: { op: 'Swish' },
  gelu: { op: 'Gelu' },
  mish: { op: 'Mish' },
  hard_swish: { op: 'HardSwish' },
  hard_silu: { op: 'HardSwish' },
  hard_tanh: { op: 'Clip', bounds: [-1, 1] },
  relu6: { op: 'Clip', bounds: [0, 6] },
  leaky_relu: { op: 'LeakyRelu', attributes: { alpha: 0.2 } },
  softmax: { op: 'Softmax', attributes: { axis: -1 } },
  log_softmax: { op: 'LogSoftmax', attributes: { axis: -1 } },
};

/** Until Keras 3 `clip(0.2 x + 0.5, 0, 1)`, since then `relu6(x + 3) / 6`. TensorFlow.js keeps the first. */
const hardSigmoid = (version: number): Activation => ({
  op: 'HardSigmoid',
  attributes: { alpha: version >= 3 ? 1 / 6 : 0.2, beta: 0.5 },
});

/** Functions that ONNX's cells take, with their parameters. */
const CELL_FUNCTIONS = new Set(['Sigmoid', 'Tanh', 'Relu', 'Elu', 'Softplus', 'Softsign', 'HardSigmoid', 'LeakyRelu']);

/** The function that a config names under `key`. Undefined for `linear`, and where there is none. */
export function activationOf(config: Config, key: string, version: number): Activation | undefined {
  return namedActivation(config, key, config.get(key) ?? LINEAR, version);
}

function namedActivation(config: Config, key: string, value: Json, version: number): Activation | undefined {
  if (value === LINEAR) return undefined;
  if (value === 'hard_sigmoid') return hardSigmoid(version);
  const known = typeof value === 'string' && Object.hasOwn(PLAIN, value) ? PLAIN[value] : undefined;
  if (known) return known;
  const names = ['linear', 'hard_sigmoid', ...Object.keys(PLAIN)].join(', ');
  throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: "${key}"`, { expected: names, found: show(value) });
}

/** The value after a function, which may be none. */
export function activate(graph: GraphWriter, x: Value, activation: Activation | undefined, base: string): Value {
  if (!activation) return x;
  const { op, attributes = {}, bounds } = activation;
  const name = `${base}.${op.toLowerCase()}`;
  const inputs = [x.name, ...(bounds ?? []).map((bound, i) => graph.floats(`${name}.${i}`, [bound], []))];
  return { ...x, name: graph.node(op, inputs, name, attributes) };
}

/** The functions of a cell, in ONNX's order, as attributes of its node; none where they are ONNX's defaults. */
export function cellActivations(
  config: Config,
  keys: readonly string[],
  defaults: readonly string[],
  version: number,
): Record<string, AttributeValue> {
  const functions = keys.map((key): { name: string; alpha?: number; beta?: number } => {
    const activation = activationOf(config, key, version);
    // ONNX has no identity among its cells' functions but alpha x + beta.
    if (!activation) return { name: 'Affine', alpha: 1, beta: 0 };
    const { op, attributes = {} } = activation;
    if (!CELL_FUNCTIONS.has(op)) {
      const expected = 'a function that ONNX has for cells';
      throw config.fail('UNSUPPORTED_OPERATOR', `${config.className}: "${key}"`, { expected, found: op });
    }
    const alpha = op === 'Elu' ? 1 : (attributes.alpha as number | undefined);
    const beta = attributes.beta as number | undefined;
    return { name: op, ...(alpha === undefined ? {} : { alpha }), ...(beta === undefined ? {} : { beta }) };
  });
  if (functions.every(({ name }, i) => name === defaults[i])) return {};
  const alphas = functions.flatMap(({ alpha }) => alpha ?? []);
  const betas = functions.flatMap(({ beta }) => beta ?? []);
  return {
    ...(alphas.length > 0 && { activation_alpha: alphas }),
    ...(betas.length > 0 && { activation_beta: betas }),
    activations: functions.map(({ name }) => name),
  };
}
