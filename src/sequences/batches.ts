import { RivuletError } from '../errors.js';
import { checkOptions } from '../options.js';
import { checkCount, Rows, TARGET_OPTIONS, type TargetOptions } from './targets.js';

export interface BatchOptions extends TargetOptions {
  /** Sequences that the data are cut into, to be run side by side. */
  batchSize: number;
  /** Steps of each sequence in one batch. */
  sequenceLength: number;
}

const OPTIONS = ['batchSize', 'sequenceLength', ...TARGET_OPTIONS] as const satisfies readonly (keyof BatchOptions)[];

/** The same stretch of every sequence: what `model.runMany` takes, and what should come out. */
export interface SequenceBatch {
  /** Steps of each sequence that earlier batches held. */
  start: number;
  /** Steps of each sequence in this batch: `sequenceLength`, or what is left in the last one. */
  steps: number;
  /** [batchSize, steps, width] */
  inputs: Float64Array;
  /** [batchSize, steps, horizon, target columns] */
  targets: Float64Array;
}

/**
 * Cuts data into `batchSize` sequences of equal length, and these into batches of `sequenceLength` steps, so that sequence
 * s of a batch goes on where sequence s of the batch before ended. With a stream for each sequence the hidden state is
 * kept from batch to batch, and each stream gets the bits that one uncut pass over its sequence would give:
 *
 *     const streams = Array.from({ length: batchSize }, () => model.createStream());
 *     for (const { inputs, targets, steps } of sequenceBatches(data, { batchSize, sequenceLength })) {
 *       const outputs = model.runMany(streams, inputs, steps);
 *     }
 *
 * 0 1 2 3 4 5 6 7 8 9 with two sequences, two steps at a time: the sequences are 0-4 and 5-9, the batches
 *
 *     inputs  0 1 | 5 6    then    2 3 | 7 8
 *     targets 1 2 | 6 7            3 4 | 8 9
 *
 * A target is the next row, or the next `horizon` rows, or what `targets` holds for the row. It never comes from another sequence, so the last `horizon` rows
 * of each are targets only. What does not fill a sequence, the last `rows % batchSize` rows, is left out; what does not
 * fill a batch makes a shorter last one.
 *
 * @param data [rows, width]
 * @throws RivuletError `INVALID_OPTION`, `INVALID_INPUT` (no whole rows, or too few for a step and its target)
 */
export function sequenceBatches(data: ArrayLike<number>, options: BatchOptions): Generator<SequenceBatch, void, void> {
  checkOptions(options, OPTIONS, 'sequenceBatches');
  const batchSize = checkCount('batchSize', options.batchSize);
  const sequenceLength = checkCount('sequenceLength', options.sequenceLength);
  const rows = new Rows(data, options);
  const length = Math.floor(rows.count / batchSize);
  const steps = length - rows.horizon;
  if (steps < 1) {
    throw new RivuletError('INVALID_INPUT', `Too little data for ${batchSize} sequence${batchSize === 1 ? '' : 's'}`, {
      expected: `at least ${batchSize * (1 + rows.horizon)} rows: one to read and ${rows.horizon} to come in each`,
      found: String(rows.count),
    });
  }
  return batches();

  function* batches(): Generator<SequenceBatch, void, void> {
    for (let start = 0; start < steps; start += sequenceLength) {
      const count = Math.min(sequenceLength, steps - start);
      const inputs = new Float64Array(batchSize * count * rows.width);
      const targets = new Float64Array(batchSize * count * rows.targetSize);
      for (let s = 0; s < batchSize; s++) {
        const from = s * length + start;
        rows.copyRows(from, count, inputs, s * count * rows.width);
        rows.copyTargets(from, count, targets, s * count * rows.targetSize);
      }
      yield { start, steps: count, inputs, targets };
    }
  }
}
