import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const FOLDER = fileURLToPath(new URL('../../fixtures/ml5/', import.meta.url));

/** What test/fixtures/ml5/make_ml5.py writes beside the model. */
export const expected = JSON.parse(readFileSync(`${FOLDER}expected.json`, 'utf8')) as {
  source: string;
  tokens: number[];
  logits: number[];
};

/** The model as bytes: its manifest, also parsed, and the files beside it. */
export function modelFiles() {
  const manifest = new Uint8Array(readFileSync(`${FOLDER}manifest.json`));
  const entries = JSON.parse(new TextDecoder().decode(manifest)) as Record<
    string,
    { filename: string; shape: number[] }
  >;
  const names = readdirSync(FOLDER).filter((name) => !/\.py$|manifest|expected/.test(name));
  const files: Record<string, Uint8Array> = Object.fromEntries(
    names.map((name) => [name, new Uint8Array(readFileSync(`${FOLDER}${name}`))]),
  );
  return { manifest, entries, files };
}
