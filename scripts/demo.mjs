// `npm run demo [-- PORT]`: builds what is missing and serves the demo page on this machine alone.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './serve.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const port = Number(process.argv[2] ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`no port: ${process.argv[2]}`);
  process.exit(2);
}

const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--if-stale'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const pages = { '/': '<!doctype html><meta http-equiv="refresh" content="0; url=/demo/">' };
const allow = /^\/(?:demo|dist|models)\//;
const { url } = await serve({ pages, folder: root, allow, port }).catch((error) => {
  console.error(error.code === 'EADDRINUSE' ? `port ${port} is taken: npm run demo -- ANOTHER` : error.message);
  process.exit(1);
});
console.log(`${url}/demo/   (Ctrl+C ends it)`);
