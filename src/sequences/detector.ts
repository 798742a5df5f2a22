import { RivuletError } from '../errors.js';
import { numberOf, readMetadata } from '../formats/metadata.js';
import { checkOptions, shown } from '../options.js';
import { Forecaster, type Reading, readingOf, type SeriesStream } from './forecast.js';
import { ErrorLikelihood, LIKELIHOOD_OPTIONS, type LikelihoodOptions } from './likelihood.js';
import { Scaler } from './scaler.js';

/** Metadata key under which a model carries its settings. */
const KEY = 'detector';

export interface DetectorOptions extends LikelihoodOptions {
  /** Score from which a reading counts as an anomaly (default: 5, one in a hundred thousand). */
  threshold?: number | undefined;
}

const OPTIONS = ['threshold', ...LIKELIHOOD_OPTIONS] as const satisfies readonly (keyof DetectorOptions)[];

/** What a detector says of one reading. */
export interface Detection {
  score: number;
  isAnomaly: boolean;
  /** What a forecasting model had expected, `[targets]` in the data's own units; NaN for the first reading. */
  expected?: Float64Array;
  /** How far the reading was from it: the root of the mean square over the targets, in scaled units. */
  error?: number;
}

type Judge = (reading: ArrayLike<number>) => Omit<Detection, 'isAnomaly'>;

/**
 * Readings in, a score for each out. A model that forecasts is judged by its errors: the score is -log10 of how likely
 * errors as large as the last ones are, given those before. A model whose metadata name the `columns` of a detector gives
 * the score itself.
 */
export class Detector {
  /** Of a reading, in the order of the model's input. */
  readonly columns: readonly string[];
  /** Those whose expected values a detection tells; none where the model gives the score itself. */
  readonly targets: readonly string[];
  readonly threshold: number;
  private readonly judge: Judge;

  /**
   * The stream is the caller's. Settings are those given, else those that the model carries as metadata `detector`.
   * @throws RivuletError as `Forecaster` does; `INVALID_OPTION`
   */
  constructor(stream: SeriesStream, options: DetectorOptions = {}) {
    checkOptions(options, OPTIONS, 'Detector');
    const { columns, ...carried } = carriedBy(stream) ?? {};
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const { threshold = 5, ...likelihood }: DetectorOptions = { ...carried, ...given };
    if (typeof threshold !== 'number' || Number.isNaN(threshold)) {
      throw new RivuletError('INVALID_OPTION', 'Bad threshold', { expected: 'a number', found: shown(threshold) });
    }
    this.threshold = threshold;
    if (columns) {
      const useless = Object.keys(given).find((name) => name !== 'threshold');
      if (useless !== undefined) {
        throw new RivuletError('INVALID_OPTION', `Model "${stream.model.name}" scores by itself`, {
          expected: 'threshold alone',
          found: useless,
        });
      }
      this.columns = columns;
      this.targets = [];
      this.judge = byModel(stream, columns);
    } else {
      const forecaster = new Forecaster(stream);
      this.columns = forecaster.task.columns;
      this.targets = forecaster.task.targets;
      this.judge = byForecast(forecaster, new ErrorLikelihood(likelihood));
    }
  }

  /**
   * Takes the next reading, `[columns]`.
   * @throws RivuletError as `Forecaster.push` does; the detector is then as it was
   */
  push(reading: Reading): Detection {
    const judged = this.judge(readingOf(reading, this.columns));
    return { ...judged, isAnomaly: judged.score >= this.threshold };
  }
}

function carriedBy(stream: SeriesStream): (DetectorOptions & { columns?: readonly string[] }) | undefined {
  return readMetadata(stream?.model, KEY, (fields) => {
    const read = (key: string, least: number) => (fields.has(key) ? numberOf(fields, key, least) : undefined);
    const [window, recent, warmUp] = ['window', 'recent', 'warmUp'].map((key) => read(key, 1));
    return {
      window,
      recent,
      warmUp,
      resolution: read('resolution', Number.MIN_VALUE),
      threshold: read('threshold', 0),
      ...(fields.has('columns') && { columns: fields.texts('columns') }),
    };
  });
}

/** Compares each reading with what was forecast one step before. */
function byForecast(forecaster: Forecaster, likelihood: ErrorLikelihood): Judge {
  const { columns, targets } = forecaster.task;
  const scaler = Scaler.of(forecaster.stream.model)?.select(targets);
  const places = targets.map((name) => columns.indexOf(name));
  const scaled = (values: Float64Array) => scaler?.transform(values) ?? values;
  let next = new Float64Array(targets.length).fill(Number.NaN);
  return (reading) => {
    const forecast = forecaster.push(reading);
    const expected = next;
    next = forecast.slice(0, places.length);
    const came = scaled(Float64Array.from(places, (place) => reading[place]));
    const squares = scaled(expected).map((value, i) => (value - came[i]) ** 2);
    const error = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    return { expected, error, score: Number.isNaN(error) ? 0 : likelihood.push(error) };
  };
}

/** Hands each reading on to a model that gives one number for it. */
function byModel(stream: SeriesStream, columns: readonly string[]): Judge {
  const { name, inputs, outputs } = stream.model;
  const sizes = [inputs, outputs].map((ports) => ports.map(({ size }) => size).join());
  if (sizes[0] !== String(columns.length) || sizes[1] !== '1') {
    throw new RivuletError('INVALID_INPUT', `Model "${name}" does not fit its task`, {
      expected: `${columns.length} numbers in, a score out`,
      found: `${sizes[0]} in, ${sizes[1]} out`,
    });
  }
  const scaler = Scaler.of(stream.model)?.select(columns);
  const out = new Float32Array(1);
  return (reading) => {
    stream.step(scaler?.transform(reading) ?? reading, out);
    return { score: out[0] };
  };
}
