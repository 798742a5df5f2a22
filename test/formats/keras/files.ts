import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '../../../src/index.js';

interface Numbers {
  shape: number[];
  data: number[];
}

/** One model that Keras saved, in one file or several, and what it makes of some inputs. */
export interface KerasCase extends Pick<LoadOptions, 'architecture' | 'unpadded'> {
  name: string;
  files: string[];
  inputs: Record<string, Numbers>;
  outputs: Numbers[];
  /** The inputs are steps of one stream, and so are the outputs. */
  steps?: boolean;
  /** It convolves or pools over the steps. */
  convolution?: boolean;
}

export const kerasPath = (file: string): string =>
  fileURLToPath(new URL(`../../fixtures/keras/${file}`, import.meta.url));

export const kerasFile = (file: string): Uint8Array => new Uint8Array(readFileSync(kerasPath(file)));

export const cases = JSON.parse(readFileSync(kerasPath('expected.json'), 'utf8')) as KerasCase[];
