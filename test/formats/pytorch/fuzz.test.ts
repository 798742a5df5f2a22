import { describe, it } from 'vitest';
import { parseSafetensors } from '../../../src/formats/safetensors/container.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-container.js';
import { readZip } from '../../../src/formats/zip.js';
import { INTEGERS, type Mutation, mutateBytes, splice } from '../../support/fuzz/bytes.js';
import { CAMPAIGN_TIMEOUT, runCampaign, runFiles } from '../../support/fuzz/campaign.js';
import { mutateJson } from '../../support/fuzz/json.js';
import type { Random } from '../../support/fuzz/random.js';
import { expected, pickle, torchFile, zip } from './files.js';

const zipped = ['characters.pt', 'gru-norm.pt', 'projected-both.pt', 'parameters.pt', 'checkpoint.pt', 'views.pt'];
const legacy = ['characters-legacy.pth', 'classifier-legacy.pth', 'views-legacy.pth'];
const architectures = expected.cases.flatMap(({ files: [file], architecture }) =>
  architecture ? [{ bytes: torchFile(file), options: { architecture: JSON.stringify(architecture) } }] : [],
);
const seeds = [...[...zipped, ...legacy].map((name) => ({ bytes: torchFile(name) })), ...architectures];

const isZip = (bytes: Uint8Array) => bytes[0] === 0x50;

/** Parts of pickles: instructions, texts and names that mean something, whole tensors. */
const PARTS: readonly number[][] = [
  ...[0x28, 0x74, 0x75, 0x7d, 0x5d, 0x61, 0x65, 0x73, 0x51, 0x52, 0x62, 0x4e, 0x29, 0x85, 0x86, 0x87].map((op) => [op]),
  [0x71, 0],
  [0x68, 0],
  [0x72, 255, 255, 255, 255],
  [0x8a, 2, 1, 128],
  ...['storage', '0', 'w', '', `${'a.'.repeat(500)}weight`].map(pickle.text),
  ...[0, 1, 2, 6, -1, 2 ** 31 - 1].map(pickle.int),
  ...['FloatStorage', 'LongStorage', 'Tensor'].map((name) => pickle.global('torch', name)),
  ...['_rebuild_tensor_v2', '_rebuild_parameter'].map((name) => pickle.global('torch._utils', name)),
  pickle.global('collections', 'OrderedDict'),
  pickle.storage('FloatStorage', '0', 6),
  pickle.tensor(pickle.storage('FloatStorage', '0', 6), [2, 3], [3, 1]),
];

/** Instructions put between a pickle's own, or its bytes changed. */
const changePickle: Mutation = (bytes, random) => {
  if (random.chance(0.5)) return mutateBytes(bytes, random);
  const at = random.integer(bytes.length);
  return splice(bytes, at, at + random.integer(4), Uint8Array.from(random.pick(PARTS)));
};

/** A file with its pickle changed and the lengths around it put right, so that the machine gets to see it. */
const repickle: Mutation = (bytes, random) => {
  if (!isZip(bytes)) return splice(bytes, 0, 900, changePickle(bytes.subarray(0, 900), random));
  const members = Array.from(readZip(bytes), ([name, data]): [string, Uint8Array] => [
    name,
    name.endsWith('.pkl') ? changePickle(data, random) : data,
  ]);
  return zip(members);
};

/** The directory at the end of an archive changed. */
const changeDirectory: Mutation = (bytes, random) => {
  if (!isZip(bytes)) return mutateBytes(bytes, random);
  const begin = Math.max(0, bytes.length - 60 * (readZip(bytes).size + 3));
  return splice(bytes, begin, bytes.length, mutateBytes(bytes.subarray(begin), random));
};

/** An archive with a pickle of parts at random. */
const randomPickle: Mutation = (_, random) => {
  const parts = Array.from({ length: random.integer(20) }, () => random.pick(PARTS));
  return zip([
    ['m/data.pkl', pickle.file(...parts)],
    ['m/data/0', new Uint8Array(24)],
  ]);
};

const NAMES = [
  ...['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0', 'weight_ih_l1', 'weight_hh_l1', 'weight_hr_l0'],
  ...['weight_ih_l0_reverse', 'weight_hh_l0_reverse'],
].map((name) => `rnn.${name}`);
const OTHERS = ['a.weight', 'a.bias', 'emb.weight', 'weight', 'bias', '.weight', 'a.0.weight', 'a.2.weight'];

/** A sound state dict of names and shapes at random. */
const randomShapes: Mutation = (_, random) => {
  const storage = pickle.storage('FloatStorage', '0', 16);
  const names = new Set(Array.from({ length: random.integer(7) }, () => random.pick([...NAMES, ...OTHERS])));
  const pairs = [...names].flatMap((name) => {
    const shape = Array.from({ length: random.integer(4) }, () => random.pick([0, 1, 2, 3, 4, 6, 12, 16, 9000]));
    const strides = shape.map(() => 0);
    return [pickle.text(name), pickle.tensor(storage, shape, strides)];
  });
  return zip([
    ['m/data.pkl', pickle.file(pickle.dict(...pairs))],
    ['m/data/0', new Uint8Array(64)],
  ]);
};

const annotated = parseSafetensors(torchFile('annotated.safetensors'));
const LAYERS = ['Embedding', 'LSTM', 'GRU', 'RNN', 'Linear', 'LayerNorm', 'ReLU', 'Softmax', 'state', 'rnn', 'relu'];

const changeArchitecture = (text: string, random: Random) => mutateJson(text, random, [...LAYERS, ...INTEGERS]);

/** A file whose metadata say how it is built. */
const changeAnnotation: Mutation = (_, random) => {
  const text = changeArchitecture(annotated.metadata.get('rivulet.architecture') ?? '', random);
  return writeSafetensors({ ...annotated, metadata: new Map([['rivulet.architecture', text]]) });
};

describe('hostile files', () => {
  it(
    'PyTorch',
    async () => {
      await runCampaign({
        name: 'pytorch',
        seeds,
        mutations: [repickle, repickle, changeDirectory, randomPickle, randomShapes, changeAnnotation],
        mutateOptions: ({ architecture }, random) =>
          typeof architecture === 'string' ? { architecture: changeArchitecture(architecture, random) } : {},
        reaches: { loaded: 0.01, refused: ['INVALID_FILE', 'UNKNOWN_FORMAT'] },
      });
    },
    CAMPAIGN_TIMEOUT,
  );

  it(
    'PyTorch: as large as their limits allow',
    async () => {
      const many = (count: number, ...parts: number[][]) => new Array(count).fill(parts.flat()).flat();
      const pickles = [
        // A list of very many; one list in itself; tuples of tuples; a long text; a long name; noise.
        pickle.file([0x5d], many(400, [0x28], many(10_000, [0x29]), [0x65])),
        pickle.file([0x5d, 0x71, 0], many(100_000, [0x68, 0, 0x61])),
        pickle.file([0x29], many(500_000, [0x85])),
        pickle.file([0x58, 255, 255, 255, 255]),
        pickle.file([0x63], many(100_000, [0x61])),
        Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 2_654_435_761) >>> 13),
      ];
      // Layers that all look at one storage, each of which would be copied.
      const storage = pickle.storage('FloatStorage', '0', 262_144);
      const layers = Array.from({ length: 200 }, (_, k) => [
        pickle.text(`rnn.weight_ih_l${k}`),
        pickle.tensor(storage, [1024, 256], [256, 1]),
        pickle.text(`rnn.weight_hh_l${k}`),
        pickle.tensor(storage, [1024, 256], [256, 1]),
      ]).flat();
      const shared = zip([
        ['m/data.pkl', pickle.file(pickle.dict(...layers))],
        ['m/data/0', new Uint8Array(1 << 20)],
      ]);
      // Many layers of one size, in no order.
      const square = { dtype: 'F32' as const, shape: [2, 2], bytes: new Uint8Array(16) };
      const tensors = new Map(Array.from({ length: 500 }, (_, k) => [`l${k}.weight`, square]));
      const unordered = writeSafetensors({ metadata: new Map(), tensors });
      const files = [...pickles.map((data) => zip([['m/data.pkl', data]])), shared, unordered];
      await runFiles(
        'pytorch',
        seeds[0],
        files.map((bytes) => ({ bytes })),
      );
    },
    CAMPAIGN_TIMEOUT,
  );
});
