import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, loadModelSync, RivuletError } from '../../src/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import { Hash } from '../../src/runtime/hash.js';
import { sameBits } from '../support/fixtures.js';
import { cell, floats, graphOf, integers, node, numbers, value } from '../support/graphs.js';

const refused = (code: string, ...parts: string[]) =>
  expect.objectContaining({
    constructor: RivuletError,
    code,
    message: expect.stringMatching(
      new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')),
    ),
  });

const load = (inputs = 1, hidden = 20) => loadModel(writeNative(cell({ op: 'RNN', inputs, hidden })));
const engineOf = (model: unknown) => (model as { engine: Engine }).engine;

describe('what is not a number', () => {
  it.each<[unknown, string]>([
    [null, 'null'],
    [true, 'true'],
    ['0.1', '"0.1"'],
    [undefined, 'undefined'],
    [1n, '1n'],
  ])('%s is refused in an array, and the state stays', async (bad, found) => {
    const model = await load(2);
    using stream = model.createStream();
    stream.step([1, 2]);
    const before = stream.save();
    const x = [1, bad] as never;
    const calls = [
      () => stream.step(x),
      () => stream.run(x),
      () => model.stepMany([stream], x),
      () => model.run({ x: { data: x, shape: [1, 1, 2] } }),
    ];
    for (const call of calls) expect(call).toThrow(refused('INVALID_INPUT', 'expected a number', `found ${found}`));
    expect(stream.save()).toEqual(before);
  });

  it('is refused where tokens are wanted, and named as it is', async () => {
    const graph = graphOf({
      inputs: [value('t', ['T', 'N'], 'int64')],
      outputs: [value('y', ['T', 'N', 2])],
      nodes: [node('Gather', ['table', 't'], 'y')],
      tensors: [floats('table', [5, 2], { seed: 1 })],
    });
    const stream = (await loadModel(writeNative(graph))).createStream();
    expect(() => stream.step(BigInt64Array.of(1n) as never)).toThrow(refused('INVALID_INPUT', 'found 1n'));
    expect(() => stream.step(['1'] as never)).toThrow(refused('INVALID_INPUT', 'found "1"'));
  });

  it('is no input at all', async () => {
    const stream = (await load()).createStream();
    for (const [x, found] of [
      ['0.1', '"0.1"'],
      [undefined, 'undefined'],
      [null, 'null'],
    ]) {
      expect(() => stream.step(x as never)).toThrow(
        refused('INVALID_INPUT', 'expected an array of numbers', `found ${found}`),
      );
    }
  });
});

describe('out', () => {
  it.each([3, 20])('has to be a Float32Array, of %i outputs too', async (hidden) => {
    const model = await load(1, hidden);
    using stream = model.createStream();
    const before = stream.save();
    for (const [out, found] of [
      [new Array(hidden).fill(0), 'Array'],
      [new Int32Array(hidden), 'Int32Array'],
      [new Float64Array(hidden), 'Float64Array'],
    ] as const) {
      const calls = [
        () => stream.step([1], out as never),
        () => stream.step({ x: [1] }, { y: out } as never),
        () => stream.run([1], out as never),
        () => model.stepMany([stream], [1], out as never),
      ];
      for (const call of calls) {
        expect(call).toThrow(refused('INVALID_INPUT', 'expected a Float32Array', `found ${found}`));
      }
    }
    expect(stream.save()).toEqual(before);
  });
});

describe('model.run', () => {
  it.each<[unknown, string]>([
    [{ x: [1] }, 'Array'],
    [{ x: null }, 'null'],
    [{ x: { data: [1] } }, 'Object'],
    [{ x: { shape: [1, 1, 1] } }, 'Object'],
  ])('refuses %j', async (inputs, found) => {
    const model = await load();
    expect(() => model.run(inputs as never)).toThrow(
      refused('INVALID_INPUT', 'expected { data: numbers, shape', found),
    );
  });

  it('takes undefined for what is not given, and names that objects have by themselves', async () => {
    const graph = graphOf({
      inputs: [value('constructor', ['T', 'N', 2])],
      outputs: [value('__proto__', ['T', 'N', 2])],
      nodes: [{ ...node('Neg', ['constructor'], '__proto__'), name: 'n' }],
    });
    const model = await loadModel(writeNative(graph));
    expect(() => model.run({ x: undefined } as never)).toThrow(refused('INVALID_INPUT', 'found nothing'));
    const results = model.run({ constructor: { data: [1, 2], shape: [1, 1, 2] } } as never);
    expect(Object.getOwnPropertyDescriptor(results, '__proto__')?.value.data).toEqual(Float32Array.of(-1, -2));
  });

  it('gives the slots back that it took before the memory could not grow', async () => {
    const model = await load();
    const { pool, arena } = engineOf(model);
    const grow = vi.spyOn(arena.memory, 'grow').mockImplementation(() => {
      throw new RangeError('no more');
    });
    const n = 1 << 14;
    const inputs = { x: { data: new Float32Array(n), shape: [1, n, 1] } };
    expect(() => model.run(inputs)).toThrow(refused('UNSUPPORTED_HOST', 'no more memory'));
    grow.mockRestore();
    const { free, total } = pool as unknown as { free: number[]; total: number };
    expect(free).toHaveLength(total);
    expect(model.run(inputs).y.data).toHaveLength(n * 20);
  });
});

describe('a call on many', () => {
  it('checks its input before it makes an output', async () => {
    const model = await load();
    const stream = model.createStream();
    expect(() => model.runMany([stream], [1], 1e10)).toThrow(refused('INVALID_INPUT', 'wrong length'));
    expect(() => model.stepMany([stream], undefined as never)).toThrow(refused('INVALID_INPUT', 'found undefined'));
  });

  it('lets go of the arrays that it was given', async () => {
    const model = await load();
    const stream = model.createStream();
    const { inputs, outputs } = engineOf(model);
    for (const call of [
      () => stream.run(new Float32Array(100)),
      () => model.runMany([stream], new Float32Array(100), 100),
      () => model.run({ x: { data: new Float32Array(100), shape: [100, 1, 1] } }),
    ]) {
      call();
      for (const { data, inner } of [...inputs, ...outputs]) expect([data.length, inner]).toEqual([0, undefined]);
    }
  });
});

describe('what was disposed of', () => {
  it('says what to make anew', async () => {
    const model = await load();
    const [stream, other] = [model.createStream(), model.createStream()];
    stream.dispose();
    expect(() => stream.step(1)).toThrow(refused('DISPOSED', 'model.createStream()'));
    model.dispose();
    expect(() => other.step(1)).toThrow(refused('DISPOSED', 'the model was disposed of', 'Load it again'));
  });
});

describe('the last slot', () => {
  it('has a line of memory behind it, as kernels may read past a state', async () => {
    const model = await load();
    const streams = Array.from({ length: 4 }, () => model.createStream());
    const end = Math.max(...streams.map(({ slot }) => slot)) + model.stateBytes;
    expect(engineOf(model).arena.used - end).toBeGreaterThanOrEqual(64);
  });
});

describe('a snapshot', () => {
  it('has to be a Uint8Array', async () => {
    const stream = (await load()).createStream();
    const bytes = stream.save();
    expect(() => stream.restore(bytes.buffer as never)).toThrow(
      refused('INVALID_SNAPSHOT', 'a Uint8Array', 'ArrayBuffer'),
    );
    expect(() => stream.restore([...bytes] as never)).toThrow(refused('INVALID_SNAPSHOT', 'a Uint8Array', 'Array'));
  });

  it('cannot move where a causal convolution writes', async () => {
    const graph = graphOf({
      inputs: [value('x', ['N', 4, 'T'])],
      outputs: [value('y', ['N', 4, 'T'])],
      nodes: [node('Conv', ['x', 'w'], 'y', { pads: [2, 0] })],
      tensors: [floats('w', [4, 4, 3], { seed: 1 })],
    });
    const model = await loadModel(writeNative(graph));
    const saved = model.createStream().save();
    const expected = model.createStream().step([1, 2, 3, 4]).slice();
    const neighbour = model.createStream();
    const before = neighbour.save();
    for (const counter of [-1e4, -1034, -1, 3, 1e3, 1e9, Number.NaN, Number.NEGATIVE_INFINITY]) {
      const bytes = saved.slice();
      const view = new DataView(bytes.buffer);
      view.setFloat32(bytes.length - 4, counter, true);
      view.setUint32(20, new Hash().update(bytes.subarray(0, 20)).update(bytes.subarray(24)).digest()[0], true);
      const stream = model.createStream();
      stream.restore(bytes);
      for (let i = 0; i < 200; i++) stream.step([9, 9, 9, 9]);
      expect(sameBits(model.createStream().step([1, 2, 3, 4]), expected), `${counter}`).toBe(true);
      expect(neighbour.save()).toEqual(before);
    }
  });
});

describe('loading', () => {
  it('at once names a format that it is not for', () => {
    const kernels = new WebAssembly.Module(readFileSync(new URL('../../build/kernels/simd.wasm', import.meta.url)));
    const onnx = Uint8Array.of(8, 7, 18, 0);
    expect(() => loadModelSync(onnx, { kernels })).toThrow(refused('UNKNOWN_FORMAT', 'found ONNX', 'rivulet convert'));
  });

  it('says so where WebAssembly may not be compiled, and tries again the next time', async () => {
    vi.resetModules();
    const fresh = await import('../../src/index.js');
    const file = writeNative(cell({ op: 'RNN', inputs: 1, hidden: 2 }));
    const compile = vi.spyOn(WebAssembly, 'compile').mockRejectedValue(new WebAssembly.CompileError('by CSP'));
    await expect(fresh.loadModel(file)).rejects.toMatchObject({ code: 'UNSUPPORTED_HOST', hint: /wasm-unsafe-eval/ });
    compile.mockRestore();
    expect((await fresh.loadModel(file)).streamable).toBe(true);
  });

  it('counts a tensor that two nodes read once', async () => {
    const graph = graphOf({
      inputs: [value('x', ['T', 'N', 4])],
      outputs: [value('y', ['T', 'N', 4])],
      nodes: [node('MatMul', ['x', 'w'], 'once'), node('MatMul', ['once', 'w'], 'y')],
      tensors: [floats('w', [4, 4], { seed: 1 })],
    });
    expect((await loadModel(writeNative(graph))).parameterCount).toBe(16);
  });

  it('gives shapes that a caller may change', async () => {
    const model = await load();
    (model.inputs[0].shape as unknown[]).push(1);
    expect(model.run({ x: { data: [1], shape: [1, 1, 1] } }).y.data).toHaveLength(20);
  });

  it('refuses constants that kernels could not count to', async () => {
    const graph = (big: number) =>
      writeNative(
        graphOf({
          inputs: [value('x', ['T', 'N', 1], 'int64')],
          outputs: [value('y', ['T', 'N', 1], 'bool')],
          nodes: [node('Less', ['x', 'c'], 'y')],
          tensors: [integers('c', [big])],
        }),
      );
    expect((await loadModel(graph(2 ** 31 - 1))).createStream().step([5])).toEqual(Float32Array.of(1));
    await expect(loadModel(graph(2 ** 31))).rejects.toThrow(refused('UNSUPPORTED_OPERATOR', '32 bits', '2147483648'));
  });
});

describe('names of the graph that the plan would give itself', () => {
  const [I, H] = [3, 4];
  const weights = (p: string, seed: number) => [
    floats(`${p}W`, [1, H, I], { seed }),
    floats(`${p}R`, [1, H, H], { seed: seed + 1 }),
  ];

  it('a value called as a temporary is another', async () => {
    const outputs = await Promise.all(
      ['other', 'a.Y'].map(async (name) => {
        const graph = graphOf({
          inputs: [value('x', ['T', 'N', I])],
          outputs: [value('h', [1, 'N', H]), value(name, ['T', 'N', I])],
          nodes: [
            { ...node('RNN', ['x', 'aW', 'aR'], ['', 'h'], { hidden_size: H }), name: 'a' },
            { ...node('Neg', ['x'], name), name: 'n' },
          ],
          tensors: weights('a', 1),
        });
        return (await loadModel(writeNative(graph))).createStream().step({ x: [1, 2, 3] });
      }),
    );
    expect(outputs[1].h).toEqual(outputs[0].h);
    expect(outputs[1]['a.Y']).toEqual(Float32Array.of(-1, -2, -3));
  });

  it('a state called as an unnamed one is another', async () => {
    const outputs = await Promise.all(
      ['s', 'a.h'].map(async (input) => {
        const graph = graphOf({
          inputs: [value('x', ['T', 'N', I])],
          outputs: [value('ya', ['T', 1, 'N', H]), value('yb', ['T', 1, 'N', H])],
          states: [{ input, output: 'hb', type: 'float32', shape: [1, 'N', H] }],
          nodes: [
            { ...node('RNN', ['x', 'aW', 'aR'], ['ya'], { hidden_size: H }), name: 'a' },
            { ...node('RNN', ['x', 'bW', 'bR', '', '', input], ['yb', 'hb'], { hidden_size: H }), name: 'b' },
          ],
          tensors: [...weights('a', 1), ...weights('b', 5)],
        });
        const model = await loadModel(writeNative(graph));
        const states = model.plan().states.map(({ name }) => name);
        expect(new Set(states).size).toBe(states.length);
        return model.createStream().run({ x: numbers(4 * I, 9) });
      }),
    );
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it('a value called as a truth cast for the caller is another', async () => {
    const graph = graphOf({
      inputs: [value('x', ['T', 'N', 3])],
      outputs: [value('y', ['T', 'N', 3], 'bool'), value('y.float32', ['T', 'N', 3])],
      nodes: [node('Greater', ['x', 'zero'], 'y'), { ...node('Neg', ['x'], 'y.float32'), name: 'n' }],
      tensors: [floats('zero', [1], [0])],
    });
    const found = (await loadModel(writeNative(graph))).createStream().step({ x: [1, 2, 3] });
    expect(found).toEqual({ y: Float32Array.of(1, 1, 1), 'y.float32': Float32Array.of(-1, -2, -3) });
  });
});

describe('options', () => {
  const file = writeNative(cell({ op: 'RNN', inputs: 1, hidden: 2 }));
  const kernels = new WebAssembly.Module(readFileSync(new URL('../../build/kernels/simd.wasm', import.meta.url)));

  it.each<[unknown, string]>([
    [{ weight: 'int8' }, 'weight'],
    [{ nonfinite: 'propagate' }, 'nonfinite'],
    ['int8', '"int8"'],
    [null, 'null'],
  ])('that there are not are refused: %j', async (options, found) => {
    await expect(loadModel(file, options as never)).rejects.toThrow(refused('INVALID_OPTION', 'nonFinite', found));
  });

  it('that are undefined are none', async () => {
    expect((await loadModel(file, { weights: undefined, weight: undefined } as never)).kernels).toBe('simd');
  });

  it.each(['keep', 'architecture', 'shapes', 'signal', 'weight'])('loadModelSync does not pass over %s', (name) => {
    expect(() => loadModelSync(file, { kernels, [name]: {} })).toThrow(
      refused('INVALID_OPTION', 'expected kernels, nonFinite, operators, name', `found ${name}`),
    );
  });
});
