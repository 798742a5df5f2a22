// The vector that every kernel is written in: V is v128 (four float32 lanes) in the simd and relaxed builds, f32 (one
// lane) in the scalar build. Each function below has one arm per build, chosen while compiling: the arm not taken is
// never compiled. Apart from `multiplyAdd` in the relaxed build, both arms round alike, so the builds agree to the bit.

// @ts-ignore: decorator
@inline export function splat<V>(x: f32): V {
  if (isVector<V>()) return f32x4.splat(x);
  else return x;
}

/** The float32 at an address, in every lane. */
// @ts-ignore: decorator
@inline export function loadSplat<V>(address: usize): V {
  if (isVector<V>()) return v128.load32_splat(address);
  else return load<f32>(address);
}

/** The float32 after the one at an address, in every lane; an immediate offset, which a parameter can't become. */
// @ts-ignore: decorator
@inline export function loadSplatNext<V>(address: usize): V {
  if (isVector<V>()) return v128.load32_splat(address, 4);
  else return load<f32>(address, 4);
}

// @ts-ignore: decorator
@inline export function add<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.add(a, b);
  else return a + b;
}

// @ts-ignore: decorator
@inline export function sub<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.sub(a, b);
  else return a - b;
}

// @ts-ignore: decorator
@inline export function mul<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.mul(a, b);
  else return a * b;
}

// @ts-ignore: decorator
@inline export function div<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.div(a, b);
  else return a / b;
}

/**
 * a * b + c: two roundings in scalar and simd; in relaxed one or two, as the engine likes. The only function whose
 * result may differ between builds and engines; a module that defines STRICT_FLOATS keeps to two.
 */
// @ts-ignore: decorator
@inline export function multiplyAdd<V>(a: V, b: V, c: V): V {
  if (isVector<V>()) {
    if (ASC_FEATURE_RELAXED_SIMD && !isDefined(STRICT_FLOATS)) return f32x4.relaxed_madd(a, b, c);
    else return f32x4.add(c, f32x4.mul(a, b));
  } else return c + a * b;
}

/** c - a * b, rounded as `multiplyAdd` does. */
// @ts-ignore: decorator
@inline export function multiplySubtract<V>(a: V, b: V, c: V): V {
  if (isVector<V>()) {
    if (ASC_FEATURE_RELAXED_SIMD && !isDefined(STRICT_FLOATS)) return f32x4.relaxed_nmadd(a, b, c);
    else return f32x4.sub(c, f32x4.mul(a, b));
  } else return c - a * b;
}

// @ts-ignore: decorator
@inline export function sqrtOf<V>(a: V): V {
  if (isVector<V>()) return f32x4.sqrt(a);
  else return sqrt<f32>(a);
}

// @ts-ignore: decorator
@inline export function absOf<V>(a: V): V {
  if (isVector<V>()) return f32x4.abs(a);
  else return abs<f32>(a);
}

/** b < a ? b : a, so a NaN in `a` stays; one instruction, where f32x4.min is a sequence on x86. */
// @ts-ignore: decorator
@inline export function lower<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.pmin(a, b);
  else return b < a ? b : a;
}

/** a < b ? b : a, so a NaN in `a` stays. */
// @ts-ignore: decorator
@inline export function upper<V>(a: V, b: V): V {
  if (isVector<V>()) return f32x4.pmax(a, b);
  else return a < b ? b : a;
}

/** a < b ? yes : no, lane by lane; `no` where either is NaN. */
// @ts-ignore: decorator
@inline export function selectLess<V>(a: V, b: V, yes: V, no: V): V {
  if (isVector<V>()) return v128.bitselect(yes, no, f32x4.lt(a, b));
  else return a < b ? yes : no;
}

/** a's bits and b's; for signs, of which b holds one bit. */
// @ts-ignore: decorator
@inline export function and<V>(a: V, b: V): V {
  if (isVector<V>()) return v128.and(a, b);
  else return reinterpret<f32>(reinterpret<u32>(a) & reinterpret<u32>(b));
}

// @ts-ignore: decorator
@inline export function or<V>(a: V, b: V): V {
  if (isVector<V>()) return v128.or(a, b);
  else return reinterpret<f32>(reinterpret<u32>(a) | reinterpret<u32>(b));
}

// Powers of two from the sums in activation.ts, whose low bits are an integer.

/** The low nine bits as the sign (0) and exponent of a float: 2^(b - 127) where they are b in [1, 254]. */
// @ts-ignore: decorator
@inline export function exponent<V>(t: V): V {
  if (isVector<V>()) return i32x4.shl(t, 23);
  else return reinterpret<f32>(reinterpret<i32>(t) << 23);
}

// From t = 1.5 * 2^23 + n; 0x4b400000 is 1.5 * 2^23.

/** 2^floor(n / 2). */
// @ts-ignore: decorator
@inline export function halfPower<V>(t: V): V {
  if (isVector<V>()) {
    const half = i32x4.shr_s(i32x4.sub(t, i32x4.splat(0x4b400000)), 1);
    return i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  } else return reinterpret<f32>((((reinterpret<i32>(t) - 0x4b400000) >> 1) + 127) << 23);
}

/** 2^(n - floor(n / 2)). */
// @ts-ignore: decorator
@inline export function otherHalfPower<V>(t: V): V {
  if (isVector<V>()) {
    const n = i32x4.sub(t, i32x4.splat(0x4b400000));
    return i32x4.shl(i32x4.add(i32x4.sub(n, i32x4.shr_s(n, 1)), i32x4.splat(127)), 23);
  } else {
    const n = reinterpret<i32>(t) - 0x4b400000;
    return reinterpret<f32>((n - (n >> 1) + 127) << 23);
  }
}
