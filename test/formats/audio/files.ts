import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../fixtures/audio/', import.meta.url));

export const audioPath = (name: string): string => `${FOLDER}${name}`;

export const audioText = (name: string): string => readFileSync(audioPath(name), 'utf8');

/** What test/fixtures/audio/make_audio.py writes: x [T, 1, I] and what PyTorch gave for it. */
export const expected = JSON.parse(audioText('expected.json')) as {
  source: string;
  cases: { file: string; x: number[]; y: number[] }[];
};
