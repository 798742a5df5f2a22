import type { Model } from '../index.js';
import { parseCsvLine } from '../io/csv.js';
import { type ForecastTask, forecastTask, Scaler } from '../sequences/index.js';
import { readNamedColumns, type TableOptions } from './named-columns.js';
import { type Arguments, type Options, UsageError } from './options.js';
import { decodeText, NPY_START, readSeries } from './series.js';

/** What a forecasting model reads of a file, in the data's own units. */
export interface Readings {
  /** [rows, columns] */
  data: Float64Array;
  rows: number;
  /** What the file says of each row, such as its time. */
  labels: { name: string; values: string[] } | undefined;
  file: string;
  /** On which line of it each row begins, where it has lines. */
  lines: readonly number[] | undefined;
}

/** A model's task and the scalers of what goes in and comes out. */
export interface Forecasting {
  task: ForecastTask;
  input: Scaler | undefined;
  output: Scaler | undefined;
}

/** @throws RivuletError as `forecastTask` and `Scaler.of` do */
export function forecastingOf(model: Model): Forecasting {
  const task = forecastTask(model);
  const scaler = Scaler.of(model);
  return { task, input: scaler?.select(task.columns), output: scaler?.select(task.targets) };
}

/** Whether a model says what it forecasts. */
export const isForecaster = ({ metadata }: Model): boolean => metadata.forecast !== undefined;

/** How DATA is written. */
export const COLUMNS: Options = {
  columns: { value: 'NAMES', help: "What DATA calls the model's columns, in its order, as a line of CSV" },
  'decimal-comma': { help: 'DATA writes 1,5 for 1.5' },
};

/** What a verb's notes say about its table. */
export const DATA_NOTE = [
  'DATA is a CSV (commas, semicolons or tabs) whose first line names its columns, or a .npy of shape [T, columns]; without',
  'it, or with -, a CSV on standard input. Rows are taken as one step apart, whatever their times say.',
];

/**
 * The names of a model's columns in DATA.
 * @throws UsageError for another number of them
 */
export function namesIn(args: Arguments, columns: readonly string[]): readonly string[] {
  const given = args.text('columns');
  const names = given === undefined ? columns : parseCsvLine(given).map((name) => name.trim());
  if (names.length === columns.length) return names;
  throw new UsageError(
    `--columns takes a name for each of ${columns.join(', ')}, not ${names.length}; quote one that holds a comma`,
  );
}

/** How a model's table is to be read. */
export function tableOptions(args: Arguments, model: Model, file: string): TableOptions {
  return { file, decimalComma: args.flag('decimal-comma'), positive: Scaler.of(model)?.log === true };
}

/** Reads columns by name from a CSV, in order from a .npy of shape [T, columns]. */
export function readReadings(content: Uint8Array, columns: readonly string[], options: TableOptions): Readings {
  const { file } = options;
  if (content[0] !== NPY_START) return { file, ...readNamedColumns(decodeText(content, file), columns, options) };
  const { data, steps } = readSeries(content, file, columns.length);
  return { file, data: Float64Array.from(data), rows: steps, labels: undefined, lines: undefined };
}
