import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { type ModelSpec, model, type NodeSpec, node, tensor, value } from './writer.js';

interface Shaped {
  shape: number[];
  data: number[];
}

const path = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const numbersOf = (name: string) =>
  JSON.parse(readFileSync(path(`${name}.json`), 'utf8')) as Record<'inputs' | 'outputs', Record<string, Shaped>>;

/** Roundings fall alike, so what is left is that of the float32 behind them. */
const TOLERANCE = 1e-6;

describe("ONNX Runtime's quantised models", () => {
  it.each(['quantized-qdq', 'quantized-qoperator'])('%s: as a whole and step by step', async (name) => {
    const { inputs, outputs } = numbersOf(name);
    const loaded = await loadModel(path(`${name}.onnx`));
    expect(largestDifference(loaded.run({ x: inputs.x }).y.data, outputs.y.data)).toBeLessThan(TOLERANCE);
    const [N, T, I] = inputs.x.shape;
    const found = Array.from({ length: N }, (_, n) => [
      ...loaded.createStream().run(inputs.x.data.slice(n * T * I, (n + 1) * T * I)),
    ]).flat();
    expect(largestDifference(found, outputs.y.data)).toBeLessThan(TOLERANCE);
  });

  it('quantized-dynamic: each step by its own scale', async () => {
    const { inputs, outputs } = numbersOf('quantized-dynamic');
    const stream = (await loadModel(path('quantized-dynamic.onnx'))).createStream();
    expect(largestDifference(stream.run(inputs.x.data), outputs.y.data)).toBeLessThan(TOLERANCE);
  });
});

describe('models in other floating-point types', () => {
  it.each(['float16', 'float16-inside', 'float64'])(
    '%s: computed in float32, with the weights of the file',
    async (name) => {
      const { inputs, outputs } = numbersOf(name);
      const loaded = await loadModel(path(`${name}.onnx`));
      expect(loaded.inputs[0].type).toBe('float32');
      expect(largestDifference(loaded.run({ x: inputs.x }).y.data, outputs.y.data)).toBeLessThan(TOLERANCE);
    },
  );
});

it('quantized-lstm: weights of eight bits, signals of float32', async () => {
  const { inputs, outputs } = numbersOf('quantized-lstm');
  const stream = (await loadModel(path('quantized-lstm.onnx'))).createStream();
  // ONNX Runtime rounds the signals to eight bits too.
  expect(largestDifference(stream.run(inputs.x.data), outputs.y.data)).toBeLessThan(0.01);
});

const load = (spec: ModelSpec) => loadModel(model(spec), { name: 'test.onnx' });

describe('an input of eight bits', () => {
  const bytes = (nodes: NodeSpec[]): ModelSpec => ({
    inputs: [value('x', ['batch', 3], 2)],
    outputs: [value('y', undefined)],
    weights: [tensor('scale', [], [0.5])],
    nodes: [node('DequantizeLinear', ['x', 'scale'], 'd'), ...nodes],
  });

  it('is given as numbers where quantised operators read it', async () => {
    const loaded = await load(bytes([node('Relu', ['d'], 'y')]));
    expect(loaded.inputs).toEqual([{ name: 'x', type: 'float32', shape: ['N', 3], size: 3 }]);
    expect([...loaded.createStream().step([0, 7, 255])]).toEqual([0, 3.5, 127.5]);
  });

  it('is refused where others read it too', async () => {
    const read = load(bytes([node('Cast', ['x'], 'f', { to: 1 }), node('Add', ['d', 'f'], 'y')]));
    await expect(read).rejects.toThrow(
      /Cast: an input of eight bits: expected one that quantised operators alone read/,
    );
  });
});

describe('QuantizeLinear and DequantizeLinear', () => {
  const spec = (nodes: NodeSpec[], weights: number[][][] = []): ModelSpec => ({
    inputs: [value('x', ['N', 4])],
    outputs: [value('y', undefined)],
    weights: [tensor('scale', [], [0.5]), tensor('scales', [4], [1, 0.5, 0.25, 2]), ...weights],
    nodes,
  });

  it('round to the even integer, stay within the type, and take scales along an axis', async () => {
    const plain = await load(spec([node('QuantizeLinear', ['x', 'scale'], 'y')]));
    expect([...plain.createStream().step([0.25, 0.75, -3, 1000])]).toEqual([0, 2, 0, 255]);
    const both = [
      node('QuantizeLinear', ['x', 'scales'], 'q', { axis: -1 }),
      node('DequantizeLinear', ['q', 'scales'], 'y', { axis: 1 }),
    ];
    expect([...(await load(spec(both))).createStream().step([1.5, 0.3, 0.3, 5])]).toEqual([2, 0.5, 0.25, 4]);
  });

  it('pass through what only moves numbers', async () => {
    const nodes = [
      node('QuantizeLinear', ['x', 'scale'], 'q'),
      node('Concat', ['q', 'q'], 'two', { axis: 1 }),
      node('Cast', ['two'], 'wide', { to: 6 }),
      node('DequantizeLinear', ['wide', 'scale'], 'y'),
    ];
    expect([...(await load(spec(nodes))).createStream().step([1, 2, 3, 4])]).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
  });

  it.each<[string, NodeSpec[], RegExp]>([
    ['blocks', [node('QuantizeLinear', ['x', 'scale'], 'y', { block_size: 2 })], /QuantizeLinear: scales of blocks/],
    ['a scale that is computed', [node('QuantizeLinear', ['x', 'x'], 'y')], /a scale or zero point is computed/],
    ['an attribute of nobody', [node('DequantizeLinear', ['x', 'scale'], 'y', { odd: 1 })], /attribute "odd"/],
  ])('refuse %s', async (_, nodes, message) => {
    await expect(load(spec(nodes))).rejects.toThrow(message);
  });
});
