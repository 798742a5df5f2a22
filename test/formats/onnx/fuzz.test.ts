import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CAMPAIGN_TIMEOUT, runCampaign, runFiles } from '../../support/fuzz/campaign.js';
import { mutateProtobuf } from '../../support/fuzz/protobuf.js';
import { type ModelSpec, model, type NodeSpec, tensor, value } from './writer.js';

const SEEDS = ['tagger-trace', 'stepper-dynamo', 'characters-trace', 'classifier-fixed-trace', 'both-dynamo'];
const seeds = SEEDS.map((name) => ({
  bytes: new Uint8Array(readFileSync(fileURLToPath(new URL(`./fixtures/${name}.onnx`, import.meta.url)))),
}));

describe('hostile files', () => {
  it(
    'ONNX',
    async () => {
      const report = await runCampaign({ name: 'onnx', seeds, mutations: [mutateProtobuf] });
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
