import { MAX_FLOAT32 } from '../graph/tensor.js';
import type { NodeReader } from './node.js';
import type { Argument, Lowering, Operator, Reference } from './operator.js';

/** Alpha and beta as ONNX's documentation of the RNN operators and of the element-wise ones gives their defaults. */
interface ActivationSpec {
  /** `Activation` in assembly/activation.ts. */
  code: number;
  alpha?: number;
  beta?: number;
  /** Plain float64. */
  reference(x: number, alpha: number, beta: number): number;
}

const sigmoid = (x: number) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const clamp = (x: number, low: number, high: number) => (x < low ? low : x > high ? high : x);
const GELU_TANH = Math.sqrt(2 / Math.PI);

/** The error function in float64: the Maclaurin series below 3, the continued fraction of erfc above (DLMF 7.6.1, 7.9.1). */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a > 6) return Number.isNaN(x) ? x : Math.sign(x);
  if (a < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= -(x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

/** Every element-wise function that kernels know, by ONNX's name. */
export const ACTIVATIONS: Readonly<Record<string, ActivationSpec>> = {
  Identity: { code: 0, reference: (x) => x },
  Sigmoid: { code: 1, reference: sigmoid },
  Tanh: { code: 2, reference: Math.tanh },
  Relu: { code: 3, reference: (x) => (x < 0 ? 0 : x) },
  LeakyRelu: { code: 4, alpha: 0.01, reference: (x, alpha) => (x < 0 ? alpha * x : x) },
  Elu: { code: 5, alpha: 1, reference: (x, alpha) => (x < 0 ? alpha * Math.expm1(x) : x) },
  HardSigmoid: { code: 6, alpha: 0.2, beta: 0.5, reference: (x, a, b) => clamp(a * x + b, 0, 1) },
  Softplus: { code: 7, reference: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
  Softsign: { code: 8, reference: (x) => x / (1 + Math.abs(x)) },
  Selu: {
    code: 9,
    alpha: 1.6732632423543772,
    beta: 1.0507009873554805,
    reference: (x, alpha, gamma) => gamma * (x > 0 ? x : alpha * Math.expm1(x)),
  },
  Exp: { code: 10, reference: Math.exp },
  Affine: { code: 11, alpha: 1, beta: 0, reference: (x, alpha, beta) => alpha * x + beta },
  ThresholdedRelu: { code: 12, alpha: 1, reference: (x, alpha) => (x > alpha ? x : 0) },
  ScaledTanh: { code: 13, alpha: 1, beta: 1, reference: (x, alpha, beta) => alpha * Math.tanh(beta * x) },
  HardSwish: { code: 14, reference: (x) => x * clamp(x / 6 + 0.5, 0, 1) },
  Swish: { code: 15, alpha: 1, reference: (x, alpha) => x * sigmoid(alpha * x) },
  Gelu: { code: 16, reference: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)) },
  GeluTanh: { code: 17, reference: (x) => 0.5 * x * (1 + Math.tanh(GELU_TANH * (x + 0.044715 * x ** 3))) },
  Clip: { code: 18, alpha: -MAX_FLOAT32, beta: MAX_FLOAT32, reference: clamp },
  Abs: { code: 19, reference: Math.abs },
  Sqrt: { code: 20, reference: Math.sqrt },
  Log: { code: 21, reference: Math.log },
  Erf: { code: 22, reference: erf },
  Reciprocal: { code: 23, reference: (x) => 1 / x },
};

/** A function with its parameters, ready for a kernel's argument words. */
export interface ActivationArguments {
  code: number;
  alpha: number;
  beta: number;
}

export function activationArguments(name: string, alpha?: number, beta?: number): ActivationArguments {
  const spec = ACTIVATIONS[name];
  return { code: spec.code, alpha: alpha ?? spec.alpha ?? 0, beta: beta ?? spec.beta ?? 0 };
}

/** The element-wise operator that a node is, or undefined where it is none. */
export function activationOf(node: NodeReader): ActivationArguments | undefined {
  if (node.node.op === 'Clip') {
    const bound = (i: number) => (node.has(i) ? node.floats(i)[0] : undefined);
    return activationArguments('Clip', bound(1), bound(2));
  }
  if (node.node.op === 'Gelu') {
    return activationArguments(node.text('approximate', 'none', ['none', 'tanh']) === 'tanh' ? 'GeluTanh' : 'Gelu');
  }
  if (!ELEMENTWISE.has(node.node.op)) return undefined;
  const second = node.node.op === 'Selu' ? 'gamma' : 'beta';
  const given = (name: string) => (name in node.node.attributes ? node.number(name, 0) : undefined);
  return activationArguments(node.node.op, given('alpha'), given(second));
}

/** Operators of ONNX that are one function of each element, with the attributes they have. */
const ELEMENTWISE = new Map<string, readonly string[]>([
  ['Sigmoid', []],
  ['Tanh', []],
  ['Relu', []],
  ['LeakyRelu', ['alpha']],
  ['Elu', ['alpha']],
  ['HardSigmoid', ['alpha', 'beta']],
  ['Softplus', []],
  ['Softsign', []],
  ['Selu', ['alpha', 'gamma']],
  ['Exp', []],
  ['ThresholdedRelu', ['alpha']],
  ['HardSwish', []],
  ['Swish', ['alpha']],
  ['Gelu', ['approximate']],
  ['Clip', []],
  ['Abs', []],
  ['Sqrt', []],
  ['Log', []],
  ['Erf', []],
  ['Reciprocal', []],
]);

/** The argument words that a fused activation takes in `linear` and `activation` calls. */
export function activationWords({ code, alpha, beta }: ActivationArguments): Record<string, Argument> {
  return { activation: code, alpha: { float: alpha }, beta: { float: beta } };
}

export const activationOperators: Operator[] = [...ELEMENTWISE].map(([op, attributes]) => ({
  op,
  attributes,
  inputs: [1, op === 'Clip' ? 3 : 1],
  infer(node) {
    // Read here for its checks: a fused node is never lowered by itself.
    activationOf(node);
    return [node.typeOf(0)];
  },
  lower(node: Lowering) {
    const x = node.input(0);
    const y = node.output(0);
    node.call('activation', {
      x: x.address,
      xStride: x.stride,
      y: y.address,
      yStride: y.stride,
      bytes: { strideOf: node.node.outputs[0] },
      ...activationWords(activationOf(node)!),
    });
  },
}));

export const activationReference: Reference = (node, [x, low, high]) => {
  const name = node.op === 'Gelu' && node.attributes.approximate === 'tanh' ? 'GeluTanh' : node.op;
  const spec = ACTIVATIONS[name];
  const alpha = (node.op === 'Clip' ? low?.data[0] : (node.attributes.alpha as number)) ?? spec.alpha ?? 0;
  const second = node.op === 'Selu' ? node.attributes.gamma : node.attributes.beta;
  const beta = (node.op === 'Clip' ? high?.data[0] : (second as number)) ?? spec.beta ?? 0;
  return [{ shape: x!.shape, data: x!.data.map((value) => spec.reference(value, alpha, beta)) }];
};
