import { RivuletError } from '../../errors.js';
import { readSource, type Source } from '../../io/source.js';
import { checkOptions, shown } from '../../options.js';
import { Channel } from '../../runtime/channel.js';
import type { Port, ShapedArray } from '../../runtime/model.js';
import { gone, WorkerLink } from './link.js';
import type { Facts, Request, Rows, WorkerLoadOptions } from './messages.js';
import { compact, gatherRows, isInteger, RowBuffers, scatterRows, transferred } from './rows.js';
import { PoolStream } from './stream.js';

export interface PoolOptions extends WorkerLoadOptions {
  /** How many workers; by default as many as the host has cores. */
  workers?: number;
  /** Where the workers' script is, where a bundler has moved it: `rivulet/pool-worker`. */
  workerUrl?: string | URL;
}

const OPTIONS = [
  ...(['workers', 'workerUrl', 'kernels', 'nonFinite', 'weights', 'keep', 'architecture', 'unpadded'] as const),
  ...(['files', 'constants', 'shapes', 'states', 'name'] as const),
] as const satisfies readonly (keyof PoolOptions)[];

/**
 * Starts workers and loads a model in each. A path or URL is read by every worker; other sources are read here, once.
 * @throws RivuletError as `loadModel` does, `INVALID_OPTION`, `UNSUPPORTED_HOST` without workers.
 */
export async function createPool(source: Source, options: PoolOptions = {}): Promise<Pool> {
  checkOptions(options, OPTIONS, 'createPool');
  const { workers = await coreCount(), workerUrl = new URL('./pool-worker.js', import.meta.url), ...rest } = options;
  if (!Number.isInteger(workers) || workers < 1 || workers > 1024) {
    throw new RivuletError('INVALID_OPTION', 'workers', { expected: 'a count from 1 to 1024', found: shown(workers) });
  }
  const script = urlOf(workerUrl);
  const sent = await sendable(source);
  const loading = { ...compact(rest), ...(sent.name === undefined ? {} : { name: rest.name ?? sent.name }) };
  const links: WorkerLink[] = [];
  try {
    for (let i = 0; i < workers; i++) links.push(await WorkerLink.start(script));
    const loaded = links.map((link) => link.request<Facts>({ op: 'load', source: sent.source, options: loading }));
    const [facts] = await Promise.all(loaded);
    return new Pool(links, facts, options.nonFinite === 'propagate');
  } catch (error) {
    const ended = new RivuletError('DISPOSED', 'the pool could not be made');
    for (const link of links) link.fail(ended);
    throw error;
  }
}

function urlOf(workerUrl: string | URL): URL {
  try {
    return new URL(workerUrl);
  } catch (cause) {
    throw new RivuletError('INVALID_OPTION', 'workerUrl', { expected: 'a whole URL', found: shown(workerUrl), cause });
  }
}

/** A source as a message carries it: a path, an absolute URL, or bytes. */
async function sendable(source: Source): Promise<{ source: Source; name?: string }> {
  if (source instanceof URL) return { source: source.href };
  if (typeof source === 'string') {
    // A worker's own address is the script's.
    const base = typeof process === 'object' ? undefined : globalThis.location?.href;
    return { source: base === undefined ? source : new URL(source, base).href };
  }
  const { bytes, name } = await readSource(source);
  return { source: compact(bytes), ...(name === undefined ? {} : { name }) };
}

async function coreCount(): Promise<number> {
  if (typeof navigator === 'object' && navigator.hardwareConcurrency) return navigator.hardwareConcurrency;
  // Node 20 has no navigator.
  return (await import('node:os')).availableParallelism();
}

/** One worker's part of a call on many streams, and where their rows stand in the caller's arrays. */
interface Share {
  link: WorkerLink;
  count: number;
  blocks: number[];
  /** The streams' numbers, until the worker has them: it keeps them for the calls that follow. */
  ids: number[] | undefined;
}

/** A model in several workers, and streams spread over them. */
export class Pool {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly parameterCount: number;
  /** Bytes of the weights in each worker's memory. */
  readonly weightBytes: number;
  /** Bytes of one stream's state. */
  readonly stateBytes: number;
  readonly kernels: Facts['kernels'];
  readonly metadata: Facts['metadata'];
  readonly streamable: boolean;
  /** As `model.fingerprint`: snapshots go between pools and models that have the same. */
  readonly fingerprint: string;
  private readonly input: Channel | undefined;
  private readonly output: Channel | undefined;
  private readonly buffers: Map<WorkerLink, RowBuffers>;
  private ended = false;
  private ids = 0;
  private calls = 0;
  /** The streams of the last call, in its order, as most calls are of the same. */
  private roster: { streams: readonly PoolStream[]; shares: Share[] } | undefined;

  /** @internal Use `createPool`. */
  constructor(
    private readonly links: readonly WorkerLink[],
    facts: Facts,
    private readonly anyNumber: boolean,
  ) {
    this.name = facts.name;
    this.inputs = facts.inputs;
    this.outputs = facts.outputs;
    this.parameterCount = facts.parameterCount;
    this.weightBytes = facts.weightBytes;
    this.stateBytes = facts.stateBytes;
    this.kernels = facts.kernels;
    this.metadata = facts.metadata;
    this.streamable = facts.streamable;
    this.fingerprint = facts.fingerprint;
    const [port] = facts.ports;
    if (port && facts.inputs.length === 1 && facts.outputs.length === 1) {
      this.input = new Channel(port);
      const [{ shape, ...output }] = facts.outputs;
      this.output = new Channel({ ...output, shape: [...shape], value: output.name });
    }
    this.buffers = new Map(links.map((link) => [link, new RowBuffers(isInteger(port))]));
  }

  /** How many workers there are. */
  get workers(): number {
    return this.links.length;
  }

  get disposed(): boolean {
    return this.ended;
  }

  /** A new stream in the initial state, in the worker that has the fewest. */
  async createStream(): Promise<PoolStream> {
    const [stream] = await this.createStreams(1);
    return stream;
  }

  /**
   * Many new streams. They come worker by worker: keep their order in `stepMany`, and whole blocks of rows are copied at
   * once. A call on the streams of the call before, in the same order, need not look at each of them again.
   */
  async createStreams(count: number): Promise<PoolStream[]> {
    this.checkLive();
    if (!Number.isInteger(count) || count < 0) {
      throw new RivuletError('INVALID_INPUT', 'count', { expected: 'a count of streams', found: shown(count) });
    }
    const shares = new Map(this.links.map((link) => [link, 0]));
    for (let i = 0; i < count; i++) {
      const link = this.links.reduce((least, one) => (one.streams < least.streams ? one : least));
      shares.set(link, shares.get(link)! + 1);
      // Before it is there: a call that does not wait for this one finds it counted.
      link.streams++;
    }
    const made = [...shares].map(async ([link, share]) => {
      const ids = Array.from({ length: share }, () => this.ids++);
      await this.counted(link, share, { op: 'create', ids });
      return ids.map((id) => new PoolStream(this, link, id));
    });
    const settled = await Promise.allSettled(made);
    const streams = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const refused = settled.find((one) => one.status === 'rejected');
    if (!refused) return streams;
    for (const stream of streams) stream.dispose();
    throw refused.reason;
  }

  /**
   * One step of each of n streams, any set of this pool's, in any order: [n, inputs] -> [n, outputs]. Each gets the bits
   * that it would get alone. Without `out` the result is a new array; leave `out` alone until the promise resolves.
   *
   * @throws RivuletError as `model.stepMany` does, before any stream has moved.
   */
  stepMany(streams: readonly PoolStream[], inputs: ArrayLike<number>, out?: Float32Array): Promise<Float32Array> {
    return this.runMany(streams, inputs, 1, out);
  }

  /** `steps` steps of each of n streams: [n, steps, inputs] -> [n, steps, outputs]. */
  async runMany(
    streams: readonly PoolStream[],
    inputs: ArrayLike<number>,
    steps: number,
    out?: Float32Array,
  ): Promise<Float32Array> {
    this.checkLive();
    if (!Number.isInteger(steps) || steps < 0) {
      throw new RivuletError('INVALID_INPUT', 'steps', { expected: 'a count', found: shown(steps) });
    }
    const { input, output } = this;
    if (!input || !output) {
      throw new RivuletError('INVALID_INPUT', 'this model does not run streams side by side', {
        found: this.streamable ? 'several inputs or outputs' : 'a model of whole sequences',
        hint: this.streamable ? 'Step its streams one by one with records' : 'Use pool.run',
      });
    }
    // All here, not in the workers: one must not refuse what the others have done.
    const shares = this.sharesOf(streams);
    const rows = streams.length * steps;
    input.checkLength(inputs, rows * input.port.size, 'input');
    input.checkNumbers(inputs);
    input.checkTokens(inputs);
    const result = out ?? new Float32Array(rows * output.port.size);
    output.checkOut(result, rows * output.port.size);
    if (!this.anyNumber) input.checkFinite(inputs);
    const typed = inputs instanceof Float32Array || inputs instanceof Float64Array;
    const numbers = typed ? inputs : Float64Array.from(inputs);
    const width = steps * input.port.size;
    await Promise.all(shares.map((share) => this.runShare(share, steps, numbers, width, result)));
    return result;
  }

  /** The whole graph at once on whole sequences, in the worker that is least busy; see `model.run`. */
  async run(inputs: Readonly<Record<string, ShapedArray>>): Promise<Record<string, ShapedArray<Float32Array>>> {
    this.checkLive();
    const free = this.links.reduce((least, link) => (link.busy < least.busy ? link : least));
    return free.request({ op: 'whole', inputs: compact(inputs) });
  }

  /** Ends the workers. Calls that have not come back are rejected with `DISPOSED`. */
  dispose(): void {
    this.ended = true;
    const error = gone();
    for (const link of this.links) link.fail(error);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  async cloneOf({ link, id }: PoolStream): Promise<PoolStream> {
    const twin = this.ids++;
    link.streams++;
    await this.counted(link, 1, { op: 'clone', id: twin, from: id });
    return new PoolStream(this, link, twin);
  }

  /** A request for `count` streams that are counted already, and no more where it fails. */
  private async counted(link: WorkerLink, count: number, request: Request): Promise<void> {
    try {
      await link.request(request);
    } catch (error) {
      link.streams -= count;
      throw error;
    }
  }

  /** @internal A stream was disposed of: the next call looks at each of its streams anew. */
  forgetRoster(): void {
    this.roster = undefined;
  }

  private async runShare(
    share: Share,
    steps: number,
    inputs: Float32Array | Float64Array,
    width: number,
    result: Float32Array,
  ): Promise<void> {
    const { link, count, blocks } = share;
    const buffers = this.buffers.get(link)!;
    const outputWidth = steps * this.outputs[0].size;
    const rows = buffers.take(count * width, count * outputWidth);
    gatherRows(rows.input, inputs, blocks, width);
    const ids = share.ids && Int32Array.from(share.ids);
    share.ids = undefined;
    const back = await link.request<Rows>({ op: 'many', ids, steps, rows }, transferred(rows));
    scatterRows(result, back.output, blocks, outputWidth);
    buffers.give(back);
  }

  /** The streams by worker. */
  private sharesOf(streams: readonly PoolStream[]): Share[] {
    if (!Array.isArray(streams as unknown)) {
      throw new RivuletError('INVALID_INPUT', 'streams', {
        expected: 'a list of streams, awaited',
        found: shown(streams),
      });
    }
    const { roster } = this;
    const all = streams.length;
    if (roster && areSame(roster.streams, streams)) return roster.shares;
    const call = ++this.calls;
    for (let i = 0; i < all; i++) {
      const stream = streams[i];
      if (stream?.pool !== this) {
        throw new RivuletError('INVALID_INPUT', `stream ${i} is of another pool`, {
          expected: `streams of this pool of "${this.name}"`,
          found: stream?.pool ? `one of a pool of "${stream.pool.name}"` : shown(stream),
        });
      }
      stream.checkLive(i);
      if (stream.mark === call) {
        throw new RivuletError('INVALID_INPUT', `stream ${i} is given twice`, { expected: 'each stream once' });
      }
      stream.mark = call;
    }
    const shares = new Map<WorkerLink, Share>();
    for (let i = 0; i < all; ) {
      const { link } = streams[i];
      const share = shares.get(link) ?? { link, count: 0, blocks: [], ids: [] };
      shares.set(link, share);
      const first = i;
      for (; i < all && streams[i].link === link; i++) share.ids!.push(streams[i].id);
      share.blocks.push(first, i - first);
      share.count += i - first;
    }
    this.roster = { streams: streams.slice(), shares: [...shares.values()] };
    return this.roster.shares;
  }

  private checkLive(): void {
    if (this.ended) throw gone();
  }
}

function areSame(some: readonly PoolStream[], others: readonly PoolStream[]): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}
