// What a beginner passes by mistake: every public call refuses it, before anything happens, in words of its own.
import { describe, expect, it } from 'vitest';
import { calibrate, verifyModel, withWeights, writeNative } from '../src/convert/index.js';
import { loadModel, type Model, RivuletError } from '../src/index.js';
import { shown } from '../src/options.js';
import { Detector, ErrorLikelihood, Forecaster, Scaler, sequenceBatches, windows } from '../src/sequences/index.js';
import { evaluateText, evaluateTextSync, generate, Sampler, Vocabulary } from '../src/text/index.js';
import { cell } from './support/graphs.js';
import { tinyCharacterModel } from './support/tiny-model.js';

const refused = (code: string, ...parts: string[]) =>
  expect.objectContaining({
    constructor: RivuletError,
    code,
    message: expect.stringMatching(
      new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')),
    ),
  });

const textModel = () => loadModel(tinyCharacterModel());

/** One column in, the next value out. */
async function forecaster(): Promise<Model> {
  const graph = cell({ op: 'RNN', inputs: 1, hidden: 1 });
  graph.metadata = { forecast: JSON.stringify({ columns: ['price'], horizon: 1 }) };
  return loadModel(writeNative(graph));
}

describe('options that there are not', () => {
  it.each<[string, (model: Model) => unknown, string]>([
    ['generate', (m) => generate(m.createStream(), Vocabulary.of(m), { lenght: 5 } as never), 'lenght'],
    ['Sampler', () => new Sampler({ temprature: 1 } as never), 'temprature'],
    ['Vocabulary', () => new Vocabulary(['a'], { unknwon: 'a' } as never), 'unknwon'],
    ['sequenceBatches', () => sequenceBatches([1, 2], { batchSize: 1, sequenceLength: 1, widht: 2 } as never), 'widht'],
    ['windows', () => windows([[1, 2]], { length: 1, strid: 1 } as never), 'strid'],
    ['ErrorLikelihood', () => new ErrorLikelihood({ windw: 3 } as never), 'windw'],
    ['Scaler.fit', () => Scaler.fit('standard', ['a'], [1, 2], { logg: true } as never), 'logg'],
  ])('are refused by %s', async (call, make, found) => {
    const model = await textModel();
    expect(() => make(model)).toThrow(refused('INVALID_OPTION', call, 'no such option', `found ${found}`));
  });

  it('are refused by Detector, and a threshold that nothing can reach', async () => {
    const stream = (await forecaster()).createStream();
    expect(() => new Detector(stream, { treshold: 1 } as never)).toThrow(refused('INVALID_OPTION', 'treshold'));
    expect(() => new Detector(stream, { threshold: Number.NaN })).toThrow(refused('INVALID_OPTION', 'NaN'));
  });

  it('and options that are none', async () => {
    const model = await textModel();
    const vocabulary = Vocabulary.of(model);
    expect(() => generate(model.createStream(), vocabulary, 5 as never)).toThrow(refused('INVALID_OPTION', 'found 5'));
    expect(() => sequenceBatches([1, 2, 3], undefined as never)).toThrow(refused('INVALID_OPTION', 'undefined'));
  });
});

describe('things of another kind', () => {
  it.each<[string, (model: Model) => unknown, string, string]>([
    ['a model for a stream', (m) => generate(m as never, Vocabulary.of(m)), 'model.createStream()', 'Model'],
    [
      'options for a vocabulary',
      (m) => generate(m.createStream(), { length: 3 } as never),
      'Vocabulary.of(model)',
      'Object',
    ],
    ['a stream for a model', (m) => Vocabulary.of(m.createStream() as never), 'what loadModel gives', 'Stream'],
    ['a promise for a model', () => Vocabulary.of(Promise.resolve() as never), 'what loadModel gives', 'Promise'],
    ['a number for a text', (m) => Vocabulary.of(m).encode(3 as never), 'a text', '3'],
    ['a number for tokens', (m) => Vocabulary.of(m).decode(3 as never), 'an array of token ids', '3'],
    ['a model for a forecaster’s stream', (m) => new Forecaster(m as never), 'a stream of it', 'undefined'],
    ['a model for a detector’s stream', (m) => new Detector(m as never), 'a stream of it', 'undefined'],
    [
      'a text for numbers',
      () => sequenceBatches('abcdefgh' as never, { batchSize: 2, sequenceLength: 2 }),
      'no array of numbers',
      '"abcdefgh"',
    ],
  ])('%s', async (_, call, expected, found) => {
    const model = await textModel();
    expect(() => call(model)).toThrow(refused('INVALID_INPUT', expected, `found ${found}`));
  });

  it('a text for a number is shown as one', async () => {
    const model = await textModel();
    const make = () => generate(model.createStream(), Vocabulary.of(model), { length: '3' as never });
    expect(make).toThrow(refused('INVALID_OPTION', 'found "3"'));
    expect(
      ['3', 3, 3n, null, undefined, [1], {}, new Float32Array(1), () => 1, Object.create(null)].map(shown),
    ).toEqual(['"3"', '3', '3n', 'null', 'undefined', 'Array', 'Object', 'Float32Array', 'a function', 'an object']);
  });
});

describe('nothing, where there should be', () => {
  const scaler = Scaler.fit('standard', ['a'], [1, 2]);
  const tokens = 'an array of token ids';

  it.each<[string, () => unknown, string]>([
    ['series', () => windows(undefined as never, { length: 1 }), 'Series are no array of series: found undefined'],
    ['series, a text', () => windows('abc' as never, { length: 1 }), 'Series are no array of series: found "abc"'],
    ['a series', () => windows([1, 2] as never, { length: 1 }), 'Data are no array of numbers: found 1'],
    ['data to fit to', () => Scaler.fit('standard', ['a'], undefined as never), 'Data are no array'],
    ['columns to fit', () => Scaler.fit('standard', undefined as never, [1]), 'Columns are no array of names'],
    ['data to scale', () => scaler.transform('12' as never), 'Data are no array of numbers: found "12"'],
    ['data to scale back', () => scaler.inverse(undefined as never), 'Data are no array of numbers: found undefined'],
    ['a graph to round', () => withWeights(undefined as never, 'int8'), 'Not a graph'],
    ['a graph to write', () => writeNative(Promise.resolve() as never), 'readGraph gives, awaited, found Promise'],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(refused('INVALID_INPUT', message));
  });

  it('tokens', async () => {
    const stream = (await textModel()).createStream();
    const refusal = refused('INVALID_INPUT', tokens, 'found undefined');
    await expect(evaluateText(stream, undefined as never)).rejects.toEqual(refusal);
    expect(() => evaluateTextSync(stream, undefined as never)).toThrow(refusal);
    expect(() => evaluateTextSync(stream, 'ab' as never)).toThrow(refused('INVALID_INPUT', tokens, 'found "ab"'));
  });

  it('a graph beside a model, and inputs to calibrate by', async () => {
    const graph = cell({ op: 'RNN', inputs: 1, hidden: 2 });
    const model = await loadModel(writeNative(graph));
    expect(() => verifyModel(model, undefined as never)).toThrow(refused('INVALID_INPUT', 'graph', 'undefined'));
    expect(() => verifyModel(graph as never, model as never)).toThrow(refused('INVALID_INPUT', 'graph', 'found Model'));
    expect(() => verifyModel(undefined as never, graph)).toThrow(refused('INVALID_INPUT', 'loadModel', 'undefined'));
    await expect(calibrate(loadModel, undefined as never, {})).rejects.toEqual(refused('INVALID_INPUT', 'Not a graph'));
    await expect(calibrate(loadModel, graph, undefined as never)).rejects.toEqual(
      refused('INVALID_INPUT', 'arrays by name', 'found undefined'),
    );
  });
});

describe('a type of weights that there is not', () => {
  it('is refused: it was stored under its name', () => {
    const graph = cell({ op: 'RNN', inputs: 1, hidden: 2 });
    expect(() => withWeights(graph, 'int4' as never)).toThrow(refused('INVALID_OPTION', 'bfloat16', 'found "int4"'));
  });
});

describe('readings', () => {
  it('of one column may be numbers; what is none is refused, and the stream stays', async () => {
    const model = await forecaster();
    const [stream, twin] = [model.createStream(), model.createStream()];
    const [one, other] = [new Forecaster(stream), new Forecaster(twin)];
    expect(one.push(0.5)).toEqual(other.push([0.5]));
    expect(new Detector(model.createStream()).push(0.5)).toMatchObject({ score: 0, isAnomaly: false });
    const before = stream.save();
    for (const [reading, found] of [
      [[null], 'null'],
      [['1'], '"1"'],
      ['1', '"1"'],
      [undefined, 'undefined'],
      [[1, 2], '2 numbers'],
    ]) {
      expect(() => one.push(reading as never)).toThrow(refused('INVALID_INPUT', `found ${found}`));
    }
    expect(stream.save()).toEqual(before);
  });
});
