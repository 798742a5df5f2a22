/** Every way in which Rivulet refuses something. The code is stable; the message is for people. */
export type ErrorCode =
  /** The file is not of a format that any reader knows. */
  | 'UNKNOWN_FORMAT'
  /** The file claims a format and breaks its rules: truncated, overlapping, inconsistent, altered. */
  | 'INVALID_FILE'
  /** A stated limit (header bytes, tensors, nodes, nesting) is passed. */
  | 'LIMIT_EXCEEDED'
  /** The graph is malformed: a value nobody makes, a name given twice, a cycle, shapes that disagree. */
  | 'INVALID_GRAPH'
  /** An operator that is not implemented, or not in this form. */
  | 'UNSUPPORTED_OPERATOR'
  /** An attribute that nobody reads, or a value of it that is not implemented. */
  | 'UNSUPPORTED_ATTRIBUTE'
  /** The graph can run on whole sequences only (it needs the future), and a single step was asked for. */
  | 'NOT_STREAMABLE'
  /** Data given to a call has the wrong length, type, name or shape. */
  | 'INVALID_INPUT'
  /** Data given to a call holds NaN or an infinity, and the model was loaded to refuse them. */
  | 'NON_FINITE_INPUT'
  /** An option of a call is not one of those it takes. */
  | 'INVALID_OPTION'
  /** The stream or model was disposed of. */
  | 'DISPOSED'
  /** A snapshot is damaged, of a newer version, or of another model. */
  | 'INVALID_SNAPSHOT'
  /** The host lacks something that was asked for: SIMD, the file system, run-time compilation, memory. */
  | 'UNSUPPORTED_HOST'
  /** Reading or writing failed: no such file, an HTTP status, a closed pipe. */
  | 'IO'
  /** The caller's AbortSignal fired. */
  | 'ABORTED';

/** Where something was found, what was expected there, what stood there, and what to do. */
export interface ErrorDetails {
  /** Path or URL of the file. */
  file?: string | undefined;
  /** Name of the graph's node. */
  node?: string | undefined;
  /** Name of the tensor or value. */
  tensor?: string | undefined;
  /** What would have been right. */
  expected?: string | undefined;
  /** What was there. */
  found?: string | undefined;
  /** What the reader of the message can do about it. */
  hint?: string | undefined;
  /** Options of `loadModel` that would do it, which the hint leads up to; UNSAID stands for what only its reader knows. */
  options?: Readonly<Record<string, unknown>> | undefined;
  cause?: unknown;
}

/** In options that an error names: what only its reader knows. */
export const UNSAID = '...';

/** The one error class: `code` for programs, `message` for people, the details as fields. */
export class RivuletError extends Error {
  override readonly name = 'RivuletError';
  readonly code: ErrorCode;
  readonly file: string | undefined;
  readonly node: string | undefined;
  readonly tensor: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly hint: string | undefined;
  readonly options: Readonly<Record<string, unknown>> | undefined;
  readonly #what: string;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    super(compose(what, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.#what = what;
    this.file = details.file;
    this.node = details.node;
    this.tensor = details.tensor;
    this.expected = details.expected;
    this.found = details.found;
    this.hint = details.hint;
    this.options = details.options;
  }

  /** The same refusal with the file named: for those who know it, where the thrower did not. */
  inFile(file: string | undefined): RivuletError {
    return file === undefined ? this : this.with({ file });
  }

  /** The same refusal with details added or replaced. */
  with(details: ErrorDetails): RivuletError {
    return new RivuletError(this.code, this.#what, { ...this.toArguments()[2], cause: this.cause, ...details });
  }

  /** What the constructor takes to make it again on another thread: plain data, so without the cause. */
  toArguments(): [code: ErrorCode, what: string, details: ErrorDetails] {
    const { file, node, tensor, expected, found, hint, options } = this;
    return [this.code, this.#what, { file, node, tensor, expected, found, hint, options }];
  }
}

function compose(what: string, d: ErrorDetails): string {
  const where = [d.file, d.node && `node "${d.node}"`, d.tensor && `tensor "${d.tensor}"`].filter(Boolean).join(', ');
  const compared = [d.expected && `expected ${d.expected}`, d.found && `found ${d.found}`].filter(Boolean).join(', ');
  return `${where ? `${where}: ` : ''}${what}${compared ? `: ${compared}` : ''}${d.hint ? `. ${d.hint}` : ''}${d.options ? `: ${inCode(d.options)}` : ''}`;
}

/** Options as they stand between the braces of a call. */
function inCode(options: Readonly<Record<string, unknown>>): string {
  const one = ([name, value]: [string, unknown]) =>
    `${name}: ${JSON.stringify(value).replaceAll(`"${UNSAID}"`, UNSAID)}`;
  return Object.entries(options).map(one).join(', ');
}
