import { RivuletError } from '../errors.js';

/** Text, comma-separated as RFC 4180 says, or with another delimiter. Lines end in LF or CRLF. */
export interface CsvOptions {
  /** What stands between fields; ',' unless given. */
  delimiter?: ',' | ';' | '\t' | undefined;
  /** Path or URL to name in errors. */
  file?: string | undefined;
}

export interface CsvReadOptions extends CsvOptions {
  /** Whether the first line names the columns; unless given, it does as `isHeader` says. */
  header?: boolean | undefined;
}

export interface CsvTable {
  /** The header's names, where there is one. */
  columns: string[] | undefined;
  rows: number;
  /** Fields in each row. */
  width: number;
  /** [rows, width] */
  data: Float64Array;
}

/** The most characters of one record, quoted line breaks included. */
const MAX_CSV_RECORD = 1 << 24;

const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)$/i;

/** What tables write where there is no number. */
const GAP = /^(?:n\/?a|null|none|nil|missing|[-?.*]?)$/i;

/**
 * Reads a table of numbers. `nan`, `inf` and `-inf` are numbers; an empty field is not. Blank lines may stand at the
 * end only.
 * @throws RivuletError `INVALID_FILE`, with line and column (both from 1), or `LIMIT_EXCEEDED`.
 */
export function readCsv(text: string, options: CsvReadOptions = {}): CsvTable {
  const records = splitRecords(text, options);
  const first = parseCsvLine(records[0].text, { ...options, line: records[0].line });
  const named = options.header ?? isHeader(first);
  const width = first.length;
  const body = named ? records.slice(1) : records;
  const data = new Float64Array(body.length * width);
  for (const [row, record] of body.entries()) {
    const fields = fieldsOf(record, width, options);
    for (let column = 0; column < width; column++) {
      data[row * width + column] = parseCsvNumber(fields[column], {
        ...options,
        line: record.line,
        column: column + 1,
      });
    }
  }
  return { columns: named ? first : undefined, rows: body.length, width, data };
}

/** A line of a table, or several where quotes hold line ends. */
export interface CsvRecord {
  text: string;
  /** Number of the line on which it begins, from 1. */
  line: number;
}

/** The records of a text, at least one, without the blank lines at its end. */
export function splitRecords(text: string, options: CsvOptions): CsvRecord[] {
  const splitter = new CsvSplitter(options);
  const records = [...splitter.push(text), ...splitter.end()];
  let blank = 0;
  while (records.at(-1)?.text === '') {
    records.pop();
    blank++;
  }
  // The one line of a table of one column and no numbers is blank too, but nobody writes such a table.
  if (records.length === 0) throw invalid('No data', options, blank ? 'only blank lines' : 'nothing');
  return records;
}

/**
 * The fields of a record that is to have `width` of them.
 * @throws RivuletError `INVALID_FILE`
 */
export function fieldsOf({ text, line }: CsvRecord, width: number, options: CsvOptions): string[] {
  const fields = parseCsvLine(text, { ...options, line });
  if (fields.length === width) return fields;
  const found = text === '' ? 'a blank line' : `${fields.length}`;
  throw invalid(`Line ${line} has another number of fields than the first`, options, found, `${width}`);
}

/**
 * Splits one record, without its line end, into fields.
 * @throws RivuletError `INVALID_FILE` where quotes don't match.
 */
export function parseCsvLine(record: string, options: CsvOptions & { line?: number } = {}): string[] {
  const delimiter = options.delimiter ?? ',';
  if (!record.includes('"')) return record.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const where = `line ${options.line ?? 1}, column ${fields.length + 1}`;
    if (record[at] === '"') {
      let field = '';
      for (;;) {
        const quote = record.indexOf('"', at + 1);
        if (quote < 0) throw invalid(`A quote is not closed at ${where}`, options);
        field += record.slice(at + 1, quote);
        at = quote + 1;
        if (record[at] !== '"') break;
        field += '"';
      }
      if (at < record.length && record[at] !== delimiter) {
        throw invalid(`Text after a closing quote at ${where}`, options, JSON.stringify(record[at]));
      }
      fields.push(field);
    } else {
      const next = record.indexOf(delimiter, at);
      const field = record.slice(at, next < 0 ? record.length : next);
      if (field.includes('"'))
        throw invalid(`A quote inside an unquoted field at ${where}`, options, JSON.stringify(field));
      fields.push(field);
      at += field.length;
    }
    if (at >= record.length) return fields;
    at++;
  }
}

/**
 * A field's number; spaces around it are allowed. Nothing but decimal notation, `inf` and `nan` is a number.
 * @throws RivuletError `INVALID_FILE`
 */
export function parseCsvNumber(field: string, options: CsvOptions & { line?: number; column?: number } = {}): number {
  const text = field.trim();
  if (!NUMBER.test(text)) {
    throw invalid(
      `Not a number at line ${options.line ?? 1}, column ${options.column ?? 1}`,
      options,
      text === '' ? 'nothing' : JSON.stringify(text.slice(0, 40)),
      undefined,
      options.line === 1
        ? 'A first line names the columns where no field of it is a number or empty, and one is no word for a gap'
        : undefined,
    );
  }
  const word = /[in]/i.exec(text);
  if (!word) return Number(text);
  if (/nan/i.test(text)) return Number.NaN;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Cuts text that arrives in pieces into records: at line ends, but not at those within quotes. */
export class CsvSplitter {
  private rest = '';
  private quoted = false;
  private line = 1;
  private begun = false;

  constructor(private readonly options: CsvOptions = {}) {}

  /** The records that end in this piece, each with the number of the line on which it begins (from 1). */
  push(piece: string): CsvRecord[] {
    if (!this.begun && piece !== '') {
      this.begun = true;
      if (piece.startsWith('\uFEFF')) piece = piece.slice(1);
    }
    const records: CsvRecord[] = [];
    let at = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', at)) {
      this.append(piece.slice(at, end));
      at = end + 1;
      if (this.quoted) this.append('\n');
      else records.push(this.flush());
    }
    this.append(piece.slice(at));
    return records;
  }

  /** The last record, where the text didn't end in a line end. */
  end(): CsvRecord[] {
    return this.rest === '' ? [] : [this.flush()];
  }

  private append(part: string): void {
    this.rest += part;
    if (this.rest.length > MAX_CSV_RECORD) {
      throw new RivuletError('LIMIT_EXCEEDED', `Line ${this.line} is too long`, {
        file: this.options.file,
        expected: `at most ${MAX_CSV_RECORD} characters`,
      });
    }
    for (let quote = part.indexOf('"'); quote >= 0; quote = part.indexOf('"', quote + 1)) this.quoted = !this.quoted;
  }

  private flush(): CsvRecord {
    const text = this.rest.endsWith('\r') ? this.rest.slice(0, -1) : this.rest;
    const record = { text, line: this.line };
    this.line += this.rest.split('\n').length;
    this.rest = '';
    return record;
  }
}

/**
 * Writes rows of numbers, each in a form that reads back as the same float32 or float64 (for float32 up to nine digits, whole numbers in all of theirs), lines ending in LF.
 * @param shape [rows, ...]: the first dim counts rows, the product of the others is a row's width.
 * @throws RivuletError `INVALID_INPUT`
 */
export function writeCsv(
  data: Float32Array | Float64Array,
  shape: readonly number[],
  columns?: readonly string[],
  options: CsvOptions = {},
): string {
  const rows = shape[0] ?? 1;
  const width = shape.slice(1).reduce((product, dim) => product * dim, 1);
  if (rows * width !== data.length) {
    throw new RivuletError('INVALID_INPUT', 'Data and shape disagree', {
      expected: `${data.length} elements`,
      found: `[${shape.join(', ')}]`,
    });
  }
  if (columns && columns.length !== width) {
    throw new RivuletError('INVALID_INPUT', 'Wrong number of column names', {
      expected: `${width}`,
      found: `${columns.length}`,
    });
  }
  const lines: string[] = [];
  if (columns) lines.push(formatCsvLine(columns, options));
  for (let row = 0; row < rows; row++)
    lines.push(formatCsvLine(data.subarray(row * width, (row + 1) * width), options));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** One record, without its line end: numbers in their shortest form, texts quoted where they must be. */
export function formatCsvLine(
  values: Float32Array | Float64Array | readonly (string | number)[],
  options: CsvOptions = {},
): string {
  const delimiter = options.delimiter ?? ',';
  const single = values instanceof Float32Array;
  return Array.from<string | number, string>(values, (value) => {
    if (typeof value === 'number') return single ? shortestFloat32(value) : formatNumber(value);
    return /["\r\n]/.test(value) || value.includes(delimiter) ? `"${value.replaceAll('"', '""')}"` : value;
  }).join(delimiter);
}

/** The fewest digits that round to this float32. */
function shortestFloat32(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return formatNumber(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return formatNumber(short);
  }
  return formatNumber(Number(value.toPrecision(9)));
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Whether `parseCsvNumber` takes it. */
export function isNumber(field: string): boolean {
  return NUMBER.test(field.trim());
}

/** Whether a field is empty, or says that there is no number. */
export function isGap(field: string): boolean {
  return GAP.test(field.trim());
}

/**
 * Whether a table's first line names its columns: a row of which a field is bad is none. A word for a gap may be a name (Na
 * is sodium) where there is another that is no gap.
 */
export function isHeader(fields: readonly string[]): boolean {
  const mayName = (field: string) => !isNumber(field) && (!isGap(field) || /^[a-z]+$/i.test(field.trim()));
  return fields.every(mayName) && !fields.every(isGap);
}

function invalid(what: string, options: CsvOptions, found?: string, expected?: string, hint?: string): RivuletError {
  return new RivuletError('INVALID_FILE', what, { file: options.file, expected, found, hint });
}
