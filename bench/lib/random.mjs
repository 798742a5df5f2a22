/** A seeded generator of float32 values, uniform in [-scale, scale): the same numbers on every machine. */
export function uniform(seed) {
  let state = seed >>> 0;
  // Marsaglia's xorshift with the triple 13, 17, 5; a zero state would stay zero.
  if (state === 0) state = 0x9e3779b9;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return (length, scale) => Float32Array.from({ length }, () => (2 * next() - 1) * scale);
}
