import { describe, it } from 'vitest';
import type { Mutation } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { audioText, expected } from './files.js';

const WORDS = ['lstm', 'gru', 'dense', 'activation', 'batchnorm', 'prelu', 'conv1d', 'tanh', 'softmax', 'LSTM', 'RNN'];
const seeds = expected.cases.map(({ file }) => ({ bytes: new TextEncoder().encode(audioText(file)) }));
const mutations: Mutation[] = [
  (bytes, random) => new TextEncoder().encode(mutateJson(new TextDecoder().decode(bytes), random, WORDS)),
];

describe('hostile files', () => {
  it(
    'JSON of audio plugins',
    async () => {
      await runCampaign({
        name: 'audio',
        seeds,
        mutations,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'UNSUPPORTED_OPERATOR', 'LIMIT_EXCEEDED', 'UNKNOWN_FORMAT'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );
});
