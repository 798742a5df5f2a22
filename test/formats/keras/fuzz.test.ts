import { describe, it } from 'vitest';
import { readZip } from '../../../src/formats/zip.js';
import { type Mutation, mutateBytes, splice } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import type { Random } from '../../support/fuzz/random.js';
import { zip } from '../pytorch/files.js';
import { cases, kerasFile } from './files.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** What means something in a config: classes, functions, modes. */
const WORDS = [
  'LSTM',
  'GRU',
  'SimpleRNN',
  'Bidirectional',
  'TimeDistributed',
  'StackedRNNCells',
  'Dense',
  'Embedding',
  'Flatten',
  'Reshape',
  'Conv1D',
  'Sequential',
  'Functional',
  'InputLayer',
  'Masking',
  'Add',
  'softmax',
  'hard_sigmoid',
  'linear',
  'concat',
  'causal',
  'same',
  'int32',
  'x',
  'lstm',
];

/** A member of the archive changed, and the archive put together again. */
const inMember =
  (member: string, change: (bytes: Uint8Array, random: Random) => Uint8Array): Mutation =>
  (bytes, random) => {
    // HDF5, or an archive whose members are compressed.
    if (bytes[0] !== 0x50 || bytes[8] !== 0) return mutateBytes(bytes, random);
    return zip(Array.from(readZip(bytes), ([name, data]) => [name, name === member ? change(data, random) : data]));
  };

const json = (bytes: Uint8Array, random: Random) => encoder.encode(mutateJson(decoder.decode(bytes), random, WORDS));

/** The config within an HDF5 file, where what is changed takes no more room. */
const inAttribute: Mutation = (bytes, random) => {
  const begin = indexOf(bytes, '{"class_name"');
  if (begin < 0) return mutateBytes(bytes, random);
  const end = bytes.indexOf(0, begin);
  const changed = json(bytes.subarray(begin, end), random);
  if (changed.length > end - begin) return mutateBytes(bytes, random);
  const padded = new Uint8Array(end - begin).fill(0x20);
  padded.set(changed);
  return splice(bytes, begin, end, padded);
};

function indexOf(bytes: Uint8Array, text: string): number {
  const wanted = encoder.encode(text);
  return bytes.findIndex((_, at) => wanted.every((byte, i) => bytes[at + i] === byte));
}

/** Bytes of the structure: signatures, addresses and lengths lie in the first half of a small file. */
const inStructure: Mutation = (bytes, random) => {
  const middle = bytes.length >> 1;
  return splice(bytes, 0, middle, mutateBytes(bytes.subarray(0, middle), random));
};

const SEEDS = [
  'lstm.keras',
  'bidirectional-concat.keras',
  'states-in.keras',
  'place.keras',
  'gru-deflated.keras',
  'lstm.h5',
  'lstm-chunked.h5',
  'shared.h5',
  'cudnn-gru-gru2.h5',
];

describe('hostile files', () => {
  it(
    'Keras',
    async () => {
      const { architecture } = cases.find(({ name }) => name === 'weights')!;
      const text = JSON.stringify(architecture);
      await runCampaign({
        name: 'keras',
        seeds: [
          ...SEEDS.map((file) => ({ bytes: kerasFile(file) })),
          { bytes: kerasFile('weights.weights.h5'), options: { architecture } },
        ],
        mutations: [
          inMember('config.json', json),
          inMember('config.json', json),
          inMember('model.weights.h5', mutateBytes),
          inMember('model.weights.h5', inStructure),
          inStructure,
          inAttribute,
        ],
        mutateOptions: (options, random) =>
          options.architecture ? { architecture: mutateJson(text, random, WORDS) } : options,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE', 'LIMIT_EXCEEDED'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );
});
