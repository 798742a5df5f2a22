import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rivulet } from '../cli/harness.js';

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const guide = readFileSync(path('docs/guide.md'), 'utf8');

/** The files that commands name, where they lie beside the repository. */
const DATA: Readonly<Record<string, string>> = {
  'ETTh1.csv': path('../shared/data/ETT-small/ETTh1.csv'),
  'nyc_taxi.csv': path('../shared/data/NAB/data/realKnownCause/nyc_taxi.csv'),
  'sp500-2000.csv': path('../shared/data/vega/sp500-2000.csv'),
};
const TITLES = path('../shared/data/headlines/hacker_news_2000.txt');
const files = { ...DATA, 'titles.txt': TITLES };

/** Every single command in the guide, and the lines that are said to come of it. */
const commands = [...guide.matchAll(/^```sh\n(.*?)^```\n(?:\n((?: {4}[^\n]*\n)+))?/gms)]
  .flatMap(([, block, output = '']) => {
    const lines = block.trimEnd().split('\n');
    // What a second command prints is not the first one's.
    return lines.map((line) => ({ line, output: lines.length === 1 ? output : '' }));
  })
  .filter(({ line }) => line.startsWith('rivulet '))
  .map(({ line, output }) => ({
    line,
    argv: [...line.replace(/\s+#.*/, '').matchAll(/'([^']*)'|(\S+)/g)]
      .slice(1)
      .map(([, quoted, word]) => quoted ?? word),
    expected: output
      .split('\n')
      .map((text) => text.slice(4))
      .filter(Boolean),
  }));

describe('docs/guide.md', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rivulet-guide-'));
    if (existsSync(TITLES))
      writeFileSync(join(folder, 'titles.txt'), readFileSync(TITLES, 'utf8').replaceAll('\r', ''));
    else console.log("the guide's commands on data sets are not run: ../shared/data is not there");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('has commands', () => expect(commands.length).toBeGreaterThan(8));

  it.each(commands)('$line', async ({ argv, expected }) => {
    const needed = argv.filter((word) => word in files);
    if (needed.some((name) => !existsSync(files[name as keyof typeof files]))) return;
    const placed = argv.map((word, i) => {
      if (/^-o$|^--svg$/.test(argv[i - 1] ?? '')) return join(folder, word);
      if (word.startsWith('models/')) return path(word);
      return DATA[word] ?? (word === 'titles.txt' ? join(folder, word) : word);
    });
    const { code, stdout, stderr } = await rivulet(placed);
    expect({ code, error: /^error/m.exec(stderr) }).toEqual({ code: 0, error: null });
    const lines = stdout.split('\n');
    // In the order of the guide; other lines may stand between.
    let at = -1;
    for (const line of expected) {
      at = lines.indexOf(line, at + 1);
      expect(at, line).toBeGreaterThanOrEqual(0);
    }
  });
});
