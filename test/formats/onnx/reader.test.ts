import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../../src/errors.js';
import { parseModel } from '../../../src/formats/onnx/model.js';
import { looksLikeOnnx } from '../../../src/formats/onnx/onnx.js';
import { toGraph } from '../../../src/formats/onnx/to-graph.js';
import type { Graph } from '../../../src/graph/graph.js';
import { toFloat32 } from '../../../src/graph/tensor.js';
import { loadModel } from '../../../src/index.js';
import { ALL_OPERATORS } from '../../../src/ops/all.js';
import { evaluateReference } from '../../../src/ops/references.js';
import { makePlan } from '../../../src/plan/plan.js';
import { numbers } from '../../support/graphs.js';
import { integer, type ModelSpec, message, model, type NodeSpec, node, tensor, text, value } from './writer.js';

const read = (spec: ModelSpec): Graph => toGraph(parseModel(model(spec), 'test.onnx'), 'test.onnx');

const floats = (name: string, shape: number[], seed = 1) =>
  tensor(
    name,
    shape,
    Array.from(
      numbers(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
    ),
  );
const integers = (name: string, values: (number | bigint)[], shape = [values.length]) =>
  tensor(name, shape, values.map(BigInt));

/** Weights of a cell of 4 inputs and 3 units. */
const cellWeights = (gates: number, directions = 1) => [
  floats('W', [directions, gates * 3, 4], 1),
  floats('R', [directions, gates * 3, 3], 2),
];

const x = value('x', ['time', 'batch', 4]);

/** A GRU over x, and what else the file holds. */
const gru = (spec: Partial<ModelSpec> & { inputs?: number[][][] } = {}, cellInputs: string[] = []): ModelSpec => ({
  inputs: [x],
  outputs: [value('y', undefined)],
  ...spec,
  nodes: [...(spec.nodes ?? []), node('GRU', ['x', 'W', 'R', ...cellInputs], ['y', 'last'], { hidden_size: 3 })],
  weights: [...cellWeights(3), ...(spec.weights ?? [])],
});

/** One operator on x [N, 6]. */
const one = (nodes: NodeSpec[], spec: Partial<ModelSpec> = {}, shape: (number | string)[] = ['batch', 6]) =>
  read({ nodes, inputs: [value('x', shape)], outputs: [value('y', undefined)], ...spec });

/** What a graph computes in float64 of 1, 2, 3 ... */
function outputOf(graph: Graph, shape: number[]) {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1);
  makePlan(graph);
  return evaluateReference(graph, { [graph.inputs[0].name]: { shape, data } }).y;
}

function refusal(spec: ModelSpec): RivuletError {
  try {
    makePlan(read(spec));
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
  throw new Error('it was read');
}

describe('the file', () => {
  it('is known by its beginning', () => {
    expect(looksLikeOnnx(model(gru()))).toBe(true);
    expect(looksLikeOnnx(Uint8Array.of(0x08))).toBe(false);
    expect(looksLikeOnnx(new TextEncoder().encode('{"a":1}'))).toBe(false);
    expect(looksLikeOnnx(new Uint8Array(0))).toBe(false);
  });

  it('gives its metadata along, its own names apart', () => {
    const { metadata, name } = read(gru({ metadata: { vocabulary: '["a"]', format: 'f', 'rivulet.graph': 'g' } }));
    expect(metadata).toEqual({ vocabulary: '["a"]', 'onnx.format': 'f', 'onnx.rivulet.graph': 'g' });
    expect(name).toBe('graph');
  });

  it('lists weights among its inputs, as old ones do', () => {
    const graph = read(gru({ inputs: [x, value('W', [1, 9, 4]), value('R', [1, 9, 3])] }));
    expect(graph.inputs.map((port) => port.name)).toEqual(['x']);
    expect([...graph.tensors.keys()]).toEqual(['W', 'R']);
  });

  it('holds weights as raw bytes or as numbers of any type', () => {
    const listed = [integer(1, 3), integer(2, 10), text(8, 'h'), message(5, [0x80, 0x78, 0x80, 0x80, 0x01, 0])];
    const graph = one([node('Mul', ['x', 'h'], 'y')], { weights: [listed] }, ['batch', 3]);
    expect(graph.tensors.get('h')).toMatchObject({ type: 'float16', shape: [3] });
    expect(Array.from(toFloat32(graph.tensors.get('h')!))).toEqual([1, 2, 0]);
  });

  it('has nodes without names, or several of one', () => {
    const nodes = [
      node('Relu', ['x'], 'a'),
      { ...node('Relu', ['a'], 'b'), name: 'same' },
      { ...node('Relu', ['b'], 'y'), name: 'same' },
    ];
    expect(one(nodes).nodes.map(({ name }) => name)).toEqual(['Relu_0', 'same', 'same.1']);
  });

  it('computes nothing that nobody reads', () => {
    const graph = one([node('Relu', ['x'], 'y'), node('Fourier', ['x'], 'unused')], { weights: [floats('w', [3])] });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Relu']);
    expect(graph.tensors.size).toBe(0);
  });
});

describe('operators of all versions', () => {
  const squares = [1, 2, 3, 4, 5, 6];

  it.each([
    ['axes as attribute', 11, node('Unsqueeze', ['x'], 'y', { axes: [1] }), []],
    ['axes as input', 13, node('Unsqueeze', ['x', 'axes'], 'y'), [integers('axes', [1])]],
  ])('Unsqueeze with %s', (_, opset, unsqueeze, weights) => {
    const graph = one([unsqueeze], { opset, weights });
    expect(graph.outputs[0].shape).toEqual(['N', 1, 6]);
    expect(Array.from(outputOf(graph, [1, 6]).data)).toEqual(squares);
  });

  it.each([
    ['attributes', 9, node('Slice', ['x'], 'y', { axes: [1], starts: [1], ends: [2 ** 53] }), []],
    [
      'inputs',
      13,
      node('Slice', ['x', 's', 'e', 'a'], 'y'),
      [integers('s', [1]), integers('e', [2n ** 63n - 1n]), integers('a', [-1])],
    ],
  ])('Slice with %s', (_, opset, slice, weights) => {
    const graph = one([slice], { opset, weights });
    expect(Array.from(outputOf(graph, [1, 6]).data)).toEqual([2, 3, 4, 5, 6]);
  });

  it('Slice of several axes', () => {
    const weights = [integers('s', [1, 0]), integers('e', [3, 1]), integers('a', [1, 2])];
    const graph = one([node('Slice', ['x', 's', 'e', 'a'], 'y')], { weights }, ['batch', 3, 2]);
    const { shape, data } = outputOf(graph, [1, 3, 2]);
    expect([shape, Array.from(data)]).toEqual([
      [1, 2, 1],
      [3, 5],
    ]);
  });

  it.each([
    ['attributes', 9, node('Clip', ['x'], 'y', { min: { float: 2 }, max: { float: 4 } }), []],
    ['attributes, one of them', 9, node('Clip', ['x'], 'y', { max: { float: 4 } }), []],
    ['inputs', 11, node('Clip', ['x', '', 'm'], 'y'), [tensor('m', [], [4])]],
  ])('Clip with %s', (_, opset, clip, weights) => {
    const low = 'min' in (clip.attributes ?? {}) ? 2 : 1;
    const graph = one([clip], { opset, weights });
    expect(Array.from(outputOf(graph, [1, 6]).data)).toEqual(squares.map((v) => Math.min(Math.max(v, low), 4)));
  });

  it('Softmax before opset 13 where it is the same, and not where it is not', () => {
    const softmax = [node('Softmax', ['x'], 'y')];
    expect(one(softmax, { opset: 11 }).nodes[0].attributes).toEqual({ axis: 1 });
    expect(one(softmax, { opset: 13 }).nodes[0].attributes).toEqual({ axis: -1 });
    const spec = { nodes: softmax, inputs: [value('x', ['b', 2, 3])], outputs: [value('y', undefined)], opset: 11 };
    expect(refusal(spec)).toMatchObject({ code: 'UNSUPPORTED_ATTRIBUTE', node: 'Softmax_0' });
  });

  it('Split into slices, Dropout into nothing', () => {
    const nodes = [
      node('Dropout', ['x'], ['d'], { ratio: { float: 0.5 } }),
      node('Split', ['d'], ['a', 'b'], { axis: 1, split: [4, 2] }),
      node('Concat', ['b', 'a'], 'y', { axis: 1 }),
    ];
    const graph = one(nodes, { opset: 11 });
    expect(graph.nodes.map(({ op }) => op).sort()).toEqual(['Concat', 'Slice', 'Slice']);
    expect(Array.from(outputOf(graph, [1, 6]).data)).toEqual([5, 6, 1, 2, 3, 4]);
  });

  it('constants of every kind, folded through what moves them', () => {
    const nodes = [
      {
        op: 'Constant',
        inputs: [],
        outputs: ['c'],
        attributes: { value: { raw: [message(5, ...floats('', [6, 2]))] } },
      },
      node('Transpose', ['c'], 't'),
      { op: 'Constant', inputs: [], outputs: ['shape'], attributes: { value_ints: [6, 2] } },
      node('Reshape', ['t', 'shape'], 'm'),
      node('MatMul', ['x', 'm'], 'p'),
      { op: 'Constant', inputs: [], outputs: ['k'], attributes: { value_float: { float: 0.5 } } },
      node('Add', ['p', 'k'], 'y'),
    ];
    const graph = one(nodes);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Add']);
    const [matrix] = [...graph.tensors.values()].filter(({ shape }) => shape.length === 2);
    const stored = Array.from(numbers(12, 1));
    const columns = [0, 1].flatMap((column) => [0, 1, 2, 3, 4, 5].map((row) => stored[2 * row + column]));
    expect(Array.from(toFloat32(matrix))).toEqual(columns);
  });

  it('Flatten and Reshape of a batch that varies', () => {
    const graph = one(
      [node('Flatten', ['x'], 'f'), node('Reshape', ['f', 's'], 'y')],
      { weights: [integers('s', [-1, 3, 2])] },
      ['batch', 2, 3],
    );
    expect(graph.outputs[0].shape).toEqual(['N', 3, 2]);
    expect(outputOf(graph, [2, 2, 3]).shape).toEqual([2, 3, 2]);
  });

  it('a cast of tokens makes the input what it is cast to', () => {
    const graph = read({
      nodes: [node('Cast', ['tokens'], 'wide', { to: 7 }), node('Gather', ['table', 'wide'], 'y')],
      inputs: [value('tokens', ['batch', 'length'], 2)],
      outputs: [value('y', undefined)],
      weights: [floats('table', [5, 3])],
    });
    expect(graph.inputs).toEqual([{ name: 'tokens', type: 'int64', shape: ['N', 'T'] }]);
    expect(makePlan(graph).plan.inputs[0].limit).toBe(5);
  });
});

describe('Sum and Mean of several values', () => {
  const weights = [tensor('c', [2], [10, 20]), tensor('d', [], [3])];
  const made = async (op: string, inputs: string[]) => {
    // The product keeps what is the same as x from being an output that is an input.
    const nodes = [node(op, inputs, 's'), node('Mul', ['s', 'd'], 'y')];
    const file = model({ nodes, inputs: [value('x', ['N', 2])], outputs: [value('y', undefined)], weights });
    return Array.from((await loadModel(file)).createStream().step([1, 2]), (y) => y / 3);
  };

  it.each<[string[], number[]]>([
    [['x'], [1, 2]],
    [
      ['x', 'x', 'x'],
      [3, 6],
    ],
    [
      ['c', 'x'],
      [11, 22],
    ],
    [
      ['c', 'd', 'x', 'c'],
      [24, 45],
    ],
  ])('%j', async (inputs, sum) => {
    expect(await made('Sum', inputs)).toEqual(sum);
    const mean = await made('Mean', inputs);
    for (const [i, one] of mean.entries()) expect(one).toBeCloseTo(sum[i] / inputs.length, 5);
  });

  it('of constants is one', () => {
    for (const [op, expected] of [
      ['Sum', [13, 23]],
      ['Mean', [6.5, 11.5]],
    ] as const) {
      const graph = one([node(op, ['c', 'd'], 's'), node('Add', ['x', 's'], 'y')], { weights }, ['batch', 2]);
      expect(graph.nodes.map((made) => made.op)).toEqual(['Add']);
      expect(Array.from(toFloat32(graph.tensors.get('s')!))).toEqual(expected);
    }
  });
});

describe('time turned round', () => {
  const bounds = (end: bigint, axis: number) => [
    integers('s', [-1]),
    integers('e', [end]),
    integers('a', [axis]),
    integers('step', [-1]),
    integers('front', [0]),
  ];
  const turn = (from: string, to: string) => node('Slice', [from, 's', 'e', 'a', 'step'], to);
  const run = async (nodes: NodeSpec[], weights: ReturnType<typeof bounds>) => {
    const file = model({ nodes, weights, inputs: [value('x', ['T', 'N', 2])], outputs: [value('y', undefined)] });
    const { y } = (await loadModel(file)).run({ x: { data: [1, 2, 3, 4, 5, 6], shape: [3, 1, 2] } });
    return [y.shape, ...y.data];
  };

  it.each([-(2n ** 63n), -(2n ** 63n) + 1n, -(2n ** 31n)])('to %d', async (end) => {
    const nodes = [turn('x', 't'), node('Neg', ['t'], 'y')];
    expect(await run(nodes, bounds(end, 0))).toEqual([[3, 1, 2], -5, -6, -3, -4, -1, -2]);
  });

  it('behind an axis of 1 that comes or goes', async () => {
    const before = [node('Unsqueeze', ['x', 'front'], 'u'), turn('u', 'y')];
    expect(await run(before, bounds(-(2n ** 63n), 1))).toEqual([[1, 3, 1, 2], 5, 6, 3, 4, 1, 2]);
    const behind = [turn('x', 't'), node('Unsqueeze', ['t', 'front'], 'y')];
    expect(await run(behind, bounds(-(2n ** 63n), 0))).toEqual([[1, 3, 1, 2], 5, 6, 3, 4, 1, 2]);
    const gone = [...before.slice(0, 1), turn('u', 't'), node('Squeeze', ['t', 'front'], 'y')];
    expect(await run(gone, bounds(-(2n ** 63n), 1))).toEqual([[3, 1, 2], 5, 6, 3, 4, 1, 2]);
  });
});

describe('an alpha or beta of a cell’s functions', () => {
  const gatesOf = (activations: string[], alphas: number[], betas: number[]) => {
    const attributes = { activations, activation_alpha: { floats: alphas }, activation_beta: { floats: betas } };
    return {
      inputs: [x],
      outputs: [value('y', undefined)],
      weights: cellWeights(3),
      nodes: [node('GRU', ['x', 'W', 'R'], 'y', { hidden_size: 3, ...attributes })],
    };
  };

  it.each<[string[], number[], number[], string]>([
    [['Sigmoid', 'Affine'], [], [], 'Affine without its activation_alpha'],
    [['hardSigmoid', 'ScaledTanh'], [0.2], [0.5, 1], 'ScaledTanh without its activation_alpha'],
    [['Sigmoid', 'ScaledTanh'], [1], [], 'ScaledTanh without its activation_beta'],
    [['Sigmoid', 'ThresholdedRelu'], [], [], 'ThresholdedRelu without its activation_alpha'],
  ])('%j of %j and %j is refused, as runtimes do not agree about what is left out', (names, a, b, message) => {
    expect(refusal(gatesOf(names, a, b))).toMatchObject({
      code: 'UNSUPPORTED_ATTRIBUTE',
      node: 'GRU_0',
      message: expect.stringContaining(message),
    });
  });

  it('may be left out where they agree', () => {
    for (const [names, alphas, betas] of [
      [['Sigmoid', 'Affine'], [1], []],
      [['HardSigmoid', 'LeakyRelu'], [], []],
    ] as [string[], number[], number[]][]) {
      expect(read(gatesOf(names, alphas, betas)).nodes.map(({ op }) => op)).toContain('GRU');
    }
  });
});

describe('whole numbers that are no tokens', () => {
  it('may be below zero, in 32 bits', async () => {
    const spec: ModelSpec = {
      nodes: [node('Cast', ['x'], 'f', { to: 1 }), node('Neg', ['f'], 'y')],
      inputs: [value('x', ['batch', 2], 7)],
      outputs: [value('y', undefined)],
    };
    const stream = (await loadModel(model(spec))).createStream();
    const kinds: ((numbers: number[]) => ArrayLike<number>)[] = [
      (row) => row,
      (row) => Float32Array.from(row),
      (row) => Float64Array.from(row),
    ];
    for (const row of kinds) {
      expect([...stream.step(row([-3, 2 ** 30]))]).toEqual([3, -(2 ** 30)]);
      expect(() => stream.step(row([-3, 0.5]))).toThrow(
        /expected an integer from -2147483648 to 2147483647, found 0\.5/,
      );
      expect(() => stream.step(row([-3, 2 ** 31]))).toThrow(/found 2147483648/);
    }
  });
});

describe('DFT', () => {
  it.each([
    [17, { axis: 1 }],
    [20, {}],
  ])('along an axis before the last but one, in opset %i', (opset, attributes) => {
    const graph = read({
      opset,
      nodes: [node('DFT', opset < 20 ? ['x'] : ['x', '', 'axis'], 'y', { onesided: 1, ...attributes })],
      inputs: [value('x', ['batch', 6, 2, 1])],
      outputs: [value('y', undefined)],
      weights: opset < 20 ? [] : [integers('axis', [1], [])],
    });
    expect(graph.outputs[0].shape).toEqual(['N', 4, 2, 2]);
    const x = numbers(12, 3);
    const { y } = evaluateReference(graph, { x: { shape: [1, 6, 2, 1], data: Float64Array.from(x) } });
    const wanted = Array.from({ length: 16 }, (_, i) => {
      const [k, column, part] = [Math.floor(i / 4), Math.floor(i / 2) % 2, i % 2];
      return [0, 1, 2, 3, 4, 5].reduce((sum, n) => {
        const angle = (-2 * Math.PI * k * n) / 6;
        return sum + x[2 * n + column] * (part === 0 ? Math.cos(angle) : Math.sin(angle));
      }, 0);
    });
    expect(y.shape).toEqual([1, 4, 2, 2]);
    for (const [i, one] of wanted.entries()) expect(y.data[i]).toBeCloseTo(one, 10);
    makePlan(graph, ALL_OPERATORS);
  });
});

describe('initial states', () => {
  it.each([
    ['zeros', [floats('h', [1, 2, 3])].map(() => tensor('h', [1, 2, 3], [0, -0, 0, 0, 0, 0])), undefined],
    ['the same for all sequences', [tensor('h', [1, 2, 3], [1, 2, 3, 1, 2, 3])], [1, 2, 3]],
    ['of one sequence', [tensor('h', [1, 1, 3], [1, 2, 3])], [1, 2, 3]],
  ])('that are constant: %s', (_, weights, expected) => {
    const graph = read(gru({ weights }, ['', '', 'h']));
    const name = graph.nodes[0].inputs[5];
    expect(name === undefined ? undefined : Array.from(toFloat32(graph.tensors.get(name)!))).toEqual(expected);
    makePlan(graph);
  });

  it('come in and go out: a pair, whatever the names', () => {
    const graph = read(
      gru({ inputs: [x, value('a', [1, 'batch', 3])], outputs: [value('y', undefined), value('last', undefined)] }, [
        '',
        '',
        'a',
      ]),
    );
    expect(graph.states).toEqual([{ input: 'a', output: 'last', type: 'float32', shape: [1, 'N', 3] }]);
    expect(graph.inputs.map((port) => port.name)).toEqual(['x']);
    expect(graph.outputs.map((port) => port.name)).toEqual(['y']);
    expect(makePlan(graph).plan.singleSteps).toBe(false);
  });

  it('that no cell keeps are paired by their names', () => {
    const spec = (next: string): ModelSpec => ({
      nodes: [node('Add', ['x', 'state'], next), node('Tanh', [next], 'y')],
      inputs: [value('x', [1, 4]), value('state', [1, 4])],
      outputs: [value('y', undefined), value(next, undefined)],
    });
    expect(read(spec('stateN')).states).toEqual([{ input: 'state', output: 'stateN', type: 'float32', shape: [1, 4] }]);
    expect(read(spec('other')).states).toEqual([]);
  });

  it.each<[string, Partial<ModelSpec>, RegExp]>([
    ['without a final one', { inputs: [x, value('a', [1, 'batch', 3])] }, /no output is the state after it.*zeros/],
    [
      'into two cells',
      {
        inputs: [x, value('a', [1, 'batch', 3])],
        nodes: [node('GRU', ['x', 'W', 'R', '', '', 'a'], ['', 'other'], { hidden_size: 3 })],
        outputs: [value('y', undefined), value('last', undefined), value('other', undefined)],
      },
      /no output is the state after it/,
    ],
    ['that differ between sequences', { weights: [floats('a', [1, 2, 3])] }, /differ from sequence to sequence/],
    [
      'that are computed',
      { nodes: [node('Relu', ['z'], 'a')], inputs: [x, value('z', [1, 'batch', 3])] },
      /initial state "a" is computed/,
    ],
  ])('are refused: %s', (_, spec, pattern) => {
    const error = refusal(gru(spec, ['', '', 'a']));
    expect(error.message).toMatch(pattern);
    expect(error).toMatchObject({ code: 'UNSUPPORTED_OPERATOR', node: expect.stringMatching(/GRU_/) });
  });
});

describe('lengths', () => {
  it('fixed in the file become T and N, features stay', () => {
    const graph = read(gru({ inputs: [value('x', [7, 2, 4])], outputs: [value('y', [7, 1, 2, 3])] }));
    expect(graph.inputs[0].shape).toEqual(['T', 'N', 4]);
    expect(graph.outputs[0].shape).toEqual(['T', 1, 'N', 3]);
  });

  it('stay numbers where a constant needs them', () => {
    const spec = gru({ inputs: [value('p', [7, 2, 4])], weights: [floats('c', [7, 1, 4], 5)] });
    spec.nodes.unshift(node('Add', ['p', 'c'], 'x'));
    expect(refusal(spec)).toMatchObject({ code: 'UNSUPPORTED_OPERATOR', node: 'GRU_1', found: '[7, N, 4]' });
  });

  it('of sequences, where all have all steps, go without saying', () => {
    const lengths = integers('lens', [7, 7]);
    const graph = read(gru({ inputs: [value('x', [7, 2, 4])], weights: [lengths] }, ['', 'lens']));
    expect(graph.nodes[0].inputs).toEqual(['x', 'W', 'R']);
    expect(refusal(gru({ inputs: [value('x', [8, 2, 4])], weights: [lengths] }, ['', 'lens'])).message).toMatch(
      /sequence_lens/,
    );
  });

  it('of a graph without cells: batch first', () => {
    expect(one([node('Relu', ['x'], 'y')], {}, ['who', 'seq_len', 3]).inputs[0].shape).toEqual(['N', 'T', 3]);
    expect(one([node('Relu', ['x'], 'y')], {}, ['time', 'batch', 3]).inputs[0].shape).toEqual(['T', 'N', 3]);
    expect(one([node('Relu', ['x'], 'y')], {}, [2, 5]).inputs[0].shape).toEqual([2, 5]);
  });

  it('are numbers to compute with where they are known', () => {
    const nodes = [node('Shape', ['w'], 's'), node('Gather', ['table', 's'], 'g'), node('Add', ['x', 'g'], 'y')];
    const graph = one(nodes, { weights: [floats('w', [2]), floats('table', [4, 6])] });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Add']);
    expect(toFloat32(graph.tensors.get('g')!)).toEqual(numbers(24, 1).slice(12, 18));
  });
});

it('nodes may stand in any order, and those that stand in one stay', () => {
  const nodes = [node('Relu', ['b'], 'y'), node('Exp', ['a'], 'b'), node('Abs', ['x'], 'a')];
  const graph = one(nodes);
  expect(graph.nodes.map(({ op }) => op)).toEqual(['Abs', 'Exp', 'Relu']);
});

describe('refusals', () => {
  const relu = { nodes: [node('Relu', ['x'], 'y')], inputs: [value('x', ['N', 3])], outputs: [value('y', undefined)] };
  const cases: Record<string, [string, RegExp, ModelSpec]> = {
    'an operator set of the future': ['UNSUPPORTED_OPERATOR', /opset 7 to \d+, found 99/, { ...relu, opset: 99 }],
    'an operator set of the past': ['UNSUPPORTED_OPERATOR', /found 6/, { ...relu, opset: 6 }],
    'sparse weights': [
      'UNSUPPORTED_OPERATOR',
      /"w": Weights that are stored sparse/,
      { ...relu, nodes: [node('Add', ['x', 'w'], 'y')], extraGraph: [message(15, message(1, ...floats('w', [3])))] },
    ],
    'an unknown operator': [
      'UNSUPPORTED_OPERATOR',
      /node "Fourier_0"/,
      { ...relu, nodes: [node('Fourier', ['x'], 'y')] },
    ],
    'an operator of another domain': [
      'UNSUPPORTED_OPERATOR',
      /operator com\.example\.Relu/,
      { ...relu, nodes: [{ ...node('Relu', ['x'], 'y'), domain: 'com.example' }] },
    ],
    'an operator that only this project has': [
      'UNSUPPORTED_OPERATOR',
      /operator ai\.onnx\.LSTMP/,
      { ...relu, nodes: [node('LSTMP', ['x'], 'y')] },
    ],
    'the shape of what an unknown operator makes': [
      'UNSUPPORTED_OPERATOR',
      /node "Fourier_0": operator Fourier/,
      { ...relu, nodes: [node('Fourier', ['x'], 'f'), node('Shape', ['f'], 's'), node('Expand', ['x', 's'], 'y')] },
    ],
    'an attribute that nobody reads': [
      'UNSUPPORTED_ATTRIBUTE',
      /Relu: attribute "zoneout"/,
      { ...relu, nodes: [node('Relu', ['x'], 'y', { zoneout: 1 })] },
    ],
    'an attribute that nobody reads, of a node that goes away': [
      'UNSUPPORTED_ATTRIBUTE',
      /Identity: attribute "zoneout"/,
      { ...relu, nodes: [node('Identity', ['x'], 'y', { zoneout: 1 })] },
    ],
    'a value that no node makes': ['INVALID_GRAPH', /"nothing"/, { ...relu, nodes: [node('Relu', ['nothing'], 'y')] }],
    'nodes in a circle': [
      'INVALID_GRAPH',
      /no node before it makes/,
      { ...relu, nodes: [node('Add', ['x', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['b'], 'y')] },
    ],
    'a value made twice': [
      'INVALID_GRAPH',
      /made twice/,
      { ...relu, nodes: [node('Relu', ['x'], 'y'), node('Abs', ['x'], 'y')] },
    ],
    'an output whose shape is declared otherwise': [
      'INVALID_GRAPH',
      /"y": An output is not what the graph computes.*4.*3/,
      { ...relu, outputs: [value('y', ['N', 4])] },
    ],
    'an input of strings': [
      'UNSUPPORTED_OPERATOR',
      /"x".*found string/,
      { ...relu, inputs: [value('x', ['N', 3], 8)] },
    ],
    'an input without a shape': ['UNSUPPORTED_OPERATOR', /"x".*shape/, { ...relu, inputs: [value('x', undefined)] }],
    'three axes that vary': [
      'UNSUPPORTED_OPERATOR',
      /"x".*unknown length/,
      { ...relu, inputs: [value('x', ['a', 'b', 'c'])] },
    ],
    'a step chosen from the middle': [
      'UNSUPPORTED_OPERATOR',
      /node "Gather_1": Gather: a part of the time axis/,
      {
        ...gru({ outputs: [value('z', undefined)], weights: [integers('i', [0], [])] }),
        nodes: [...gru().nodes, node('Gather', ['y', 'i'], 'z')],
      },
    ],
    training: [
      'UNSUPPORTED_OPERATOR',
      /training mode/,
      {
        ...relu,
        nodes: [node('Dropout', ['x', '', 't'], 'y')],
        weights: [[integer(2, 9), text(8, 't'), message(9, [1])]],
      },
    ],
    'a shape that is computed with': [
      'UNSUPPORTED_OPERATOR',
      /computes with the shape/,
      { ...relu, nodes: [node('Shape', ['x'], 's'), node('Gather', ['t', 's'], 'y')], weights: [floats('t', [9, 3])] },
    ],
    'bytes that do not fit a tensor': [
      'INVALID_FILE',
      /"w": A tensor and its shape disagree: expected 16 bytes/,
      { ...relu, nodes: [node('Add', ['x', 'w'], 'y')], weights: [[integer(1, 4), ...floats('w', [3]).slice(1)]] },
    ],
    'a second graph': ['INVALID_FILE', /a second/, { ...relu, extra: [message(7, text(2, 'again'))] }],
  };

  it.each(Object.entries(cases))('%s', (_, [code, pattern, spec]) => {
    const error = refusal(spec);
    expect(error.message).toMatch(pattern);
    expect(error.code).toBe(code);
  });

  it('no graph at all', () => {
    expect(() => parseModel(Uint8Array.of(8, 8), 'test.onnx')).toThrow(/test\.onnx: Damaged.*a graph/);
  });
});
