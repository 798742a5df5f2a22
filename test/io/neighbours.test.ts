import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { neighboursOf } from '../../src/io/neighbours.js';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

let folder: string;
let origin: string;
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? '');
  response.end('served');
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-neighbours-'));
  await writeFile(join(folder, 'weights.bin'), 'here');
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

describe('neighboursOf', () => {
  it('reads beside a path and beside a file URL', async () => {
    expect(text(await neighboursOf(join(folder, 'model.json'))('weights.bin'))).toBe('here');
    expect(text(await neighboursOf(pathToFileURL(join(folder, 'model.json')).href)('weights.bin'))).toBe('here');
    await expect(neighboursOf(join(folder, 'model.json'))('other.bin')).rejects.toMatchObject({ code: 'IO' });
  });

  it('reads beside a URL, whose query stays', async () => {
    const read = neighboursOf(`${origin}/a/b/model.json?token=1/2#part`);
    expect(text(await read('shard 1.bin'))).toBe('served');
    await read('below/2.bin');
    expect(asked).toEqual(['/a/b/shard%201.bin?token=1/2', '/a/b/below/2.bin?token=1/2']);
  });

  it('takes what is given first, and by name alone', async () => {
    const files = { 'weights.bin': new TextEncoder().encode('given'), '../up': new Uint8Array(2) };
    const read = neighboursOf(join(folder, 'model.json'), files);
    expect(text(await read('weights.bin'))).toBe('given');
    expect(await read('../up')).toHaveLength(2);
    await expect(neighboursOf(undefined, files)('toString')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      expected: '"toString"',
      hint: expect.stringContaining('files: { "toString": bytes }'),
    });
  });

  it.each([
    '../up',
    'a/../../up',
    '/etc/passwd',
    'C:\\x',
    'a\\..\\b',
    'http://x/y',
    './a',
    'a//b',
    '',
    'a?b',
    '%2e%2e/a',
    '\0',
  ])('refuses %j', async (name) => {
    await expect(neighboursOf(join(folder, 'model.json'))(name)).rejects.toMatchObject({ code: 'INVALID_FILE' });
    await expect(neighboursOf(`${origin}/model.json`)(name)).rejects.toMatchObject({ code: 'INVALID_FILE' });
  });
});
