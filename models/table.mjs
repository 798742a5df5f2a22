import { readFileSync } from 'node:fs';

/** A CSV file with a header and no quotes -> its columns by name, as texts. */
export function readTable(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/);
  const fields = lines.map((line) => line.split(','));
  return Object.fromEntries(header.split(',').map((name, i) => [name, fields.map((row) => row[i])]));
}
