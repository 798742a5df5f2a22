import { RivuletError } from '../errors.js';
import { numbersOf, readMetadata, type WithMetadata } from '../formats/metadata.js';
import { checkOptions, shown } from '../options.js';
import { checkArray, checkOut } from './targets.js';

/** Metadata key under which a model carries its scaler. */
const KEY = 'scaler';

/**
 * What `center` and `scale` are: mean and standard deviation (of the population), least value and range, or median and
 * the distance between the quartiles.
 */
const SCALERS = ['standard', 'min-max', 'robust'] as const;

export type ScalerKind = (typeof SCALERS)[number];

export interface ScalerOptions {
  /** Takes the natural logarithm before scaling, for positive numbers that grow by factors: prices, counts. */
  log?: boolean | undefined;
}

/**
 * Brings columns of different units to a common size, and back: `scaled = (x - center) / scale`, of `ln x` where `log` is
 * set. The constants are those of the training data; they travel in the model file, and a loaded model gives them.
 */
export class Scaler {
  private constructor(
    readonly kind: ScalerKind,
    readonly columns: readonly string[],
    readonly center: readonly number[],
    readonly scale: readonly number[],
    readonly log: boolean,
  ) {}

  /**
   * Takes the constants from data. A column that never changes gets a scale of 1.
   *
   * @param data [rows, columns]
   * @throws RivuletError `INVALID_INPUT`, `INVALID_OPTION`
   */
  static fit(
    kind: ScalerKind,
    columns: readonly string[],
    data: ArrayLike<number>,
    options: ScalerOptions = {},
  ): Scaler {
    checkOptions(options, ['log'], 'Scaler.fit');
    const { log = false } = options;
    if (!SCALERS.includes(kind)) {
      throw new RivuletError('INVALID_OPTION', 'Bad kind of scaler', {
        expected: SCALERS.join(', '),
        found: shown(kind),
      });
    }
    checkArray('Columns', columns, 'names');
    checkArray('Data', data);
    const width = columns.length;
    const rows = data.length / width;
    if (!(Number.isInteger(rows) && rows >= 1)) {
      throw new RivuletError('INVALID_INPUT', 'Nothing to fit a scaler to', {
        expected: `at least one row of ${width} numbers`,
        found: `${data.length} numbers`,
      });
    }
    const fitted = columns.map((name, column) => {
      const values = Float64Array.from({ length: rows }, (_, row) => {
        const x = data[row * width + column];
        return log ? Math.log(x) : x;
      });
      if (!values.every(Number.isFinite)) {
        throw new RivuletError('INVALID_INPUT', `Column "${name}" can't be scaled`, {
          expected: log ? 'positive finite numbers' : 'finite numbers',
        });
      }
      // Rounding would leave a mean beside the number, and a deviation that is not quite 0.
      if (values.every((x) => x === values[0])) return { center: values[0], scale: 1 };
      return FITS[kind](values);
    });
    return new Scaler(
      kind,
      [...columns],
      fitted.map(({ center }) => center),
      fitted.map(({ scale }) => scale || 1),
      log,
    );
  }

  /**
   * The scaler that a model carries as metadata `scaler`; undefined where it carries none.
   * @throws RivuletError `INVALID_FILE` where it is malformed
   */
  static of(model: WithMetadata): Scaler | undefined {
    return readMetadata(model, KEY, (fields) => {
      const kind = SCALERS.find((name) => name === fields.text('kind'));
      if (!kind) throw fields.wrong('kind', SCALERS.join(', '), fields.text('kind'));
      const columns = fields.texts('columns');
      const center = numbersOf(fields, 'center');
      const scale = numbersOf(fields, 'scale');
      const log = fields.has('log') ? fields.get('log', 'true or false') : false;
      if (typeof log !== 'boolean') throw fields.wrong('log', 'true or false', log);
      for (const [name, list] of Object.entries({ center, scale })) {
        if (list.length !== columns.length) throw fields.wrong(name, `${columns.length} numbers`, list);
      }
      const zero = scale.find((value) => !(value > 0));
      if (zero !== undefined) throw fields.wrong('scale', 'positive numbers', zero);
      return new Scaler(kind, columns, center, scale, log);
    });
  }

  /**
   * The scaler of some of the columns, in the order given.
   * @throws RivuletError `INVALID_INPUT` for a column it does not know
   */
  select(columns: readonly string[]): Scaler {
    const indices = columns.map((name) => {
      const index = this.columns.indexOf(name);
      if (index >= 0) return index;
      throw new RivuletError('INVALID_INPUT', 'The scaler does not know a column', {
        expected: this.columns.join(', '),
        found: name,
      });
    });
    const pick = (list: readonly number[]) => indices.map((index) => list[index]);
    return new Scaler(this.kind, [...columns], pick(this.center), pick(this.scale), this.log);
  }

  /**
   * Numbers of the data's own units `[rows, columns]` -> scaled ones. `out` may be `data`.
   * @throws RivuletError `INVALID_INPUT` for no whole rows, an `out` of another length, or a number at or below 0 where logarithms are taken
   */
  transform(data: ArrayLike<number>, out?: Float64Array): Float64Array {
    const { center, scale, log } = this;
    const to = this.outFor(data, out);
    for (let i = 0; i < data.length; i++) {
      const column = i % center.length;
      if (log && data[i] <= 0) {
        throw new RivuletError('INVALID_INPUT', `Column "${this.columns[column]}" can't be scaled`, {
          expected: 'positive numbers, whose logarithms are taken',
          found: String(data[i]),
        });
      }
      to[i] = ((log ? Math.log(data[i]) : data[i]) - center[column]) / scale[column];
    }
    return to;
  }

  /**
   * Scaled numbers `[rows, columns]` -> the data's own units. `out` may be `data`.
   * @throws RivuletError `INVALID_INPUT` for no whole rows, or an `out` of another length
   */
  inverse(data: ArrayLike<number>, out?: Float64Array): Float64Array {
    const { center, scale, log } = this;
    const to = this.outFor(data, out);
    for (let i = 0; i < data.length; i++) {
      const column = i % center.length;
      const x = data[i] * scale[column] + center[column];
      to[i] = log ? Math.exp(x) : x;
    }
    return to;
  }

  /** What `JSON.stringify` writes, and metadata `scaler` holds. */
  toJSON(): {
    kind: ScalerKind;
    columns: readonly string[];
    center: readonly number[];
    scale: readonly number[];
    log?: true;
  } {
    const { kind, columns, center, scale, log } = this;
    return { kind, columns, center, scale, ...(log && { log }) };
  }

  /** Where the results of whole rows go. */
  private outFor(data: ArrayLike<number>, out: Float64Array | undefined): Float64Array {
    checkArray('Data', data);
    if (data.length % this.columns.length !== 0) {
      throw new RivuletError('INVALID_INPUT', 'Data are no whole number of rows', {
        expected: `a multiple of ${this.columns.length} numbers`,
        found: String(data.length),
      });
    }
    if (!out) return new Float64Array(data.length);
    checkOut(out, data.length);
    return out;
  }
}

interface Constants {
  center: number;
  scale: number;
}

const FITS: Record<ScalerKind, (values: Float64Array) => Constants> = {
  standard(values) {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    return { center: mean, scale: Math.sqrt(variance) };
  },
  'min-max'(values) {
    const sorted = values.toSorted();
    return { center: sorted[0], scale: sorted[sorted.length - 1] - sorted[0] };
  },
  robust(values) {
    const sorted = values.toSorted();
    return { center: quantile(sorted, 0.5), scale: quantile(sorted, 0.75) - quantile(sorted, 0.25) };
  },
};

/** Between the two nearest of sorted numbers, as NumPy's default does. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
