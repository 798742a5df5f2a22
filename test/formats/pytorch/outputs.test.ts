import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/formats/pytorch/architecture.js';
import { inferGraph } from '../../../src/formats/pytorch/infer.js';
import { readPyTorch } from '../../../src/formats/pytorch/pytorch.js';
import { readNative } from '../../../src/formats/safetensors/native.js';
import { writeNative } from '../../../src/formats/safetensors/write-native.js';
import type { Graph, Tensor } from '../../../src/graph/graph.js';
import { loadModel, type Model } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { floats } from '../../support/graphs.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { expected, torchFile } from './files.js';

/** By way of a native file, which must say the same. */
const modelOf = (graph: Graph): Promise<Model> => loadModel(writeNative(graph));

describe('weights that PyTorch saved', () => {
  const files = expected.cases.flatMap((one) => one.files.map((file) => ({ file, ...one })));

  it.each(files)('$file gives PyTorch’s numbers', async ({ file, architecture, inputs, output, last }) => {
    const model = await modelOf(readPyTorch(torchFile(file), file, architecture && { architecture }));
    const { y } = model.run(inputs);
    const width = output.shape.at(-1)!;
    const found = last ? y.data.subarray(y.data.length - output.shape[0] * width) : y.data;
    if (!last) expect(y.shape).toEqual(output.shape);
    expect(largestDifference(found, output.data)).toBeLessThan(TOLERANCES.float32);
  });

  it.each(files)('$file streams them', async ({ file, architecture, inputs }) => {
    const model = await modelOf(readPyTorch(torchFile(file), file, architecture && { architecture }));
    if (!model.streamable) return expect(() => model.createStream()).toThrow(/needs whole sequences/);
    const [[name, { shape, data }]] = Object.entries(inputs);
    const [steps, batch, width = 1] = shape;
    const first = Array.from({ length: steps * width }, (_, i) => {
      return data[Math.floor(i / width) * batch * width + (i % width)];
    });
    const alone = model.run({ [name]: { shape: shape.toSpliced(1, 1, 1), data: first } }).y.data;
    const stream = model.createStream();
    const ys = Array.from({ length: steps }, (_, t) => [
      ...(stream.step(first.slice(t * width, (t + 1) * width)) as Float32Array),
    ]);
    const wanted = alone.length === ys.flat().length ? ys.flat() : ys.at(-1)!;
    return expect([...alone]).toEqual(wanted);
  });

  it.each(expected.cases.map(({ files: [file], architecture }) => ({ file, architecture })))(
    '$file is the same graph once it has been a native file',
    ({ file, architecture }) => {
      const graph = readPyTorch(torchFile(file), file, architecture && { architecture });
      const again = readNative(writeNative(graph));
      // Attributes in one order too: a model that was converted keeps its fingerprint, and its snapshots.
      expect(JSON.stringify(again.nodes)).toBe(JSON.stringify(graph.nodes));
      expect(again.tensors).toEqual(graph.tensors);
    },
  );

  it('has one model in all its files', () => {
    for (const { files, architecture } of expected.cases) {
      const graphs = files.map((file) => readPyTorch(torchFile(file), undefined, architecture && { architecture }));
      for (const graph of graphs) expect(graph).toEqual(graphs[0]);
    }
  });

  it('names the graph as it is told, else as the file', () => {
    const bytes = torchFile('bare.pt');
    expect(readPyTorch(bytes, 'https://example.org/models/net.v2.pt?download=1').name).toBe('net.v2');
    expect(readPyTorch(bytes, 'C:\\models\\net.pt').name).toBe('net');
    expect(readPyTorch(bytes).name).toBe('model');
    expect(readPyTorch(bytes, 'net.pt', { name: 'mine' }).name).toBe('mine');
  });

  it('keeps the free text of a safetensors file, and no more', () => {
    expect(readPyTorch(torchFile('annotated.safetensors')).metadata).toEqual({ vocabulary: '[]' });
    expect(readPyTorch(torchFile('characters.safetensors')).metadata).toEqual({});
  });

  it('finds a state dict in a checkpoint where the architecture says', () => {
    const opsOf = (architecture: Architecture) =>
      readPyTorch(torchFile('checkpoint.pt'), undefined, { architecture }).nodes.map(({ op }) => op);
    expect(opsOf({ stateDict: 'model' })).toEqual(['LSTM', 'Squeeze', 'MatMul', 'Add']);
    expect(opsOf({ stateDict: 'model', ignore: ['fc'] })).toEqual(['LSTM', 'Squeeze']);
    const layers: Architecture['layers'] = [{ type: 'LSTM' }, { type: 'Linear' }, { type: 'Tanh' }];
    expect(opsOf({ stateDict: 'model', layers })).toEqual(['LSTM', 'Squeeze', 'MatMul', 'Add', 'Tanh']);
    expect(() => opsOf({ stateDict: 'epoch' })).toThrow(/architecture\.stateDict: expected "model", "optimizer"/);
  });
});

const conformance = new URL('../../../../shared/conformance/pytorch_rnn/rnn.json', import.meta.url);
const present = existsSync(conformance);
if (!present) console.log('pytorch: ../shared/conformance/pytorch_rnn is not here; its cases are left out');

describe.skipIf(!present)('PyTorch layers that others recorded', () => {
  type Numbers = [shape: number[], data: number[]];
  interface Recorded {
    input: Numbers;
    output: Numbers;
    params: Record<string, Numbers>;
    initial_hidden?: Numbers;
    initial_cell?: Numbers;
  }
  const all = present ? (JSON.parse(readFileSync(conformance, 'utf8')) as Record<string, Recorded | string>) : {};
  const cases = Object.entries(all).filter((entry): entry is [string, Recorded] => typeof entry[1] === 'object');

  it.each(cases)('%s', async (name, { input, output, params, initial_hidden, initial_cell }) => {
    const tensors = new Map(
      Object.entries(params).map(([key, [shape, data]]): [string, Tensor] => [key, floats(key, shape, data)]),
    );
    const graph = inferGraph(tensors, { name });
    for (const [at, state] of [initial_hidden, initial_cell].entries()) {
      if (!state) continue;
      const [shape, data] = state;
      const tensor = floats(`initial${at}`, [1, 1, shape.at(-1)!], data);
      graph.tensors.set(tensor.name, tensor);
      const cell = graph.nodes.find(({ op }) => op === 'LSTM' || op === 'GRU')!;
      while (cell.inputs.length < 5 + at) cell.inputs.push('');
      cell.inputs.push(tensor.name);
    }
    const [[steps, width], data] = input;
    const { y } = (await modelOf(graph)).run({ x: { shape: [steps, 1, width], data } });
    expect(largestDifference(y.data, output[1])).toBeLessThan(TOLERANCES.float32);
  });

  it('covers something', () => expect(cases.length).toBeGreaterThan(5));
});
