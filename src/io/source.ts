import type { Stats } from 'node:fs';
import { RivuletError } from '../errors.js';

/** What can be read. In Node a string is a path, unless it begins as a URL does; elsewhere it is a URL. */
export type Source = string | URL | Response | Blob | ArrayBuffer | ArrayBufferView;

/** How far a read has come, in bytes. `total` is absent where the sender does not say. */
export interface Progress {
  loaded: number;
  total?: number;
}

export interface ReadOptions {
  /** Called after each piece that arrives; bytes in memory already are not reported. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** When it fires, the read stops and rejects with `ABORTED`. */
  signal?: AbortSignal | undefined;
}

/** The most bytes that a source may have: 2 GiB - 1, what every host can hold in one array. */
const MAX_SOURCE_BYTES = 2 ** 31 - 1;

const FILE_PIECE = 1 << 20;
/** What is read of a file past the length that it was said to have, to see that nothing follows. */
const PROBE = 1 << 12;

/** The bytes of a source. */
export interface ReadSource {
  bytes: Uint8Array;
  /** Its path, URL or file name, where it has one. */
  name?: string;
  /** The path or URL that it was read from, where there is one: other files may lie beside it. */
  location?: string;
}

/**
 * All bytes of a source, and where they came from.
 *
 * Bytes in memory are returned as a view, not a copy: leave them unchanged while the result is in use.
 *
 * @throws RivuletError `IO` (no such file, a network failure, an HTTP status that is not a success), `ABORTED`,
 *   `LIMIT_EXCEEDED` (more than {@link MAX_SOURCE_BYTES}), `INVALID_INPUT` (not a source), `UNSUPPORTED_HOST`.
 */
export async function readSource(source: Source, options: ReadOptions = {}): Promise<ReadSource> {
  throwIfAborted(options.signal);
  if (source instanceof ArrayBuffer) return { bytes: new Uint8Array(source) };
  if (ArrayBuffer.isView(source)) {
    return { bytes: new Uint8Array(source.buffer, source.byteOffset, source.byteLength) };
  }
  if (typeof source === 'string' || source instanceof URL) {
    const url = urlOf(source);
    if (url === undefined) return located(String(source), await readFile(source as string, String(source), options));
    if (/^file:/i.test(url)) return located(url, await readFile(new URL(url), url, options));
    return located(url, await readUrl(url, options));
  }
  if (typeof Response !== 'undefined' && source instanceof Response) {
    const bytes = await readResponse(source, source.url || 'response', options);
    return source.url ? located(source.url, bytes) : { bytes };
  }
  if (typeof Blob !== 'undefined' && source instanceof Blob) {
    const name = 'name' in source && typeof source.name === 'string' ? source.name : undefined;
    const bytes = await readStream(source.stream(), name ?? 'blob', source.size, options);
    return name === undefined ? { bytes } : { bytes, name };
  }
  throw new RivuletError('INVALID_INPUT', 'Not something to read from', {
    expected: 'a path, URL, Response, Blob, ArrayBuffer or typed array',
    found: source === null ? 'null' : typeof source,
  });
}

const located = (location: string, bytes: Uint8Array): ReadSource => ({ bytes, name: location, location });

function runsInNode(): boolean {
  return typeof process !== 'undefined' && typeof process.versions?.node === 'string';
}

/** The URL that a string or URL names, or undefined for a path. A colon alone makes no URL: paths may have them. */
function urlOf(source: string | URL): string | undefined {
  if (source instanceof URL) return source.href;
  if (/^(https?|file|data|blob):/i.test(source)) return source;
  return runsInNode() ? undefined : source;
}

async function readUrl(url: string, options: ReadOptions): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, options.signal ? { signal: options.signal } : {});
  } catch (cause) {
    throwIfAborted(options.signal);
    throw new RivuletError('IO', 'Fetching failed', { file: url, cause, found: reasonOf(cause) });
  }
  return readResponse(response, url, options);
}

async function readResponse(response: Response, name: string, options: ReadOptions): Promise<Uint8Array> {
  if (!response.ok) {
    await response.body?.cancel().catch(() => undefined);
    throw new RivuletError('IO', 'The server refused', {
      file: name,
      expected: 'HTTP status 200',
      found: `${response.status} ${response.statusText}`.trim(),
    });
  }
  if (response.bodyUsed || response.body?.locked) {
    throw new RivuletError('INVALID_INPUT', 'The body of this Response was read before', {
      file: name,
      hint: 'Pass a fresh Response, or response.clone() made before the first read',
    });
  }
  // With a content encoding the length counts compressed bytes, while the stream gives the bytes within.
  const length = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  const total = length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
  return response.body ? readStream(response.body, name, total, options) : new Uint8Array(0);
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  name: string,
  total: number | undefined,
  { onProgress, signal }: ReadOptions,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel(signal?.reason).catch(() => undefined);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const pieces = new Pieces(name, total);
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        throwIfAborted(signal);
        throw ioError(cause, name);
      });
      throwIfAborted(signal);
      if (done) return pieces.join();
      pieces.add(value);
      onProgress?.(pieces.progress());
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
    // Does nothing to a stream that has ended; lets go of one that was left.
    cancel();
  }
}

async function readFile(path: string | URL, name: string, { onProgress, signal }: ReadOptions): Promise<Uint8Array> {
  if (!runsInNode()) {
    throw new RivuletError('UNSUPPORTED_HOST', 'No file system here', {
      file: name,
      hint: 'Pass an http(s) URL, a Blob or bytes',
    });
  }
  // At once where Node has that (20.16, 22.3); by `import` it takes a new process 3 to 6 ms, and so does node:fs/promises.
  const fs =
    process.getBuiltinModule?.('node:fs') ?? (await import(/* webpackIgnore: true */ /* @vite-ignore */ 'node:fs'));
  const called = <T>(start: (done: (error: unknown, result?: T) => void) => void): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      start((error, result) => (error ? reject(error) : resolve(result as T)));
    }).catch((cause) => {
      throw ioError(cause, name);
    });
  const file = await called<number>((done) => fs.open(path, done));
  try {
    const stat = await called<Stats>((done) => fs.fstat(file, done));
    // Pipes and devices have no size that can be known.
    const pieces = new Pieces(name, stat.isFile() ? stat.size : undefined);
    for (;;) {
      const room = pieces.room();
      const bytesRead = await called<number>((done) => fs.read(file, room, 0, room.length, null, done));
      throwIfAborted(signal);
      if (bytesRead === 0) return pieces.join();
      pieces.add(room.subarray(0, bytesRead));
      onProgress?.(pieces.progress());
    }
  } finally {
    await called<void>((done) => fs.close(file, (error) => done(error)));
  }
}

/** Bytes as they arrive: written in place where the total was announced and is right, otherwise kept and joined. */
class Pieces {
  private whole: Uint8Array;
  private loaded = 0;

  constructor(
    private readonly name: string,
    private readonly total: number | undefined,
  ) {
    this.checkLimit(total ?? 0);
    // An announced length is a claim: beyond this much, memory for it is taken as bytes arrive.
    this.whole = new Uint8Array(Math.min(total ?? FILE_PIECE, 64 * FILE_PIECE));
  }

  /** Where the next bytes may be read into: their place, while there is some, or else memory of their own. */
  room(): Uint8Array {
    const { whole, loaded } = this;
    return loaded < whole.length ? whole.subarray(loaded, loaded + FILE_PIECE) : new Uint8Array(PROBE);
  }

  /** Takes a piece, which may be one that lies in its `room` already. */
  add(piece: Uint8Array): void {
    const end = this.loaded + piece.length;
    this.checkLimit(end);
    if (end > this.whole.length) {
      const doubled = Math.min(Math.max(end, 2 * this.whole.length), MAX_SOURCE_BYTES);
      const grown = new Uint8Array(
        this.total !== undefined && this.total >= end ? Math.min(doubled, this.total) : doubled,
      );
      grown.set(this.whole.subarray(0, this.loaded));
      this.whole = grown;
    }
    if (piece.buffer !== this.whole.buffer) this.whole.set(piece, this.loaded);
    this.loaded = end;
  }

  progress(): Progress {
    return this.total === undefined ? { loaded: this.loaded } : { loaded: this.loaded, total: this.total };
  }

  join(): Uint8Array {
    return this.loaded === this.whole.length ? this.whole : this.whole.slice(0, this.loaded);
  }

  private checkLimit(length: number): void {
    if (length <= MAX_SOURCE_BYTES) return;
    throw new RivuletError('LIMIT_EXCEEDED', 'Too large to read', {
      file: this.name,
      expected: `at most ${MAX_SOURCE_BYTES} bytes`,
      found: `${length}`,
    });
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RivuletError('ABORTED', 'Reading was aborted', { cause: signal.reason });
}

function ioError(cause: unknown, name: string): RivuletError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return new RivuletError('IO', 'No such file', { file: name, cause });
  if (code === 'EISDIR')
    return new RivuletError('IO', 'Is a directory', { file: name, cause, hint: 'Name a file in it' });
  return new RivuletError('IO', 'Reading failed', { file: name, cause, found: reasonOf(cause) });
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message;
}
