import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { Detector } from '../../src/sequences/index.js';
import { rivulet, seriesModel } from './harness.js';

const METADATA = {
  forecast: JSON.stringify({ columns: ['load'], horizon: 2 }),
  detector: JSON.stringify({ window: 50, recent: 2, warmUp: 10, threshold: 3 }),
};
const values = Array.from({ length: 60 }, (_, t) => Math.round(100 * Math.sin(t)) / 100 + (t === 45 ? 9 : 0));
const csv = ['time,load', ...values.map((value, t) => `t${t},${value}`)].join('\n');

let folder: string;
const at = (name: string) => join(folder, name);
const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-detect-'));
  await writeFile(at('model.safetensors'), seriesModel(1, 2, METADATA));
  await writeFile(at('data.csv'), csv);
});

afterAll(() => rm(folder, { recursive: true }));

describe('detect', () => {
  it('scores each row as the library does, from a file and live', async () => {
    const { code, stdout } = await rivulet(['detect', folder, at('data.csv')]);
    expect(code).toBe(0);
    const [head, ...rows] = rowsOf(stdout);
    expect(head).toEqual(['time', 'load', 'load expected', 'error', 'score', 'anomaly']);
    const detector = new Detector((await loadModel(seriesModel(1, 2, METADATA))).createStream());
    for (const [t, [label, load, expected, error, score, anomaly]] of rows.entries()) {
      const found = detector.push([values[t]]);
      expect([label, Number(load), anomaly]).toEqual([`t${t}`, values[t], found.isAnomaly ? '1' : '0']);
      if (t === 0) expect([expected, error, score]).toEqual(['nan', 'nan', '0']);
      else
        expect([expected, error, score].map(Number)).toEqual(
          [...found.expected!, found.error!, found.score].map((x) => expect.closeTo(x, 5)),
        );
    }
    expect(rows[45].at(-1)).toBe('1');
    expect((await rivulet(['detect', folder], { stdin: csv })).stdout).toBe(stdout);
  });

  it('writes the anomalies alone, by another threshold, to a file', async () => {
    const argv = ['detect', folder, at('data.csv'), '--anomalies'];
    const some = rowsOf((await rivulet(argv)).stdout).slice(1);
    expect(some.map(([label]) => label)).toContain('t45');
    expect(some.length).toBeLessThan(5);
    expect((await rivulet([...argv, '--threshold', '1000', '-o', at('none.csv')])).stdout).toBe('');
    expect(await readFile(at('none.csv'), 'utf8')).toBe('time,load,load expected,error,score,anomaly\n');
  });

  it('draws what came, what was expected, the score and its threshold, anomalies marked', async () => {
    const argv = ['detect', folder, at('data.csv'), '--anomalies', '--svg', at('d.svg')];
    const found = rowsOf((await rivulet(argv)).stdout).length - 1;
    const svg = await readFile(at('d.svg'), 'utf8');
    for (const text of ['Anomalies in load', 'what came', 'expected', 'score: -log10(p)', 'threshold', 'time']) {
      expect(svg).toContain(`>${text}</text>`);
    }
    expect(svg).toContain(`${found} of 60 readings score 3 or more`);
    expect(svg.match(/<circle/g)).toHaveLength(found + 1); // one in the legend
  });

  it('reads a column of another name, and writes the score of a model that scores by itself', async () => {
    await writeFile(at('scorer.safetensors'), seriesModel(1, 1, { detector: '{"columns":["load"],"threshold":0}' }));
    await writeFile(at('other.csv'), csv.replace('load', 'MW'));
    const argv = ['detect', at('scorer.safetensors'), at('other.csv'), '--svg', at('s.svg')];
    const [head, ...rows] = rowsOf((await rivulet([...argv, '--columns', 'MW'])).stdout);
    expect(head).toEqual(['time', 'load', 'score', 'anomaly']);
    const expected = (await loadModel(seriesModel(1, 1))).createStream().run(values);
    expect(rows.map((row) => Number(row[2]))).toEqual(Array.from(expected, (score) => expect.closeTo(score, 5)));
    expect(rows.map((row) => Number(row[3]))).toEqual(Array.from(expected, (score) => (score >= 0 ? 1 : 0)));
    expect(await readFile(at('s.svg'), 'utf8')).not.toContain('expected');
    expect(await rivulet(argv)).toMatchObject({ code: 1, stderr: expect.stringContaining('No column "load"') });
    expect(await rivulet([...argv, '--columns', 'a,b'])).toMatchObject({ code: 2 });
  });

  it('refuses a table without its columns, and settings that make no sense', async () => {
    const missing = await rivulet(['detect', folder], { stdin: 'time,heat\nt,1\n' });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('No column "load"') });
    expect(await rivulet(['detect', folder, at('data.csv'), '--window', '0'])).toMatchObject({ code: 2 });
  });

  it('says which row a model makes no number of', async () => {
    const task = { forecast: '{"columns":["load"],"horizon":1}', scaler: SCALER };
    await writeFile(at('scaled.safetensors'), seriesModel(1, 1, task));
    await writeFile(at('huge.csv'), 'time,load\nt1,1\nt2,4e38\nt3,1\n');
    for (const verb of ['detect', 'forecast']) {
      const { code, stderr } = await rivulet([verb, at('scaled.safetensors'), at('huge.csv')]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/huge\.csv.*not finite.*found 4e\+38 at line 3/);
    }
    const live = await rivulet(['detect', at('scaled.safetensors')], { stdin: 'time,load\nt1,1\nt2,4e38\n' });
    expect(live.stderr).toMatch(/standard input.*at line 3/);
    const nothing = await rivulet(['detect', at('scaled.safetensors')], { stdin: '' });
    expect(nothing).toMatchObject({ code: 1, stderr: 'error: standard input: No data: found nothing\n' });
  });
});

const SCALER = '{"kind":"standard","columns":["load"],"center":[0],"scale":[1]}';
