import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import { loadModel, type Stream } from '../../src/index.js';
import { loadFixture, sameBits } from '../support/fixtures.js';
import { type CellOptions, cell, filterWithStates, numbers } from '../support/graphs.js';
import { tinyCharacterModel } from '../support/tiny-model.js';

/** Builds of the kernels, and in what they hold the weights. */
const SETTINGS = [
  { kernels: 'simd', weights: 'float32' },
  { kernels: 'scalar', weights: 'float32' },
  { kernels: 'relaxed', weights: 'float32' },
  { kernels: 'simd', weights: 'int8' },
  { kernels: 'scalar', weights: 'int8' },
  { kernels: 'auto', weights: 'int8' },
  { kernels: 'simd', weights: 'bfloat16' },
  { kernels: 'scalar', weights: 'bfloat16' },
] as const;
const after = { linear_before_reset: 1 };
const other = { activations: ['HardSigmoid', 'Softsign', 'Elu'], clip: 0.7 };

const LSTMS: [string, Partial<CellOptions>][] = [
  ['plain', { hidden: 7 }],
  ['of whole blocks', { hidden: 16 }],
  ['of one unit', { hidden: 1 }],
  ['with peepholes', { hidden: 9, peepholes: true }],
  ['with coupled gates', { hidden: 6, attributes: { input_forget: 1 } }],
  ['with other activations, clipped', { hidden: 5, attributes: other, peepholes: true }],
  ['projected', { op: 'LSTMP', hidden: 10, projected: 3 }],
];

const GRUS: [string, Partial<CellOptions>][] = [
  ['reset after', { hidden: 7, attributes: after }],
  ['reset after, whole panels', { hidden: 16, attributes: after }],
  ['reset before', { hidden: 9 }],
  ['reset before, of one unit', { hidden: 1 }],
  [
    'with other activations, clipped',
    { hidden: 5, attributes: { activations: ['HardSigmoid', 'Softsign'], clip: 0.6 } },
  ],
  ['reset after, clipped', { hidden: 13, attributes: { ...after, clip: 0.6 } }],
];

const streamOf = async (options: CellOptions, setting: (typeof SETTINGS)[number]): Promise<Stream> =>
  (await loadModel(writeNative(cell(options)), setting)).createStream();

/** The first layer of a traced step, which is the step that a twin makes, to the bit. */
function traced(stream: Stream, x: ArrayLike<number>) {
  const twin = stream.clone();
  const { output, layers } = stream.trace(x);
  expect(sameBits(output, twin.step(x))).toBe(true);
  expect(stream.save()).toEqual(twin.save());
  twin.dispose();
  return layers[0];
}

const round = Math.fround;

// What a cell's call leaves at the beginning of its scratch is a contract between the kernels and the tracer: the
// pre-activations of a single row. If they were elsewhere, these equations, to the bit, would not hold.
describe.each(SETTINGS)('the gates that a trace shows are those the step used ($kernels, $weights)', (setting) => {
  it.each(LSTMS)('LSTM, %s', async (_, options) => {
    const stream = await streamOf({ op: 'LSTM', inputs: 3, hidden: 1, ...options }, setting);
    let before = new Float32Array(options.hidden!);
    for (let t = 0; t < 6; t++) {
      const layer = traced(
        stream,
        numbers(3, t).map((x) => 4 * x),
      );
      const { forget, input, candidate, output, learn, remember, use } = layer.gates;
      expect(layer).toMatchObject({ name: 'y', op: 'LSTM' });
      expect(
        sameBits(
          learn,
          input.map((x, u) => x * candidate[u]),
        ),
      ).toBe(true);
      expect(
        sameBits(
          remember,
          forget.map((x, u) => round(x * before[u]) + learn[u]),
        ),
      ).toBe(true);
      expect(sameBits(remember, layer.cell!)).toBe(true);
      expect(output.every((x, u) => x === 0 || Math.abs(use[u]) <= Math.abs(x))).toBe(true);
      if (options.projected) expect(layer.hidden).toHaveLength(options.projected);
      else expect(sameBits(use, layer.hidden)).toBe(true);
      before = layer.cell!.slice();
    }
  });

  it.each(GRUS)('GRU, %s', async (_, options) => {
    const stream = await streamOf({ op: 'GRU', inputs: 3, hidden: 1, ...options }, setting);
    let before = new Float32Array(options.hidden!);
    for (let t = 0; t < 6; t++) {
      const layer = traced(
        stream,
        numbers(3, t).map((x) => 4 * x),
      );
      const { update, candidate } = layer.gates;
      const expected = update.map((z, u) => round(round(1 - z) * candidate[u]) + round(z * before[u]));
      expect(sameBits(layer.hidden, expected)).toBe(true);
      expect(layer).toMatchObject({ op: 'GRU', gates: { reset: expect.any(Float32Array) } });
      before = layer.hidden.slice();
    }
  });

  it('RNN', async () => {
    const stream = await streamOf({ op: 'RNN', inputs: 3, hidden: 5 }, setting);
    const twin = stream.clone();
    const { output, layers } = stream.trace([1, 2, 3]);
    expect(output).toEqual(twin.step([1, 2, 3]));
    expect(layers).toEqual([{ name: 'y', op: 'RNN', gates: {}, hidden: output }]);
  });
});

describe('stream.trace', () => {
  it.each([
    'lstm-3-4-layers',
    'gru-3-4-layers',
    'rnn-relu-3-4-layers',
    'stack-layer-norm',
    'lstm-4-9-projected-layers',
  ])('advances as step does, to the bit, and shows each layer of %s', async (name) => {
    const model = await loadFixture(name);
    const [stream, twin] = [model.createStream(), model.createStream()];
    const [{ size }] = model.inputs;
    for (let t = 0; t < 10; t++) {
      const x = numbers(size, t);
      const { output, layers } = stream.trace(x);
      expect(sameBits(output, twin.step(x))).toBe(true);
      expect(stream.save()).toEqual(twin.save());
      expect(layers.map((layer) => layer.name)).toEqual(
        model.plan().layers.flatMap(({ op, name }) => (/LSTM|GRU|RNN/.test(op) ? [name] : [])),
      );
    }
  });

  it('is held to the equations in float64', async () => {
    // One unit of an LSTM, whose gates can be written down: weights of i, o, f, c.
    const [w, r, b] = [
      [0.5, -1, 2, 1.5],
      [0.25, 0.5, -0.5, 1],
      [0.1, -0.2, 1, 0.3],
    ];
    const graph = cell({ op: 'LSTM', inputs: 1, hidden: 1 });
    const set = (name: string, values: number[]) => {
      const tensor = graph.tensors.get(name)!;
      graph.tensors.set(name, { ...tensor, bytes: new Uint8Array(Float32Array.from(values).buffer) });
    };
    set('W', w);
    set('R', r);
    set('B', [...b, 0, 0, 0, 0]);
    const stream = (await loadModel(writeNative(graph))).createStream();
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    let [h, c] = [0, 0];
    for (const x of [1, -0.5, 2]) {
      const { gates } = stream.trace(x).layers[0];
      const [input, output, forget] = [0, 1, 2].map((k) => sigmoid(w[k] * x + r[k] * h + b[k]));
      const candidate = Math.tanh(w[3] * x + r[3] * h + b[3]);
      c = forget * c + input * candidate;
      h = output * Math.tanh(c);
      const expected = { forget, input, candidate, output, learn: input * candidate, remember: c, use: h };
      for (const [name, value] of Object.entries(expected)) expect(gates[name][0], name).toBeCloseTo(value, 6);
    }
  });

  it('traces tokens, and states that the graph keeps by itself', async () => {
    for (const bytes of [tinyCharacterModel(8), writeNative(filterWithStates())]) {
      const model = await loadModel(bytes);
      const [stream, twin] = [model.createStream(), model.createStream()];
      const [{ size }] = model.inputs;
      for (const x of [1, 2, 0]) {
        const input = new Array(size).fill(x);
        expect(sameBits(stream.trace(input).output, twin.step(input))).toBe(true);
      }
      expect(stream.save()).toEqual(twin.save());
    }
  });

  it('takes and gives records by name', async () => {
    const model = await loadModel(writeNative(cell({ op: 'LSTM', inputs: 2, hidden: 3 })));
    const [stream, twin] = [model.createStream(), model.createStream()];
    const { output } = stream.trace({ x: [1, 2] });
    expect(output).toEqual(twin.step({ x: [1, 2] }));
  });

  it('leaves the state as it was when it refuses an input, and no slot behind', async () => {
    const model = await loadModel(writeNative(cell({ op: 'GRU', inputs: 2, hidden: 3, attributes: after })));
    const stream = model.createStream();
    stream.step([1, 2]);
    const saved = stream.save();
    for (let i = 0; i < 10; i++) {
      expect(() => stream.trace([1, Number.NaN])).toThrow(expect.objectContaining({ code: 'NON_FINITE_INPUT' }));
      expect(() => stream.trace([1])).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    }
    expect(stream.save()).toEqual(saved);
    stream.dispose();
    expect(() => stream.trace([1, 2])).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });

  it('of the array that the last step gave, which is the stream’s own', async () => {
    const model = await loadModel(writeNative(cell({ op: 'LSTM', inputs: 4, hidden: 4 })));
    const stream = model.createStream();
    const y = stream.step([1, 2, 3, 4]);
    const expected = stream.clone().trace(y.slice());
    expect(stream.trace(y)).toEqual(expected);
  });

  it('gives arrays that later steps do not change', async () => {
    const model = await loadModel(writeNative(cell({ op: 'LSTM', inputs: 2, hidden: 3 })));
    const stream = model.createStream();
    const trace = stream.trace([1, 2]);
    const copy = structuredClone(trace);
    stream.trace([3, 4]);
    stream.step([5, 6]);
    expect(trace).toEqual(copy);
  });
});
