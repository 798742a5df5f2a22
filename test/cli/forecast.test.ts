import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labelsAfter } from '../../src/cli/labels.js';
import { loadModel } from '../../src/index.js';
import { Forecaster, Scaler } from '../../src/sequences/index.js';
import { Capture, rivulet, seriesModel } from './harness.js';

const TASK = { columns: ['heat', 'load'], targets: ['load', 'heat'], horizon: 3, season: 4, step: 'hour' };
const SCALER = { kind: 'standard', columns: ['load', 'heat'], center: [5, 1], scale: [2, 4] };
const ROWS = 40;
const time = (t: number) => `2020-02-28 ${String(t % 24).padStart(2, '0')}:00`;
const readings = Array.from({ length: ROWS }, (_, t) => [1 + Math.cos(t), 5 + Math.sin(t)]);

let folder: string;
let bytes: Uint8Array;
let model: string;
let data: string;
const at = (name: string) => join(folder, name);

/** What a forecaster of its own says after `read` readings: [horizon][targets]. */
async function forecastAfter(read: number): Promise<number[][]> {
  const forecaster = new Forecaster((await loadModel(bytes)).createStream());
  let out = new Float64Array();
  for (const reading of readings.slice(0, read)) out = forecaster.push(reading) as Float64Array<ArrayBuffer>;
  return [0, 1, 2].map((step) => [out[2 * step], out[2 * step + 1]]);
}

const rowsOf = (csv: string) =>
  csv
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-forecast-'));
  bytes = seriesModel(2, 6, { forecast: JSON.stringify(TASK), scaler: JSON.stringify(SCALER) });
  model = at('model.safetensors');
  data = at('data.csv');
  await writeFile(model, bytes);
  const lines = readings.map(([heat, load], t) => [time(t), load, 'x', heat].join(','));
  await writeFile(data, ['time,load,note,heat', ...lines].join('\n'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('forecast', () => {
  it('writes the forecast after the last row, times going on', async () => {
    const lines = ['2020-02-28', '2020-02-29', '2020-03-01'].map((day, t) => `${day},${readings[t].join(',')}`);
    await writeFile(at('days.csv'), ['day,heat,load', ...lines].join('\n'));
    const { code, stdout } = await rivulet(['forecast', model, at('days.csv')]);
    expect(code).toBe(0);
    const [head, ...rows] = rowsOf(stdout);
    expect(head).toEqual(['day', 'load', 'heat']);
    expect(rows.map(([day]) => day)).toEqual(['2020-03-02', '2020-03-03', '2020-03-04']);
    const expected = await forecastAfter(3);
    for (const [i, [, load, heat]] of rows.entries()) {
      expect(Number(load)).toBeCloseTo(expected[i][0], 5);
      expect(Number(heat)).toBeCloseTo(expected[i][1], 5);
    }
  });

  it.each(['20', time(19)])('forecasts after row %s, and says what came', async (when) => {
    const { stdout } = await rivulet(['forecast', model, data, '--at', when]);
    const [head, ...rows] = rowsOf(stdout);
    const expected = await forecastAfter(20);
    expect(head).toEqual(['time', 'load', 'heat', 'load actual', 'heat actual']);
    for (const [i, [label, load, , actualLoad, actualHeat]] of rows.entries()) {
      expect(label).toBe(time(20 + i));
      expect(Number(load)).toBeCloseTo(expected[i][0], 5);
      expect([actualLoad, actualHeat].map(Number)).toEqual([readings[20 + i][1], readings[20 + i][0]]);
    }
  });

  it('leaves open what has not come yet', async () => {
    const { stdout } = await rivulet(['forecast', model, data, '--at', String(ROWS - 1)]);
    const rows = rowsOf(stdout);
    expect(rows[1].slice(3)).toEqual([readings[ROWS - 1][1], readings[ROWS - 1][0]].map(String));
    expect(rows[2].slice(3)).toEqual(['', '']);
  });

  it('draws history, forecast and what came, a panel for each target, with titles, units and names', async () => {
    const argv = ['forecast', model, data, '--at', '20', '--history', '8', '-o', at('f.csv'), '--svg', at('f.svg')];
    expect(await rivulet(argv)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const svg = await readFile(at('f.svg'), 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg".*<\/svg>\n$/s);
    for (const text of ['Forecast of load, heat', 'history', 'forecast', 'what came', 'load', 'heat', 'time']) {
      expect(svg).toContain(`>${text}</text>`);
    }
    expect(svg).toContain(`the 3 steps after ${time(19)}, one hour each`);
    // The legend's three, and two panels of three lines: 8 points of history, then the last of them and 3 more.
    const points = [...svg.matchAll(/ d="(M[^"]*L[^"]*)"/g)].map(([, d]) => d.split(/[ML]/).length - 1);
    expect(points).toEqual([2, 2, 2, 8, 4, 4, 8, 4, 4]);
    const unknown = await rivulet(['forecast', model, data, '--svg', at('u.svg')]);
    expect(unknown.code).toBe(0);
    expect(await readFile(at('u.svg'), 'utf8')).not.toContain('what came');
  });

  it('answers each reading as it arrives, and each row of a file with --each', async () => {
    const content = await readFile(data, 'utf8');
    const lines = content.split('\n');
    const stdin = new PassThrough();
    let answered: () => void = () => undefined;
    const stdout = new Capture(false, (text) => text.includes(time(1)) && answered());
    const done = rivulet(['forecast', model], { stdin, stdout });
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    stdin.write(`${lines.slice(0, 3).join('\n')}\n`);
    await answer;
    const [head, ...rows] = rowsOf(stdout.text);
    expect(head).toEqual(['time', 'load+1', 'heat+1', 'load+2', 'heat+2', 'load+3', 'heat+3']);
    const expected = (await forecastAfter(2)).flat();
    expect(rows[1].slice(1).map(Number)).toEqual(expected.map((value) => expect.closeTo(value, 5)));
    stdin.end(lines.slice(3).join('\n'));
    const live = (await done).stdout;
    expect((await rivulet(['forecast', model, data, '--each'])).stdout).toBe(live);
    await rivulet(['forecast', model, data, '--each', '-o', at('each.csv')]);
    expect(await readFile(at('each.csv'), 'utf8')).toBe(live);
  });

  it('scores every forecast that lies in the range, in scaled units, beside what takes no training', async () => {
    const argv = ['forecast', model, data, '--evaluate', '--skip', '10', '--length', '20', '--json'];
    const { forecasts, scores } = JSON.parse((await rivulet(argv)).stdout);
    const scaler = Scaler.of(await loadModel(bytes))!.select(TASK.targets);
    const wanted = readings.map(([heat, load]) => [...scaler.transform([load, heat])]);
    const errors = { model: 0, last: 0, season: 0 };
    let made = 0;
    for (let read = 10; read + 3 <= 30; read++, made++) {
      const forecast = await forecastAfter(read);
      for (let step = 0; step < 3; step++) {
        const scaled = scaler.transform(forecast[step]);
        for (const target of [0, 1]) {
          const came = wanted[read + step][target];
          errors.model += (scaled[target] - came) ** 2;
          errors.last += (wanted[read - 1][target] - came) ** 2;
          errors.season += (wanted[read + step - 4][target] - came) ** 2;
        }
      }
    }
    expect(forecasts).toBe(made);
    const found = scores.map((score: { meanSquaredError: number }) => score.meanSquaredError);
    expect(found).toEqual(Object.values(errors).map((sum) => expect.closeTo(sum / (made * 6), 5)));
    const table = (await rivulet(argv.slice(0, -1))).stdout;
    expect(table).toMatch(/^repeat the last 4 rows +[\d.]+ +[\d.]+$/m);
    expect(table).toMatch(/^18 forecasts of 3 steps of load, heat, in scaled units$/m);
  });

  it('goes on from a saved state', async () => {
    const lines = (await readFile(data, 'utf8')).split('\n');
    const first = lines.slice(0, 21).join('\n');
    await rivulet(['forecast', model, '--save-state', at('state')], { stdin: first });
    await writeFile(at('rest.csv'), [lines[0], ...lines.slice(21)].join('\n'));
    const { stdout } = await rivulet(['forecast', model, at('rest.csv'), '--state', at('state')]);
    const whole = await rivulet(['forecast', model, data]);
    expect(rowsOf(stdout).map((row) => row.slice(1))).toEqual(rowsOf(whole.stdout).map((row) => row.slice(1)));
  });

  it.each<[string, string[], number, RegExp]>([
    ['a row that is not there', ['--at', 'noon'], 1, /No row to forecast after.*found noon/],
    ['more rows than there are', ['--at', '41'], 1, /from 1 to 40/],
    ['nothing to score', ['--evaluate', '--length', '3'], 1, /Nothing to score.*more than 3 rows/],
    ['a range without scores', ['--skip', '3'], 2, /--skip goes with --evaluate/],
    ['a picture of scores', ['--evaluate', '--svg', 'x.svg'], 2, /--svg does not go with --evaluate/],
    ['a picture of every row', ['--each', '--svg', 'x.svg'], 2, /--svg is for one forecast/],
  ])('refuses %s', async (_, argv, code, message) => {
    const found = await rivulet(['forecast', model, data, ...argv]);
    expect(found.stderr).toMatch(message);
    expect(found).toMatchObject({ code, stdout: '' });
  });

  it('refuses a model that does not say what it forecasts, and columns that are not there', async () => {
    await writeFile(at('plain.safetensors'), seriesModel(2, 6));
    const plain = await rivulet(['forecast', at('plain.safetensors'), data]);
    expect(plain).toMatchObject({ code: 1, stderr: expect.stringContaining('does not say what it forecasts') });
    const missing = await rivulet(['forecast', model], { stdin: 'time,load\n1,2\n' });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('No column "heat"') });
    const short = await rivulet(['forecast', model], { stdin: 'heat,load\n1\n' });
    expect(short).toMatchObject({ code: 1, stderr: expect.stringContaining('Line 2 has another number of fields') });
  });
});

describe('labelsAfter', () => {
  it.each([
    [
      ['2020-12-31', '2021-01-01'],
      ['2021-01-02', '2021-01-03'],
    ],
    [
      ['2020-02-28 22:30:00', '2020-02-28 23:15:00'],
      ['2020-02-29 00:00:00', '2020-02-29 00:45:00'],
    ],
    [
      ['2020-02-28T23:00', '2020-02-29T00:00'],
      ['2020-02-29T01:00', '2020-02-29T02:00'],
    ],
    [
      ['2020-01-03', '2020-01-06', '2020-01-07'],
      ['+1', '+2'],
    ],
    [
      ['Jan 1 2000', 'Feb 1 2000'],
      ['+1', '+2'],
    ],
    [['2020-01-03'], ['+1', '+2']],
  ])('goes on after %j', (labels, expected) => expect(labelsAfter(labels, 2)).toEqual(expected));
});
