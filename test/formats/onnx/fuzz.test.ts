import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign, runFiles, type Seed } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { mutateProtobuf } from '../../support/fuzz/protobuf.js';
import type { Random } from '../../support/fuzz/random.js';
import { integer, type ModelSpec, message, model, type NodeSpec, subgraph, tensor, text, value } from './writer.js';

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

/** A Scan behind an If on a fixed input, with weights in another file: all that a file may ask of its surroundings. */
const controlled: Seed = {
  bytes: model({
    inputs: [value('x', ['batch', 'time', 2]), value('rate', [], 7), value('memory', ['batch', 2])],
    outputs: [value('y', ['batch', 'time', 2]), value('next', ['batch', 2])],
    weights: [
      tensor('start', [1, 2], [4, 8]),
      [integer(2, 7), text(8, 'high'), message(9, new Uint8Array(BigInt64Array.of(16_000n).buffer))],
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
const seeds = [...files, controlled, controlled];

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
      const report = await runCampaign({ name: 'onnx', seeds, mutations: [mutateProtobuf], mutateOptions });
      // Weights are most of a file: many changes must still give a model, and the deeper checks be reached.
      expect(report.loaded).toBeGreaterThan(report.count / 20);
      expect(Object.keys(report.refused)).toEqual(
        expect.arrayContaining(['INVALID_FILE', 'INVALID_GRAPH', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE']),
      );
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
