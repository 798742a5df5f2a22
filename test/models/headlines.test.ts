import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { evaluateTextSync, generateSync, textTask, Vocabulary } from '../../src/text/index.js';
import { expectPyTorch, modelFile } from './pytorch.js';

const titles = new URL('../../../shared/data/headlines/hacker_news_2000.txt', import.meta.url);
if (!existsSync(titles)) console.log('the losses on the held-out titles are not checked: ../shared/data is not there');

// Made up for this test.
const SAMPLE = `
Show HN: A small language that compiles to WebAssembly
Why we moved our database back to one server
Ask HN: How do you learn the tools of a new job?
The history of the semicolon
Google releases an open source compiler for sensors
`;

// `pytorch`: the loss of the sample in float64 with the weights of the file; `heldOut`: the card's.
const MODELS = [
  { cell: 'lstm', file: 'headlines/model.safetensors', pytorch: 1.488079259, heldOut: '2.0157' },
  { cell: 'rnn', file: 'headlines/rnn.safetensors', pytorch: 1.798728238, heldOut: '2.2571' },
];

describe('models/headlines', () => {
  it.each(MODELS)('predicts a sample as PyTorch does: $cell', async ({ file, pytorch }) => {
    const model = await loadModel(modelFile(file));
    const ids = Vocabulary.of(model).encode(SAMPLE);
    expect(evaluateTextSync(model.createStream(), ids).loss).toBeCloseTo(pytorch, 6);
  });

  it.runIf(existsSync(titles)).each(MODELS)('has the loss of its card: $cell', async ({ file, heldOut }) => {
    const model = await loadModel(modelFile(file));
    const text = readFileSync(titles, 'utf8').replaceAll('\r', '');
    const ids = Vocabulary.of(model).encode(text.slice(Math.floor(text.length * 0.9)));
    expect(evaluateTextSync(model.createStream(), ids).loss.toFixed(4)).toBe(heldOut);
  });

  it.each(MODELS)('gives what PyTorch gives for 1,000 steps: $cell', ({ cell, file }) =>
    expectPyTorch(file, `headlines-${cell}`),
  );

  it('says how a headline begins and ends', async () => {
    const model = await loadModel(modelFile('headlines/model.safetensors'));
    const { prompt, stop, length, temperature } = textTask(model)!;
    const options = { prompt, stop, length, temperature, seed: 1 };
    const headline = [...generateSync(model.createStream(), Vocabulary.of(model), options)].join('');
    expect(headline).toBe('The Saga');
  });
});
