import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/index.js';
import { Vocabulary } from '../../../src/text/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { expected, FOLDER, modelFiles } from './files.js';

const SHARED = fileURLToPath(new URL('../../../../shared/conformance/ml5_charrnn/', import.meta.url));
const hasModels = existsSync(SHARED);
if (!hasModels) console.warn('ml5 conformance skipped: ../shared/conformance/ml5_charrnn is not there');

describe('an ml5 character model', () => {
  it('streams the numbers of TensorFlow’s cell, from its folder or from bytes', async () => {
    const { manifest, files } = modelFiles();
    for (const model of [await loadModel(`${FOLDER}manifest.json`), await loadModel(manifest, { files })]) {
      expect(largestDifference(model.createStream().run(expected.tokens), expected.logits)).toBeLessThan(
        TOLERANCES.float32,
      );
      expect(model.metadata).toEqual({ vocabulary: JSON.stringify(['\n', ' ', 'a', 'b', 'é', '🙂']) });
    }
  });

  it.each<[string, RegExp, string, (model: ReturnType<typeof modelFiles>) => void]>([
    [
      'a file that is not given',
      /in several files.*"embedding"/,
      'INVALID_INPUT',
      ({ files }) => delete files.embedding,
    ],
    [
      'a file of another length',
      /"rnnlm_softmax_b" does not hold its tensor: expected 24 bytes for \[6\], found 20/,
      'INVALID_FILE',
      ({ files }) => (files.rnnlm_softmax_b = files.rnnlm_softmax_b.slice(4)),
    ],
    [
      'layers that do not follow each other',
      /tensor "rnnlm\/multi_rnn_cell\/cell_0.*kernel".*does not fit.*expected \[6, 16\], found \[7, 16\]/,
      'INVALID_FILE',
      ({ entries, files }) => {
        entries.embedding.shape[1] = 2;
        files.embedding = files.embedding.slice(0, 48);
      },
    ],
    [
      'a tensor too much',
      /nobody reads.*"extra"/,
      'INVALID_FILE',
      ({ entries }) => (entries.extra = entries.embedding),
    ],
    [
      'a missing layer',
      /manifest has no "rnnlm\/multi_rnn_cell\/cell_0\/basic_lstm_cell\/kernel"/,
      'INVALID_FILE',
      ({ entries }) => delete entries['rnnlm/multi_rnn_cell/cell_0/basic_lstm_cell/kernel'],
    ],
    [
      'a character twice',
      /vocab\.json.*each of 0 to 5 once.*found 1/,
      'INVALID_FILE',
      ({ files }) => (files['vocab.json'] = new TextEncoder().encode('{"a":0,"b":1,"c":1}')),
    ],
    [
      'a character too few',
      /vocab\.json.*none for token 1/,
      'INVALID_FILE',
      ({ files }) => (files['vocab.json'] = new TextEncoder().encode('{"a":0,"b":2}')),
    ],
    [
      'a name out of the folder',
      /not beside it.*"\.\.\/secret"/,
      'INVALID_FILE',
      ({ entries }) => (entries.embedding.filename = '../secret'),
    ],
  ])('refuses %s', async (_, message, code, change) => {
    const model = modelFiles();
    change(model);
    const manifest = new TextEncoder().encode(JSON.stringify(model.entries));
    await expect(loadModel(manifest, { files: model.files })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

/** The index of the largest number. */
const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, value, i, all) => (value > all[best] ? i : best), 0);

function softmax(logits: Float32Array): number[] {
  const most = Math.max(...logits);
  const odds = Array.from(logits, (value) => Math.exp(value - most));
  const sum = odds.reduce((a, b) => a + b);
  return odds.map((value) => value / sum);
}

describe.skipIf(!hasModels)('ml5’s own models', () => {
  const names = hasModels ? readdirSync(SHARED, { withFileTypes: true }).filter((entry) => entry.isDirectory()) : [];
  it.each(names.map(({ name }) => name))('%s: the distribution after a seed, and 80 characters', async (name) => {
    const golden = JSON.parse(readFileSync(`${SHARED}${name}/golden.json`, 'utf8'));
    const model = await loadModel(`${SHARED}${name}/manifest.json`);
    const vocabulary = Vocabulary.of(model);
    const stream = model.createStream();
    const seed = vocabulary.encode(golden.seed);
    expect([...seed]).toEqual(golden.seed_ids);
    let logits = new Float32Array(vocabulary.size);
    for (const token of seed) logits = Float32Array.from(stream.step(token));
    const difference = softmax(logits).map((value, i) => Math.abs(value - golden.probs_after_seed[i]));
    expect(Math.max(...difference)).toBeLessThan(1e-6);
    let text = '';
    while (text.length < golden.greedy80.length) {
      const token = largest(logits);
      text += vocabulary.decode([token]);
      logits = Float32Array.from(stream.step(token));
    }
    expect(text).toBe(golden.greedy80);
  });
});
