// Copies, and how a kernel finds its arguments.
//
// Every kernel is called as kernel(args, slots, n, steps): `args` is the address of its constants, u32 words in the
// order that the kernel's file states; `slots` the address of n u32 addresses, the state slot of each stream; rows of
// activations are time-major, row = step * n + stream.

/** The i-th argument word. */
// @ts-ignore: decorator
@inline export function arg(args: usize, i: i32): usize {
  return <usize>load<u32>(args + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline export function argFloat(args: usize, i: i32): f32 {
  return load<f32>(args + (<usize>i << 2));
}

/** The address of stream s's slot. */
// @ts-ignore: decorator
@inline export function slotOf(slots: usize, s: i32): usize {
  return <usize>load<u32>(slots + (<usize>s << 2));
}

// @ts-ignore: decorator
@inline export function align16(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

/** Copies `bytes` (a multiple of 4) forward; any alignment. */
export function copyWords(to: usize, from: usize, bytes: usize): void {
  if (ASC_FEATURE_SIMD) {
    const whole = from + (bytes & ~15);
    for (; from < whole; from += 16, to += 16) v128.store(to, v128.load(from));
    bytes &= 15;
  }
  const end = from + bytes;
  for (; from < end; from += 4, to += 4) store<u32>(to, load<u32>(from));
}

/**
 * Whether stream s has a step `step`: a cell whose sequences differ in length gets their lengths as a value, one i32 in each
 * row; the address is 0 where all have all steps.
 */
// @ts-ignore: decorator
@inline export function ended(lengths: usize, stride: usize, s: i32, step: i32): bool {
  return lengths != 0 && step >= load<i32>(lengths + <usize>s * stride);
}
