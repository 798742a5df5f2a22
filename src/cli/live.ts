import { addAbortSignal } from 'node:stream';
import { RivuletError } from '../errors.js';
import { parseCsvLine, parseCsvNumber } from '../io/csv.js';
import type { Context } from './host.js';
import type { Readings } from './readings.js';
import { recordsOf, STDIN } from './records.js';

/** One row of a table, as a model reads it. */
export interface Reading {
  /** What the row is called, by a column that is not read. */
  label: { name: string; value: string } | undefined;
  /** [columns], overwritten by the next. */
  values: Float64Array;
}

/** The rows of a file. */
export async function* storedReadings({ data, rows, labels }: Readings): AsyncGenerator<Reading> {
  const width = rows && data.length / rows;
  for (let row = 0; row < rows; row++) {
    const label = labels && { name: labels.name, value: labels.values[row] };
    yield { label, values: data.subarray(row * width, (row + 1) * width) };
  }
}

/**
 * The rows of a CSV that arrives on standard input; its first line names the columns.
 * @throws RivuletError `INVALID_FILE`
 */
export async function* liveReadings({ stdin, signal }: Context, columns: readonly string[]): AsyncGenerator<Reading> {
  const values = new Float64Array(columns.length);
  let names: string[] | undefined;
  let labelled: number | undefined;
  for await (const { text, line } of recordsOf(addAbortSignal(signal, stdin))) {
    const where = { file: STDIN, line };
    const fields = parseCsvLine(text, where);
    if (!names) {
      names = fields.map((name) => name.trim());
      const missing = columns.find((name) => !names?.includes(name));
      if (missing === undefined) continue;
      const details = { file: STDIN, expected: columns.join(', '), found: names.join(', ') };
      throw new RivuletError('INVALID_FILE', `No column "${missing}" in the first line`, details);
    }
    if (fields.length !== names.length) {
      throw new RivuletError('INVALID_FILE', `Line ${line} has another number of fields than the first`, {
        file: STDIN,
        expected: String(names.length),
        found: String(fields.length),
      });
    }
    labelled ??= names.findIndex((name, i) => !columns.includes(name) && Number.isNaN(Number(fields[i])));
    for (const [i, name] of columns.entries()) {
      const column = names.indexOf(name);
      values[i] = parseCsvNumber(fields[column], { ...where, column: column + 1 });
    }
    yield { label: labelled < 0 ? undefined : { name: names[labelled], value: fields[labelled] }, values };
  }
}
