// Exponentials and the functions made of them. Coefficients were fitted for this project (minimax by Lawson's
// iteration, see ARCHITECTURE.md); `npm run sweep` measures the error over every float32.

import {
  absOf, add, and, div, exponent, halfPower, loadSplat, lower, mul, multiplyAdd, multiplySubtract, or, otherHalfPower, selectLess, splat,
  sqrtOf, sub, upper,
} from './vector';

/** Codes of the element-wise functions; src/ops/activations.ts has the same table with their names. */
export const enum Activation {
  Identity = 0,
  Sigmoid = 1,
  Tanh = 2,
  Relu = 3,
  LeakyRelu = 4,
  Elu = 5,
  HardSigmoid = 6,
  Softplus = 7,
  Softsign = 8,
  Selu = 9,
  Exp = 10,
  Affine = 11,
  ThresholdedRelu = 12,
  ScaledTanh = 13,
  HardSwish = 14,
  Swish = 15,
  Gelu = 16,
  GeluTanh = 17,
  Clip = 18,
  Abs = 19,
  Sqrt = 20,
  Log = 21,
  Erf = 22,
  Reciprocal = 23,
}

// The constants of exp and tanh, read from memory with one broadcasting load each: V8 builds a v128.const from three
// instructions, and there are twenty in a sigmoid. (Node 24: 16 ns for four sigmoids with constants, 11 with loads.)
const TABLE: usize = memory.data<f32>([
  1.4426950408889634, 12582912, 0.693359375, -0.00021219444005469058, // log2 e, ROUNDER, ln 2 in two parts
  0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.00836874544620514, 0.0013814540579915047, // exp
  1, 2, -104, -87, 90, -0,
  12583104, 12583039, 3.6893488147419103e19, 16.635532379150391, // ROUNDER + 192, ROUNDER + 127, 2^65, ln 2^24
], 16);
const LOG2_E: usize = TABLE;
const ROUNDER: usize = TABLE + 4;
const LN2_HIGH: usize = TABLE + 8;
const LN2_LOW: usize = TABLE + 12;
const EXP: usize = TABLE + 16;
const ONE: usize = TABLE + 36;
const TWO: usize = TABLE + 40;
const LEAST: usize = TABLE + 44;
const LEAST_NORMAL: usize = TABLE + 48;
const MOST: usize = TABLE + 52;
const SIGN: usize = TABLE + 56;
const BIASED_ROUNDER: usize = TABLE + 60;
const TANH_ROUNDER: usize = TABLE + 64;
const SCALE: usize = TABLE + 68;
const MOST_OF_SIGMOID: usize = TABLE + 72;

// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2. Adding ROUNDER = 1.5 * 2^23 leaves n in the low bits of the
// sum, both rounded and ready to be an exponent. ln 2 is split so that n * LN2_HIGH is exact.

/** `rounder` + n. */
// @ts-ignore: decorator
@inline function shifted<V>(x: V, rounder: V): V {
  return multiplyAdd<V>(x, loadSplat<V>(LOG2_E), rounder);
}

/** x - n ln 2, ln 2 in two parts. */
// @ts-ignore: decorator
@inline function reduced<V>(x: V, n: V): V {
  return multiplySubtract<V>(n, loadSplat<V>(LN2_LOW), multiplySubtract<V>(n, loadSplat<V>(LN2_HIGH), x));
}

/**
 * e^r - 1, as r + r^2 Q(r) with Q of degree 4 in pairs (Estrin's scheme: half the chain of Horner's). The fit is good to
 * 0.05 ulp of e^r, the arithmetic to about 1.
 */
// @ts-ignore: decorator
@inline function expLessOne<V>(r: V): V {
  const square = mul<V>(r, r);
  const low = multiplyAdd<V>(loadSplat<V>(EXP + 4), r, loadSplat<V>(EXP));
  const high = multiplyAdd<V>(loadSplat<V>(EXP + 12), r, loadSplat<V>(EXP + 8));
  const quartic = multiplyAdd<V>(square, multiplyAdd<V>(square, loadSplat<V>(EXP + 16), high), low);
  return multiplyAdd<V>(square, quartic, r);
}

/** e^x, denormal results included, 2^n in two halves. Clamped where the result is 0 or infinite anyway. */
// @ts-ignore: decorator
@inline export function expOf<V>(x: V): V {
  const bounded = upper<V>(lower<V>(x, loadSplat<V>(MOST)), loadSplat<V>(LEAST));
  const rounder = loadSplat<V>(ROUNDER);
  const t = shifted<V>(bounded, rounder);
  const e = add<V>(expLessOne<V>(reduced<V>(bounded, sub<V>(t, rounder))), loadSplat<V>(ONE));
  return mul<V>(mul<V>(e, halfPower<V>(t)), otherHalfPower<V>(t));
}

/**
 * e^x / (1 + e^x), above and below by 2^65: with that, 2^n is a normal number down to where the quotient rounds to zero.
 * Bounded to ln 2^24, from where on 1 + e^x isn't exact and the quotient would waver: there it is 1, and stays it.
 */
// @ts-ignore: decorator
@inline export function sigmoidOf<V>(x: V): V {
  const bounded = upper<V>(lower<V>(x, loadSplat<V>(MOST_OF_SIGMOID)), loadSplat<V>(LEAST));
  const rounder = loadSplat<V>(BIASED_ROUNDER);
  const t = shifted<V>(bounded, rounder);
  const power = exponent<V>(t);
  const e = multiplyAdd<V>(power, expLessOne<V>(reduced<V>(bounded, sub<V>(t, rounder))), power);
  return div<V>(e, add<V>(loadSplat<V>(SCALE), e));
}

/**
 * tanh |x| = m / (2 - m) with m = 1 - e^(-2|x|). From e^r = 1 + p and 2^n comes m = (1 - 2^n) - 2^n p, which loses no digit
 * near zero, where n = 0: no second formula, nothing to choose between.
 */
// @ts-ignore: decorator
@inline export function tanhOf<V>(x: V): V {
  const negative = or<V>(x, loadSplat<V>(SIGN));
  const rounder = loadSplat<V>(TANH_ROUNDER);
  // Past 2|x| = 87 the quotient is 1 in float32.
  const doubled = upper<V>(add<V>(negative, negative), loadSplat<V>(LEAST_NORMAL));
  const t = shifted<V>(doubled, rounder);
  const power = exponent<V>(t);
  const p = expLessOne<V>(reduced<V>(doubled, sub<V>(t, rounder)));
  const m = multiplySubtract<V>(power, p, sub<V>(loadSplat<V>(ONE), power));
  return withSign<V>(div<V>(m, sub<V>(loadSplat<V>(TWO), m)), x);
}

/** `magnitude` (its sign bit clear) with the sign bit of `from`. */
// @ts-ignore: decorator
@inline function withSign<V>(magnitude: V, from: V): V {
  return or<V>(magnitude, and<V>(from, loadSplat<V>(SIGN)));
}

/**
 * Natural logarithm: x = 2^k m with m in [sqrt(1/2), sqrt(2)), log m by a polynomial. Scalar: it serves log-softmax
 * (once a row) and softplus. 0 gives -infinity, a negative number NaN.
 */
export function logOf(x: f32): f32 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity) return x;
  let k: f32 = 0;
  if (x < 1.1754943508222875e-38) {
    x *= 8388608;
    k = -23;
  }
  const bits = reinterpret<i32>(x);
  const shift = (bits - 0x3f3504f3) >> 23;
  const f = reinterpret<f32>(bits - (shift << 23)) - 1;
  k += <f32>shift;
  const z = f * f;
  let p: f32 = 0.087015300989151;
  p = p * f + -0.142691507935524;
  p = p * f + 0.14915134012699127;
  p = p * f + -0.16577409207820892;
  p = p * f + 0.19963017106056213;
  p = p * f + -0.25001341104507446;
  p = p * f + 0.333339124917984;
  return f + (z * f * p + k * -0.00021219444005469058 - 0.5 * z) + k * 0.693359375;
}

/** log of each lane. */
function logLanes<V>(x: V): V {
  if (isVector<V>()) {
    let y = f32x4.splat(logOf(f32x4.extract_lane(x, 0)));
    y = f32x4.replace_lane(y, 1, logOf(f32x4.extract_lane(x, 1)));
    y = f32x4.replace_lane(y, 2, logOf(f32x4.extract_lane(x, 2)));
    return f32x4.replace_lane(y, 3, logOf(f32x4.extract_lane(x, 3)));
  } else return logOf(x);
}

/** log(1 + e) for e in [0, 1], the rounding of 1 + e given back (Kahan): e * log(u) / (u - 1) with u = 1 + e. */
function log1pLanes<V>(e: V): V {
  const u = add<V>(splat<V>(1), e);
  const d = sub<V>(u, splat<V>(1));
  const quotient = div<V>(mul<V>(e, logLanes<V>(u)), upper<V>(d, splat<V>(1e-30)));
  return selectLess<V>(splat<V>(0), d, quotient, e);
}

/** The error function: x P(x^2) / Q(x^2), 6 ulp at most; exactly 1 beyond 3.92, or Gelu would grow below. */
function erfOf<V>(x: V): V {
  const magnitude = absOf<V>(x);
  const a = lower<V>(magnitude, splat<V>(3.92));
  const z = mul<V>(a, a);
  let p = multiplyAdd<V>(splat<V>(2.050078819593182e-6), z, splat<V>(0.0002848826698027551));
  p = multiplyAdd<V>(p, z, splat<V>(0.0037656323984265327));
  p = multiplyAdd<V>(p, z, splat<V>(0.05274876952171326));
  p = multiplyAdd<V>(p, z, splat<V>(0.19040687382221222));
  p = multiplyAdd<V>(p, z, splat<V>(1.1283791065216064));
  let q = multiplyAdd<V>(splat<V>(3.8091628084657714e-5), z, splat<V>(0.0011625385377556086));
  q = multiplyAdd<V>(q, z, splat<V>(0.014969248324632645));
  q = multiplyAdd<V>(q, z, splat<V>(0.11410927027463913));
  q = multiplyAdd<V>(q, z, splat<V>(0.5020764470100403));
  q = multiplyAdd<V>(q, z, splat<V>(1));
  const one = splat<V>(1);
  const quotient = lower<V>(div<V>(mul<V>(a, p), q), one);
  return withSign<V>(selectLess<V>(splat<V>(3.92), magnitude, one, quotient), x);
}

// Not inlined: one copy each, for the switch below. The cells inline their own.
function sigmoidCall<V>(x: V): V {
  return sigmoidOf<V>(x);
}
function tanhCall<V>(x: V): V {
  return tanhOf<V>(x);
}
export function expCall<V>(x: V): V {
  return expOf<V>(x);
}

/** One of `Activation`, with its two parameters (ONNX's alpha and beta; Selu's gamma and Clip's maximum are beta). */
export function activate<V>(code: i32, x: V, alpha: f32, beta: f32): V {
  const zero = splat<V>(0);
  const one = splat<V>(1);
  switch (code) {
    case Activation.Sigmoid:
      return sigmoidCall<V>(x);
    case Activation.Tanh:
      return tanhCall<V>(x);
    case Activation.Relu:
      return upper<V>(x, zero);
    case Activation.LeakyRelu:
      return selectLess<V>(x, zero, mul<V>(splat<V>(alpha), x), x);
    case Activation.Elu:
      return selectLess<V>(x, zero, mul<V>(splat<V>(alpha), sub<V>(expCall<V>(x), one)), x);
    case Activation.HardSigmoid:
      return lower<V>(upper<V>(add<V>(mul<V>(splat<V>(alpha), x), splat<V>(beta)), zero), one);
    case Activation.Softplus:
      return add<V>(upper<V>(x, zero), log1pLanes<V>(expCall<V>(sub<V>(zero, absOf<V>(x)))));
    case Activation.Softsign:
      return div<V>(x, add<V>(one, absOf<V>(x)));
    case Activation.Selu:
      return mul<V>(splat<V>(beta), selectLess<V>(zero, x, x, mul<V>(splat<V>(alpha), sub<V>(expCall<V>(x), one))));
    case Activation.Exp:
      return expCall<V>(x);
    case Activation.Affine:
      return add<V>(mul<V>(splat<V>(alpha), x), splat<V>(beta));
    case Activation.ThresholdedRelu:
      return selectLess<V>(splat<V>(alpha), x, x, zero);
    case Activation.ScaledTanh:
      return mul<V>(splat<V>(alpha), tanhCall<V>(mul<V>(splat<V>(beta), x)));
    case Activation.HardSwish:
      return mul<V>(x, lower<V>(upper<V>(add<V>(div<V>(x, splat<V>(6)), splat<V>(0.5)), zero), one));
    case Activation.Swish:
      return mul<V>(x, sigmoidCall<V>(mul<V>(splat<V>(alpha), x)));
    case Activation.Gelu:
      return mul<V>(mul<V>(splat<V>(0.5), x), add<V>(one, erfOf<V>(mul<V>(x, splat<V>(0.7071067811865476)))));
    case Activation.GeluTanh: {
      const cubic = mul<V>(mul<V>(splat<V>(0.044715), mul<V>(x, x)), x);
      const inner = mul<V>(splat<V>(0.7978845608028654), add<V>(x, cubic));
      return mul<V>(mul<V>(splat<V>(0.5), x), add<V>(one, tanhCall<V>(inner)));
    }
    case Activation.Clip:
      return lower<V>(upper<V>(x, splat<V>(alpha)), splat<V>(beta));
    case Activation.Abs:
      return absOf<V>(x);
    case Activation.Sqrt:
      return sqrtOf<V>(x);
    case Activation.Log:
      return logLanes<V>(x);
    case Activation.Erf:
      return erfOf<V>(x);
    case Activation.Reciprocal:
      return div<V>(one, x);
    default:
      return x;
  }
}

/** y[i] = activation(x[i]) for `bytes` / 4 numbers, `bytes` a multiple of 16; x may be y. */
export function activateRow<V>(code: i32, y: usize, x: usize, bytes: usize, alpha: f32, beta: f32): void {
  const end = x + bytes;
  // The two that end most networks get loops of their own, with the function inlined.
  if (code == Activation.Sigmoid) {
    for (; x < end; x += sizeof<V>(), y += sizeof<V>()) store<V>(y, sigmoidOf<V>(load<V>(x)));
  } else if (code == Activation.Tanh) {
    for (; x < end; x += sizeof<V>(), y += sizeof<V>()) store<V>(y, tanhOf<V>(load<V>(x)));
  } else {
    for (; x < end; x += sizeof<V>(), y += sizeof<V>()) store<V>(y, activate<V>(code, load<V>(x), alpha, beta));
  }
}
