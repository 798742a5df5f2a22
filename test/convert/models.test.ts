import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readGraph, verifyModel } from '../../src/convert/index.js';
import { loadModel } from '../../src/index.js';
import { TOLERANCES } from '../support/tolerances.js';

const folder = fileURLToPath(new URL('../../models/', import.meta.url));
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.safetensors'),
);

describe('the models that ship', () => {
  it.each(files)('%s gives what its graph gives in float64', async (name) => {
    const [model, { graph }] = await Promise.all([loadModel(folder + name), readGraph(folder + name)]);
    expect(verifyModel(model, graph).difference).toBeLessThan(TOLERANCES.saturated);
  });
});
