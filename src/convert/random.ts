/** Seeded numbers in [0, 1), the same on every machine: mulberry32, a counter that is mixed. */
export function randomNumbers(count: number, seed: number): Float64Array {
  let state = Math.imul(seed, 0x9e3779b9);
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  });
}
