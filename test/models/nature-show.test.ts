import { describe, expect, it } from 'vitest';
import { accuracy, shows } from '../../models/nature-show/show.mjs';
import { loadModel } from '../../src/index.js';
import { expectPyTorch, modelFile } from './pytorch.js';

describe('models/nature-show', () => {
  it.each([
    ['LSTM', 'model', '0.999'],
    ['GRU', 'gru', '1.000'],
    ['RNN', 'rnn', '0.640'],
  ])('answers as often as the card says with 100 scenes in between: %s', async (_, file, share) => {
    const model = await loadModel(modelFile(`nature-show/${file}.safetensors`));
    expect(accuracy(model, shows(100, 1000, 100)).toFixed(3)).toBe(share);
  });

  it.each([
    ['lstm', 'model'],
    ['gru', 'gru'],
    ['rnn', 'rnn'],
  ])('gives what PyTorch gives for 1,000 steps: %s', (cell, file) =>
    expectPyTorch(`nature-show/${file}.safetensors`, `nature-show-${cell}`),
  );

  it('names every observation and answer', async () => {
    const { metadata, outputs } = await loadModel(modelFile('nature-show/model.safetensors'));
    const observations = JSON.parse(metadata.observations);
    const [{ observations: ids }] = shows(500, 1, 1);
    expect(observations[ids[24]]).toMatch(/: (sheep|bears)$/);
    expect(observations[ids.at(-1)!]).toMatch(/: dog or wolf\?$/);
    expect(Math.max(...ids)).toBe(observations.length - 1);
    expect(JSON.parse(metadata.answers)).toHaveLength(outputs[0].size);
  });
});
