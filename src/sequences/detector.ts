import { numberOf, readMetadata } from '../formats/metadata.js';
import { Forecaster, type ForecastTask, type SeriesStream } from './forecast.js';
import { ErrorLikelihood, type LikelihoodOptions } from './likelihood.js';
import { Scaler } from './scaler.js';

/** Metadata key under which a model carries its settings. */
const KEY = 'detector';

export interface DetectorOptions extends LikelihoodOptions {
  /** Score from which a reading counts as an anomaly (default: 5, one in a hundred thousand). */
  threshold?: number | undefined;
}

/** What a detector says of one reading. */
export interface Detection {
  /** What was expected, `[targets]` in the data's own units; NaN for the first reading. */
  expected: Float64Array;
  /** How far the reading was from it: the root of the mean square over the targets, in scaled units. */
  error: number;
  /** -log10 of how likely errors as large as the last ones are, given those before. */
  score: number;
  isAnomaly: boolean;
}

/** Readings in, a score for each out: how much the last ones differ from what the model had expected. */
export class Detector {
  readonly task: ForecastTask;
  readonly threshold: number;
  private readonly forecaster: Forecaster;
  private readonly likelihood: ErrorLikelihood;
  private readonly scaler: Scaler | undefined;
  private readonly places: readonly number[];
  private expected: Float64Array;

  /**
   * The stream is the caller's. Settings are those given, else those that the model carries as metadata `detector`.
   * @throws RivuletError as `Forecaster` does; `INVALID_OPTION`
   */
  constructor(stream: SeriesStream, options: DetectorOptions = {}) {
    const carried = readMetadata(stream.model, KEY, (fields): DetectorOptions => {
      const read = (key: string, least: number) => (fields.has(key) ? numberOf(fields, key, least) : undefined);
      const [window, recent, warmUp] = ['window', 'recent', 'warmUp'].map((key) => read(key, 1));
      const resolution = read('resolution', Number.MIN_VALUE);
      return { window, recent, warmUp, resolution, threshold: read('threshold', 0) };
    });
    const { threshold = 5, ...likelihood } = { ...carried, ...withoutUndefined(options) };
    this.forecaster = new Forecaster(stream);
    this.task = this.forecaster.task;
    this.threshold = threshold;
    this.likelihood = new ErrorLikelihood(likelihood);
    const { columns, targets } = this.task;
    this.scaler = Scaler.of(stream.model)?.select(targets);
    this.places = targets.map((name) => columns.indexOf(name));
    this.expected = new Float64Array(targets.length).fill(Number.NaN);
  }

  /**
   * Takes the next reading, `[columns]`.
   * @throws RivuletError as `Forecaster.push` does; the detector is then as it was
   */
  push(reading: ArrayLike<number>): Detection {
    const forecast = this.forecaster.push(reading);
    const { expected, places, scaler } = this;
    this.expected = forecast.slice(0, places.length);
    const scaled = (values: Float64Array) => scaler?.transform(values) ?? values;
    const came = scaled(Float64Array.from(places, (place) => reading[place]));
    const squares = scaled(expected).map((value, i) => (value - came[i]) ** 2);
    const error = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    const score = Number.isNaN(error) ? 0 : this.likelihood.push(error);
    return { expected, error, score, isAnomaly: score >= this.threshold };
  }
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}
