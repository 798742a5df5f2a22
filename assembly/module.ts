// What every module exports beside its kernels.

/** Which build this is: 0 scalar, 1 simd, 2 relaxed. */
export function build(): i32 {
  if (ASC_FEATURE_RELAXED_SIMD && !isDefined(STRICT_FLOATS)) return 2;
  if (ASC_FEATURE_SIMD) return 1;
  return 0;
}

/** The first address after this module's own data. */
export function heapBase(): usize {
  return __heap_base;
}
