import { describe, expect, it } from 'vitest';
import { evaluateText, evaluateTextSync } from '../../src/text/index.js';
import { FakeStream } from './fake-stream.js';

const ids = Int32Array.from({ length: 301 }, (_, i) => (i * i) % 7);

describe('evaluateText', () => {
  it('is the mean of -log softmax at the next token, over one stream from end to end', () => {
    const stream = new FakeStream(7);
    let sum = 0;
    for (let t = 0; t + 1 < ids.length; t++) {
      const logits = stream.step(ids[t]);
      const total = logits.reduce((z, logit) => z + Math.exp(logit), 0);
      sum -= Math.log(Math.exp(logits[ids[t + 1]]) / total);
    }
    const evaluated = new FakeStream(7);
    const result = evaluateTextSync(evaluated, ids);
    expect(result.count).toBe(300);
    expect(result.loss).toBeCloseTo(sum / 300, 12);
    expect(result.perplexity).toBeCloseTo(Math.exp(sum / 300), 10);
    expect(result.bitsPerCharacter).toBeCloseTo(sum / 300 / Math.log(2), 12);
    expect(evaluated.read).toEqual([...ids.slice(0, -1)]);
  });

  it('is exact for logits that differ by more than exp can hold', () => {
    const stream = new FakeStream(2);
    stream.run = (tokens, out = new Float32Array(2 * tokens.length)) => out.map((_, i) => (out[i] = i % 2 ? 2000 : 0));
    expect(evaluateTextSync(stream, [0, 0, 1]).loss).toBe(1000);
  });

  it('goes on from the state that the stream is in', () => {
    const halves = new FakeStream(7);
    const first = evaluateTextSync(halves, ids.subarray(0, 101));
    const second = evaluateTextSync(halves, ids.subarray(100));
    const whole = evaluateTextSync(new FakeStream(7), ids);
    expect((first.loss * 100 + second.loss * 200) / 300).toBeCloseTo(whole.loss, 12);
  });

  it('gives the same when it waits, tells how far it is, and ends at a signal', async () => {
    const seen: number[] = [];
    const result = await evaluateText(new FakeStream(7), ids, {
      onProgress: ({ done, total }) => {
        expect(total).toBe(300);
        seen.push(done);
      },
    });
    expect(result).toEqual(evaluateTextSync(new FakeStream(7), ids));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toBe(300);

    const controller = new AbortController();
    const stream = new FakeStream(7);
    const aborted = evaluateText(stream, ids, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(stream.read.length).toBeLessThan(300);
  });

  it.each([[[]], [[1]], [[0, 7]], [[0, -1]], [[0, 0.5]], [[Number.NaN, 0]]])(
    'refuses ids %o, with the stream untouched',
    async (bad) => {
      const stream = new FakeStream(7);
      await expect(evaluateText(stream, bad)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      expect(stream.read).toEqual([]);
    },
  );
});
