import { describe, it } from 'vitest';
import { type Mutation, mutateBytes } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { modelFiles } from './files.js';

const { manifest, entries, files } = modelFiles();
const mutations: Mutation[] = [
  (bytes, random) => new TextEncoder().encode(mutateJson(new TextDecoder().decode(bytes), random, Object.keys(files))),
];

describe('hostile files', () => {
  it(
    'ml5',
    async () => {
      await runCampaign({
        name: 'ml5',
        seeds: [{ bytes: manifest, options: { files } }],
        mutations,
        mutateOptions: (options, random) => {
          const name = random.pick([...Object.keys(files), entries.embedding.filename]);
          return { ...options, files: { ...files, [name]: mutateBytes(files[name], random) } };
        },
        reaches: { loaded: 0.05, refused: ['INVALID_FILE', 'INVALID_INPUT'] },
      });
    },
    CAMPAIGN_TIMEOUT,
  );
});
