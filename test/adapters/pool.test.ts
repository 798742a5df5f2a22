import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool, type PoolOptions, type PoolStream } from '../../src/adapters/pool/index.js';
import { compact } from '../../src/adapters/pool/rows.js';
import { RivuletError } from '../../src/errors.js';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, type Model } from '../../src/index.js';
import { cell, numbers } from '../support/graphs.js';
import { tinyCharacterModel } from '../support/tiny-model.js';

// The workers run the built script: a thread can't start from TypeScript.
const workerUrl = new URL('../../dist/pool-worker.js', import.meta.url);
const isBuilt = existsSync(workerUrl);
if (!isBuilt) console.warn('pool tests skipped: dist/ is not built (npm run build)');

const INPUTS = 5;
const HIDDEN = 9;
const file = writeNative(cell({ op: 'LSTM', inputs: INPUTS, hidden: HIDDEN }));

const open = (options: PoolOptions = {}) => createPool(file, { workers: 2, workerUrl, ...options });

const refusal = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RivuletError);
  return error as RivuletError;
};

describe.skipIf(!isBuilt)('a pool of two workers', () => {
  let pool: Pool;
  let model: Model;

  beforeAll(async () => {
    [pool, model] = await Promise.all([open(), loadModel(file)]);
  });
  afterAll(() => pool.dispose());

  it('knows its model', () => {
    expect(pool.fingerprint).toBe(model.fingerprint);
    expect(pool.inputs).toEqual(model.inputs);
    expect(pool.outputs).toEqual(model.outputs);
    expect([pool.kernels, pool.stateBytes, pool.workers]).toEqual([model.kernels, model.stateBytes, 2]);
  });

  it('spreads streams over its workers, asked for one after the other or at once', async () => {
    const streams = await Promise.all(Array.from({ length: 10 }, () => pool.createStream()));
    const twins = await Promise.all(streams.slice(0, 4).map((stream) => stream.clone()));
    const counts = (list: PoolStream[]) => [...new Set(list.map(({ link }) => link))].map((link) => link.streams);
    expect(counts(streams)).toHaveLength(2);
    expect(streams.filter(({ link }) => link === streams[0].link)).toHaveLength(5);
    expect(counts([...streams, ...twins]).reduce((sum, count) => sum + count)).toBe(14);
    for (const stream of [...streams, ...twins]) stream.dispose();
    expect(counts(streams)).toEqual([0, 0]);
  });

  it('sends of an array that is a part of a buffer that part alone', () => {
    const whole = new Float32Array(1000);
    const part = whole.subarray(10, 12);
    for (const sent of [compact(part), compact({ x: part }).x, compact({ x: { data: part, shape: [1, 2] } }).x.data]) {
      expect([sent.length, sent.buffer.byteLength]).toEqual([2, 8]);
    }
    expect(compact(whole)).toBe(whole);
    const pooled = Buffer.from('abcdef');
    expect(pooled.buffer.byteLength).toBeGreaterThan(6);
    expect([compact(pooled).buffer.byteLength, String(Buffer.from(compact(pooled)))]).toEqual([6, 'abcdef']);
    const shared = new Float32Array(new SharedArrayBuffer(400)).subarray(0, 2);
    expect(compact(shared)).toBe(shared);
    const loop: Record<string, unknown> = {};
    loop.again = loop;
    expect(() => compact(loop)).not.toThrow();
    expect(compact([1, 2])).toEqual([1, 2]);
  });

  it('refuses what is misused before any stream has moved', async () => {
    const streams = await pool.createStreams(3);
    const before = await Promise.all(streams.map((stream) => stream.save()));
    const x = new Float32Array(3 * INPUTS);
    const bad = Array.from(x) as unknown[];
    bad[4] = null;
    for (const [call, found] of [
      [() => pool.stepMany(streams, x, new Array(3 * HIDDEN).fill(0) as never), 'Array'],
      [() => pool.stepMany(streams, bad as never), 'null'],
      [() => pool.stepMany(streams, undefined as never), 'undefined'],
      [() => pool.stepMany(Promise.resolve(streams) as never, x), 'Promise'],
    ] as const) {
      expect(await refusal(call())).toMatchObject({ code: 'INVALID_INPUT', found });
    }
    expect(await Promise.all(streams.map((stream) => stream.save()))).toEqual(before);
    for (const stream of streams) stream.dispose();
  });

  it('gives the bits of one thread, whatever the order of the streams', async () => {
    const count = 7;
    const blocks = await pool.createStreams(count - 2);
    const streams = [...blocks, await pool.createStream(), await pool.createStream()];
    const twins = streams.map(() => model.createStream());
    const out = new Float32Array(count * HIDDEN);
    for (let call = 0; call < 3; call++) {
      // A new order in each call: 3 has no factor in common with 7.
      const order = streams.map((_, i) => (3 * i + call) % count);
      const inputs = numbers(count * INPUTS, call);
      const all = order.map((i) => streams[i]);
      const expected = model.stepMany(
        order.map((i) => twins[i]),
        inputs,
      );
      expect(await pool.stepMany(all, inputs, out)).toBe(out);
      expect(out).toEqual(expected);
    }
    const inputs = numbers(count * 4 * INPUTS, 9);
    expect(await pool.runMany(streams, inputs, 4)).toEqual(model.runMany(twins, inputs, 4));
    // Numbers of a plain array are rounded as in one thread.
    const plain = Array.from(numbers(INPUTS, 5), (x) => x / 3);
    expect(await streams[0].step(plain)).toEqual(twins[0].step(plain));
    expect(await streams[6].run(inputs.subarray(0, 2 * INPUTS))).toEqual(twins[6].run(inputs.subarray(0, 2 * INPUTS)));
    for (const stream of streams) stream.dispose();
  });

  it('spreads streams evenly, and fills up what was disposed of', async () => {
    const streams = await pool.createStreams(6);
    const workers = streams.map(({ link }) => link);
    expect(new Set(workers).size).toBe(2);
    expect(workers.filter((link) => link === workers[0])).toHaveLength(3);
    for (const stream of streams.slice(0, 3)) stream.dispose();
    const more = await pool.createStreams(3);
    expect(more.every(({ link }) => link === workers[0])).toBe(true);
    for (const stream of [...streams, ...more]) stream.dispose();
  });

  it('saves, restores, clones and resets', async () => {
    const [stream, other] = await pool.createStreams(2);
    const alone = model.createStream();
    const x = numbers(INPUTS, 3);
    await stream.step(x);
    alone.step(x);
    const saved = await stream.save();
    expect(saved).toEqual(alone.save());
    const twin = await stream.clone();
    const next = Float32Array.from(alone.step(x));
    expect(await twin.step(x)).toEqual(next);
    await other.restore(saved);
    expect(await other.step(x)).toEqual(next);
    await other.reset();
    alone.reset();
    expect(await other.step(x)).toEqual(alone.step(x));
    expect((await refusal(other.restore(saved.subarray(1)))).code).toBe('INVALID_SNAPSHOT');
    for (const one of [stream, other, twin]) one.dispose();
  });

  it('refuses bad input in any worker before any stream has moved', async () => {
    const streams = await pool.createStreams(2);
    const before = await Promise.all(streams.map((stream) => stream.save()));
    for (const [at, code] of [
      [Number.NaN, 'NON_FINITE_INPUT'],
      [1e39, 'NON_FINITE_INPUT'],
    ] as const) {
      const inputs = Array.from({ length: 2 * INPUTS }, (_, i) => (i === 2 * INPUTS - 1 ? at : 0.5));
      const error = await refusal(pool.stepMany(streams, inputs));
      expect([error.code, error.tensor]).toEqual([code, model.inputs[0].name]);
    }
    expect((await refusal(pool.stepMany(streams, new Float32Array(3)))).code).toBe('INVALID_INPUT');
    expect((await refusal(pool.stepMany(streams, new Float32Array(10), new Float32Array(1)))).code).toBe(
      'INVALID_INPUT',
    );
    expect((await refusal(pool.stepMany([streams[0], streams[0]], new Float32Array(10)))).message).toContain('twice');
    expect(await Promise.all(streams.map((stream) => stream.save()))).toEqual(before);
    const alone = await refusal(streams[1].step(new Float32Array(1)));
    expect(alone.message).toBe(
      await refusal((async () => model.createStream().step(new Float32Array(1)))()).then(({ message }) => message),
    );
    streams[1].dispose();
    expect((await refusal(pool.stepMany(streams, new Float32Array(10)))).code).toBe('DISPOSED');
    expect((await refusal(streams[1].save())).code).toBe('DISPOSED');
    streams[0].dispose();
  });

  it('follows a list of streams that changes between calls, in place or by name', async () => {
    const streams = await pool.createStreams(4);
    const twins = new Map(streams.map((stream) => [stream, model.createStream()]));
    const bothStep = async (list: readonly PoolStream[], seed: number) => {
      const inputs = numbers(list.length * INPUTS, seed);
      const expected = model.stepMany(
        list.map((stream) => twins.get(stream)!),
        inputs,
      );
      expect(await pool.stepMany(list, inputs)).toEqual(expected);
    };
    const list = [...streams];
    const bad = new Float32Array(4 * INPUTS).fill(Number.NaN);
    // A list that was refused is one that no worker has heard of.
    expect((await refusal(pool.stepMany(list, bad))).code).toBe('NON_FINITE_INPUT');
    await bothStep(list, 1);
    await bothStep([...list], 2);
    [list[0], list[3]] = [list[3], list[0]];
    await bothStep(list, 3);
    await bothStep(streams, 4);
    // One worker's streams alone; the other still has the list before.
    await bothStep(streams.slice(0, 2), 5);
    await bothStep(streams, 6);
    const [fresh, twin] = [await pool.createStream(), model.createStream()];
    twins.set(fresh, twin);
    list[1].dispose();
    expect((await refusal(pool.stepMany(list, bad))).code).toBe('DISPOSED');
    list[1] = fresh;
    await bothStep(list, 7);
    for (const stream of list) stream.dispose();
  });

  it('keeps calls apart that are under way at once', async () => {
    const streams = await pool.createStreams(4);
    const twins = streams.map(() => model.createStream());
    const inputs = Array.from({ length: 5 }, (_, call) => numbers(4 * INPUTS, call));
    const results = await Promise.all(inputs.map((xs) => pool.stepMany(streams, xs)));
    for (const [call, xs] of inputs.entries()) expect(results[call]).toEqual(model.stepMany(twins, xs));
    for (const stream of streams) stream.dispose();
  });
});

describe.skipIf(!isBuilt)('pools of other models', () => {
  it('check tokens before the workers see them', async () => {
    const bytes = tinyCharacterModel();
    const [pool, model] = await Promise.all([createPool(bytes, { workers: 2, workerUrl }), loadModel(bytes)]);
    const streams = await pool.createStreams(2);
    expect((await refusal(pool.stepMany(streams, [1, 99]))).code).toBe('INVALID_INPUT');
    const twins = [model.createStream(), model.createStream()];
    expect(await pool.stepMany(streams, [1, 2])).toEqual(model.stepMany(twins, [1, 2]));
    pool.dispose();
  });

  it('run whole sequences where the model does not stream', async () => {
    const graph = cell({ op: 'GRU', inputs: 3, hidden: 4, attributes: { direction: 'bidirectional' } });
    const bytes = writeNative(graph);
    const [pool, model] = await Promise.all([createPool(bytes, { workers: 1, workerUrl }), loadModel(bytes)]);
    const inputs = { [model.inputs[0].name]: { data: numbers(15, 1), shape: [5, 1, 3] } };
    expect(await pool.run(inputs)).toEqual(model.run(inputs));
    expect((await refusal(pool.createStream())).code).toBe('NOT_STREAMABLE');
    expect((await refusal(pool.stepMany([], []))).code).toBe('INVALID_INPUT');
    pool.dispose();
  });

  it('name what they cannot load', async () => {
    const error = await refusal(createPool(file.subarray(0, 50), { workers: 2, workerUrl, name: 'half.safetensors' }));
    expect([error.code, error.file]).toEqual(['INVALID_FILE', 'half.safetensors']);
    expect((await refusal(open({ workers: 0 }))).code).toBe('INVALID_OPTION');
    expect((await refusal(open({ workerUrl: 'file:///nowhere.js' }))).code).toBe('UNSUPPORTED_HOST');
  });

  it('reject what is under way when they are disposed of, and all that comes later', async () => {
    const pool = await open();
    const [stream] = await pool.createStreams(1);
    const call = refusal(stream.step(new Float32Array(INPUTS)));
    pool.dispose();
    expect((await call).code).toBe('DISPOSED');
    expect(stream.disposed).toBe(true);
    for (const later of [stream.step(new Float32Array(INPUTS)), pool.createStream(), pool.stepMany([], [])]) {
      expect((await refusal(later)).code).toBe('DISPOSED');
    }
    stream.dispose();
  });

  it('names an option that there is not, and a script that is no URL', async () => {
    expect(await refusal(open({ worker: 2 } as never))).toMatchObject({ code: 'INVALID_OPTION', found: 'worker' });
    // A function can't be sent to a worker, and that says nothing of which.
    expect(await refusal(open({ onProgress: () => {} } as never))).toMatchObject({
      message: expect.stringMatching(/createPool: no such option: expected workers, .*, found onProgress/),
    });
    expect(await refusal(open({ workerUrl: 'pool-worker.js' }))).toMatchObject({
      code: 'INVALID_OPTION',
      found: '"pool-worker.js"',
    });
  });
});
