/** Every tolerance of the tests, each with its reason: differences relative to the expected number, or to 1 where it is smaller. */
export const TOLERANCES = {
  /**
   * float32, in any build, against float64 after 41 steps of up to two layers. Measured: 6e-7 at most. The relaxed build
   * rounds elsewhere, not more often.
   */
  float32: 1e-6,
  /** The same with weights of order eight, which make one step's rounding eight times larger in the next: 6e-6 measured. */
  saturated: 1e-5,
  /** float64 against numbers printed with ten digits. */
  printed: 2e-9,
} as const;
