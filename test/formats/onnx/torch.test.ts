import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseModel } from '../../../src/formats/onnx/model.js';
import { toGraph } from '../../../src/formats/onnx/to-graph.js';
import { writeNative } from '../../../src/formats/safetensors/write-native.js';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';

interface Shaped {
  shape: number[];
  data: number[];
}

const folder = fileURLToPath(new URL('./fixtures/', import.meta.url));
/** torch's new exporter writes an nn.RNN out step by step, for the number of steps it was shown. */
const UNROLLED = 'both-dynamo';

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.onnx'))
  .map((file) => file.replace('.onnx', ''))
  .filter((name) => name !== UNROLLED && !/^(quantized|float)/.test(name))
  .sort();

const graphOf = (name: string) => toGraph(parseModel(readFileSync(`${folder}${name}.onnx`)), `${name}.onnx`);
const numbersOf = (name: string) =>
  JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Record<'inputs' | 'outputs', Record<string, Shaped>>;

/** Through the native file, so that what the reader made can be written too. */
const load = (name: string, kernels: 'simd' | 'scalar' = 'simd') =>
  loadModel(writeNative({ ...graphOf(name), metadata: {} }), { kernels });

describe("torch's exports, by both exporters", () => {
  it.each(names)('%s: as a whole gives what torch gives', async (name) => {
    const { inputs, outputs } = numbersOf(name);
    const model = await load(name);
    const found = model.run(Object.fromEntries(model.inputs.map((port) => [port.name, inputs[port.name]])));
    for (const port of model.outputs) {
      expect(found[port.name].shape).toEqual(outputs[port.name].shape);
      expect(largestDifference(found[port.name].data, outputs[port.name].data)).toBeLessThan(TOLERANCES.float32);
    }
  });

  it.each(names.filter((name) => !name.startsWith('both')))('%s: step by step gives the same', async (name) => {
    const { inputs, outputs } = numbersOf(name);
    const model = await load(name);
    const [input, output] = [model.inputs[0], model.outputs[0]];
    const { shape, data } = inputs[input.name];
    const batchFirst = input.shape[0] === 'N';
    const [T, N] = batchFirst ? [shape[1], shape[0]] : shape;
    const expected = outputs[output.name];
    const steps = output.shape.includes('T');
    for (let n = 0; n < N; n++) {
      const stream = model.createStream();
      for (let t = 0; t < T; t++) {
        const row = batchFirst ? n * T + t : t * N + n;
        const y = stream.step(data.slice(row * input.size, (row + 1) * input.size)) as Float32Array;
        if (!steps && t < T - 1) continue;
        const at = (steps ? row : n) * output.size;
        expect(largestDifference(y, expected.data.slice(at, at + output.size))).toBeLessThan(TOLERANCES.float32);
      }
    }
  });
});

it('refuses a network that was written out step by step', () => {
  expect(() => graphOf(UNROLLED)).toThrow(/both-dynamo\.onnx, node "node_Slice_\d+": Slice: a part of the time axis/);
});

describe('time and batch', () => {
  it.each([
    ['tagger-trace', ['N', 'T', 5], ['N', 'T', 3]],
    ['tagger-fixed-trace', ['N', 'T', 5], ['N', 'T', 3]],
    ['tagger-one-trace', ['N', 'T', 5], ['N', 'T', 3]],
    ['classifier-trace', ['N', 'T', 4], ['N', 2]],
    ['classifier-fixed-trace', ['N', 'T', 4], ['N', 2]],
    ['final-state-trace', ['T', 'N', 4], ['N', 2]],
    ['characters-trace', ['N', 'T'], ['N', 'T', 9]],
    ['both-trace', ['N', 'T', 3], ['N', 'T', 5]],
  ])('%s: found from the cells', (name, input, output) => {
    const graph = graphOf(name);
    expect(graph.inputs.map(({ shape }) => shape)).toEqual([input]);
    expect(graph.outputs.map(({ shape }) => shape)).toEqual([output]);
    expect(graph.states).toEqual([]);
  });
});

describe('states', () => {
  it.each(names.filter((name) => name.startsWith('stepper')))('%s: in and out become pairs', (name) => {
    const graph = graphOf(name);
    expect(graph.inputs.map((port) => port.name)).toEqual(['x']);
    expect(graph.outputs.map((port) => port.name)).toEqual(['y']);
    // Two layers, h and c of each.
    expect(graph.states.map(({ shape }) => shape)).toEqual(Array.from({ length: 4 }, () => [1, 'N', 5]));
  });
});
