import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Progress, readSource } from '../../src/io/source.js';

const CONTENT = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 31);

let folder: string;
let path: string;
let server: Server;
let origin: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rivulet-'));
  path = join(folder, 'some file.bin');
  writeFileSync(path, CONTENT);
  server = createServer((request, response) => {
    switch (request.url) {
      case '/sized':
        response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT);
        break;
      case '/chunked':
        response.writeHead(200);
        response.write(CONTENT.subarray(0, 1000));
        response.end(CONTENT.subarray(1000));
        break;
      case '/huge':
        response.writeHead(200, { 'content-length': 2 ** 40 });
        response.write('x');
        break;
      case '/cut':
        response.writeHead(200, { 'content-length': CONTENT.length });
        response.write(CONTENT.subarray(0, 1000), () => response.destroy());
        break;
      case '/endless':
        response.writeHead(200);
        response.write('x');
        break;
      default:
        response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** Buffers compare by content. */
const same = (bytes: Uint8Array) => Buffer.compare(bytes, CONTENT) === 0;

describe('readSource', () => {
  it('reads paths and file: URLs', async () => {
    const url = pathToFileURL(path);
    for (const [source, name] of [
      [path, path],
      [url, url.href],
      [url.href, url.href],
    ] as const) {
      const result = await readSource(source);
      expect(same(result.bytes)).toBe(true);
      expect(result.name).toBe(name);
    }
  });

  it('reads URLs, with and without a length', async () => {
    for (const source of [`${origin}/sized`, new URL(`${origin}/chunked`)]) {
      const result = await readSource(source);
      expect(same(result.bytes)).toBe(true);
      expect(result.name).toBe(String(source));
    }
    expect([...(await readSource('data:,abc')).bytes]).toEqual([97, 98, 99]);
  });

  it('reads Responses and Blobs', async () => {
    expect(same((await readSource(new Response(CONTENT))).bytes)).toBe(true);
    const fetched = await readSource(await fetch(`${origin}/sized`));
    expect(same(fetched.bytes)).toBe(true);
    expect(fetched.name).toBe(`${origin}/sized`);
    expect(same((await readSource(new Blob([CONTENT]))).bytes)).toBe(true);
    expect((await readSource(new Response(null))).bytes.length).toBe(0);
  });

  it('views bytes in memory', async () => {
    expect((await readSource(CONTENT.buffer)).bytes.buffer).toBe(CONTENT.buffer);
    const view = new DataView(CONTENT.buffer, 5, 10);
    const { bytes } = await readSource(view);
    expect([bytes.buffer, bytes.byteOffset, bytes.length]).toEqual([CONTENT.buffer, 5, 10]);
  });

  it.each([
    ['a file', () => path, CONTENT.length],
    ['a URL', () => `${origin}/sized`, CONTENT.length],
    ['a URL without length', () => `${origin}/chunked`, undefined],
    ['a Blob', () => new Blob([CONTENT]), CONTENT.length],
  ])('reports the progress of %s', async (_, source, total) => {
    const reports: Progress[] = [];
    await readSource(source(), { onProgress: (progress) => reports.push(progress) });
    expect(reports.length).toBeGreaterThan(0);
    expect(reports.at(-1)?.loaded).toBe(CONTENT.length);
    expect(reports.every((report, i) => report.total === total && report.loaded > (reports[i - 1]?.loaded ?? 0))).toBe(
      true,
    );
  });

  it.each<[string, () => unknown, object]>([
    [
      'a missing file',
      () => join(folder, 'none'),
      { code: 'IO', message: expect.stringMatching(/none: No such file/) },
    ],
    ['a folder', () => folder, { code: 'IO', message: expect.stringMatching(/Is a directory.*Name a file in it/) }],
    [
      'an HTTP status',
      () => `${origin}/none`,
      { code: 'IO', found: '404 Not Found', file: expect.stringMatching(/none$/) },
    ],
    [
      'a server that is not there',
      () => 'http://127.0.0.1:1/',
      { code: 'IO', message: expect.stringMatching(/Fetching failed/) },
    ],
    ['a connection that breaks', () => `${origin}/cut`, { code: 'IO' }],
    ['a length beyond the limit', () => `${origin}/huge`, { code: 'LIMIT_EXCEEDED' }],
    ['what is no source', () => 3, { code: 'INVALID_INPUT', found: 'number' }],
    ['null', () => null, { code: 'INVALID_INPUT', found: 'null' }],
  ])('refuses %s', async (_, source, expected) => {
    await expect(readSource(source() as string)).rejects.toThrow(
      expect.objectContaining({ name: 'RivuletError', ...expected }),
    );
  });

  it('refuses a Response that was read', async () => {
    const response = new Response('abc');
    await response.text();
    await expect(readSource(response)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('stops when told to, before and during', async () => {
    const aborted = { signal: AbortSignal.abort('because') };
    for (const source of [path, `${origin}/sized`, new Blob([CONTENT]), CONTENT]) {
      await expect(readSource(source, aborted)).rejects.toMatchObject({ code: 'ABORTED', cause: 'because' });
    }
    for (const source of [path, `${origin}/endless`, new Blob([CONTENT]), await fetch(`${origin}/endless`)]) {
      const controller = new AbortController();
      const reading = readSource(source, { signal: controller.signal, onProgress: () => controller.abort() });
      await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    }
  });

  it('passes on what onProgress throws', async () => {
    const onProgress = () => {
      throw new TypeError('mine');
    };
    for (const source of [path, new Blob([CONTENT])]) {
      await expect(readSource(source, { onProgress })).rejects.toBeInstanceOf(TypeError);
    }
  });
});
