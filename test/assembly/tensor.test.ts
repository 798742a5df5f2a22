import { describe, expect, it } from 'vitest';
import type { Graph, GraphNode, Tensor } from '../../src/graph/graph.js';
import { evaluateReference } from '../../src/ops/references.js';
import { count, floats, graphOf, integers, node, value } from '../support/graphs.js';
import { mistakeInRows } from './harness.js';

interface Case {
  what: string;
  graph: Graph;
  inputs: Record<string, { width: number; shape: number[] }>;
  /** Values are [N, ...], not [T, N, ...]. */
  flat: boolean;
  /** Without NaN and infinities, of which every language makes something else. */
  plain: boolean;
}

interface More {
  tensors?: Tensor[];
  flat?: boolean;
  plain?: boolean;
  type?: 'float32' | 'int64' | 'bool';
}

/** Values [T, N, ...shape] through nodes to y, whose shape is what the reference makes. */
function rows(
  what: string,
  shapes: Record<string, number[]>,
  nodes: GraphNode[],
  { tensors = [], flat = false, plain = false, type = 'float32' }: More = {},
): Case {
  const lead = flat ? ['N'] : ['T', 'N'];
  const inputs = Object.entries(shapes).map(([name, shape]) => value(name, [...lead, ...shape]));
  const graph = graphOf({ inputs, outputs: [value('y', [], type)], nodes, tensors });
  const ones = Object.entries(shapes).map(([name, shape]) => {
    return [name, { shape: [...lead.map(() => 1), ...shape], data: new Float64Array(count(shape)) }];
  });
  const { y } = evaluateReference(graph, Object.fromEntries(ones));
  graph.outputs[0].shape = [...lead, ...y.shape.slice(lead.length)];
  const sizes = Object.entries(shapes).map(([name, shape]) => [name, { width: count(shape), shape }] as const);
  return { what, graph, inputs: Object.fromEntries(sizes), flat, plain };
}

/** Lists of numbers, as text: "3 5 2". */
const list = (text: string) => text.split(' ').map(Number);

const moves = [
  ...['1 1|1 0', '2 3|1 0', '4 16|1 0', '3 5 2|0 2 1', '3 5 4|1 0 2', '5 1 17|2 1 0', '2 3 4 5|2 0 3 1'].map((text) => {
    const [shape, perm] = text.split('|').map(list);
    const all = [0, 1, ...perm.map((axis) => axis + 2)];
    return rows(`Transpose ${text}`, { x: shape }, [node('Transpose', ['x'], 'y', { perm: all })]);
  }),
  ...['7|-1|0|-3|2', '7|-1|-1|-9|-2', '3 18|2 3|0 17|3 2|1 -4', '5 4 3|2 4|-1 2|-9 -9|-1 -1'].map((text) => {
    const [shape, axes, starts, ends, steps] = text.split('|').map(list);
    const tensors = [integers('from', starts), integers('to', ends), integers('axes', axes), integers('steps', steps)];
    return rows(`Slice ${text}`, { x: shape }, [node('Slice', ['x', 'from', 'to', 'axes', 'steps'], 'y')], { tensors });
  }),
  ...[1, 4, 17].map((size) => {
    const tensors = [
      integers('from', [-1]),
      integers('to', [-(2 ** 40)]),
      integers('axes', [0]),
      integers('steps', [-1]),
    ];
    const turned = node('Slice', ['x', 'from', 'to', 'axes', 'steps'], 'y');
    return rows(`Slice turns steps of ${size} round`, { x: [size] }, [turned], { tensors });
  }),
  rows(
    'Split into unequal parts',
    { x: [2, 7, 3] },
    [node('Split', ['x', 'sizes'], ['a', 'b', 'c'], { axis: 3 }), node('Concat', ['c', 'a', 'b'], 'y', { axis: 3 })],
    { tensors: [integers('sizes', [1, 4, 2])] },
  ),
  rows('Split into equal parts, the last shorter', { x: [7] }, [
    node('Split', ['x'], ['a', 'b', 'c'], { axis: -1 }),
    node('Concat', ['c', 'b'], 'y', { axis: -1 }),
  ]),
  rows('Expand', { x: [3, 1, 2] }, [node('Expand', ['x', 'to'], 'y')], { tensors: [integers('to', [3, 4, 2])] }),
  rows('Tile', { x: [2, 3] }, [node('Tile', ['x', 'times'], 'y')], { tensors: [integers('times', [1, 1, 2, 3])] }),
  ...['constant', 'reflect', 'edge', 'wrap'].flatMap((mode) =>
    [
      [0, 0, 1, 2, 0, 0, 2, 3],
      [0, 0, 0, 5, 0, 0, 0, -1],
    ].map((pads) =>
      rows(`Pad, ${mode}, by ${pads}`, { x: [3, 4] }, [node('Pad', ['x', 'pads', 'fill'], 'y', { mode })], {
        tensors: [integers('pads', pads), floats('fill', [1], [-7.5])],
      }),
    ),
  ),
  rows('Pad, some axes', { x: [3, 4] }, [node('Pad', ['x', 'pads', '', 'axes'], 'y')], {
    tensors: [integers('pads', [2, 1]), integers('axes', [-1])],
  }),
  ...[0, 1].flatMap((upper) =>
    [-1, 0, 2].map((k) =>
      rows(`Trilu, upper ${upper}, ${k}`, { x: [2, 4, 3] }, [node('Trilu', ['x', 'k'], 'y', { upper })], {
        tensors: [integers('k', [k])],
      }),
    ),
  ),
];

/** Of "image, weight" shapes: seeded weights, a bias, and a function behind it. */
function convolution(op: string, text: string, attributes: GraphNode['attributes'] = {}, activation = ''): Case {
  const [image, weight] = text.split(', ').map(list);
  const outputs = op === 'Conv' ? weight[0] : weight[1] * Number(attributes.group ?? 1);
  const last = activation ? [node(activation, ['z'], 'y')] : [];
  const tensors = [floats('w', weight, { seed: 1 }), floats('b', [outputs], { seed: 2 })];
  const made = node(op, ['x', 'w', 'b'], activation ? 'z' : 'y', attributes);
  return rows(`${op} ${text} ${JSON.stringify(attributes)} ${activation}`, { x: image }, [made, ...last], {
    tensors,
    flat: true,
  });
}

const convolutions = [
  ...[1, 3, 15, 16, 17, 33].map((outputs) => convolution('Conv', `2 5, ${outputs} 2 3`)),
  ...[1, 2, 3, 17].map((channels) => convolution('Conv', `${channels} 7, 5 ${channels} 3`, { pads: [1, 1] }, 'Relu')),
  convolution('Conv', '1 40, 18 1 16', { strides: [8] }),
  convolution('Conv', '1 1, 1 1 1'),
  convolution('Conv', '3 1, 17 3 1', {}, 'Tanh'),
  convolution('Conv', '4 9, 3 4 2', { dilations: [3], pads: [2, 1] }),
  convolution('Conv', '4 9, 3 4 3', { strides: [2], pads: [0, 2] }, 'LeakyRelu'),
  convolution('Conv', '6 8, 9 2 3', { group: 3, pads: [1, 1] }),
  convolution('Conv', '6 1, 9 2 1', { group: 3 }),
  ...[2, 16, 19].map((group) => convolution('Conv', `${group} 8, ${group} 1 3`, { group, pads: [2, 0] }, 'Sigmoid')),
  convolution('Conv', '5 9, 5 1 3', { group: 5, strides: [2], dilations: [2] }),
  convolution('Conv', '4 7, 8 1 3', { group: 4 }),
  convolution('Conv', '2 5 6, 3 2 3 2'),
  convolution('Conv', '2 5 6, 17 2 3 3', { pads: [1, 2, 0, 1], strides: [2, 1], dilations: [1, 2] }, 'Elu'),
  convolution('Conv', '3 5 6, 3 1 3 3', { group: 3, pads: [1, 1, 1, 1], dilations: [2, 1] }),
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].map((way) =>
    convolution('Conv', '2 7 6, 3 2 2 4', { auto_pad: way, strides: [2, 3] }),
  ),
  convolution('ConvTranspose', '3 4, 3 5 3'),
  convolution('ConvTranspose', '3 4, 3 17 4', { strides: [2], pads: [1, 1] }),
  convolution('ConvTranspose', '2 5, 2 3 2', { strides: [3], output_padding: [1], dilations: [2] }),
  convolution('ConvTranspose', '4 3, 4 3 3', { group: 2, pads: [2, 1] }),
  convolution('ConvTranspose', '6 5, 6 1 3', { group: 6, strides: [2] }),
  convolution('ConvTranspose', '2 3 4, 2 3 3 2', { strides: [2, 1], pads: [1, 0, 0, 1] }),
  convolution('ConvTranspose', '2 3, 2 3 4', { strides: [2], auto_pad: 'SAME_UPPER' }),
  convolution('ConvTranspose', '2 3, 2 3 4', { strides: [2], output_shape: [7] }),
];

const pools = ['MaxPool', 'AveragePool'].flatMap((op) =>
  (
    [
      ['2 7', { kernel_shape: [3] }],
      ['1 1', { kernel_shape: [1] }],
      ['3 8', { kernel_shape: [3], strides: [2], pads: [1, 1] }],
      ['3 8', { kernel_shape: [2], strides: [3], pads: [1, 0], ceil_mode: 1 }],
      ['2 5 6', { kernel_shape: [2, 3], strides: [2, 1], pads: [0, 1, 1, 2], dilations: [2, 1] }],
      ['2 5 6', { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_LOWER' }],
      ...(op === 'AveragePool' ? ([['3 8', { kernel_shape: [3], pads: [2, 1], count_include_pad: 1 }]] as const) : []),
    ] as [string, GraphNode['attributes']][]
  ).map(([shape, attributes]) =>
    rows(`${op} ${shape} ${JSON.stringify(attributes)}`, { x: list(shape) }, [node(op, ['x'], 'y', attributes)], {
      flat: true,
    }),
  ),
);

const reductions = [
  ...['Sum', 'Mean', 'SumSquare', 'L1', 'L2', 'Prod', 'LogSum', 'LogSumExp', 'Max', 'Min'].flatMap((what) =>
    ['1|2', '5|-1', '3 4 5|3', '3 4 5|2 4', '3 4 5|2 3 4', '2 17|3'].map((text) => {
      const [shape, axes] = text.split('|').map(list);
      const attributes = { axes, keepdims: shape.length % 2 };
      return rows(`Reduce${what} ${text}`, { x: shape }, [node(`Reduce${what}`, ['x'], 'y', attributes)]);
    }),
  ),
  ...['ArgMax', 'ArgMin'].flatMap((op) =>
    [0, 1].map((last) =>
      rows(
        `${op} ${last}`,
        { x: [3, 5, 2] },
        [node('Round', ['x'], 'r'), node(op, ['r'], 'y', { axis: 3, select_last_index: last, keepdims: 0 })],
        { type: 'int64' },
      ),
    ),
  ),
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse) =>
      rows(
        `CumSum ${exclusive} ${reverse}`,
        { x: [2, 5, 3] },
        [node('CumSum', ['x', 'axis'], 'y', { exclusive, reverse })],
        {
          tensors: [integers('axis', [3])],
        },
      ),
    ),
  ),
  rows('GlobalMaxPool', { x: [3, 5] }, [node('GlobalMaxPool', ['x'], 'y')], { flat: true }),
  rows('GlobalAveragePool', { x: [3, 4, 5] }, [node('GlobalAveragePool', ['x'], 'y')], { flat: true }),
];

const pointwise = [
  ...['Floor', 'Ceil', 'Round', 'Sign', 'Neg', 'Mish'].map((op) => rows(op, { x: [11] }, [node(op, ['x'], 'y')])),
  ...['Sin', 'Cos'].map((op) => rows(op, { x: [11] }, [node(op, ['x'], 'y')])),
  ...['IsNaN', 'IsInf'].map((op) => rows(op, { x: [11] }, [node(op, ['x'], 'y')], { type: 'bool' })),
  ...['Min', 'Max', 'PRelu', 'Pow', 'Add', 'Div'].flatMap((op) => [
    rows(`${op} of two`, { x: [2, 5], z: [2, 5] }, [node(op, ['x', 'z'], 'y')], { plain: op === 'Pow' }),
    rows(`${op}, broadcast both ways`, { x: [3, 1, 5], z: [1, 4, 1] }, [node(op, ['x', 'z'], 'y')], {
      plain: op === 'Pow',
    }),
    rows(`${op} of a constant`, { x: [4, 5] }, [node(op, ['x', 'c'], 'y')], {
      tensors: [floats('c', [4, 1], { seed: 3, scale: 4 })],
    }),
  ]),
  ...[0, 1].map((fmod) =>
    rows(`Mod ${fmod}`, { x: [7], z: [7] }, [node('Mod', ['x', 'z'], 'y', { fmod })], { plain: true }),
  ),
  rows('Pow by 2', { x: [7] }, [node('Pow', ['x', 'c'], 'y')], { tensors: [floats('c', [], [2])] }),
  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'].map((op) =>
    rows(op, { x: [9] }, [node('Round', ['x'], 'r'), node(op, ['r', 'c'], 'y')], {
      tensors: [floats('c', [9], [-1, 0, 1, -0, 2, -2, 1, 0, 1])],
      type: 'bool',
    }),
  ),
  rows(
    'logic, Where and Cast',
    { x: [3, 4], z: [1, 4] },
    [
      node('Less', ['x', 'z'], 'less'),
      node('Greater', ['z', 'c'], 'large'),
      node('And', ['less', 'large'], 'both'),
      node('Xor', ['both', 'less'], 'one'),
      node('Not', ['one'], 'other'),
      node('Or', ['other', 'both'], 'any'),
      node('Where', ['any', 'x', 'z'], 'chosen'),
      node('Cast', ['less'], 'truth', { to: 'float32' }),
      node('Add', ['chosen', 'truth'], 'y'),
    ],
    { tensors: [floats('c', [1], [0.25])] },
  ),
  rows(
    'whole numbers',
    { x: [2, 5] },
    [
      node('Cast', ['x'], 'i', { to: 'int64' }),
      node('Mul', ['i', 'three'], 'thrice'),
      node('Sub', ['thrice', 'i'], 'twice'),
      node('Add', ['twice', 'five'], 'sum'),
      node('Max', ['sum', 'three'], 'most'),
      node('Neg', ['most'], 'less'),
      node('Mod', ['less', 'five'], 'rest'),
      node('Cast', ['rest'], 'y', { to: 'float32' }),
    ],
    { tensors: [integers('three', [3]), integers('five', [5, 6, 7, 8, 9])], plain: true },
  ),
];

const products = [
  rows('MatMul of several vectors', { x: [5, 3] }, [node('MatMul', ['x', 'w'], 'y')], {
    tensors: [floats('w', [3, 17], { seed: 1 })],
  }),
  ...[
    '2 3, 3 1',
    '1 1, 1 1',
    '4 7, 7 5',
    '3 2, 2 16',
    '3 2, 2 21',
    '2 3 4, 1 4 5',
    '2 1 3 4, 1 3 4 2',
    '3 2, 2 35',
  ].map((text) => {
    const [x, z] = text.split(', ').map(list);
    return rows(`MatMul ${text}`, { x, z }, [node('MatMul', ['x', 'z'], 'y')]);
  }),
  rows('MatMul, the first constant', { x: [4, 5] }, [node('MatMul', ['w', 'x'], 'y')], {
    tensors: [floats('w', [3, 4], { seed: 1 })],
  }),
  ...[
    ['x', 'w', 'row'],
    ['x', 'w', 'matrix'],
    ['x', 'w'],
  ].flatMap((inputs) =>
    [{}, { alpha: 0.5, beta: 2 }].map((attributes) =>
      rows(`Gemm ${inputs} ${JSON.stringify(attributes)}`, { x: [4] }, [node('Gemm', inputs, 'y', attributes)], {
        tensors: [
          floats('w', [4, 5], { seed: 1 }),
          floats('row', [5], { seed: 2 }),
          floats('matrix', [1, 5], { seed: 3 }),
        ],
        flat: true,
      }),
    ),
  ),
];

const sums = [
  ...[
    'abij,abjk->abik|2 3, 3 5',
    'abij,abkj->abki|2 3, 4 3',
    'abcij,abcjk->abikc|2 3 4, 2 4 5',
    'abi,abj->abji|3, 4',
    'abi,abi->ab|5, 5',
    'abij,abji->ab|2 3, 3 2',
  ].map((text) => {
    const [equation, shapes] = text.split('|');
    const [x, z] = shapes.split(', ').map(list);
    return rows(`Einsum ${text}`, { x, z }, [node('Einsum', ['x', 'z'], 'y', { equation })]);
  }),
  ...['abij->abji', 'abij->abj', 'abij->ab'].map((equation) =>
    rows(`Einsum ${equation}`, { x: [3, 4] }, [node('Einsum', ['x'], 'y', { equation })]),
  ),
  rows('Einsum with a constant', { x: [3, 4] }, [node('Einsum', ['x', 'w'], 'y', { equation: 'abij,jk->abki' })], {
    tensors: [floats('w', [4, 2], { seed: 1 })],
  }),
];

const norms = [
  ...['1', '7', '3 4', '3 4 5'].flatMap((text) =>
    ['LayerNormalization', 'RMSNormalization'].map((op) => {
      const shape = list(text);
      const inputs = op === 'LayerNormalization' ? ['x', 'scale', 'shift'] : ['x', 'scale'];
      return rows(`${op} over ${text}`, { x: [2, ...shape] }, [node(op, inputs, 'y', { axis: 3, epsilon: 0.01 })], {
        tensors: [floats('scale', shape, { seed: 1 }), floats('shift', shape, { seed: 2 })],
      });
    }),
  ),
  ...['InstanceNormalization', 'GroupNormalization', 'BatchNormalization'].flatMap((op) =>
    ['4 1', '4 5', '4 3 5'].map((text) => {
      const statistics = op === 'BatchNormalization' ? ['mean', 'variance'] : [];
      const attributes = { epsilon: 0.01, ...(op === 'GroupNormalization' && { num_groups: 2 }) };
      const nodes = [node(op, ['x', 'scale', 'shift', ...statistics], 'y', attributes)];
      return rows(`${op} ${text}`, { x: list(text) }, nodes, {
        tensors: [
          floats('scale', [4], { seed: 1 }),
          floats('shift', [4], { seed: 2 }),
          floats('mean', [4], { seed: 3 }),
          floats('variance', [4], [0.5, 1, 2, 0.01]),
        ],
        flat: true,
      });
    }),
  ),
];

const softmaxes = ['Softmax', 'LogSoftmax'].flatMap((op) =>
  ['1|0', '5|0', '3 4|0', '3 4|1', '3 4 5|1', '17 2|0', '3 4 1|1'].map((text) => {
    const [shape, [axis]] = text.split('|').map(list);
    return rows(`${op} of ${text}`, { x: shape }, [node(op, ['x'], 'y', { axis: axis + 2 })]);
  }),
);

/** Whole numbers in -3..3 of x, as indices. */
const toIndices = [node('Clip', ['x', 'low', 'high'], 'c'), node('Cast', ['c'], 'i', { to: 'int64' })];
const clip = [floats('low', [], [-3]), floats('high', [], [2.5])];

/** x [T, N, ...] with T and N behind its other axes, `nodes` from z to w, and back. */
const turned = (what: string, x: number[], nodes: GraphNode[], rank: number, tensors: Tensor[]) => {
  const [lead, back] = [x.map((_, axis) => axis + 2), Array.from({ length: rank }, (_, axis) => axis)];
  return rows(
    what,
    { x },
    [
      node('Transpose', ['x'], 'z', { perm: [...lead, 0, 1] }),
      ...nodes,
      node('Transpose', ['w'], 'y', { perm: [rank, rank + 1, ...back] }),
    ],
    { tensors },
  );
};

const PLACES = [2, 1, 0, -1, -3, 0, 1, 2];

const nd = [
  turned('GatherND of two axes', [3, 4], [node('GatherND', ['z', 'at'], 'w')], 2, [integers('at', PLACES, [2, 2, 2])]),
  turned('GatherND of one axis', [3, 4], [node('GatherND', ['z', 'at'], 'w')], 2, [integers('at', [2, -3], [2, 1])]),
  rows(
    'GatherND of batches at computed places',
    { x: [2, 3, 1], z: [2, 3, 5] },
    [...toIndices, node('GatherND', ['z', 'i'], 'y', { batch_dims: 3 })],
    { tensors: clip, plain: true },
  ),
  rows('GatherND of a constant at computed places', { x: [4, 1] }, [...toIndices, node('GatherND', ['w', 'i'], 'y')], {
    tensors: [floats('w', [3, 2], { seed: 1 }), ...clip],
    plain: true,
  }),
  ...['none', 'add', 'mul', 'max', 'min'].map((reduction) =>
    turned(
      `ScatterND of computed updates, ${reduction}`,
      [3, 4],
      [node('GatherND', ['z', 'from'], 'u'), node('ScatterND', ['z', 'at', 'u'], 'w', { reduction })],
      2,
      [integers('from', [0, -1], [2, 1]), integers('at', [-1, 0], [2, 1])],
    ),
  ),
  turned('ScatterND of constants at two axes', [3, 4], [node('ScatterND', ['z', 'at', 'u'], 'w')], 2, [
    integers('at', PLACES, [4, 2]),
    floats('u', [4, 1, 1], { seed: 1 }),
  ]),
];

const choices = [
  ...nd,
  rows('Gather of constant places', { x: [3, 4, 2] }, [node('Gather', ['x', 'i'], 'y', { axis: 3 })], {
    tensors: [integers('i', [3, -4, 0, 1, 1, 2], [2, 3])],
  }),
  rows('Gather of computed places in a constant', { x: [5] }, [...toIndices, node('Gather', ['w', 'i'], 'y')], {
    tensors: [floats('w', [3, 2, 4], { seed: 1 }), ...clip],
    plain: true,
  }),
  rows(
    'GatherElements of computed places',
    { x: [2, 3], z: [2, 3] },
    [...toIndices, node('GatherElements', ['z', 'i'], 'y', { axis: 3 })],
    { tensors: clip, plain: true },
  ),
  ...[-1, 2].map((axis) =>
    rows(`OneHot ${axis}`, { x: [3, 2] }, [...toIndices, node('OneHot', ['i', 'depth', 'values'], 'y', { axis })], {
      tensors: [integers('depth', [3], []), floats('values', [2], [-0.5, 2]), ...clip],
      plain: true,
    }),
  ),
];

const transforms = [
  ...[{}, { onesided: 1 }, { inverse: 1 }].flatMap((attributes) =>
    ['1 1', '8 1', '5 2', '3 7 1'].map((text) =>
      rows(
        `DFT ${text} ${JSON.stringify(attributes)}`,
        { x: list(text) },
        [node('DFT', ['x', '', 'axis'], 'y', attributes)],
        {
          tensors: [integers('axis', [-2], [])],
          plain: true,
        },
      ),
    ),
  ),
  ...[8, 3].map((length) =>
    rows(`DFT of length ${length}`, { x: [5, 2] }, [node('DFT', ['x', 'length', 'axis'], 'y')], {
      tensors: [integers('axis', [-2], []), integers('length', [length], [])],
      plain: true,
    }),
  ),
  ...[0, 1].map((onesided) =>
    rows(`STFT, ${onesided}`, { x: [23, 1] }, [node('STFT', ['x', 'step', 'window'], 'y', { onesided })], {
      tensors: [integers('step', [4], []), floats('window', [8], { seed: 1 })],
      plain: true,
      flat: true,
    }),
  ),
];

describe('tensor kernels', () => {
  it.each(moves)('$what: bit by bit', ({ graph, inputs }) => {
    expect(mistakeInRows(graph, inputs, 4, { tolerance: 0 })).toBeUndefined();
  });

  it.each([
    ...convolutions,
    ...pools,
    ...reductions,
    ...pointwise,
    ...products,
    ...sums,
    ...norms,
    ...softmaxes,
    ...choices,
    ...transforms,
  ])('$what', ({ graph, inputs, flat, plain }) => {
    expect(mistakeInRows(graph, inputs, 4, { specials: !plain, flat })).toBeUndefined();
  });
});
