import { RivuletError } from '../errors.js';
import { readMetadata, type WithMetadata } from '../formats/metadata.js';
import { shown } from '../options.js';
import { Scaler } from './scaler.js';
import { checkOut } from './targets.js';

/** Metadata key under which a model carries its task. */
const KEY = 'forecast';

/** What a forecasting model reads and predicts, in the words of the table it was trained on. */
export interface ForecastTask {
  /** Names of the columns of a reading, in the order of the model's input. */
  columns: readonly string[];
  /** Those that are predicted; an output is `[horizon, targets]`. */
  targets: readonly string[];
  /** Steps ahead, from the next one on. */
  horizon: number;
  /** Steps after which the series resembles itself (24 for hours of days), where it has such a season. */
  season: number | undefined;
  /** What one step is, for people: "hour", "trading day". */
  step: string | undefined;
}

/** What a forecaster needs of a stream: numbers in, numbers out. A `Stream` of a model with one input and one output is one. */
export interface SeriesStream {
  readonly model: WithMetadata & {
    readonly inputs: readonly { readonly size: number }[];
    readonly outputs: readonly { readonly size: number }[];
  };
  /** One reading -> one output. */
  step(x: ArrayLike<number>, out?: Float32Array): Float32Array;
}

/**
 * The task that a model carries as metadata `forecast`. Targets are all columns unless named.
 * @throws RivuletError `INVALID_INPUT` where it carries none, or one that its ports do not fit; `INVALID_FILE` where it
 *   is malformed
 */
export function forecastTask(model: SeriesStream['model']): ForecastTask {
  const task = readMetadata(model, KEY, (fields): ForecastTask => {
    const columns = fields.texts('columns');
    return {
      columns,
      targets: fields.has('targets') ? fields.texts('targets') : columns,
      horizon: fields.count('horizon'),
      season: fields.has('season') ? fields.count('season') : undefined,
      step: fields.has('step') ? fields.text('step') : undefined,
    };
  });
  if (!task) {
    throw new RivuletError('INVALID_INPUT', `Model "${model.name}" does not say what it forecasts`, {
      expected: `metadata "${KEY}" with columns and horizon`,
      hint: 'docs/format.md describes it; any series goes through stream.step',
    });
  }
  const { columns, targets, horizon } = task;
  const stranger = targets.find((name) => !columns.includes(name));
  if (stranger !== undefined) {
    throw new RivuletError('INVALID_INPUT', `Model "${model.name}" forecasts a column that it does not read`, {
      expected: columns.join(', '),
      found: stranger,
    });
  }
  const sizes = (ports: readonly { size: number }[]) => ports.map(({ size }) => size).join(', ') || 'none';
  const expected = [columns.length, horizon * targets.length];
  const found = [sizes(model.inputs), sizes(model.outputs)];
  if (expected.join() !== found.join() || horizon === 0) {
    throw new RivuletError('INVALID_INPUT', `Model "${model.name}" does not fit its task`, {
      expected: `${expected[0]} numbers in, ${horizon} x ${targets.length} out`,
      found: `${found[0]} in, ${found[1]} out`,
    });
  }
  return task;
}

/** The numbers of a row's columns, or the number of one column. */
export type Reading = number | ArrayLike<number>;

/** Readings in, forecasts out, in the data's own units: a stream between a scaler and its inverse. */
export class Forecaster {
  readonly task: ForecastTask;
  private readonly input: Scaler | undefined;
  private readonly output: Scaler | undefined;
  private readonly scaled: Float64Array;
  private readonly predicted: Float32Array;

  /**
   * The stream is the caller's: its state may be saved, restored and reset between two readings.
   * @throws RivuletError as `forecastTask` and `Scaler.of` do
   */
  constructor(readonly stream: SeriesStream) {
    const model = stream?.model;
    this.task = forecastTask(model);
    const { columns, targets, horizon } = this.task;
    const scaler = Scaler.of(model);
    this.input = scaler?.select(columns);
    this.output = scaler?.select(targets);
    this.scaled = new Float64Array(columns.length);
    this.predicted = new Float32Array(horizon * targets.length);
  }

  /**
   * One reading `[columns]` -> the forecast of what follows, `[horizon, targets]`.
   * @throws RivuletError `INVALID_INPUT`, and as `stream.step` does; the stream is then as it was
   */
  push(reading: Reading, out: Float64Array = new Float64Array(this.predicted.length)): Float64Array {
    const values = readingOf(reading, this.task.columns);
    checkOut(out, this.predicted.length);
    this.stream.step(this.input ? this.input.transform(values, this.scaled) : values, this.predicted);
    if (this.output) return this.output.inverse(this.predicted, out);
    out.set(this.predicted);
    return out;
  }
}

/**
 * A reading of these columns, as an array.
 * @throws RivuletError `INVALID_INPUT` for another number of them, and what is no number
 */
export function readingOf(reading: Reading, columns: readonly string[]): ArrayLike<number> {
  const values = typeof reading === 'number' ? [reading] : reading;
  const isArray = typeof values === 'object' && values !== null && 'length' in values;
  if (!isArray || values.length !== columns.length) {
    throw new RivuletError('INVALID_INPUT', 'A reading of the wrong length', {
      expected: columns.join(', '),
      found: isArray ? `${values.length} numbers` : shown(values),
    });
  }
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] === 'number') continue;
    throw new RivuletError('INVALID_INPUT', `A reading whose "${columns[i]}" is no number`, {
      found: shown(values[i]),
    });
  }
  return values;
}
