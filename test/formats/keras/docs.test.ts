import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadModel, type Model } from '../../../src/index.js';
import { cases, kerasPath } from './files.js';

const page = readFileSync(fileURLToPath(new URL('../../../docs/loading.md', import.meta.url)), 'utf8');

/** What the page's files are among the fixtures. */
const FILES: Readonly<Record<string, string>> = {
  'forecaster.keras': 'forecaster.keras',
  'forecaster.weights.h5': 'weights.weights.h5',
  'forecaster/model.json': 'tfjs-forecaster/model.json',
};

type Run = (load: typeof loadModel, read: (file: string) => Promise<string>) => Promise<Model>;

/** The JavaScript of a chapter, each piece as a function that gives its `model`. */
function snippets(chapter: string): Run[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(`${chapter}\n`)) ?? '';
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => {
    const body = code.replace(/^import .*$/gm, '');
    const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;
    return new AsyncFunction('loadModel', 'readFile', `${body}\nreturn model;`) as unknown as Run;
  });
}

describe.each([
  ['Keras', 2],
  ['TensorFlow.js', 1],
])('docs/loading.md: %s', (chapter, count) => {
  const runs = snippets(chapter);

  it('has snippets', () => expect(runs.length).toBe(count));

  it.each(runs.map((run, i) => [i, run] as const))('snippet %i runs', async (_, run) => {
    const { architecture } = cases.find(({ name }) => name === 'weights')!;
    const model = await run(
      (file, options?: LoadOptions) => loadModel(kerasPath(FILES[file as string]), options),
      async () => JSON.stringify(architecture),
    );
    expect(model.inputs).toHaveLength(1);
  });
});
