import { addAbortSignal } from 'node:stream';
import { RivuletError } from '../errors.js';
import type { Context } from './host.js';
import { NamedColumns, type TableOptions } from './named-columns.js';
import type { Readings } from './readings.js';
import { recordsOf } from './records.js';
import { placed, placeOf } from './series.js';

/** One row of a table, as a model reads it. */
export interface Reading {
  /** What the row is called, by a column that is not read. */
  label: { name: string; value: string } | undefined;
  /** [columns], overwritten by the next. */
  values: Float64Array;
  /** Where it stands, for errors. */
  file: string;
  place: string;
}

/** The rows of a file. */
export function* storedReadings({ data, rows, labels, file, lines }: Readings): Generator<Reading> {
  const width = rows && data.length / rows;
  for (let row = 0; row < rows; row++) {
    const label = labels && { name: labels.name, value: labels.values[row] };
    yield { label, values: data.subarray(row * width, (row + 1) * width), file, place: placeOf(row, lines) };
  }
}

/**
 * The rows of a CSV that arrives on standard input; its first line names the columns.
 * @throws RivuletError `INVALID_FILE`
 */
export async function* liveReadings(
  { stdin, signal }: Context,
  wanted: readonly string[],
  options: TableOptions,
): AsyncGenerator<Reading> {
  const { file } = options;
  const values = new Float64Array(wanted.length);
  let columns: NamedColumns | undefined;
  for await (const record of recordsOf(addAbortSignal(signal, stdin))) {
    if (columns) yield { label: columns.read(record, values, 0), values, file, place: `line ${record.line}` };
    else columns = new NamedColumns(record, wanted, options);
  }
  if (!columns) throw new RivuletError('INVALID_FILE', 'No data', { file, found: 'nothing' });
}

/**
 * What a model makes of a row: `ask` is told it, `numbersOf` says which numbers must have come of it.
 * @throws RivuletError as `ask` does, or where they are no numbers, saying which row it was
 */
export function answerTo<Answer>(
  { values, file, place }: Reading,
  ask: (values: Float64Array) => Answer,
  numbersOf: (answer: Answer) => ArrayLike<number>,
): Answer {
  try {
    const answer = ask(values);
    if (Array.prototype.every.call(numbersOf(answer), Number.isFinite)) return answer;
    throw new RivuletError('INVALID_INPUT', 'What the model makes of it is no number', {
      expected: 'readings of the size that it was trained on',
      found: Array.from(values).join(', '),
    });
  } catch (error) {
    throw placed(error, file, place);
  }
}
