// Files for a browser on this machine, for the demo, the browser tests and the benchmark page.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** What a page needs for shared memory and for fine clocks. */
export const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/**
 * Serves `pages`, bodies by path, and the files below `folder` whose paths `allow` matches, to this machine alone. `onPost`
 * gets the path and the text of what a page posts. Port 0 is a free one. A folder's page is its index.html.
 */
export async function serve({ pages = {}, folder, allow = /^/, headers = {}, port = 0, onPost }) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'POST' && onPost) {
      const parts = [];
      for await (const part of request) parts.push(part);
      onPost(pathname, Buffer.concat(parts).toString());
      return response.writeHead(204).end();
    }
    const path = normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname).replaceAll('\\', '/');
    const file = folder && allow.test(path) ? join(folder, path) : undefined;
    const page = pages[pathname];
    const isFile = page === undefined && file !== undefined && statSync(file, { throwIfNoEntry: false })?.isFile();
    if (page === undefined && !isFile) return response.writeHead(404).end('not found');
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache', ...headers });
    if (isFile) createReadStream(file).pipe(response);
    else response.end(page);
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
