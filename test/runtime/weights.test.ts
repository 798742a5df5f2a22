import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeNative } from '../../src/formats/safetensors/write-native.js';
import type { Graph } from '../../src/graph/graph.js';
import { loadModel, loadModelSync, loadOperators, type Model, RivuletError } from '../../src/index.js';
import { evaluateReference } from '../../src/ops/references.js';
import { holdWeights, narrowableNodes } from '../../src/plan/quantize.js';
import { largestDifference, sameBits } from '../support/fixtures.js';
import { cell, floats, graphOf, integers, node, numbers, value } from '../support/graphs.js';
import { tinyCharacterModel } from '../support/tiny-model.js';

const refused = (code: string, found?: string) =>
  expect.objectContaining({ constructor: RivuletError, code, ...(found === undefined ? {} : { found }) });

/** Embedding, two cells and a head. */
function stack(scale = 0.5): Graph {
  const [width, hidden] = [64, 64];
  return graphOf({
    inputs: [value('tokens', ['T', 'N'], 'int64')],
    outputs: [value('y', ['T', 'N', 10])],
    nodes: [
      node('Gather', ['table', 'tokens'], 'embedded'),
      node('LSTM', ['embedded', 'W0', 'R0', 'B0'], 'all'),
      node('Squeeze', ['all', 'one'], 'lower'),
      node('GRU', ['lower', 'W1', 'R1', 'B1'], 'every', { linear_before_reset: 1 }),
      node('Squeeze', ['every', 'one'], 'upper'),
      node('MatMul', ['upper', 'head'], 'product'),
      node('Add', ['product', 'bias'], 'y'),
    ],
    tensors: [
      floats('table', [20, width], { seed: 1, scale: 2 }),
      floats('W0', [1, 4 * hidden, width], { seed: 2, scale }),
      floats('R0', [1, 4 * hidden, hidden], { seed: 3, scale }),
      floats('B0', [1, 8 * hidden], { seed: 4 }),
      floats('W1', [1, 3 * hidden, hidden], { seed: 5, scale }),
      floats('R1', [1, 3 * hidden, hidden], { seed: 6, scale }),
      floats('B1', [1, 6 * hidden], { seed: 7 }),
      floats('head', [hidden, 10], { seed: 8 }),
      floats('bias', [10], { seed: 9 }),
      integers('one', [1]),
    ],
  });
}

const tokens = Array.from({ length: 40 }, (_, i) => (7 * i) % 20);
const runOf = (model: Model) => model.createStream().run(tokens);
const kernelsOf = (model: Model) => model.plan().calls.map(({ kernel }) => kernel);

describe('keep', () => {
  it('names a node, or a layer by what its nodes begin with; not a list is refused', async () => {
    const graph = cell({ op: 'LSTM', inputs: 64, hidden: 64 });
    graph.nodes[0].name = 'layer.cell';
    for (const keep of [['layer.cell'], ['layer']]) {
      expect(kernelsOf(await loadModel(writeNative(graph), { weights: 'int8', keep }))).toEqual(['lstm']);
    }
    expect(kernelsOf(await loadModel(writeNative(graph), { weights: 'int8' }))).toEqual(['lstmInt8']);
    await expect(loadModel(writeNative(graph), { weights: 'int8', keep: ['lay'] })).rejects.toThrow(
      refused('INVALID_OPTION', 'lay'),
    );
    await expect(loadModel(writeNative(graph), { weights: 'int8', keep: 'layer' as never })).rejects.toThrow(
      refused('INVALID_OPTION', '"layer"'),
    );
  });
});

describe('int8 of a file', () => {
  it('is held in float32 where each input has a scale, alike as the first may be', async () => {
    for (const scales of [
      [1, 1, 100, 100],
      [1, 2, 100, 100],
    ]) {
      const graph = graphOf({
        inputs: [value('x', ['T', 'N', 4])],
        outputs: [value('y', ['T', 'N', 2])],
        nodes: [node('DequantizeLinear', ['q', 's'], 'w', { axis: 0 }), node('MatMul', ['x', 'w'], 'y')],
        tensors: [
          { name: 'q', type: 'int8', shape: [4, 2], bytes: new Uint8Array(8).fill(1) },
          floats('s', [4], scales),
        ],
      });
      const y = (await loadModel(writeNative(graph))).createStream().step([1, 1, 1, 1]);
      const sum = scales.reduce((a, b) => a + b);
      expect(y).toEqual(Float32Array.of(sum, sum));
    }
  });
});

describe.each(['int8', 'bfloat16'] as const)('weights held as %s', (weights) => {
  const load = (kernels: 'simd' | 'scalar' = 'simd') => loadModel(writeNative(stack()), { weights, kernels });

  it('take a fraction of the memory, and run in kernels of their own', async () => {
    const [wide, narrow] = [await loadModel(writeNative(stack())), await load()];
    const suffix = weights === 'int8' ? 'Int8' : 'Bfloat16';
    expect(kernelsOf(wide)).toEqual(['gather', 'lstm', 'gru', 'linear']);
    expect(kernelsOf(narrow)).toEqual(kernelsOf(wide).map((kernel) => kernel + suffix));
    expect(narrow.weightBytes / wide.weightBytes).toBeLessThan(weights === 'int8' ? 0.32 : 0.53);
    expect(narrow.parameterCount).toBe(wide.parameterCount);
    expect(narrow.stateBytes).toBe(wide.stateBytes);
  });

  it('change the outputs little', async () => {
    const difference = largestDifference(runOf(await load()), runOf(await loadModel(writeNative(stack()))));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(weights === 'int8' ? 0.05 : 0.02);
  });

  it('give the same bits step by step, in a run, in company and in the scalar build', async () => {
    const [simd, scalar] = [await load(), await load('scalar')];
    const run = runOf(simd);
    expect(sameBits(runOf(scalar), run)).toBe(true);
    const stream = simd.createStream();
    const steps = tokens.flatMap((token) => [...stream.step(token)]);
    expect(sameBits(steps, run)).toBe(true);
    const streams = [0, 1, 2, 3, 4].map(() => simd.createStream());
    const many = tokens.map((token) => simd.stepMany(streams, [3, 1, token, 0, 19]).slice(20, 30));
    expect(
      sameBits(
        many.flatMap((row) => [...row]),
        run,
      ),
    ).toBe(true);
  });

  it('leave saving, restoring, cloning and resetting as they are', async () => {
    const model = await load();
    const run = runOf(model);
    const stream = model.createStream();
    stream.run(tokens.slice(0, 15));
    const saved = stream.save();
    const twin = stream.clone();
    const other = (await load('scalar')).createStream();
    other.restore(saved);
    for (const one of [stream, twin, other]) {
      expect(sameBits(one.run(tokens.slice(15)), run.subarray(150))).toBe(true);
    }
    stream.reset();
    expect(sameBits(stream.run(tokens), run)).toBe(true);
  });

  it('are held by a file as they are by the option, to the bit', async () => {
    const graph = holdWeights(stack(), weights);
    const stored = await loadModel(writeNative(graph), weights === 'int8' ? {} : { weights });
    expect(sameBits(runOf(stored), runOf(await load()))).toBe(true);
    expect(stored.fingerprint).toBe((await load()).fingerprint);
  });

  it('are traced as float32 cells are', async () => {
    const model = await load();
    const stream = model.createStream();
    const run = runOf(model);
    const { layers } = stream.trace(tokens[0]);
    expect(layers.map(({ op }) => op)).toEqual(['LSTM', 'GRU']);
    expect(Object.keys(layers[0].gates)).toContain('forget');
    expect(sameBits(stream.step(tokens[1]), run.subarray(10, 20))).toBe(true);
  });
});

describe('weights', () => {
  it('keep leaves layers in float32, by name', async () => {
    expect(narrowableNodes(stack())).toEqual(['embedded', 'all', 'every', 'product']);
    const model = await loadModel(writeNative(stack()), { weights: 'int8', keep: ['all', 'product'] });
    expect(kernelsOf(model)).toEqual(['gatherInt8', 'lstm', 'gruInt8', 'linear']);
    await expect(loadModel(writeNative(stack()), { weights: 'int8', keep: ['nobody'] })).rejects.toThrow(
      refused('INVALID_OPTION', 'nobody'),
    );
  });

  it('int8 leaves linear layers of one output in float32', async () => {
    const single = (op: string, attributes = {}, shape = [64, 1]) =>
      graphOf({
        inputs: [value('x', ['T', 'N', 64])],
        outputs: [value('y', ['T', 'N', 1])],
        nodes: [node(op, ['x', 'w'], 'y', attributes)],
        tensors: [floats('w', shape, { seed: 1 })],
      });
    const graph = single('MatMul');
    expect(holdWeights(graph, 'int8')).toEqual(graph);
    expect(kernelsOf(await loadModel(writeNative(graph), { weights: 'int8' }))).toEqual(['linear']);
    expect(kernelsOf(await loadModel(writeNative(graph), { weights: 'bfloat16' }))).toEqual(['linearBfloat16']);
    const byRows = single('Gemm', { transB: 1 }, [1, 64]);
    expect(holdWeights(byRows, 'int8')).toEqual(byRows);
    expect(holdWeights(single('MatMul', {}, [64, 2]), 'int8').tensors.has('w')).toBe(false);
  });

  it('float32 widens what is stored as int8, exactly', async () => {
    const graph = holdWeights(stack(), 'int8');
    const model = await loadModel(writeNative(graph), { weights: 'float32' });
    expect(kernelsOf(model)).toEqual(['gather', 'lstm', 'gru', 'linear']);
    const reference = evaluateReference(graph, { tokens: { shape: [40, 1], data: Float64Array.from(tokens) } });
    expect(largestDifference(runOf(model), reference.y.data)).toBeLessThan(1e-5);
  });

  it('a tensor that two read differently, or that is more than a matrix, stays float32', async () => {
    const tied = graphOf({
      inputs: [value('tokens', ['T', 'N'], 'int64')],
      outputs: [value('y', ['T', 'N', 8]), value('z', ['T', 'N', 6])],
      nodes: [
        node('Gather', ['table', 'tokens'], 'x'),
        node('Gemm', ['x', 'table'], 'y', { transB: 1 }),
        node('MatMul', ['x', 'square'], 'z'),
      ],
      tensors: [floats('table', [8, 6], { seed: 1 }), floats('square', [6, 6], { seed: 2 })],
    });
    const model = await loadModel(writeNative(tied), { weights: 'int8' });
    expect(kernelsOf(model)).toEqual(['gatherInt8', 'linearInt8', 'linearInt8']);
    tied.nodes.push(node('Add', ['x', 'row'], 'w'), node('MatMul', ['w', 'table2'], 'unused'));
    tied.nodes[1] = node('MatMul', ['x', 'table'], 'y');
    tied.tensors.set('table', floats('table', [6, 6], { seed: 1 }));
    tied.tensors.set('table2', floats('table2', [6, 6], { seed: 1 }));
    tied.tensors.set('row', floats('row', [6], { seed: 1 }));
    tied.outputs[0] = value('y', ['T', 'N', 6]);
    tied.outputs.push(value('unused', ['T', 'N', 6]));
    expect(kernelsOf(await loadModel(writeNative(tied), { weights: 'int8' }))).toContain('gather');
  });

  it('refuses what it can’t hold, and options that say nothing', async () => {
    const broken = cell({ op: 'RNN', inputs: 2, hidden: 3 });
    new Float32Array(broken.tensors.get('W')!.bytes.buffer)[4] = Number.NaN;
    for (const weights of ['int8', 'bfloat16'] as const) {
      await expect(loadModel(writeNative(broken), { weights })).rejects.toThrow(
        refused('INVALID_GRAPH', 'NaN at element 4'),
      );
      await expect(loadModel(writeNative(broken), { weights, keep: ['y'] })).resolves.toBeDefined();
    }
    const file = tinyCharacterModel();
    await expect(loadModel(file, { weights: 'int4' as never })).rejects.toThrow(refused('INVALID_OPTION', 'int4'));
    await expect(loadModel(file, { keep: ['lstm0'] })).rejects.toThrow(refused('INVALID_OPTION'));
    const kernels = await WebAssembly.compile(readFileSync('build/kernels/simd.wasm'));
    expect(() => loadModelSync(file, { kernels, weights: 'int8' })).toThrow(refused('INVALID_OPTION', 'int8'));
  });

  it('a file of int8 loads at once with the operators and kernels given, and says what is missing', async () => {
    const file = writeNative(holdWeights(stack(), 'int8'));
    const module = (name: string) => WebAssembly.compile(readFileSync(`build/kernels/${name}.wasm`));
    const kernels = await Promise.all(['simd', 'simd-quantized'].map(module));
    const operators = await loadOperators();
    const model = loadModelSync(file, { kernels, operators });
    expect(sameBits(runOf(model), runOf(await loadModel(file)))).toBe(true);
    expect(() => loadModelSync(file, { kernels })).toThrow(/loadOperators/);
    expect(() => loadModelSync(file, { kernels: kernels[0], operators })).toThrow(/simd-quantized\.wasm/);
  });

  it('a hostile DequantizeLinear is refused by name', async () => {
    const change = (edit: (graph: Graph) => void) => {
      const graph = holdWeights(cell({ op: 'LSTM', inputs: 3, hidden: 4 }), 'int8');
      edit(graph);
      return loadModel(writeNative(graph));
    };
    const first = (graph: Graph) => graph.nodes[0];
    const scale = (graph: Graph) => graph.tensors.get('W.scale')!;
    await expect(change(() => {})).resolves.toBeDefined();
    await expect(change((graph) => Object.assign(first(graph).attributes, { block_size: 2 }))).rejects.toThrow(
      refused('UNSUPPORTED_ATTRIBUTE', '2'),
    );
    await expect(change((graph) => Object.assign(first(graph).attributes, { axis: 3 }))).rejects.toThrow(
      refused('INVALID_GRAPH', '3'),
    );
    await expect(change((graph) => Object.assign(scale(graph), { shape: [1, 2, 8] }))).rejects.toThrow(
      refused('INVALID_GRAPH', '[1, 2, 8]'),
    );
    await expect(
      change((graph) => Object.assign(scale(graph), { bytes: new Uint8Array(64).fill(255) })),
    ).rejects.toThrow(refused('INVALID_GRAPH'));
    await expect(change((graph) => Object.assign(graph.tensors.get('W.int8')!, { type: 'uint8' }))).rejects.toThrow(
      refused('UNSUPPORTED_OPERATOR', 'uint8'),
    );
    await expect(
      change((graph) => {
        first(graph).inputs.push('zero');
        graph.tensors.set('zero', { name: 'zero', type: 'int8', shape: [1], bytes: Uint8Array.of(1) });
      }),
    ).rejects.toThrow(refused('UNSUPPORTED_OPERATOR', 'another'));
  });

  it('integers of one scale, or of one for each unit, run too: the latter in float32', async () => {
    const graph = holdWeights(cell({ op: 'RNN', inputs: 3, hidden: 4 }), 'int8');
    const x = numbers(12, 1);
    const check = async (kernel: string) => {
      const model = await loadModel(writeNative(graph));
      expect(kernelsOf(model)).toEqual([kernel]);
      const reference = evaluateReference(graph, { x: { shape: [4, 1, 3], data: Float64Array.from(x) } });
      expect(largestDifference(model.createStream().run(x), reference.y.data)).toBeLessThan(0.05);
    };
    await check('rnnInt8');
    const scale = graph.tensors.get('W.scale')!;
    graph.tensors.set('W.scale', { ...scale, shape: [], bytes: scale.bytes.slice(0, 4) });
    await check('rnnInt8');
    graph.tensors.set('W.scale', floats('W.scale', [3], [0.01, 0.02, 0.03]));
    graph.nodes[0].attributes = { axis: 2 };
    await check('rnn');
  });
});
