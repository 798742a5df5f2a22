// `npm run demo [-- PORT]`: builds what is missing and serves the demo page on this machine alone.
import { spawnSync } from 'node:child_process';
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const port = Number(process.argv[2] ?? 8080);
const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--if-stale'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};
const SERVED = /^\/(?:demo|dist|models)\//;

createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/' || pathname === '/demo') return response.writeHead(302, { location: '/demo/' }).end();
  const path = normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname).replaceAll('\\', '/');
  const file = join(root, path);
  const stat = SERVED.test(path) ? statSync(file, { throwIfNoEntry: false }) : undefined;
  if (!stat?.isFile()) return response.writeHead(404).end('not found');
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': stat.size,
    'cache-control': 'no-cache',
  });
  createReadStream(file).pipe(response);
}).listen(port, '127.0.0.1', () => console.log(`http://localhost:${port}/demo/   (Ctrl+C ends it)`));
