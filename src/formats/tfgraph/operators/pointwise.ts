import { isIntegral } from '../../../graph/tensor.js';
import { type NodeWriter, onnxType } from '../writer.js';
import type { Operator } from './registry.js';

/** Functions of one number or two, and what is made of them. */

/** One that ONNX has too, under this name or its own. */
const same =
  (op: string): Operator =>
  (node) => {
    node.attributes.end();
    node.give(op, node.inputs());
  };

const SAME: Readonly<Record<string, string>> = {
  Abs: 'Abs',
  Add: 'Add',
  AddV2: 'Add',
  Ceil: 'Ceil',
  Cos: 'Cos',
  Elu: 'Elu',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  IsInf: 'IsInf',
  IsNan: 'IsNaN',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Log: 'Log',
  LogicalAnd: 'And',
  LogicalNot: 'Not',
  LogicalOr: 'Or',
  Maximum: 'Max',
  Minimum: 'Min',
  Mul: 'Mul',
  Neg: 'Neg',
  Pow: 'Pow',
  Reciprocal: 'Reciprocal',
  Inv: 'Reciprocal',
  RealDiv: 'Div',
  Relu: 'Relu',
  Round: 'Round',
  Selu: 'Selu',
  SelectV2: 'Where',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Softplus: 'Softplus',
  Softsign: 'Softsign',
  Sqrt: 'Sqrt',
  Sub: 'Sub',
  Tanh: 'Tanh',
};

function identity(node: NodeWriter): void {
  node.attributes.ignore('shape', 'message', 'dtype');
  node.attributes.end();
  node.give('Identity', [node.input(0)]);
}

/** Whole numbers are divided towards minus infinity, ONNX's towards zero: the same where none is negative, as lengths are. */
function division(node: NodeWriter): void {
  const divisor = node.constant(1);
  node.attributes.end();
  if (divisor && !isIntegral(divisor.type)) {
    node.give('Floor', [node.step('Div', node.inputs())]);
    return;
  }
  throw node.unsupported('whole numbers divided', 'RealDiv', 'FloorDiv');
}

function relu6(node: NodeWriter): void {
  node.attributes.end();
  node.give('Clip', [node.input(0), node.numbers(0, 'least'), node.numbers(6, 'most')]);
}

function leakyRelu(node: NodeWriter): void {
  const alpha = node.attributes.float('alpha', 0.2);
  node.attributes.end();
  node.give('LeakyRelu', [node.input(0)], { alpha: { float: alpha } });
}

function reciprocalRoot(node: NodeWriter): void {
  node.attributes.end();
  node.give('Reciprocal', [node.step('Sqrt', [node.input(0)])]);
}

function square(node: NodeWriter): void {
  node.attributes.end();
  const x = node.input(0);
  node.give('Mul', [x, x]);
}

function squaredDifference(node: NodeWriter): void {
  node.attributes.end();
  const difference = node.step('Sub', node.inputs());
  node.give('Mul', [difference, difference]);
}

/** Broadcasts only where the shapes say it may, which ONNX's always does. */
function equal(node: NodeWriter): void {
  node.attributes.ignore('incompatible_shape_error');
  node.attributes.end();
  if (node.node.op === 'Equal') node.give('Equal', node.inputs());
  else node.give('Not', [node.step('Equal', node.inputs())]);
}

/** The older Select: a condition is of the shape of what it chooses from, or picks whole rows, which is not implemented. */
function select(node: NodeWriter): void {
  node.attributes.end();
  const [condition, yes, no] = [node.input(0), node.input(1), node.input(2)];
  node.give('Where', [node.step('Reshape', [condition, node.step('Shape', [yes])]), yes, no]);
}

function addN(node: NodeWriter): void {
  node.attributes.end();
  const [first, ...others] = node.inputs();
  const last = others.pop();
  if (last === undefined) {
    node.give('Identity', [first]);
    return;
  }
  node.give('Add', [others.reduce((sum, other) => node.step('Add', [sum, other]), first), last]);
}

function biasAdd(node: NodeWriter): void {
  const format = node.attributes.text('data_format') ?? 'NHWC';
  node.attributes.end();
  if (!['NHWC', 'NWC', 'NDHWC'].includes(format)) throw node.unsupported('channels first', 'NHWC', format);
  node.give('Add', node.inputs());
}

function cast(node: NodeWriter): void {
  const to = node.attributes.type('DstT');
  const from = node.attributes.type('SrcT');
  const truncates = node.attributes.flag('Truncate');
  node.attributes.end();
  if (truncates) throw node.unsupported('attribute "Truncate"', 'false', 'true');
  if (!to || !from)
    throw node.unsupported('to or from a type that graphs do not have', 'numbers or truth values', node.name);
  node.give('Cast', [node.input(0)], { to: onnxType(to) });
}

function softmax(node: NodeWriter): void {
  node.attributes.end();
  node.give(node.node.op, [node.input(0)], { axis: -1 });
}

export const pointwiseOperators: readonly (readonly [string, Operator])[] = [
  ...Object.entries(SAME).map(([name, op]): [string, Operator] => [name, same(op)]),
  ...['Identity', 'IdentityN', 'StopGradient', 'PreventGradient', 'Snapshot', 'EnsureShape', 'ReadVariableOp'].map(
    (op): [string, Operator] => [op, identity],
  ),
  ['FloorDiv', division],
  ['Relu6', relu6],
  ['LeakyRelu', leakyRelu],
  ['Rsqrt', reciprocalRoot],
  ['Square', square],
  ['SquaredDifference', squaredDifference],
  ['Equal', equal],
  ['NotEqual', equal],
  ['Select', select],
  ['AddN', addN],
  ['BiasAdd', biasAdd],
  ['Cast', cast],
  ['Softmax', softmax],
  ['LogSoftmax', softmax],
];
