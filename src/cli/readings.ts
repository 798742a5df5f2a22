import type { Model } from '../index.js';
import { readCsvColumns } from '../io/csv.js';
import { type ForecastTask, forecastTask, Scaler } from '../sequences/index.js';
import { type Arguments, type Options, UsageError } from './options.js';
import { decodeText, NPY_START, readSeries } from './series.js';

/** What a forecasting model reads of a file, in the data's own units. */
export interface Readings {
  /** [rows, columns] */
  data: Float64Array;
  rows: number;
  /** What the file says of each row, such as its time. */
  labels: { name: string; values: string[] } | undefined;
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

/** Where DATA has other names. */
export const COLUMNS: Options = {
  columns: { value: 'NAMES', help: "What DATA calls the model's columns, in its order, with commas between" },
};

/**
 * The names of a model's columns in DATA.
 * @throws UsageError for another number of them
 */
export function namesIn(args: Arguments, columns: readonly string[]): readonly string[] {
  const names =
    args
      .text('columns')
      ?.split(',')
      .map((name) => name.trim()) ?? columns;
  if (names.length === columns.length) return names;
  throw new UsageError(`--columns takes a name for each of ${columns.join(', ')}, not ${names.length}`);
}

/** Reads columns by name from a CSV, in order from a .npy of shape [T, columns]. */
export function readReadings(content: Uint8Array, file: string, columns: readonly string[]): Readings {
  if (content[0] !== NPY_START) return readCsvColumns(decodeText(content, file), columns, { file });
  const { data, steps } = readSeries(content, file, columns.length);
  return { data: Float64Array.from(data), rows: steps, labels: undefined };
}
