import { readFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, loadModelSync, RivuletError } from '../../src/index.js';
import { evaluateReference } from '../../src/ops/references.js';
import { fingerprintOf } from '../../src/runtime/hash.js';
import { fixturePath, largestDifference, sameBits } from '../support/fixtures.js';
import { cell, filterWithStates, floats, graphOf, node, numbers, value } from '../support/graphs.js';
import { tinyCharacterModel } from '../support/tiny-model.js';
import { TOLERANCES } from '../support/tolerances.js';

const refused = (code: string) => expect.objectContaining({ constructor: RivuletError, code });

/** Two inputs side by side into a GRU under two heads. */
const forked = () =>
  graphOf({
    inputs: [value('sound', ['T', 'N', 3]), value('level', ['T', 'N', 1])],
    outputs: [value('speech', ['T', 'N', 1]), value('features', ['T', 'N', 2])],
    nodes: [
      node('Concat', ['sound', 'level'], 'both', { axis: 2 }),
      node('GRU', ['both', 'W', 'R'], 'all', { linear_before_reset: 1 }),
      node('Squeeze', ['all'], 'hidden', { axes: [1] }),
      node('Gemm', ['hidden', 'a', 'bias'], 'logit', { transB: 1 }),
      node('Sigmoid', ['logit'], 'speech'),
      node('MatMul', ['hidden', 'b'], 'features'),
    ],
    tensors: [
      floats('W', [1, 15, 4], { seed: 1, scale: 2 }),
      floats('R', [1, 15, 5], { seed: 2, scale: 2 }),
      floats('a', [1, 5], { seed: 3 }),
      floats('bias', [1], { seed: 4 }),
      floats('b', [5, 2], { seed: 5 }),
    ],
  });

describe('records by name', () => {
  const T = 7;
  const sound = numbers(T * 3, 1);
  const level = numbers(T, 2);

  it.each(['simd', 'scalar'] as const)('%s: step, run and the whole graph agree, and with float64', async (kernels) => {
    const model = await loadModel(writeNative(forked()), { kernels });
    const expected = evaluateReference(forked(), {
      sound: { shape: [T, 1, 3], data: Float64Array.from(sound) },
      level: { shape: [T, 1, 1], data: Float64Array.from(level) },
    });
    const whole = model.run({ sound: { data: sound, shape: [T, 1, 3] }, level: { data: level, shape: [T, 1, 1] } });
    const run = model.createStream().run({ sound, level });
    const stream = model.createStream();
    const out = { speech: new Float32Array(1), features: new Float32Array(2) };
    for (const name of ['speech', 'features']) {
      expect(largestDifference(whole[name].data, expected[name].data)).toBeLessThan(TOLERANCES.float32);
      expect(sameBits(run[name], whole[name].data)).toBe(true);
    }
    for (let t = 0; t < T; t++) {
      const record = { sound: sound.subarray(3 * t, 3 * t + 3), level: level[t] };
      if (t % 2) expect(stream.step(record, out)).toBe(out);
      const result = t % 2 ? out : stream.step(record);
      expect(sameBits(result.speech, run.speech.subarray(t, t + 1))).toBe(true);
      expect(sameBits(result.features, run.features.subarray(2 * t, 2 * t + 2))).toBe(true);
    }
  });

  it('names that are missing or unknown, and arrays without names, are refused', async () => {
    const model = await loadModel(writeNative(forked()));
    const stream = model.createStream();
    const before = stream.save();
    const x = [1, 2, 3];
    for (const call of [
      () => stream.step({ sound: x }),
      () => stream.step({ sound: x, level: 1, other: 1 }),
      () => stream.step({ sound: x, level: [1, 2] }),
      () => stream.step({ sound: x, level: 1 }, { speech: new Float32Array(1) }),
      () => stream.step({ sound: x, level: 1 }, { speech: new Float32Array(1), features: new Float32Array(1) }),
      () => stream.step(x),
      () => stream.run({ sound: x, level: [1, 2] }),
      () => model.stepMany([stream], x),
      () => model.run({ sound: { data: x, shape: [1, 1, 3] } }),
      () => model.run({ sound: { data: x, shape: [1, 1, 3] }, level: { data: [1, 2], shape: [2, 1, 1] } }),
      () => model.run({ sound: { data: x, shape: [1, 3] }, level: { data: [1], shape: [1, 1, 1] } }),
      () => model.run({ sound: { data: x, shape: [2, 1, 3] }, level: { data: [1, 2], shape: [2, 1, 1] } }),
      () => model.run({ sound: { data: [], shape: [0, 1, 3] }, level: { data: [], shape: [0, 1, 1] } }),
      () =>
        model.run({
          ...forked(),
          sound: { data: x, shape: [1, 1, 3] },
          level: { data: [1], shape: [1, 1, 1] },
        } as never),
    ]) {
      expect(call, String(call)).toThrow(refused('INVALID_INPUT'));
      expect(stream.save()).toEqual(before);
    }
  });

  it('explicit states are carried from step to step as float64 carries them', async () => {
    const graph = filterWithStates();
    const model = await loadModel(writeNative(graph));
    const stream = model.createStream();
    const start = new Float32Array(graph.tensors.get('start')!.bytes.buffer);
    let states: Record<string, { shape: number[]; data: Float64Array }> = {
      memory: { shape: [1, 1, 4], data: new Float64Array(4) },
      h: { shape: [1, 1, 5], data: Float64Array.from(start) },
    };
    for (let t = 0; t < 9; t++) {
      const x = numbers(4, t);
      const all = evaluateReference(graph, { x: { shape: [1, 1, 4], data: Float64Array.from(x) }, ...states });
      expect(largestDifference(stream.step(x), all.y.data)).toBeLessThan(TOLERANCES.float32);
      states = { memory: all['memory+'], h: all['h+'] };
    }
  });

  it('a state that is an output by itself comes out as it was before the step', async () => {
    const graph = graphOf({
      inputs: [value('x', [1, 2])],
      outputs: [value('before', [1, 2]), value('after', [1, 2])],
      nodes: [node('Add', ['x', 'before'], 'after')],
      states: [{ input: 'before', output: 'after', type: 'float32', shape: [1, 2] }],
    });
    const stream = (await loadModel(writeNative(graph))).createStream();
    expect([...stream.step({ x: [1, 2] }).before]).toEqual([0, 0]);
    expect([...stream.step({ x: [1, 2] }).before]).toEqual([1, 2]);
    expect([...stream.step({ x: [1, 2] }).after]).toEqual([3, 6]);
  });
});

describe('what is not finite', () => {
  it('goes through, and into the state, where asked for', async () => {
    const bytes = writeNative(cell({ op: 'GRU', inputs: 2, hidden: 3, attributes: { linear_before_reset: 1 } }));
    const model = await loadModel(bytes, { nonFinite: 'propagate' });
    const stream = model.createStream();
    expect([...stream.step([Number.NaN, 1])].every(Number.isNaN)).toBe(true);
    expect([...stream.step([0, 1])].every(Number.isNaN)).toBe(true);
    stream.reset();
    expect([...stream.step([Number.POSITIVE_INFINITY, 1])].some(Number.isNaN)).toBe(false);
    await expect(loadModel(bytes, { nonFinite: 'ignore' as never })).rejects.toThrow(refused('INVALID_OPTION'));
  });

  it('goes through in tokens never', async () => {
    const model = await loadModel(tinyCharacterModel(), { nonFinite: 'propagate' });
    expect(() => model.createStream().step(Number.NaN)).toThrow(refused('INVALID_INPUT'));
  });
});

describe('what was disposed of', () => {
  it('refuses every call', async () => {
    const model = await loadModel(tinyCharacterModel());
    const other = await loadModel(tinyCharacterModel());
    const stream = model.createStream();
    const stays = model.createStream();
    expect(() => model.stepMany([other.createStream()], [1])).toThrow(refused('INVALID_INPUT'));
    stream.dispose();
    stream[Symbol.dispose]();
    const calls = [
      () => stream.step(1),
      () => stream.run([1]),
      () => stream.reset(),
      () => stream.save(),
      () => stream.restore(stays.save()),
      () => stream.clone(),
      () => model.stepMany([stays, stream], [1, 1]),
    ];
    for (const call of calls) expect(call).toThrow(refused('DISPOSED'));
    expect([stream.disposed, stays.disposed]).toEqual([true, false]);
    // The slot went back once: two new streams do not share it.
    const [a, b] = [model.createStream(), model.createStream()];
    const y = a.step(3).slice();
    b.step(4);
    expect(sameBits(a.step(3), y)).toBe(false);
    a.reset();
    expect(sameBits(a.step(3), y)).toBe(true);
    model.dispose();
    for (const call of [
      () => stays.step(1),
      () => model.createStream(),
      () => model.stepMany([], []),
      () => model.run({}),
    ]) {
      expect(call).toThrow(refused('DISPOSED'));
    }
    expect(stays.disposed).toBe(true);
  });
});

describe('memory', () => {
  it.each(['lstm-5-7', 'gru-explicit-state-initial'])('a loaded model does not keep its file: %s', async (name) => {
    const module = await WebAssembly.compile(readFileSync(new URL('../../build/kernels/simd.wasm', import.meta.url)));
    const load = () => {
      const file = new Uint8Array(readFileSync(fixturePath(name)));
      return { model: loadModelSync(file, { kernels: module }), file: new WeakRef(file.buffer) };
    };
    const { model, file } = load();
    // A WeakRef holds its target until the job that made it has ended.
    for (let i = 0; i < 10 && file.deref(); i++) {
      await new Promise((resolve) => setTimeout(resolve));
      globalThis.gc!();
    }
    expect(file.deref()).toBeUndefined();
    expect(model.parameterCount).toBeGreaterThan(0);
  });

  it('ten thousand streams take ten thousand states, and give their places back', async () => {
    const graph = cell({ op: 'LSTM', inputs: 8, hidden: 64 });
    const model = await loadModel(writeNative(graph));
    // The arena is the model's own affair; how it grows is not.
    const { arena } = (model as unknown as { engine: { arena: { used: number; memory: WebAssembly.Memory } } }).engine;
    expect(model.stateBytes).toBe(512);
    const before = arena.used;
    const streams = Array.from({ length: 10_000 }, () => model.createStream());
    const grown = arena.used - before;
    expect(grown).toBeGreaterThanOrEqual(10_000 * model.stateBytes - 64 * model.stateBytes);
    expect(grown).toBeLessThan(1.15 * 10_000 * model.stateBytes);
    const x = numbers(8 * 10_000, 1);
    const y = model.stepMany(streams, x);
    for (const s of [0, 1, 63, 64, 5000, 9999]) {
      using alone = model.createStream();
      expect(sameBits(y.subarray(64 * s, 64 * s + 64), alone.step(x.slice(8 * s, 8 * s + 8)))).toBe(true);
    }
    const used = arena.used;
    const bytes = arena.memory.buffer.byteLength;
    for (let i = 0; i < 50_000; i++) {
      const at = (i * 7919) % streams.length;
      streams[at].dispose();
      streams[at] = model.createStream();
    }
    for (const stream of streams) stream.dispose();
    for (let i = 0; i < 10_000; i++) streams[i] = model.createStream();
    for (let i = 0; i < 100; i++) model.run({ x: { data: x.subarray(0, 80), shape: [2, 5, 8] } });
    expect([arena.used, arena.memory.buffer.byteLength]).toEqual([used, bytes]);
  });

  it('a million steps allocate nothing', async () => {
    const model = await loadModel(writeNative(cell({ op: 'LSTM', inputs: 1, hidden: 4 })));
    const named = await loadModel(writeNative(forked()));
    const characters = await loadModel(tinyCharacterModel());
    const [plain, records, tokens] = [model.createStream(), named.createStream(), characters.createStream()];
    const x = Float32Array.of(0.25);
    const out = new Float32Array(4);
    const record = { sound: Float32Array.of(1, 2, 3), level: x };
    const loops: Record<string, (n: number) => void> = {
      array: (n) => {
        for (let i = 0; i < n; i++) plain.step(x);
      },
      'array and destination': (n) => {
        for (let i = 0; i < n; i++) plain.step(x, out);
      },
      token: (n) => {
        for (let i = 0; i < n; i++) tokens.step(i & 3);
      },
      records: (n) => {
        for (let i = 0; i < n; i++) records.step(record);
      },
    };
    for (const [name, loop] of Object.entries(loops)) {
      let collections = 0;
      const observer = new PerformanceObserver((list) => {
        collections += list.getEntries().length;
      });
      const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
      // The engine compiles beside the loop, and code that it has not compiled yet makes an object of every number it
      // reads: what counts is where it settles, the best of five times a million steps.
      let best = { grown: Number.POSITIVE_INFINITY, collections: 0 };
      for (let attempt = 0; attempt < 5 && best.grown > 200_000; attempt++) {
        loop(50_000);
        await pause();
        globalThis.gc!();
        await pause();
        collections = 0;
        observer.observe({ entryTypes: ['gc'] });
        const before = process.memoryUsage().heapUsed;
        loop(1_000_000);
        const grown = process.memoryUsage().heapUsed - before;
        await pause();
        observer.disconnect();
        if (grown >= 0 && grown < best.grown) best = { grown, collections };
      }
      // One object a step would be at least twelve million bytes, and collected several times.
      expect(best.grown, name).toBeLessThan(1_000_000);
      expect(best.collections, name).toBe(0);
    }
  });
});

describe('loading', () => {
  const path = fixturePath('lstm-5-7');
  const bytes = new Uint8Array(readFileSync(path));
  const module = () => new WebAssembly.Module(readFileSync(new URL('../../build/kernels/simd.wasm', import.meta.url)));

  it('takes a path, a URL, a Blob, a Response, an ArrayBuffer and typed arrays', async () => {
    const buffer = bytes.slice().buffer;
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const sources = [
      path,
      pathToFileURL(path),
      new Blob([bytes]),
      new Response(bytes),
      buffer,
      bytes,
      new DataView(buffer),
      shifted.subarray(3),
    ];
    const fingerprints = new Set<string>();
    for (const source of sources) fingerprints.add((await loadModel(source as never)).fingerprint);
    expect(fingerprints.size).toBe(1);
    expect([...fingerprints][0]).toMatch(/^[0-9a-f]{16}$/);
  });

  it('reports progress and stops when told to', async () => {
    const seen: number[] = [];
    await loadModel(path, { onProgress: ({ loaded }) => seen.push(loaded) });
    expect(seen.at(-1)).toBe(bytes.length);
    await expect(loadModel(path, { signal: AbortSignal.abort() })).rejects.toThrow(refused('ABORTED'));
  });

  it('refuses what it cannot read before the first kernels are compiled, without an unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listener);
    try {
      vi.resetModules();
      const fresh = await import('../../src/index.js');
      await expect(fresh.loadModel(5 as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      await expect(fresh.loadModel('no such file')).rejects.toMatchObject({ code: 'IO' });
      await new Promise((resolve) => setTimeout(resolve));
    } finally {
      process.off('unhandledRejection', listener);
    }
    expect(unhandled).toEqual([]);
  });

  it('at once from bytes and a compiled module, with the same bits', async () => {
    const model = loadModelSync(bytes, { kernels: module() });
    const other = await loadModel(path, { kernels: module() });
    const auto = await loadModel(path);
    expect([model.kernels, other.kernels, auto.kernels]).toEqual(['simd', 'simd', 'simd']);
    const x = numbers(5, 1);
    const [a, b, c] = [model, other, auto].map((one) => one.createStream().run({ [one.inputs[0].name]: x }));
    for (const name of model.outputs.map((port) => port.name)) {
      expect(sameBits(a[name], b[name])).toBe(true);
      expect(sameBits(a[name], c[name])).toBe(true);
    }
    expect(loadModelSync(bytes.slice().buffer, { kernels: module() }).fingerprint).toBe(model.fingerprint);
  });

  it('refuses kernels that are none', async () => {
    const empty = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    await expect(loadModel(path, { kernels: empty })).rejects.toThrow(refused('INVALID_OPTION'));
    await expect(loadModel(path, { kernels: 'avx' as never })).rejects.toThrow(refused('INVALID_OPTION'));
    expect(() => loadModelSync(bytes, { kernels: empty })).toThrow(refused('INVALID_OPTION'));
    for (const kernels of [undefined, 'simd'])
      expect(() => loadModelSync(bytes, { kernels } as never)).toThrow(refused('INVALID_OPTION'));
    expect(() => loadModelSync(bytes, undefined as never)).toThrow(refused('INVALID_OPTION'));
  });

  it('names the file and the node of what it refuses', async () => {
    const bad = writeNative(
      graphOf({
        inputs: [value('x', ['T', 'N', 2])],
        outputs: [value('y', ['T', 'N', 2])],
        nodes: [node('Fourier', ['x'], 'y')],
      }),
    );
    await expect(loadModel(bad, { name: 'bad.safetensors' })).rejects.toThrow(
      expect.objectContaining({ file: 'bad.safetensors', node: 'y', code: 'UNSUPPORTED_OPERATOR' }),
    );
    await expect(loadModel(new Uint8Array(100))).rejects.toThrow(RivuletError);
  });
});

describe('what a model says of itself', () => {
  it('its ports, sizes, build and table', async () => {
    const model = await loadModel(tinyCharacterModel(8), { kernels: 'scalar' });
    expect(model.inputs).toEqual([{ name: 'tokens', type: 'int64', shape: ['T', 'N'], size: 1 }]);
    expect(model.outputs).toEqual([{ name: 'logits', type: 'float32', shape: ['T', 'N', 7], size: 7 }]);
    // Embedding 7 x 5, LSTM 32 x (5 + 8) + 64, head 8 x 7 + 7.
    expect(model.parameterCount).toBe(35 + 32 * 13 + 64 + 63);
    expect([model.kernels, model.stateBytes, model.streamable]).toEqual(['scalar', 128, true]);
    expect(model.weightBytes).toBeGreaterThan(4 * (model.parameterCount - 32));
    expect(model.metadata.vocabulary).toContain('a');
    expect(model.summary()).toMatchInlineSnapshot(`
      "Model "tiny"
      Layer     Operator      Output shape  Parameters
      ------------------------------------------------
      embedded  Gather        [T, N, 5]             35
      lstm0     LSTM          [T, 1, N, 8]         480
      hidden    Squeeze       [T, N, 8]              0
      product   MatMul + Add  [T, N, 7]             63
      ------------------------------------------------
      Inputs     tokens int64 [T, N]
      Outputs    logits float32 [T, N, 7]
      Parameters 578
      Weights    2,560 bytes in memory
      State      128 bytes a stream"
    `);
  });

  it('its plan, as data that can be printed', async () => {
    const plan = (await loadModel(tinyCharacterModel(8))).plan();
    expect(plan.calls.map(({ kernel }) => kernel)).toEqual(['gather', 'lstm', 'linear']);
    expect(JSON.parse(JSON.stringify(plan.calls))).toEqual(plan.calls);
    expect(JSON.parse(JSON.stringify(plan.values))).toEqual(plan.values);
  });

  it('that it needs the future', async () => {
    const model = await loadModel(fixturePath('lstm-3-5-bidirectional'));
    expect(model.streamable).toBe(false);
    expect(() => model.createStream()).toThrow(refused('NOT_STREAMABLE'));
    expect(() => model.stepMany([], [])).toThrow(refused('NOT_STREAMABLE'));
  });

  it('the order of attributes in a file is no part of a model', async () => {
    const graph = cell({ op: 'GRU', inputs: 2, hidden: 3, attributes: { linear_before_reset: 1, clip: 2 } });
    const turned = {
      ...graph,
      nodes: graph.nodes.map((one) => ({
        ...one,
        attributes: Object.fromEntries(Object.entries(one.attributes).reverse()),
      })),
    };
    expect(Object.keys(turned.nodes[0].attributes)).not.toEqual(Object.keys(graph.nodes[0].attributes));
    expect(fingerprintOf(turned)).toEqual(fingerprintOf(graph));
    // What writes a native file sorts them.
    const [high, low] = fingerprintOf(turned).map((word) => word.toString(16).padStart(8, '0'));
    expect((await loadModel(writeNative(turned))).fingerprint).toBe(high + low);
  });

  it('two models of the same weights share snapshots, of other weights not', async () => {
    const [a, b, c] = await Promise.all(
      [tinyCharacterModel(8), tinyCharacterModel(8), tinyCharacterModel(9)].map((one) => loadModel(one)),
    );
    expect(a.fingerprint).toBe(b.fingerprint);
    expect(a.fingerprint).not.toBe(c.fingerprint);
    const stream = a.createStream();
    stream.step(1);
    const other = b.createStream();
    other.restore(stream.save());
    expect(sameBits(other.step(2), stream.step(2))).toBe(true);
  });
});
