import { describe, expect, it } from 'vitest';
import { type Mutation, mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { kerasFile } from '../keras/files.js';
import { shardsOf } from './files.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const WORDS = [
  'LSTM',
  'GRU',
  'Dense',
  'Bidirectional',
  'RNN',
  'float32',
  'float16',
  'uint8',
  'uint16',
  'tokens',
  'softmax',
];

const inJson: Mutation = (bytes, random) => encoder.encode(mutateJson(decoder.decode(bytes), random, WORDS));

describe('hostile files', () => {
  it(
    'TensorFlow.js',
    async () => {
      const names = ['tfjs-forecaster', 'tfjs-float16', 'tfjs-uint8', 'tfjs-layers', 'tfjs-functional'];
      const report = await runCampaign({
        name: 'tfjs',
        seeds: names.map((name) => ({ bytes: kerasFile(`${name}/model.json`), options: { files: shardsOf(name) } })),
        mutations: [inJson],
        mutateOptions: (options, random) => {
          const files = options.files as Record<string, Uint8Array>;
          const changed = Object.entries(files).map(([name, bytes]) => [name, mutateBytes(bytes, random)]);
          return { ...options, files: Object.fromEntries(changed) };
        },
      });
      expect(report.loaded).toBeGreaterThan(report.count / 20);
      expect(Object.keys(report.refused)).toEqual(
        expect.arrayContaining(['INVALID_FILE', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE', 'INVALID_INPUT']),
      );
    },
    CAMPAIGN_TIMEOUT,
  );
});
