import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { evaluateTextSync, generateSync, Vocabulary } from '../../src/text/index.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const file = path('../../models/shakespeare/model.safetensors');
const heldOut = path('../../../shared/data/tinyshakespeare/input.txt');
if (!existsSync(heldOut)) console.log('the loss on the held-out text is not checked: ../shared/data is not there');

// Hamlet, act 3, scene 1, and what PyTorch gives for it in float64 with the weights of the file.
const SAMPLE = `HAMLET:
To be, or not to be, that is the question:
Whether 'tis nobler in the mind to suffer
The slings and arrows of outrageous fortune,
Or to take arms against a sea of troubles
And by opposing end them.
`;
const PYTORCH_LOSS = 1.427525166;

describe('models/shakespeare', () => {
  it.each(['simd', 'scalar'] as const)('predicts a sample as PyTorch does, with %s kernels', async (kernels) => {
    const model = await loadModel(file, { kernels });
    const ids = Vocabulary.of(model).encode(SAMPLE);
    expect(evaluateTextSync(model.createStream(), ids).loss).toBeCloseTo(PYTORCH_LOSS, 6);
  });

  it.runIf(existsSync(heldOut))(
    'has the loss of its card on the held-out tenth',
    async () => {
      const model = await loadModel(file);
      const text = readFileSync(heldOut, 'utf8');
      const ids = Vocabulary.of(model).encode(text.slice(Math.floor(text.length * 0.9)));
      expect(evaluateTextSync(model.createStream(), ids).loss).toBeCloseTo(1.453969, 5);
    },
    120_000,
  );

  it('writes the text of its card from a seed', async () => {
    const model = await loadModel(file);
    const options = { prompt: 'ROMEO:', length: 60, seed: 1, temperature: 0.7 };
    const text = [...generateSync(model.createStream(), Vocabulary.of(model), options)].join('');
    expect(text).toBe('\nThou art my heart is no grace.\n\nCAMILLO:\nA caward of me, an');
  });

  it('gives the same bits after its memory has grown under it', async () => {
    const model = await loadModel(file);
    const [a, b] = [model.createStream(), model.createStream()];
    const before = a.step(7).slice();
    const others = Array.from({ length: 500 }, () => model.createStream());
    expect([...b.step(7)]).toEqual([...before]);
    expect(others[499].step(7)).toEqual(before);
  });

  it('carries the vocabulary that lies beside it', async () => {
    const model = await loadModel(file);
    expect(JSON.parse(readFileSync(path('../../models/shakespeare/vocabulary.json'), 'utf8'))).toEqual(
      JSON.parse(model.metadata.vocabulary),
    );
  });
});
