import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/formats/pytorch/architecture.js';
import { inferGraph } from '../../../src/formats/pytorch/infer.js';
import { readPyTorch } from '../../../src/formats/pytorch/pytorch.js';
import type { Tensor } from '../../../src/graph/graph.js';
import { RivuletError } from '../../../src/index.js';
import { floats } from '../../support/graphs.js';
import { expected, torchFile } from './files.js';

/** Tensors of these shapes, in this order. */
const weights = (shapes: Record<string, number[]>): Map<string, Tensor> =>
  new Map(Object.entries(shapes).map(([name, shape], seed) => [name, floats(name, shape, { seed })]));

const gru = (prefix: string, inputs: number, hidden: number) => ({
  [`${prefix}.weight_ih_l0`]: [3 * hidden, inputs],
  [`${prefix}.weight_hh_l0`]: [3 * hidden, hidden],
});

function refusal(run: () => unknown): RivuletError {
  try {
    run();
  } catch (error) {
    if (error instanceof RivuletError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const opsOf = (tensors: Map<string, Tensor>, options: { ordered?: boolean; architecture?: Architecture } = {}) =>
  inferGraph(tensors, { name: 'test', ...options }).nodes.map(({ op }) => op);

describe('weights that do not say how to run', () => {
  it.each<[string, RegExp]>([
    ['two-linears.pt', /an activation may stand between "a" and "b"/],
    ['sequential.pt', /the module "1" has no weights/],
    ['rnn.pt', /the nonlinearity of "", tanh or relu/],
    ['both-directions.pt', /"head" may read the whole output of the bidirectional "rnn", or its last state/],
    ['softmax.pt', /the module "softmax" has no weights/],
    ['decoder.pt', /what a decoder reads of "encoder"/],
    ['two-heads.pt', /the sizes of the layers do not follow each other/],
    ['convolution.pt', /the padding, dilation and groups of "conv"/],
    ['cell.pt', /the loop around the cell "cell"/],
    ['order.safetensors', /the layers fit together in more than one way/],
  ])('%s is refused, with an architecture that would say it', (name, reason) => {
    const file = `refused-${name}`;
    const error = refusal(() => readPyTorch(torchFile(file), file));
    expect(error.code).toBe('UNKNOWN_FORMAT');
    expect(error.message).toMatch(reason);
    expect(error.message).toMatch(new RegExp(`^${file}: The weights alone do not say how to run`));
    const { architecture } = error.options as { architecture: Architecture };
    expect(architecture.layers!.length).toBeGreaterThan(0);
    // The example is one that can be used as it stands, but where the layers are no chain.
    if (name !== 'two-heads.pt') readPyTorch(torchFile(file), file, { architecture });
  });

  it.each<[string, Record<string, number[]>, RegExp]>([
    ['numbered layers with a gap', { ...gru('net.0', 3, 4), 'net.2.weight': [2, 4], 'net.2.bias': [2] }, /"net\.1"/],
    ['a square table', { 'table.weight': [3, 3], ...gru('rnn', 3, 4) }, /in more than one way/],
    ['a parameter', { ...gru('rnn', 3, 4), h0: [1, 1, 4] }, /no known layer owns/],
    ['a spectral norm', { 'out.weight_orig': [2, 4], 'out.weight_u': [2] }, /parametrisation other than weight_norm/],
    ['a parametrisation', { 'out.parametrizations.weight.original': [2, 4] }, /parametrisation other than/],
    [
      'a length without a direction',
      { 'out.weight_g': [2, 1] },
      /"out\.weight_g": .*do not belong together.*no direction/,
    ],
    ['a direction without a length', { 'out.weight_v': [2, 4] }, /parametrisation other than weight_norm/],
    ['another length', { 'out.weight_g': [3, 1], 'out.weight_v': [2, 4] }, /found \[3, 1\] for \[2, 4\]/],
    [
      'a weight beside its parts',
      { 'out.weight': [2, 4], 'out.weight_g': [2, 1], 'out.weight_v': [2, 4] },
      /A weight that is there twice/,
    ],
    ['an absent matrix', { 'rnn.weight_ih_l0': [9, 3] }, /"rnn\.weight_hh_l0": A weight .* is missing/],
    ['an absent bias', { ...gru('rnn', 3, 4), 'rnn.bias_ih_l0': [12] }, /"rnn\.bias_hh_l0"/],
    ['an absent layer', { ...gru('rnn', 3, 4), 'rnn.weight_ih_l2': [12, 4] }, /"rnn\.weight_ih_l1"/],
    ['a ratio of no cell', { 'rnn.weight_ih_l0': [8, 3], 'rnn.weight_hh_l0': [8, 4] }, /expected 4 \(LSTM\), 3/],
    ['other rows', { 'rnn.weight_ih_l0': [12, 3], 'rnn.weight_hh_l0': [11, 4] }, /expected \[12, 4\], found \[11, 4\]/],
    ['a short bias', { 'out.weight': [2, 4], 'out.bias': [3] }, /"out\.bias".*expected \[2\], found \[3\]/],
    [
      'a transposed convolution',
      { ...gru('rnn', 3, 8), 'up.weight': [8, 4, 3], 'up.bias': [4] },
      /"up\.weight": By its shapes this is a ConvTranspose1d.*found \[8, 4, 3\] with a bias \[4\].*ONNX/,
    ],
    ['one in groups', { 'up.weight': [8, 3, 5], 'up.bias': [6] }, /By its shapes this is a ConvTranspose1d/],
    ['a bias of neither convolution', { 'c.weight': [8, 4, 3], 'c.bias': [5] }, /expected \[8\], found \[5\]/],
    ['groups that no convolution has', { 'c.weight': [8, 4, 3], 'c.bias': [12] }, /expected \[8\], found \[12\]/],
    ['a bias alone', { 'out.bias': [3] }, /no known layer owns/],
    ['a batch norm by name', { ...gru('rnn', 3, 4), 'bn1.weight': [4], 'bn1.bias': [4] }, /norm over batches/],
    ['a layer beyond the limit', { 'rnn.weight_ih_l999': [12, 3] }, /Too many recurrent layers/],
    ['nothing', {}, /without weights/],
    ['no numbers', { 'out.weight': [0, 4], 'out.bias': [0] }, /without numbers/],
  ])('are refused: %s', (_, shapes, message) => {
    expect(refusal(() => opsOf(weights(shapes))).message).toMatch(message);
  });

  it('are refused where two types share a layer, or one is of integers', () => {
    const tensors = weights({ 'out.weight': [2, 4], 'out.bias': [2] });
    tensors.set('out.bias', { name: 'out.bias', type: 'float64', shape: [2], bytes: new Uint8Array(16) });
    expect(() => opsOf(tensors)).toThrow(/A layer of two types: expected float32, as "out\.weight", found float64/);
    tensors.set('out.weight', { name: 'out.weight', type: 'int8', shape: [2, 4], bytes: new Uint8Array(8) });
    expect(() => opsOf(tensors)).toThrow(/weight of integers/);
  });
});

describe('weights that do', () => {
  it('follow the order of registration, or where it is lost the only one that fits', () => {
    const square = weights({ 'norm.weight': [4], 'norm.bias': [4], ...gru('rnn', 4, 4) });
    expect(opsOf(square)).toEqual(['LayerNormalization', 'GRU', 'Squeeze']);
    expect(() => opsOf(square, { ordered: false })).toThrow(/more than one way/);
    const reversed = weights({ 'head.weight': [2, 4], 'head.bias': [2], ...gru('rnn', 3, 4) });
    expect(() => opsOf(reversed)).toThrow(/in the order in which they were registered/);
    expect(opsOf(reversed, { ordered: false })).toEqual(['GRU', 'Squeeze', 'MatMul', 'Add']);
  });

  it('tell an Embedding by its name, its place and its sizes', () => {
    const table = { 'table.weight': [9, 3], ...gru('rnn', 3, 4) };
    expect(opsOf(weights(table))[0]).toBe('Gather');
    expect(opsOf(weights({ 'emb.weight': [3, 3], ...gru('rnn', 3, 4) }))[0]).toBe('Gather');
    expect(opsOf(weights({ ...gru('rnn', 3, 4), 'out.weight': [9, 4] })).at(-1)).toBe('MatMul');
  });

  it('may be a length and a direction, under either set of names', () => {
    const plain = { 'out.weight': [2, 4] };
    const [old, now] = [
      { 'out.weight_g': [2, 1], 'out.weight_v': [2, 4] },
      { 'out.parametrizations.weight.original0': [2, 1], 'out.parametrizations.weight.original1': [2, 4] },
    ];
    const head = { 'out.bias': [2], ...gru('rnn', 3, 4) };
    const modules = ['', 'rnn', 'out', 'out.parametrizations', 'out.parametrizations.weight'];
    const graphs = [plain, old, now].map((out) =>
      inferGraph(weights({ ...gru('rnn', 3, 4), ...out, ...head }), { name: 'x', modules }),
    );
    for (const { nodes } of graphs) expect(nodes).toEqual(graphs[0].nodes);
    const wrong = weights(old);
    wrong.set('out.weight_v', floats('out.weight_v', [2, 4], [1, 2, 3, 4, 0, 0, 0, 0]));
    expect(() => opsOf(wrong)).toThrow(/"out\.weight_v": A direction of no length: found NaN at element 4/);
  });

  it('may come without weights in between that change nothing', () => {
    const graph = inferGraph(weights(gru('rnn', 3, 4)), { name: 'x', modules: ['', 'rnn', 'dropout', 'criterion'] });
    expect(graph.nodes.length).toBe(2);
    expect(() => inferGraph(weights(gru('rnn', 3, 4)), { name: 'x', modules: ['', 'rnn', 'act'] })).toThrow(/"act"/);
  });

  it('make the graph that the example of the format shows', () => {
    const graph = readPyTorch(torchFile('characters.pt'));
    expect(graph.inputs).toEqual([{ name: 'tokens', type: 'int64', shape: ['T', 'N'] }]);
    expect(graph.outputs).toEqual([{ name: 'y', type: 'float32', shape: ['T', 'N', 13] }]);
    expect(graph.nodes.map(({ op }) => op).join()).toBe('Gather,LSTM,Squeeze,LSTM,Squeeze,MatMul,Add');
    expect(graph.states).toEqual([]);
  });
});

describe('an architecture', () => {
  const two = weights({ ...gru('rnn', 3, 4), 'a.weight': [4, 4], 'a.bias': [4], 'b.weight': [2, 4], 'b.bias': [2] });
  const layers: Architecture['layers'] = [
    { type: 'GRU' },
    { type: 'Linear', prefix: 'a' },
    { type: 'ReLU' },
    { type: 'Linear', prefix: 'b' },
  ];

  it('is taken as an object or as JSON, and goes before the file’s own', () => {
    expect(opsOf(two, { architecture: { layers } })).toEqual([
      'GRU',
      'Squeeze',
      'MatMul',
      'Add',
      'Relu',
      'MatMul',
      'Add',
    ]);
    const bytes = torchFile('annotated.safetensors');
    const { architecture } = expected.cases.find(({ name }) => name === 'plain')!;
    const without = { layers: architecture!.layers!.slice(0, -1) };
    const last = (graph = readPyTorch(bytes)) => graph.nodes.at(-1)!.op;
    expect(last()).toBe('Sigmoid');
    expect(last(readPyTorch(bytes, undefined, { architecture: JSON.stringify(without) }))).toBe('Add');
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 3, /architecture has the wrong type/],
    ['no JSON', '{', /architecture/],
    ['no layers', { layers: [] }, /at least one layer/],
    ['an unknown key', { layers, extra: 1 }, /key that nobody reads.*"extra"/],
    [
      'an unknown type',
      { layers: [{ type: 'Conv2d' }] },
      /layers\[0\]\.type.*expected Embedding, LSTM.*, Residual, found "Conv2d"/,
    ],
    ['a convolution without padding', { layers: [{ type: 'Conv1d' }] }, /layers\[0\] has no "padding"/],
    [
      'a dilation of zero',
      { layers: [{ type: 'Conv1d', padding: 'causal', dilation: 0 }] },
      /layers\[0\]\.dilation.*1 to 65536, found 0/,
    ],
    [
      'a skip that does not fit',
      {
        layers: [
          { type: 'Linear', prefix: 'a' },
          { type: 'Skip', inputs: 9 },
        ],
      },
      /A skip does not fit/,
    ],
    ['an unknown option', { layers: [{ type: 'GRU', hidden: 4 }] }, /key that nobody reads.*"hidden"/],
    ['an RNN without nonlinearity', { layers: [{ type: 'RNN' }] }, /has no "nonlinearity"/],
    ['a prefix of an activation', { layers: [{ type: 'ReLU', prefix: 'a' }] }, /"prefix"/],
    ['an activation first', { layers: [{ type: 'ReLU' }] }, /An activation comes first/],
    [
      'another type',
      { layers: [{ type: 'LSTM', prefix: 'rnn' }] },
      /no weights: expected weights of LSTM "rnn", found rnn: GRU 3 -> 4/,
    ],
    ['no such prefix', { layers: [{ type: 'GRU', prefix: 'gru' }] }, /expected weights of GRU "gru"/],
    [
      'a prefix that is needed',
      { layers: [{ type: 'GRU' }, { type: 'Linear' }] },
      /layers\[1\] fits several.*a: Linear 4 -> 4, b: Linear 4 -> 2/,
    ],
    ['a layer twice', { layers: [{ type: 'GRU' }, { type: 'GRU' }] }, /layers\[1\] lists a layer again/],
    ['a layer left out', { layers: layers.slice(0, 2) }, /"b\.weight": The architecture leaves out.*"ignore": \["b"\]/],
    [
      'sizes that do not follow',
      { layers: [layers[0], layers[3], layers[1]] },
      /do not follow each other.*expected 4 numbers, found 2/,
    ],
    ['a sequence after a state', { layers: [{ type: 'Linear', prefix: 'a' }] }, /leaves out/],
    ['ignoring what is not there', { layers, ignore: ['c'] }, /ignores what is not there: found c/],
    ['a wrong eps', { layers: [{ type: 'LayerNorm', eps: 'small' }] }, /eps/],
  ])('is refused: %s', (_, architecture, message) => {
    const error = refusal(() => opsOf(two, { architecture: architecture as Architecture }));
    expect(error.message).toMatch(message);
  });

  it.each<[string, unknown[], RegExp]>([
    [
      'a residual of other numbers',
      [{ type: 'GRU' }, { type: 'Residual', layers: [{ type: 'Linear', prefix: 'b' }] }],
      /A residual does not fit: expected 2 numbers.*found 4.*layers\[1\]\.shortcut/,
    ],
    [
      'a residual within another',
      [{ type: 'Residual', layers: [{ type: 'Residual', layers: [{ type: 'GRU' }] }] }],
      /layers\[0\]\.layers\[0\]\.type.*LogSoftmax, found "Residual"/,
    ],
    ['a residual of nothing', [{ type: 'Residual', layers: [] }], /layers\[0\]\.layers.*at least one layer/],
    [
      'a residual that ends in a state',
      [
        {
          type: 'Residual',
          layers: [{ type: 'GRU', output: 'state' }],
          shortcut: [{ type: 'Linear', prefix: 'a' }],
        },
      ],
      /do not follow each other at Linear/,
    ],
    [
      'groups that do not divide',
      [{ type: 'GRU' }, { type: 'GroupNorm', groups: 3, over: 'step' }],
      /groups do not divide.*divisor of 4, found 3/,
    ],
    ['groups over nobody knows what', [{ type: 'GRU' }, { type: 'GroupNorm', groups: 2 }], /has no "over"/],
    [
      'groups over all steps',
      [{ type: 'GRU' }, { type: 'GroupNorm', groups: 2, over: 'sequence' }],
      /"gn\.weight": GroupNorm over all steps of a sequence: expected "over": "step"/,
    ],
  ])('is refused: %s', (_, listed, message) => {
    const grouped = new Map([...two, ...weights({ 'gn.weight': [4], 'gn.bias': [4] })]);
    expect(() => opsOf(grouped, { architecture: { layers: listed as NonNullable<Architecture['layers']> } })).toThrow(
      message,
    );
  });

  it('is refused where a recurrent layer follows a state', () => {
    const stacked = weights({ ...gru('a', 3, 4), ...gru('b', 4, 4) });
    const layers: Architecture['layers'] = [
      { type: 'GRU', prefix: 'a', output: 'state' },
      { type: 'GRU', prefix: 'b' },
    ];
    expect(() => opsOf(stacked, { architecture: { layers } })).toThrow(/A sequence is needed after a state/);
  });

  it('is refused where a cycle hides in the object', () => {
    const cyclic: Record<string, unknown> = { layers: [] };
    cyclic.layers = [cyclic];
    expect(refusal(() => opsOf(two, { architecture: cyclic as never })).code).toBe('INVALID_OPTION');
  });
});
