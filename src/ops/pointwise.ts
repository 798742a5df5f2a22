/** Powers, comparisons, logic and whole numbers: functions of one or two numbers that are no activation. */

import type { DataType } from '../graph/graph.js';
import { ACTIVATIONS } from './activations.js';
import { arrayOf, broadcastOf, elementAt } from './array.js';
import { binaryOperators, broadcastShapes, callBinary } from './elementwise.js';
import { broadcastOperand } from './move.js';
import type { NodeReader } from './node.js';
import type { Lowering, Operand, Operator, Reference, ValueType } from './operator.js';

/** Codes of the `pointwise` kernel, in the order of assembly/pointwise.ts. */
const CODES = [
  'Pow',
  'Min',
  'Max',
  'FMod',
  'PRelu',
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
  'AddInteger',
  'SubInteger',
  'MulInteger',
  'DivInteger',
  'MinInteger',
  'MaxInteger',
  'ModInteger',
  'FModInteger',
  'EqualInteger',
  'LessInteger',
  'LessOrEqualInteger',
  'GreaterInteger',
  'GreaterOrEqualInteger',
  'And',
  'Or',
  'Xor',
  'Neg',
  'Floor',
  'Ceil',
  'Round',
  'Sign',
  'Sin',
  'Cos',
  'Mish',
  'IsNaN',
  'IsInf',
  'Not',
  'NegInteger',
  'AbsInteger',
  'ToInteger',
  'ToFloat',
  'ToBool',
  'IntegerToBool',
  'Mod',
] as const;

type Code = (typeof CODES)[number];

/** Calls `pointwise`; a function of one number is given it twice. */
export function lowerPointwise(node: Lowering, code: Code, a: Operand, b: Operand, y: Operand, count: number): void {
  node.call('pointwise', {
    a: a.address,
    aStride: a.stride,
    b: b.address,
    bStride: b.stride,
    y: y.address,
    yStride: y.stride,
    count,
    operator: CODES.indexOf(code),
  });
}

/** Whole numbers, as a row holds them: i32. */
export const isInteger = (type: DataType): boolean => type === 'int32' || type === 'int64';

/** What a node's inputs are, all alike. */
function kindOf(node: NodeReader): 'float' | 'integer' | 'bool' {
  const { type } = node.typeOf(0);
  for (let i = 1; i < node.node.inputs.length; i++) {
    if (node.typeOf(i).type !== type)
      throw node.malformed('the operands are of two types', type, node.typeOf(i).type, i);
  }
  if (type === 'float32') return 'float';
  if (type === 'bool') return 'bool';
  if (isInteger(type)) return 'integer';
  throw node.unsupported('numbers of this type', 'float32, int32, int64 or bool', type);
}

type Kinds = Partial<Record<'float' | 'integer' | 'bool', Code>>;

function codeFor(node: NodeReader, kinds: Kinds): Code {
  const kind = kindOf(node);
  const code = kinds[kind];
  if (code) return code;
  throw node.unsupported(`operands of type ${node.typeOf(0).type}`, Object.keys(kinds).join(' or '), kind);
}

/** A function of two values, broadcast against each other; more than two are taken one after the other. */
function ofTwo(
  op: string,
  kinds: (node: NodeReader) => Kinds,
  { truth = false, most = 2, attributes = [] as string[] } = {},
): Operator {
  const shapeOf = (node: NodeReader) => {
    let { shape } = node.typeOf(0);
    for (let i = 1; i < node.node.inputs.length; i++) shape = broadcastShapes(node, shape, node.shape(i));
    return shape;
  };
  return {
    op,
    anyType: true,
    attributes,
    inputs: [most === 2 ? 2 : 1, most],
    infer(node): ValueType[] {
      codeFor(node, kinds(node));
      return [{ type: truth ? 'bool' : node.typeOf(0).type, shape: shapeOf(node) }];
    },
    lower(node) {
      const shape = shapeOf(node);
      const count = node.outputWidth(0);
      const y = node.output(0);
      const code = codeFor(node, kinds(node));
      let a = broadcastOperand(node, 0, shape);
      const last = node.node.inputs.length - 1;
      if (last === 0) lowerPointwise(node, code, a, a, y, count);
      for (let i = 1; i <= last; i++) {
        const target = i === last ? y : node.temporary(`partial${i}`, count);
        lowerPointwise(node, code, a, broadcastOperand(node, i, shape), target, count);
        a = target;
      }
    },
  };
}

/** A function of each number. */
function ofOne(op: string, kinds: Kinds, { truth = false, attributes = [] as string[] } = {}): Operator {
  return {
    op,
    anyType: true,
    attributes,
    inputs: [1, 1],
    infer(node) {
      codeFor(node, kinds);
      return [{ type: truth ? 'bool' : node.typeOf(0).type, shape: node.shape(0) }];
    },
    lower(node) {
      const x = node.input(0);
      lowerPointwise(node, codeFor(node, kinds), x, x, node.output(0), node.width(0));
    },
  };
}

/** Add, Sub, Mul and Div: of floats the core's, broadcast at run time too; of whole numbers `pointwise`. */
const arithmetic: Operator[] = binaryOperators.map((core) => {
  const whole = ofTwo(core.op, () => ({ integer: `${core.op}Integer` as Code }));
  return {
    ...core,
    anyType: true,
    infer: (node) => (kindOf(node) === 'float' ? core : whole).infer(node),
    lower(node) {
      const shape = broadcastShapes(node, node.shape(0), node.shape(1));
      const sized = [0, 1].every((i) => node.constant(i) || node.width(i) === node.outputWidth(0));
      if (kindOf(node) !== 'float') whole.lower(node);
      else if (sized) core.lower(node);
      else {
        const [a, b] = [0, 1].map((i) => broadcastOperand(node, i, shape));
        callBinary(node, core.op, a, b);
      }
    },
  };
});

/** ONNX's Pow. Of a constant 2 it is a product, as everybody computes it. */
const pow: Operator = {
  ...ofTwo('Pow', () => ({ float: 'Pow' })),
  lower(node) {
    const general = ofTwo('Pow', () => ({ float: 'Pow' }));
    const exponents = node.constant(1) ? node.floats(1) : undefined;
    if (!exponents || exponents.some((one) => one !== 2) || node.width(0) !== node.outputWidth(0) || node.constant(0)) {
      general.lower(node);
      return;
    }
    const x = node.input(0);
    const y = node.output(0);
    node.call('binary', {
      a: x.address,
      aStride: x.stride,
      b: x.address,
      bStride: x.stride,
      y: y.address,
      yStride: y.stride,
      bytes: { strideOf: node.node.outputs[0] },
      operator: 2,
    });
  },
};

/** ONNX's Where: a choice of two, number by number. */
const where: Operator = {
  op: 'Where',
  anyType: true,
  attributes: [],
  inputs: [3, 3],
  infer(node) {
    if (node.typeOf(0).type !== 'bool') throw node.malformed('the condition', 'bool', node.typeOf(0).type, 0);
    if (node.typeOf(1).type !== node.typeOf(2).type) {
      throw node.malformed('the choices are of two types', node.typeOf(1).type, node.typeOf(2).type, 2);
    }
    const shape = broadcastShapes(node, broadcastShapes(node, node.shape(0), node.shape(1)), node.shape(2));
    return [{ type: node.typeOf(1).type, shape }];
  },
  lower(node) {
    const shape = broadcastShapes(node, broadcastShapes(node, node.shape(0), node.shape(1)), node.shape(2));
    const [condition, a, b] = [0, 1, 2].map((i) => broadcastOperand(node, i, shape));
    const y = node.output(0);
    node.call('where', {
      condition: condition.address,
      conditionStride: condition.stride,
      a: a.address,
      aStride: a.stride,
      b: b.address,
      bStride: b.stride,
      y: y.address,
      yStride: y.stride,
      count: node.outputWidth(0),
    });
  },
};

/** ONNX's Cast between float32, whole numbers and truth. `to` is the type's name. */
const cast: Operator = {
  op: 'Cast',
  anyType: true,
  attributes: ['to'],
  inputs: [1, 1],
  infer(node) {
    const to = node.text('to', '', ['float32', 'int32', 'int64', 'bool']) as DataType;
    kindOf(node);
    return [{ type: to, shape: node.shape(0) }];
  },
  lower(node) {
    const to = node.text('to', '', ['float32', 'int32', 'int64', 'bool']);
    const from = kindOf(node);
    const wanted = to === 'float32' ? 'float' : to === 'bool' ? 'bool' : 'integer';
    // Truth is a whole number already.
    if (from === wanted || (from === 'bool' && wanted === 'integer')) {
      node.alias(0, node.node.inputs[0]);
      return;
    }
    const x = node.input(0);
    const toBool = from === 'float' ? 'ToBool' : 'IntegerToBool';
    const code = wanted === 'float' ? 'ToFloat' : wanted === 'integer' ? 'ToInteger' : toBool;
    lowerPointwise(node, code, x, x, node.output(0), node.width(0));
  },
};

const comparison = (op: string) =>
  ofTwo(
    op,
    () => ({ float: op as Code, integer: `${op}Integer` as Code, ...(op === 'Equal' && { bool: 'EqualInteger' }) }),
    {
      truth: true,
    },
  );

export const pointwiseOperators: Operator[] = [
  ...arithmetic,
  pow,
  where,
  cast,
  ofTwo('PRelu', () => ({ float: 'PRelu' })),
  ofTwo('Min', () => ({ float: 'Min', integer: 'MinInteger' }), { most: 64 }),
  ofTwo('Max', () => ({ float: 'Max', integer: 'MaxInteger' }), { most: 64 }),
  ofTwo(
    'Mod',
    (node) =>
      node.integer('fmod', 0) === 0
        ? { float: 'Mod', integer: 'ModInteger' }
        : { float: 'FMod', integer: 'FModInteger' },
    { attributes: ['fmod'] },
  ),
  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'].map(comparison),
  ...(['And', 'Or', 'Xor'] as const).map((op) => ofTwo(op, () => ({ bool: op }))),
  ...(['Floor', 'Ceil', 'Round', 'Sin', 'Cos', 'Mish', 'Sign'] as const).map((op) => ofOne(op, { float: op })),
  ofOne('Neg', { float: 'Neg', integer: 'NegInteger' }),
  ofOne('Not', { bool: 'Not' }),
  ofOne('IsNaN', { float: 'IsNaN' }, { truth: true }),
  ofOne('IsInf', { float: 'IsInf' }, { truth: true }),
];

// ---- float64 references -------------------------------------------------------------------------------------------

/** Half to even, as ONNX rounds. */
const roundEven = (x: number) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

const OF_TWO: Record<string, (a: number, b: number) => number> = {
  // As C and numpy have it: 1 to any power is 1.
  Pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b),
  PRelu: (a, b) => (a < 0 ? a * b : a),
  Min: Math.min,
  Max: Math.max,
  Mod: (a, b) => a - b * Math.floor(a / b),
  Equal: (a, b) => Number(a === b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  And: (a, b) => Number(a !== 0 && b !== 0),
  Or: (a, b) => Number(a !== 0 || b !== 0),
  Xor: (a, b) => Number((a !== 0) !== (b !== 0)),
};

const OF_ONE: Record<string, (x: number) => number> = {
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: roundEven,
  Sin: Math.sin,
  Cos: Math.cos,
  Sign: Math.sign,
  Neg: (x) => -x,
  Not: (x) => Number(x === 0),
  IsNaN: (x) => Number(Number.isNaN(x)),
  IsInf: (x) => Number(Math.abs(x) === Number.POSITIVE_INFINITY),
  Mish: (x) => x * Math.tanh(ACTIVATIONS.Softplus.reference(x, 0, 0)),
};

const ofTwoReference: Reference = ({ op, attributes }, inputs) => {
  const all = inputs.map((input) => input!);
  const apply = op === 'Mod' && attributes.fmod === 1 ? (a: number, b: number) => a % b : OF_TWO[op];
  const shape = broadcastOf(all.map((input) => input.shape));
  return [arrayOf(shape, (index) => all.map((input) => elementAt(input, index)).reduce((a, b) => apply(a, b)))];
};

const ofOneReference: Reference = ({ op }, [x]) => [{ shape: x!.shape, data: x!.data.map(OF_ONE[op]) }];

const whereReference: Reference = (_, inputs) => {
  const [condition, a, b] = inputs.map((input) => input!);
  const shape = broadcastOf([condition.shape, a.shape, b.shape]);
  return [arrayOf(shape, (index) => elementAt(elementAt(condition, index) === 0 ? b : a, index))];
};

const castReference: Reference = ({ attributes }, [x]) => {
  const convert = { float32: Math.fround, bool: (value: number) => Number(value !== 0) }[String(attributes.to)];
  return [{ shape: x!.shape, data: x!.data.map(convert ?? Math.trunc) }];
};

/** By operator, its reference. */
export const pointwiseReferences = (): [string, Reference][] => [
  ...Object.keys(OF_TWO).map((op): [string, Reference] => [op, ofTwoReference]),
  ...Object.keys(OF_ONE).map((op): [string, Reference] => [op, ofOneReference]),
  ['Where', whereReference],
  ['Cast', castReference],
];
