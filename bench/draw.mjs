// npm run bench:draw [-- --check]
// Draws what bench/results/ holds: the tables that stand between `<!-- bench: MODE CELL,CELL FILE ... -->` and `<!-- /bench -->`
// in README.md and docs/, and docs/performance.svg. With --check nothing is written, and what would change is an error.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from './lib/host.mjs';

const isCheck = process.argv.includes('--check');
if (!isCheck) build();
const { drawChart } = await import('./lib/chart.mjs');
const { drawTable } = await import('./lib/table.mjs');

const root = new URL('../', import.meta.url);
const TABLE = /(<!-- bench: (\S+) (\S+) ([^>]+) -->\n).*?(<!-- \/bench -->)/gs;
const read = (file) => readFileSync(new URL(file, root), 'utf8');

const pages = readdirSync(new URL('docs/', root)).filter((file) => file.endsWith('.md'));
const drawn = new Map(
  ['README.md', ...pages.map((file) => `docs/${file}`)].map((file) => [
    file,
    read(file).replace(TABLE, (_, opening, mode, ops, files, closing) => {
      return `${opening}\n${drawTable(mode, ops.split(','), files.split(' '))}\n\n${closing}`;
    }),
  ]),
);
drawn.set('docs/performance.svg', drawChart([['node24-peers', 'node24-step-relaxed'], ['chromium'], ['firefox']]));

for (const [file, content] of drawn) {
  if (!isCheck) writeFileSync(new URL(file, root), content);
  else if (content !== read(file)) {
    console.error(`${file} is not what bench/results/ gives: npm run bench:draw`);
    process.exitCode = 1;
  }
}
