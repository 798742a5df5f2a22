import { availableParallelism } from 'node:os';
import type { Model } from '../index.js';
import { type Context, throwIfInterrupted } from './host.js';
import { modelOptions, modelPath, openStream, readBytes } from './model.js';
import type { Arguments, Options } from './options.js';

/** Streams of one model that advance together. */
export interface Company {
  /** `steps` steps of each: [streams, steps, inputs] -> [streams, steps, outputs], the same bits by any number of threads. */
  run(inputs: Float64Array, steps: number): Promise<Float32Array>;
  dispose(): void;
}

export const WORKERS: Options = {
  workers: {
    value: 'K',
    help: 'Threads that share the sequences; changes no figure (default: one a core where the work is worth it)',
  },
};

/** Multiply-adds under which starting a second thread takes longer than it saves: about a quarter of a second. */
const WORTH = 4e9;

/**
 * `count` streams in the state that `--state` says, over as many threads as `--workers` says.
 * @param rows steps of one stream that are to come, all streams together
 */
export async function openCompany(
  model: Model,
  count: number,
  rows: number,
  args: Arguments,
  context: Context,
): Promise<Company> {
  const isWorth = model.parameterCount * rows > WORTH;
  const asked = args.number('workers', { min: 1, max: 1024, integer: true });
  const workers = Math.min(count, asked ?? (isWorth ? availableParallelism() : 1));
  return workers === 1 ? ofThisThread(model, count, args, context) : ofWorkers(workers, count, args, context);
}

async function ofThisThread(model: Model, count: number, args: Arguments, context: Context): Promise<Company> {
  const first = await openStream(model, args, context);
  const streams = Array.from({ length: count }, (_, i) => (i === 0 ? first : first.clone()));
  return {
    run: async (inputs, steps) => model.runMany(streams, inputs, steps),
    dispose: () => undefined,
  };
}

async function ofWorkers(workers: number, count: number, args: Arguments, context: Context): Promise<Company> {
  const { createPool } = await import('../adapters/pool/index.js');
  const path = await modelPath(args.positionals[0]);
  const pool = await createPool(path, { workers, ...(await modelOptions(args, context)) });
  try {
    const streams = await pool.createStreams(count);
    const state = args.text('state');
    if (state !== undefined) {
      const saved = await readBytes(state, context);
      await Promise.all(streams.map((stream) => stream.restore(saved)));
    }
    throwIfInterrupted(context.signal);
    return {
      run: (inputs, steps) => pool.runMany(streams, inputs, steps),
      dispose: () => pool.dispose(),
    };
  } catch (error) {
    pool.dispose();
    throw error;
  }
}

/** What `work` makes of each item, in order. The next item's is under way while one is looked at. */
export async function* oneAhead<Item, Result>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<{ item: Item; result: Result }, void, void> {
  let ahead: { item: Item; result: Promise<Result> } | undefined;
  for (const item of items) {
    const next = { item, result: work(item) };
    // Its turn to be told of comes later, or never.
    next.result.catch(() => undefined);
    if (ahead) yield { item: ahead.item, result: await ahead.result };
    ahead = next;
  }
  if (ahead) yield { item: ahead.item, result: await ahead.result };
}
