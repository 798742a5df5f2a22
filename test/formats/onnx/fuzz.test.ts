import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign, runFiles, type Seed } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { mutateProtobuf } from '../../support/fuzz/protobuf.js';
import type { Random } from '../../support/fuzz/random.js';
import {
  integer,
  type ModelSpec,
  message,
  model,
  type NodeSpec,
  node,
  subgraph,
  tensor,
  text,
  value,
} from './writer.js';

const SEEDS = [
  'tagger-trace',
  'stepper-dynamo',
  'characters-trace',
  'classifier-fixed-trace',
  'both-dynamo',
  'quantized-qdq',
  'quantized-dynamic',
  'loop-list',
  'loop-cell',
  'places-all',
  'places-assign',
];
const files: Seed[] = SEEDS.map((name) => ({
  bytes: new Uint8Array(readFileSync(fileURLToPath(new URL(`./fixtures/${name}.onnx`, import.meta.url)))),
}));

const scalar = (name: string, one: bigint) => [
  integer(2, 7),
  text(8, name),
  message(9, new Uint8Array(BigInt64Array.of(one).buffer)),
];

/** A Scan behind an If on a fixed input, with weights in another file: all that a file may ask of its surroundings. */
const controlled: Seed = {
  bytes: model({
    inputs: [value('x', ['batch', 'time', 2]), value('rate', [], 7), value('memory', ['batch', 2])],
    outputs: [value('y', ['batch', 'time', 2]), value('next', ['batch', 2])],
    weights: [
      tensor('start', [1, 2], [4, 8]),
      scalar('high', 16_000n),
      [
        ...[integer(1, 2), integer(2, 1), text(8, 'gain')],
        ...[message(13, text(1, 'location'), text(2, 'gain.bin')), message(13, text(1, 'offset'), text(2, '4'))],
        integer(14, 1),
      ],
    ],
    nodes: [
      { op: 'Equal', inputs: ['rate', 'high'], outputs: ['isHigh'] },
      {
        op: 'If',
        inputs: ['isHigh'],
        outputs: ['louder'],
        attributes: {
          then_branch: subgraph([{ op: 'Mul', inputs: ['x', 'gain'], outputs: ['a'] }], ['a']),
          else_branch: subgraph([{ op: 'Identity', inputs: ['x'], outputs: ['a'] }], ['a']),
        },
      },
      {
        op: 'Scan',
        inputs: ['start', 'louder'],
        outputs: ['end', 'y'],
        attributes: {
          body: subgraph(
            [{ op: 'Add', inputs: ['state', 'now'], outputs: ['sum'] }],
            ['sum', 'sum'],
            [],
            ['state', 'now'],
          ),
          num_scan_inputs: 1,
          scan_input_axes: [1],
          scan_output_axes: [1],
        },
      },
      { op: 'Tanh', inputs: ['memory'], outputs: ['next'] },
    ],
  }),
  options: {
    constants: { rate: 16_000 },
    states: { memory: 'next' },
    files: { 'gain.bin': new Uint8Array(Float32Array.of(1, 2, 3).buffer) },
  },
};
/** Ones, of weights that any number does for. */
const ones = (name: string, shape: number[]) => tensor(name, shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1));

/** What stands around cells: whatever shape an operator is given must be a model or a refusal. */
const around: Seed = {
  bytes: model({
    inputs: [value('x', ['batch', 4, 6])],
    outputs: ['y', 'spectrum', 'scattered'].map((name) => value(name, undefined)),
    weights: [
      ...[ones('w', [4, 2, 3]), ones('t', [4, 2, 2]), ones('four', [4]), ones('six', [6])],
      ...[tensor('pads', [6], [0n, 0n, 1n, 0n, 0n, 1n]), tensor('times', [3], [1n, 1n, 2n])],
      ...[tensor('pair', [2, 2], [0n, 1n, 1n, 0n]), tensor('sizes', [2], [4n, 2n]), tensor('three', [1], [3n])],
      ...[scalar('second', 1n), scalar('depth', 16n), tensor('values', [2], [0, 1]), tensor('half', [], [0.5])],
    ],
    nodes: [
      node('Pad', ['x', 'pads'], 'padded'),
      node('Conv', ['padded', 'w', 'four'], 'a', { group: 2, kernel_shape: [3] }),
      node('BatchNormalization', ['a', 'four', 'four', 'four', 'four'], 'b'),
      node('InstanceNormalization', ['b', 'four', 'four'], 'c'),
      node('LayerNormalization', ['c', 'six', 'six'], 'd', { axis: -1 }),
      node('MaxPool', ['d'], 'e', { kernel_shape: [2], strides: [2] }),
      node('ConvTranspose', ['e', 't'], 'f', { group: 2, strides: [2] }),
      node('PRelu', ['f', 'six'], 'g'),
      node('Einsum', ['g', 'x'], 'h', { equation: 'bij,bkj->bik' }),
      node('Trilu', ['h'], 'i'),
      node('Softmax', ['i'], 'j', { axis: 1 }),
      node('Transpose', ['x'], 'turned', { perm: [0, 2, 1] }),
      node('Split', ['turned', 'sizes'], ['k', 'l'], { axis: 1 }),
      node('CumSum', ['l', 'second'], 'm'),
      node('Tile', ['m', 'times'], 'n'),
      node('ReduceMean', ['n'], 'o', { axes: [1, 2], keepdims: 1 }),
      node('Mul', ['k', 'o'], 'p'),
      node('Greater', ['p', 'half'], 'q'),
      node('Where', ['q', 'p', 'j'], 'r'),
      node('Flatten', ['r'], 's'),
      node('ArgMax', ['s'], 'choice', { axis: 1, keepdims: 0 }),
      node('OneHot', ['choice', 'depth', 'values'], 'u'),
      node('Concat', ['s', 'u'], 'y', { axis: 1 }),
      node('Unsqueeze', ['x', 'three'], 'v'),
      node('DFT', ['v'], 'spectrum', { axis: 1, onesided: 1 }),
      node('Transpose', ['x'], 'first', { perm: [1, 2, 0] }),
      node('GatherND', ['first', 'pair'], 'updates'),
      node('ScatterND', ['first', 'pair', 'updates'], 'scattered', { reduction: 'add' }),
    ],
  }),
};
const seeds = [...files, controlled, controlled, around];

/** What is beside the file: other numbers, names and shapes. */
function mutateOptions(options: Record<string, unknown>, random: Random): Record<string, unknown> {
  const { files: beside, ...rest } = options as { files?: Record<string, Uint8Array> };
  const text = mutateJson(JSON.stringify({ shapes: { x: ['N', 'T', 2] }, ...rest }), random, ['x', 'T']);
  const bytes = beside ? { files: { 'gain.bin': mutateBytes(beside['gain.bin'], random) } } : {};
  try {
    // No object that a caller could make is thousands deep.
    const changed = text.length < 1000 ? JSON.parse(text) : {};
    return { ...(typeof changed === 'object' ? changed : {}), ...bytes };
  } catch {
    return { ...rest, ...bytes };
  }
}

describe('hostile files', () => {
  it(
    'ONNX',
    async () => {
      await runCampaign({
        name: 'onnx',
        seeds,
        mutations: [mutateProtobuf],
        mutateOptions,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'INVALID_GRAPH', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );

  const many = (count: number, nodeOf: (i: number) => NodeSpec): NodeSpec[] =>
    Array.from({ length: count }, (_, i) => nodeOf(i));
  const named = (i: number) => (i === 0 ? 'x' : `v${i}`);
  const x = value('x', ['N', 4]);
  const constant = tensor(
    'x',
    [64, 64],
    Array.from({ length: 4096 }, () => 1),
  );

  it.each<[string, ModelSpec]>([
    [
      'nodes of one name',
      {
        nodes: many(16_000, (i) => ({ op: 'Relu', name: 'same', inputs: [named(i)], outputs: [named(i + 1)] })),
        inputs: [x],
        outputs: [value('v16000', undefined)],
      },
    ],
    [
      'constants moved again and again',
      {
        nodes: many(16_000, (i) => ({ op: 'Transpose', inputs: [named(i)], outputs: [named(i + 1)] })),
        inputs: [],
        weights: [constant],
        outputs: [value('v16000', undefined)],
      },
    ],
    [
      'constants doubled again and again',
      {
        nodes: many(40, (i) => ({
          op: 'Concat',
          inputs: [named(i), named(i)],
          outputs: [named(i + 1)],
          attributes: { axis: 0 },
        })),
        inputs: [],
        weights: [constant],
        outputs: [value('v40', undefined)],
      },
    ],
    [
      'zeros of any size',
      {
        nodes: [
          { op: 'ConstantOfShape', inputs: ['s'], outputs: ['z'] },
          { op: 'Add', inputs: ['x', 'z'], outputs: ['y'] },
        ],
        inputs: [x],
        weights: [tensor('s', [2], [2n ** 40n, 4n])],
        outputs: [value('y', undefined)],
      },
    ],
    [
      'states without end',
      {
        nodes: many(16_000, (i) => ({
          op: 'RNN',
          inputs: ['x', 'W', 'R', '', '', `h${i % 1000}`],
          outputs: [`y${i}`, `n${i}`],
        })),
        inputs: [value('x', ['T', 'N', 4]), ...Array.from({ length: 1000 }, (_, i) => value(`h${i}`, [1, 'N', 8]))],
        weights: [tensor('W', [1, 8, 4], Array(32).fill(0)), tensor('R', [1, 8, 8], Array(64).fill(0))],
        outputs: Array.from({ length: 1000 }, (_, i) => value(`n${i}`, undefined)),
      },
    ],
  ])(
    'ONNX: %s',
    async (_, spec) => {
      await runFiles('onnx', seeds[0], [{ bytes: model(spec) }]);
    },
    CAMPAIGN_TIMEOUT,
  );
});
