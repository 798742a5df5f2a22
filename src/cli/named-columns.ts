import { RivuletError } from '../errors.js';
import {
  type CsvOptions,
  type CsvRecord,
  fieldsOf,
  isGap,
  isNumber,
  parseCsvLine,
  parseCsvNumber,
  splitRecords,
} from '../io/csv.js';

/** What a table's text leaves open. */
export interface TableOptions {
  /** To name in errors. */
  file: string;
  /** Numbers have a comma where others have a point. */
  decimalComma?: boolean;
  /** Numbers have to be above 0, as the model takes their logarithms. */
  positive?: boolean;
}

/** Some columns of a table whose first line names them. */
export interface NamedTable {
  rows: number;
  /** [rows, columns asked for] */
  data: Float64Array;
  /** The first column that is not asked for and holds something else than numbers, such as times. */
  labels: { name: string; values: string[] } | undefined;
  /** On which line each row begins, from 1. */
  lines: number[];
}

/** What may stand between fields, in the order in which it is tried. */
const DELIMITERS = [',', ';', '\t'] as const;

/** The most of a line that an error shows. */
const SHOWN = 100;

/**
 * Finds columns by name, in the order asked for; the others may hold anything. Commas, semicolons or tabs stand between
 * fields: that which makes of the first line all the names asked for.
 */
export class NamedColumns {
  private readonly names: readonly string[];
  private readonly indices: readonly number[];
  private readonly delimiter: CsvOptions['delimiter'];
  /** Where rows say what they are called; undefined until the first. */
  private labelled: number | undefined;

  /** @throws RivuletError `INVALID_FILE` where the first line lacks a name, or has it twice */
  constructor(
    head: CsvRecord,
    wanted: readonly string[],
    private readonly options: TableOptions,
  ) {
    const { file } = options;
    const ways = DELIMITERS.map((delimiter) => {
      const names = namesOf(head, { file, delimiter });
      return { delimiter, names, missing: wanted.find((name) => !names.includes(name)) };
    });
    const way = ways.find(({ missing }) => missing === undefined);
    if (!way) {
      const { names, missing } = ways.reduce((most, one) => (one.names.length > most.names.length ? one : most));
      throw new RivuletError('INVALID_FILE', `No column "${missing}" in the first line`, {
        file,
        expected: wanted.join(', '),
        found: shown(names.join(', ')),
        hint: head.text.includes('\r')
          ? 'Its lines end in CR alone: have it saved with LF or CRLF'
          : 'The first line has to name the columns; --columns says what they are called there',
      });
    }
    const twice = wanted.find((name) => way.names.indexOf(name) !== way.names.lastIndexOf(name));
    if (twice !== undefined) throw new RivuletError('INVALID_FILE', `Two columns named "${twice}"`, { file });
    this.names = way.names;
    this.delimiter = way.delimiter;
    this.indices = wanted.map((name) => way.names.indexOf(name));
  }

  /**
   * The numbers asked for, written to `out` from `at` on, and what the row is called, where a column says it.
   * @throws RivuletError `INVALID_FILE`, with line and column (both from 1)
   */
  read(record: CsvRecord, out: Float64Array, at: number): { name: string; value: string } | undefined {
    const { names, indices, delimiter, options } = this;
    const fields = fieldsOf(record, names.length, { file: options.file, delimiter });
    for (const [i, index] of indices.entries()) out[at + i] = this.numberOf(fields[index], record.line, index);
    this.labelled ??= names.findIndex((_, i) => !indices.includes(i) && !isNumber(decimal(fields[i], options)));
    return this.labelled < 0 ? undefined : { name: names[this.labelled], value: fields[this.labelled] };
  }

  private numberOf(field: string, line: number, index: number): number {
    const { file, positive = false, decimalComma = false } = this.options;
    const text = decimal(field, this.options);
    const value = isNumber(text) ? parseCsvNumber(text, { file }) : undefined;
    if (value !== undefined && Number.isFinite(value) && !(positive && value <= 0)) return value;
    const isLow = value !== undefined && value <= 0 && Number.isFinite(value);
    const isComma = !decimalComma && /^\s*[+-]?\d+,\d+\s*$/.test(field);
    throw new RivuletError('INVALID_FILE', `Not a number at line ${line}, column ${index + 1}`, {
      file,
      expected: isLow ? 'a number above 0, as the model takes its logarithm' : undefined,
      found: field.trim() === '' ? 'nothing' : `"${shown(field)}"`,
      hint: isLow
        ? undefined
        : isComma
          ? `--decimal-comma reads it as ${field.trim().replace(',', '.')}`
          : value !== undefined || isGap(field)
            ? 'A model needs a number in every row: fill the gap, or leave the row out'
            : 'Numbers are written as 1100.5, without units and marks of thousands',
    });
  }
}

/** Reads some columns of a whole table. @throws RivuletError as `NamedColumns`, or `LIMIT_EXCEEDED` */
export function readNamedColumns(text: string, wanted: readonly string[], options: TableOptions): NamedTable {
  const [head, ...body] = splitRecords(text, { file: options.file });
  const columns = new NamedColumns(head, wanted, options);
  if (body.length === 0) throw new RivuletError('INVALID_FILE', 'No rows below the first line', { file: options.file });
  const data = new Float64Array(body.length * wanted.length);
  const called = body.map((record, row) => columns.read(record, data, row * wanted.length));
  const [first] = called;
  const labels = first && { name: first.name, values: called.map((label) => label?.value ?? '') };
  return { rows: body.length, data, labels, lines: body.map(({ line }) => line) };
}

/** The first line's names; one, where quotes don't match by this delimiter. */
function namesOf({ text, line }: CsvRecord, options: CsvOptions): string[] {
  try {
    return parseCsvLine(text, { ...options, line }).map((name) => name.trim());
  } catch {
    return [text];
  }
}

function decimal(field: string, { decimalComma }: TableOptions): string {
  // A point would be one of thousands: it makes the text no number.
  return decimalComma ? field.replace(/[.,]/g, (mark) => (mark === ',' ? '.' : ' ')) : field;
}

/** Text of a file as an error shows it: short, and without what can't be seen. */
function shown(text: string): string {
  const visible = text.replace(/\p{Cc}/gu, '\ufffd');
  return visible.length > SHOWN ? `${visible.slice(0, SHOWN)}...` : visible;
}
