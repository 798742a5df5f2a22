import { RivuletError } from '../errors.js';
import type { Model, Port, Stream } from '../index.js';
import { readCsv } from '../io/csv.js';
import { readNpy } from '../io/npy.js';
import { Pacer } from '../text/pause.js';
import { type Context, throwIfInterrupted } from './host.js';
import { Progress } from './progress.js';

/** Steps of numbers: `[steps, width]`. */
export interface Series {
  data: Exclude<ReturnType<typeof readNpy>['data'], BigInt64Array | BigUint64Array>;
  steps: number;
  width: number;
  /** Names of the columns, where a CSV has them. */
  columns: string[] | undefined;
  file: string;
  /** On which line of it each step stands, where it has lines. */
  lines: ArrayLike<number> | undefined;
}

/** First byte of every .npy file, and of no text in UTF-8. */
export const NPY_START = 0x93;

/** First two bytes of every ZIP archive: PK. */
const ZIP_START = 0x504b;
/** Byte order marks of UTF-16. */
const UTF16_MARKS = [0xfffe, 0xfeff];

/** Steps between two looks at the clock. */
const CHUNK = 64;

/** The one input and the one output that a series goes through. */
export function portsOf(model: Model): { input: Port; output: Port } {
  const [input] = model.inputs;
  const [output] = model.outputs;
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new RivuletError('INVALID_INPUT', `A series can't be fed to model "${model.name}"`, {
      expected: 'one input and one output',
      found: `${model.inputs.length} and ${model.outputs.length}`,
      hint: 'Use the library: stream.step takes and gives records by name',
    });
  }
  return { input, output };
}

/**
 * Reads a .npy of shape [T, width], [T, 1, width] or, where the width is 1, [T], or a CSV with a row for each step.
 *
 * @param format what `content` is; by default it is looked at
 * @throws RivuletError `INVALID_FILE`, or `INVALID_INPUT` for another width
 */
export function readSeries(content: Uint8Array, file: string, width: number, format?: 'npy' | 'csv'): Series {
  if ((format ?? (content[0] === NPY_START ? 'npy' : 'csv')) === 'csv') {
    const { data, rows, columns, width: found } = readCsv(decodeText(content, file), { file });
    if (found !== width) throw wrongWidth(file, `${width} columns`, String(found));
    const first = columns ? 2 : 1;
    return { data, steps: rows, width, columns, file, lines: Array.from({ length: rows }, (_, i) => first + i) };
  }
  const { data, shape } = readNpy(content, file);
  const [steps = 0, ...rest] = shape;
  const row = rest.length === 2 && rest[0] === 1 ? rest.slice(1) : rest;
  if (shape.length === 0 || row.length > 1 || (row[0] ?? 1) !== width) {
    throw wrongWidth(file, `shape [T, ${width}]`, `[${shape.join(', ')}]`);
  }
  return { data: plainNumbers(data), steps, width, columns: undefined, file, lines: undefined };
}

/** 64-bit integers as the numbers that ports take. */
export function plainNumbers(data: ReturnType<typeof readNpy>['data']): Series['data'] {
  const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array;
  return isBig ? Float64Array.from(data, Number) : data;
}

export function wrongWidth(file: string, expected: string, found: string): RivuletError {
  return new RivuletError('INVALID_INPUT', 'Wrong number of values per step for this model', { file, expected, found });
}

/** @throws RivuletError `INVALID_FILE` for what is no UTF-8, and the line of it */
export function decodeText(content: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (cause) {
    const before = new TextDecoder().decode(content).split('\ufffd', 1)[0];
    throw new RivuletError('INVALID_FILE', `Not text in UTF-8 at line ${before.split('\n').length}`, {
      file,
      ...otherThanText(content),
      cause,
    });
  }
}

/** What bytes that are no text in UTF-8 are, as their beginning tells, and what to do about it. */
export function otherThanText([first, second]: Uint8Array): { found?: string; hint: string } {
  const start = 256 * first + second;
  if (start === ZIP_START) {
    return { found: 'a ZIP archive, as .npz and .xlsx are', hint: 'Save one array with np.save, or a sheet as CSV' };
  }
  const hint = 'Save it as UTF-8';
  return UTF16_MARKS.includes(start) ? { found: 'what begins as UTF-16', hint } : { hint };
}

/** Where a row of a file stands, for errors. */
export function placeOf(row: number, lines: ArrayLike<number> | undefined): string {
  return lines ? `line ${lines[row]}` : `row ${row}`;
}

/** What a step was refused for, and where the step stands in `file`. */
export function placed(error: unknown, file: string | undefined, place: string): unknown {
  if (!(error instanceof RivuletError)) return error;
  return error.inFile(file).with({ found: error.found === undefined ? place : `${error.found} at ${place}` });
}

/**
 * The refusal of steps from `start` on, made in one call that changed nothing: as the first step that is refused alone has it,
 * whose numbers are counted from its own beginning.
 */
export function ofItsStep(
  refusal: unknown,
  start: number,
  { file, lines, steps }: Pick<Series, 'steps'> & Partial<Pick<Series, 'file' | 'lines'>>,
  tryStep: (step: number) => unknown,
): unknown {
  for (let step = start; step < steps; step++) {
    try {
      tryStep(step);
    } catch (error) {
      return placed(error, file, placeOf(step, lines));
    }
  }
  return refusal;
}

/** Outputs `[steps, outputs]` of the stream for the steps of a series, with progress and the event loop kept turning. */
export function runSeries(stream: Stream, series: Series, { stderr, signal }: Context): Promise<Float32Array> {
  const { input, output } = portsOf(stream.model);
  const out = new Float32Array(series.steps * output.size);
  return Progress.during(stderr, 'Running', async (progress) => {
    const pacer = new Pacer();
    for (let start = 0; start < series.steps; start += CHUNK) {
      const end = Math.min(start + CHUNK, series.steps);
      const part = series.data.subarray(start * input.size, end * input.size);
      try {
        stream.run(part, out.subarray(start * output.size, end * output.size));
      } catch (error) {
        throw ofItsStep(error, start, series, (step) => {
          stream.step(series.data.subarray(step * input.size, (step + 1) * input.size));
        });
      }
      if (!pacer.isDue()) continue;
      progress.update(end, series.steps);
      await pacer.pause();
      throwIfInterrupted(signal);
    }
    return out;
  });
}
