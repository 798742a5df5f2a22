import { describe, it } from 'vitest';
import { readModelSync } from '../../../src/formats/registry.js';
import { parseSafetensors } from '../../../src/formats/safetensors/container.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-container.js';
import { type Mutation, mutateBytes, splice } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign } from '../../support/fuzz/campaign.js';
import { ends } from '../../support/fuzz/ends.js';
import { mutateJson } from '../../support/fuzz/json.js';
import { fixture } from '../files.js';

const names = [
  'lstm-3-4-layers',
  'gru-explicit-state-initial',
  'text-lstm-softmax-f16',
  'onnx-lstm-all',
  'activations',
];
const seeds = names.map((name) => ({ bytes: fixture(name) }));

/** Values that graphs hold: operators, symbols, types, attributes. */
const WORDS = [
  ...['LSTM', 'GRU', 'RNN', 'LSTMP', 'Linear', 'MatMul', 'Gemm', 'Add', 'Concat', 'Slice', 'Reshape', 'Transpose'],
  ...[
    'Gather',
    'Softmax',
    'Clip',
    'T',
    'N',
    'int64',
    'float32',
    'F16',
    'I64',
    'reverse',
    'bidirectional',
    'hidden_size',
  ],
];

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (text: string) => new TextEncoder().encode(text);

/** The header's JSON changed, and its length put right. */
const changeHeader: Mutation = (bytes, random) => {
  const end = 8 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = encode(mutateJson(decode(bytes.subarray(8, end)), random, WORDS));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, header.length, true);
  return splice(bytes, 0, end, length, header);
};

/** The graph's JSON changed, in a sound file around it. */
const changeGraph: Mutation = (bytes, random) => {
  const file = parseSafetensors(bytes);
  const graph = file.metadata.get('rivulet.graph') ?? '';
  const changed = random.chance(0.9) ? mutateJson(graph, random, WORDS) : decode(mutateBytes(encode(graph), random));
  return writeSafetensors({ ...file, metadata: new Map([...file.metadata, ['rivulet.graph', changed]]) });
};

describe('hostile files', () => {
  it(
    'the native format',
    async () => {
      const mutations = [changeHeader, changeGraph, changeGraph, changeGraph];
      await runCampaign({
        name: 'safetensors',
        seeds,
        mutations,
        bytesShare: 0.1,
        reaches: {
          loaded: 0.05,
          refused: ['INVALID_FILE', 'INVALID_GRAPH', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_ATTRIBUTE'],
        },
      });
    },
    CAMPAIGN_TIMEOUT,
  );

  it('the native format, at every length', () => {
    const { bytes } = seeds[0];
    for (let length = 0; length < bytes.length; length++) ends(() => readModelSync(bytes.subarray(0, length)));
  });
});
