/** Every tolerance of the tests, each with its reason: differences relative to the expected number, or to 1 where it is smaller. */
export const TOLERANCES = {
  /**
   * float32, in any build, against float64 after 41 steps of up to two layers. Measured: 6e-7 at most. The relaxed build
   * rounds elsewhere, not more often.
   */
  float32: 1e-6,
  /** The same with weights of order eight, which make one step's rounding eight times larger in the next: 6e-6 measured. */
  saturated: 1e-5,
  /**
   * One cell with weights up to 1 and inputs up to 2, 5 steps, sizes up to 35: sums of 80 products, each rounded, through
   * gates that at worst pass the error on. A projection or peepholes multiply it once more.
   */
  cell: 5e-6,
  /**
   * The same with rows rounded to seven bits, by 0.8% of their largest number at most, and weights up to 0.25, for which
   * the float64 reference has the integers, too: 0.022 measured.
   */
  int8Cell: 0.04,
  /** Softmax, normalisation and products of a row of at most 35 numbers: each a few roundings of sums no larger than 8. */
  row: 5e-6,
  /** Element-wise functions of numbers up to 20: a few ulp, and where 1 is subtracted, an ulp of 1. */
  elementwise: 1e-6,
  /** float64 against numbers printed with ten digits. */
  printed: 2e-9,
} as const;
