import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** All code that a message may come from. */
const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(root, 'src', file), 'utf8'))
  .join('\n');
const codes = readFileSync(join(root, 'src/errors.ts'), 'utf8');

/** Rows of the tables of docs/loading.md that say what is refused. */
const rows = readFileSync(join(root, 'docs/loading.md'), 'utf8')
  .split('\n\n')
  .filter((block) => block.startsWith('| refused | code | in these words |'))
  .flatMap((table) => table.split('\n').slice(2))
  .map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));

describe('what docs/loading.md says is refused', () => {
  it.each(rows)('%s', (_, code, words) => {
    expect(codes).toContain(`| '${code.replaceAll('`', '')}'`);
    for (const [, phrase] of words.matchAll(/"([^"]+)"/g)) expect(source).toContain(phrase);
  });

  it('is in words of the code', () => {
    expect(rows.filter(([, , words]) => words.includes('"')).length).toBeGreaterThan(25);
  });
});
