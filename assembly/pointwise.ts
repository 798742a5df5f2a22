// Functions of one number or of two that are no activation: powers, comparisons, logic, whole numbers. One number at a
// time: such nodes are few and short beside what surrounds them.
//
// Whole numbers are i32 (those of int64 too), truth is i32 0 or 1.

import { Activation, activate } from './activation';
import { arg } from './memory';

/** Codes; src/ops/pointwise.ts has the same table with ONNX's names. */
const enum Pointwise {
  Pow = 0,
  Min = 1,
  Max = 2,
  FMod = 3,
  PRelu = 4,
  Equal = 5,
  Less = 6,
  LessOrEqual = 7,
  Greater = 8,
  GreaterOrEqual = 9,
  Add = 10,
  Sub = 11,
  Mul = 12,
  Div = 13,
  MinInteger = 14,
  MaxInteger = 15,
  ModInteger = 16,
  FModInteger = 17,
  EqualInteger = 18,
  LessInteger = 19,
  LessOrEqualInteger = 20,
  GreaterInteger = 21,
  GreaterOrEqualInteger = 22,
  And = 23,
  Or = 24,
  Xor = 25,
  Neg = 26,
  Floor = 27,
  Ceil = 28,
  Round = 29,
  Sign = 30,
  Sin = 31,
  Cos = 32,
  Mish = 33,
  IsNaN = 34,
  IsInf = 35,
  Not = 36,
  NegInteger = 37,
  AbsInteger = 38,
  ToInteger = 39,
  ToFloat = 40,
  ToBool = 41,
  IntegerToBool = 42,
  Mod = 43,
}

/** min and max as ONNX has them: NaN where either is. */
// @ts-ignore: decorator
@inline function least(a: f32, b: f32): f32 {
  return min<f32>(a, b);
}

/** The remainder with the divisor's sign, as Python's. */
function modulo(a: f32, b: f32): f32 {
  const rest = a % b;
  return rest != 0 && rest < 0 != b < 0 ? rest + b : rest;
}

function integerModulo(a: i32, b: i32): i32 {
  if (b == 0 || b == -1) return 0;
  const rest = a % b;
  return rest != 0 && rest < 0 != b < 0 ? rest + b : rest;
}

/** The word that a function makes of two. */
function apply(code: i32, p: u32, q: u32): u32 {
  const a = reinterpret<f32>(p), b = reinterpret<f32>(q);
  const i = <i32>p, j = <i32>q;
  switch (code) {
    case Pointwise.Pow: return reinterpret<u32>(NativeMathf.pow(a, b));
    case Pointwise.Min: return reinterpret<u32>(least(a, b));
    case Pointwise.Max: return reinterpret<u32>(max<f32>(a, b));
    case Pointwise.FMod: return reinterpret<u32>(a % b);
    case Pointwise.Mod: return reinterpret<u32>(modulo(a, b));
    case Pointwise.PRelu: return reinterpret<u32>(a < 0 ? a * b : a);
    case Pointwise.Equal: return u32(a == b);
    case Pointwise.Less: return u32(a < b);
    case Pointwise.LessOrEqual: return u32(a <= b);
    case Pointwise.Greater: return u32(a > b);
    case Pointwise.GreaterOrEqual: return u32(a >= b);
    case Pointwise.Add: return p + q;
    case Pointwise.Sub: return p - q;
    case Pointwise.Mul: return p * q;
    case Pointwise.Div: return j == 0 ? 0 : j == -1 ? -i : i / j;
    case Pointwise.MinInteger: return min<i32>(i, j);
    case Pointwise.MaxInteger: return max<i32>(i, j);
    case Pointwise.ModInteger: return integerModulo(i, j);
    case Pointwise.FModInteger: return j == 0 || j == -1 ? 0 : i % j;
    case Pointwise.EqualInteger: return u32(i == j);
    case Pointwise.LessInteger: return u32(i < j);
    case Pointwise.LessOrEqualInteger: return u32(i <= j);
    case Pointwise.GreaterInteger: return u32(i > j);
    case Pointwise.GreaterOrEqualInteger: return u32(i >= j);
    case Pointwise.And: return p & q;
    case Pointwise.Or: return p | q;
    case Pointwise.Xor: return p ^ q;
    case Pointwise.Neg: return reinterpret<u32>(-a);
    case Pointwise.Floor: return reinterpret<u32>(floor<f32>(a));
    case Pointwise.Ceil: return reinterpret<u32>(ceil<f32>(a));
    case Pointwise.Round: return reinterpret<u32>(nearest<f32>(a));
    case Pointwise.Sign: return reinterpret<u32>(a > 0 ? <f32>1 : a < 0 ? <f32>-1 : a);
    case Pointwise.Sin: return reinterpret<u32>(NativeMathf.sin(a));
    case Pointwise.Cos: return reinterpret<u32>(NativeMathf.cos(a));
    case Pointwise.Mish: {
      const soft = activate<f32>(Activation.Softplus, a, 0, 0);
      return reinterpret<u32>(a * activate<f32>(Activation.Tanh, soft, 0, 0));
    }
    case Pointwise.IsNaN: return u32(a != a);
    case Pointwise.IsInf: return u32(abs<f32>(a) == Infinity);
    case Pointwise.Not: return u32(p == 0);
    case Pointwise.NegInteger: return -i;
    case Pointwise.AbsInteger: return abs<i32>(i);
    // What no i32 can hold becomes the nearest that can, and NaN 0: trunc_sat, spelt out.
    case Pointwise.ToInteger: return a >= 2147483648.0 ? i32.MAX_VALUE : a > -2147483648.0 ? <i32>a : a == a ? i32.MIN_VALUE : 0;
    case Pointwise.ToFloat: return reinterpret<u32>(<f32>i);
    case Pointwise.ToBool: return u32(a != 0);
    default: return u32(p != 0);
  }
}

/** Argument words: 0 a, 1 a stride, 2 b, 3 b stride, 4 y, 5 y stride, 6 numbers in a row, 7 code. A constant's stride is 0. */
export function pointwiseStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let a = arg(args, 0), b = arg(args, 2), y = arg(args, 4);
  const count = arg(args, 6), code = <i32>arg(args, 7);
  for (let r = n * steps; r > 0; r--, a += arg(args, 1), b += arg(args, 3), y += arg(args, 5)) {
    for (let at: usize = 0; at < count << 2; at += 4) {
      store<u32>(y + at, apply(code, load<u32>(a + at), load<u32>(b + at)));
    }
  }
}

/**
 * y = condition ? a : b, words of any meaning.
 * Argument words: 0 condition, 1 its stride, 2 a, 3 a stride, 4 b, 5 b stride, 6 y, 7 y stride, 8 numbers in a row.
 */
export function whereStep(args: usize, slots: usize, n: i32, steps: i32): void {
  let condition = arg(args, 0), a = arg(args, 2), b = arg(args, 4), y = arg(args, 6);
  const bytes = arg(args, 8) << 2;
  for (let r = n * steps; r > 0; r--) {
    for (let at: usize = 0; at < bytes; at += 4) {
      store<u32>(y + at, load<u32>((load<u32>(condition + at) != 0 ? a : b) + at));
    }
    condition += arg(args, 1);
    a += arg(args, 3);
    b += arg(args, 5);
    y += arg(args, 7);
  }
}
