import { describe, expect, it } from 'vitest';
import { readGraph, writeNative } from '../../../src/convert/index.js';
import { loadModel } from '../../../src/index.js';
import { largestDifference } from '../../support/fixtures.js';
import { TOLERANCES } from '../../support/tolerances.js';
import { audioPath, expected } from './files.js';

const FORMATS: [RegExp, string][] = [
  [/^simple|^recnet/, 'Automated-GuitarAmpModelling JSON'],
  [/^aida|^layers/, 'RTNeural JSON'],
  [/nam$/, 'Neural Amp Modeler'],
];

describe('models of audio plugins', () => {
  it.each(expected.cases)('$file streams PyTorch’s numbers', async ({ file, x, y }) => {
    const model = await loadModel(audioPath(file));
    expect(largestDifference(model.createStream().run(x), y)).toBeLessThan(TOLERANCES.float32);
  });

  it.each(expected.cases)('$file is the same model once it has been a native file', async ({ file, x }) => {
    const { graph, format } = await readGraph(audioPath(file));
    expect(format).toBe(FORMATS.find(([pattern]) => pattern.test(file))?.[1]);
    const [original, written] = await Promise.all([loadModel(audioPath(file)), loadModel(writeNative(graph))]);
    expect(written.fingerprint).toBe(original.fingerprint);
    expect(written.createStream().run(x)).toEqual(original.createStream().run(x));
  });

  it('keeps what a file says of itself', async () => {
    expect((await loadModel(audioPath('aida-x-gru-1.json'))).metadata).toEqual({
      samplerate: '48000',
      metadata: '{"name":"a test","author":"nobody"}',
    });
    expect((await loadModel(audioPath('lstm-1x4.nam'))).metadata).toEqual({
      'nam.version': '0.5.2',
      samplerate: '48000',
      'nam.metadata': '{"name":"a test","gear_type":"pedal"}',
    });
  });

  it('begins a stream in the state that was trained, again after a reset', async () => {
    const [{ x, y }] = expected.cases.filter(({ file }) => file === 'lstm-2x3.nam');
    const stream = (await loadModel(audioPath('lstm-2x3.nam'))).createStream();
    const first = stream.run(x);
    stream.reset();
    expect(stream.run(x)).toEqual(first);
    expect(Math.abs(first[0] - y[0])).toBeLessThan(TOLERANCES.float32);
  });
});
