import { type Arguments, type Options, UsageError } from './options.js';

/** Options that name a part of a file. */
export const RANGE: Options = {
  from: { value: 'SHARE', help: 'Leave out this share at the beginning: 0.9 measures the last tenth' },
  skip: { value: 'N', help: 'Leave out N characters or steps at the beginning' },
  length: { short: 'n', value: 'N', help: 'Measure N characters or steps at most' },
};

/** What part of a file of `total` items is meant. */
export type RangeOf = (total: number) => { start: number; end: number };

/**
 * @param most items unless `--length` says otherwise
 * @throws UsageError
 */
export function readRange(args: Arguments, most = Number.POSITIVE_INFINITY): RangeOf {
  const share = args.number('from', { min: 0, max: 1 });
  const skip = args.number('skip', { min: 0, integer: true });
  const length = args.number('length', { min: 1, integer: true }) ?? most;
  if (share !== undefined && skip !== undefined) throw new UsageError('--from and --skip exclude each other');
  return (total) => {
    const start = Math.min(total, skip ?? Math.floor(total * (share ?? 0)));
    return { start, end: Math.min(total, start + length) };
  };
}
