import { describe, expect, it } from 'vitest';
import { answerTo } from '../../src/cli/live.js';
import { bytes, count, figure, Output, printable, table } from '../../src/cli/output.js';
import { Progress } from '../../src/cli/progress.js';
import { oneAhead } from '../../src/cli/side-by-side.js';
import { Capture } from './harness.js';

describe('Progress', () => {
  it('shows nothing for a second, then at most ten times a second, and wipes its line', () => {
    const capture = new Capture(true);
    let now = 0;
    const progress = new Progress(new Output(capture, { NO_COLOR: '1' }), 'Working', () => now);
    progress.update(1, 100);
    now = 999;
    progress.update(10, 100);
    expect(capture.text).toBe('');
    now = 1000;
    progress.update(20, 100);
    now = 1050;
    progress.update(30, 100);
    now = 1100;
    progress.update(1234567);
    expect(capture.text).toBe('\r\x1b[KWorking 20 %\r\x1b[KWorking 1,234,567');
    progress.clear();
    progress.clear();
    expect(capture.text.slice(-4)).toBe('\r\x1b[K');
    expect(capture.text.match(/\r/g)).toHaveLength(3);
  });

  it('shows nothing off a terminal, or where nothing was shown', () => {
    const file = new Capture(false);
    const terminal = new Capture(true);
    let now = 0;
    for (const capture of [file, terminal]) {
      const progress = new Progress(new Output(capture, {}), 'Working', () => now);
      if (capture === file) now = 5000;
      progress.update(1, 2);
      progress.clear();
    }
    expect(file.text + terminal.text).toBe('');
  });
});

describe('figures', () => {
  it('are readable', () => {
    expect([1234567, 12.6].map(count)).toEqual(['1,234,567', '13']);
    expect([999, 1000, 3_456_789].map(bytes)).toEqual(['999 B', '1.0 kB', '3.5 MB']);
    expect([0, 0.00123456, 1.5, 61.234, 12345.6, 1e-9, Number.NaN].map((x) => figure(x, 3))).toEqual([
      '0',
      '0.00123',
      '1.50',
      '61.2',
      '12346',
      '1.00e-9',
      'NaN',
    ]);
  });

  it('stand in columns, numbers to the right', () => {
    expect(
      table([
        ['name', 'n'],
        ['a', '1'],
        ['long name', '1,000'],
      ]),
    ).toBe('name           n\na              1\nlong name  1,000\n');
  });
});

describe('printable', () => {
  it('takes what steers a terminal out of text from files', () => {
    expect(printable('a\tb\n\x1b[2Jc\x07\x9b\rd é😀')).toBe('a\tb\n\ufffd[2Jc\ufffd\ufffd\ufffdd é😀');
  });
});

describe('oneAhead', () => {
  it('gives results in order while the next is under way', async () => {
    const begun: number[] = [];
    const work = async (item: number) => {
      begun.push(item);
      return 10 * item;
    };
    const seen: number[][] = [];
    for await (const { item, result } of oneAhead([1, 2, 3], work)) seen.push([item, result, begun.length]);
    expect(seen).toEqual([
      [1, 10, 2],
      [2, 20, 3],
      [3, 30, 3],
    ]);
    for await (const _ of oneAhead([], work)) throw new Error('nothing to do');
  });

  it('tells of a failure in its turn, and leaves no rejection unheard when it is not asked further', async () => {
    const fail = (item: number) => (item === 1 ? Promise.resolve(1) : Promise.reject(new Error(`no ${item}`)));
    const seen: number[] = [];
    const all = async () => {
      for await (const { item } of oneAhead([1, 2, 3], fail)) seen.push(item);
    };
    await expect(all()).rejects.toThrow('no 2');
    expect(seen).toEqual([1]);
    for await (const _ of oneAhead([1, 2], fail)) break;
  });
});

describe('answerTo', () => {
  const reading = { label: undefined, values: Float64Array.of(1e30), file: 'a.csv', place: 'line 7' };
  const ask = (answer: number) =>
    answerTo(
      reading,
      () => answer,
      (number) => [number],
    );

  it('passes numbers on, and refuses what is none, saying where', () => {
    expect(ask(3)).toBe(3);
    expect(() => ask(Number.NaN)).toThrow(/^a\.csv: .* is no number: expected .*, found 1e\+30 at line 7$/);
    expect(() => ask(Number.POSITIVE_INFINITY)).toThrow(/line 7/);
  });
});
