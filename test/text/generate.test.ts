import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Ending,
  type GenerateOptions,
  generate,
  generateSync,
  Sampler,
  Vocabulary,
} from '../../src/text/index.js';
import { FakeStream, ScriptedStream } from './fake-stream.js';

const vocabulary = new Vocabulary([...'\nabcdefg😀']);

function collect(pieces: Generator<string, Ending, void>): { pieces: string[]; text: string; ending: Ending } {
  const list: string[] = [];
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return { pieces: list, text: list.join(''), ending: value };
    list.push(value);
  }
}

/** What is generated from a model that would say `script`. */
function say(script: string, options: GenerateOptions = {}) {
  const stream = new ScriptedStream(vocabulary.size, vocabulary.encode(script));
  return {
    stream,
    ...collect(generateSync(stream, vocabulary, { temperature: 0, length: [...script].length, ...options })),
  };
}

describe('generate', () => {
  it('reads the prompt, then each character drawn but the last, and gives one piece a character', () => {
    const stream = new FakeStream(vocabulary.size);
    const { pieces, text, ending } = collect(generateSync(stream, vocabulary, { prompt: 'abc', length: 40, seed: 1 }));
    expect(pieces).toHaveLength(40);
    expect(pieces).toEqual([...text]);
    expect(vocabulary.decode(stream.read)).toBe(`abc${[...text].slice(0, -1).join('')}`);
    expect(ending).toEqual({ reason: 'length', count: 40, last: pieces[39] });
  });

  it('is what stepping and sampling by hand gives', () => {
    const sampler = new Sampler({ seed: 9, topK: 3 });
    const byHand = new FakeStream(vocabulary.size);
    // Of the prompt's logits only the last are drawn from.
    let logits: Float32Array = byHand.run(vocabulary.encode('gfe')).slice(-vocabulary.size);
    let expected = '';
    for (let i = 0; i < 30; i++) {
      const token = sampler.sample(logits);
      expected += vocabulary.character(token);
      logits = byHand.step(token);
    }
    const options = { prompt: 'gfe', length: 30, seed: 9, topK: 3 };
    expect(collect(generateSync(new FakeStream(vocabulary.size), vocabulary, options)).text).toBe(expected);
  });

  it('gives the same in both forms', async () => {
    const options = { prompt: 'a', length: 100, seed: 4 };
    const pieces: string[] = [];
    for await (const piece of generate(new FakeStream(vocabulary.size), vocabulary, options)) pieces.push(piece);
    expect(pieces).toEqual(collect(generateSync(new FakeStream(vocabulary.size), vocabulary, options)).pieces);
  });

  it('goes on as if it had never stopped, with the same sampler and the last character as prompt', () => {
    const options = { prompt: 'a', seed: 2 };
    const whole = collect(generateSync(new FakeStream(vocabulary.size), vocabulary, { ...options, length: 60 }));
    const stream = new FakeStream(vocabulary.size);
    const sampler = new Sampler({ seed: 2 });
    const first = collect(generateSync(stream, vocabulary, { prompt: 'a', length: 25, sampler }));
    const second = collect(generateSync(stream, vocabulary, { prompt: first.ending.last, length: 35, sampler }));
    expect(first.text + second.text).toBe(whole.text);
  });

  it('begins with a line end without a prompt, or with token 0', () => {
    expect(say('abc').stream.read[0]).toBe(vocabulary.encode('\n')[0]);
    const stream = new FakeStream(2);
    collect(generateSync(stream, new Vocabulary(['x', 'y']), { length: 1 }));
    expect(stream.read).toEqual([0]);
  });

  it('has read all that was drawn where a logit of the answer cannot be sampled', () => {
    const stream = new FakeStream(vocabulary.size);
    const step = stream.step.bind(stream);
    stream.step = (token, out) => {
      const logits = step(token, out);
      if (stream.read.length > 5) out?.fill(Number.NaN);
      return logits;
    };
    let text = '';
    const generation = generateSync(stream, vocabulary, { prompt: 'ab' });
    expect(() => {
      for (const piece of generation) text += piece;
    }).toThrow(/can't be sampled/);
    expect([...text]).toHaveLength(4);
    expect(vocabulary.decode(stream.read)).toBe(`ab${text}`);
  });

  it('makes nothing and reads no last character for length 0', () => {
    const { text, stream, ending } = say('abc', { prompt: 'ab', length: 0 });
    expect(text).toBe('');
    expect(vocabulary.decode(stream.read)).toBe('a');
    expect(ending).toEqual({ reason: 'length', count: 0, last: 'b' });
  });

  it('reads prompts longer than a chunk', () => {
    const prompt = 'abcdefg'.repeat(50);
    expect(vocabulary.decode(say('a', { prompt }).stream.read)).toBe(prompt);
  });
});

describe('stop', () => {
  it('ends the text before a stop that comes in several tokens, and gives nothing of it', () => {
    const { pieces, ending } = say('abcdefg', { stop: 'de' });
    expect(pieces).toEqual(['a', 'b', 'c']);
    expect(ending).toEqual({ reason: 'stop', count: 5, last: 'e' });
  });

  it('gives what was held back once it turns out to be another text, or the length is reached', () => {
    expect(say('aababd', { stop: 'abd' }).pieces).toEqual(['a', 'ab']);
    expect(say('ababe', { stop: 'abd' }).pieces).toEqual(['ab', 'abe']);
    expect(say('cab', { stop: 'abd' })).toMatchObject({ pieces: ['c', 'ab'], ending: { reason: 'length' } });
  });

  it('takes the longer of two stops that end together, and characters of two units', () => {
    expect(say('gabc', { stop: ['bc', 'abc', 'c'] }).text).toBe('g');
    expect(say('ab😀c', { stop: '😀' }).text).toBe('ab');
    expect(say('ab😀c', { stop: ['b😀g', '😀c'] }).text).toBe('ab');
  });

  it('is found where it first ends, for any text and stops', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 40 }).map((list) => list.join(''));
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(text, stops, (script, stop) => {
        let expected = script;
        for (let end = 1; end <= script.length && expected === script; end++) {
          const found = stop.filter((s) => script.slice(0, end).endsWith(s)).map((s) => s.length);
          if (found.length > 0) expected = script.slice(0, end - Math.max(...found));
        }
        expect(say(script, { stop }).text).toBe(expected);
      }),
    );
  });

  it('holds back no more than may be a stop', () => {
    const { pieces } = say('aabaacab', { stop: ['ab', 'cd'], length: 8 });
    expect(pieces).toEqual(['a']);
    expect(say('acaccb', { stop: ['cd'] }).pieces).toEqual(['a', 'ca', 'c', 'cb']);
  });
});

describe('what is wrong', () => {
  it.each<[string, GenerateOptions]>([
    ['INVALID_OPTION', { length: -1 }],
    ['INVALID_OPTION', { length: 1.5 }],
    ['INVALID_OPTION', { length: Number.NaN }],
    ['INVALID_OPTION', { stop: '' }],
    ['INVALID_OPTION', { stop: ['a', ''] }],
    ['INVALID_OPTION', { temperature: -1 }],
    ['INVALID_OPTION', { sampler: new Sampler(), topK: 2 }],
    ['INVALID_INPUT', { prompt: 'xyz' }],
  ])('throws %s at the call for %o, with the stream untouched', (code, options) => {
    const stream = new FakeStream(vocabulary.size);
    expect(() => generate(stream, vocabulary, options)).toThrow(expect.objectContaining({ code }));
    expect(stream.read).toEqual([]);
  });

  it('is a stream that does not fit the vocabulary, or of no text model', () => {
    expect(() => generate(new FakeStream(5), vocabulary)).toThrow(/expected 5 characters.*found 9/);
    const stream = Object.assign(new FakeStream(9), {
      model: { name: 'm', inputs: [{ size: 2 }], outputs: [{ size: 9 }] },
    });
    expect(() => generate(stream, vocabulary)).toThrow('"m" is not a text model');
  });
});

describe('abort', () => {
  it('ends the iterator with ABORTED, with a stream that has read all but the last character', async () => {
    const controller = new AbortController();
    const stream = new FakeStream(vocabulary.size);
    let text = '';
    const endless = async () => {
      for await (const piece of generate(stream, vocabulary, {
        prompt: 'a',
        length: Infinity,
        signal: controller.signal,
      })) {
        text += piece;
        if (text.length >= 20) controller.abort(new Error('enough'));
      }
    };
    await expect(endless()).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('enough') });
    expect(vocabulary.decode(stream.read)).toBe(`a${[...text].slice(0, -1).join('')}`);
  });

  it('reads nothing where the signal has fired before', async () => {
    const stream = new FakeStream(vocabulary.size);
    const pieces = generate(stream, vocabulary, { signal: AbortSignal.abort() });
    await expect(pieces.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(stream.read).toEqual([]);
  });

  it('is seen while a stop text is held back', () => {
    const controller = new AbortController();
    const stream = new ScriptedStream(vocabulary.size, vocabulary.encode('a'));
    const step = stream.step.bind(stream);
    stream.step = (token, out) => {
      if (stream.read.length === 10) controller.abort();
      return step(token, out);
    };
    const options = { stop: 'a'.repeat(50), length: Infinity, temperature: 0, signal: controller.signal };
    expect(() => collect(generateSync(stream, vocabulary, options))).toThrow('aborted');
    expect(stream.read).toHaveLength(11);
  });

  it('lets timers run while it generates', async () => {
    let isOver = false;
    setTimeout(() => {
      isOver = true;
    }, 5);
    let count = 0;
    for await (const _ of generate(new FakeStream(vocabulary.size), vocabulary, { length: Infinity })) {
      count++;
      if (isOver) break;
    }
    expect(count).toBeGreaterThan(0);
  });

  it('lets timers run while a stop text is held back', async () => {
    let isOver = false;
    const stream = new ScriptedStream(vocabulary.size, vocabulary.encode('a'));
    const step = stream.step.bind(stream);
    stream.step = (token, out) => {
      const until = performance.now() + 0.2;
      while (performance.now() < until);
      return step(token, out);
    };
    setTimeout(() => {
      isOver = true;
    }, 5);
    const pieces = generate(stream, vocabulary, { stop: `${'a'.repeat(300)}b`, length: 300, temperature: 0 });
    expect(await pieces.next()).toEqual({ done: false, value: 'a'.repeat(300) });
    expect(isOver).toBe(true);
  });
});
