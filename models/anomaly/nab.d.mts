export interface LabelledStream {
  name: string;
  readings: number[];
  /** First and last reading of each. */
  windows: [number, number][];
}
export interface Profile {
  missed: number;
  outside: number;
}
export const PROFILES: Record<'standard' | 'reward_low_FP_rate' | 'reward_low_FN_rate', Profile>;
export function readCorpus(folder: string): LabelledStream[];
export function rawScore(stream: LabelledStream, scores: ArrayLike<number>, threshold: number, profile: Profile): number;
export function bestScore(
  corpus: readonly LabelledStream[],
  scores: readonly ArrayLike<number>[],
  profile: Profile,
): { score: number; threshold: number };
