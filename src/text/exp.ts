/** Below this e^x is taken as 0, so that no result is subnormal; it is under 2^-1021. */
const LOWEST = -708;

// ln 2 in two parts. The first has 21 trailing zero bits, so n times it is exact for every |n| < 2^21.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** 2^-i, each exactly half of the one before. */
const POWERS = new Float64Array(1 - Math.floor(LOWEST / LN2_HIGH));
for (let i = 0, power = 1; i < POWERS.length; i++, power /= 2) POWERS[i] = power;

/**
 * e^x for x <= 0, to the same bits on every engine: `Math.exp` may differ in its last bits from one to the next, and a
 * sampled text would differ with it. Only float64 operations that IEEE 754 rounds exactly are used.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r is its Taylor polynomial of degree 13, whose truncation is under 5e-18.
 * The relative error is under 4e-16. NaN gives NaN.
 */
export function expOfNegative(x: number): number {
  if (x < LOWEST) return 0;
  const n = Math.floor(x / LN2_HIGH + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let p = 1 / 6227020800;
  p = p * r + 1 / 479001600;
  p = p * r + 1 / 39916800;
  p = p * r + 1 / 3628800;
  p = p * r + 1 / 362880;
  p = p * r + 1 / 40320;
  p = p * r + 1 / 5040;
  p = p * r + 1 / 720;
  p = p * r + 1 / 120;
  p = p * r + 1 / 24;
  p = p * r + 1 / 6;
  p = p * r + 1 / 2;
  // r and 1 are added last, smallest first: the sum is then off by little more than its final rounding.
  return (1 + (r + r * r * p)) * POWERS[-n];
}
