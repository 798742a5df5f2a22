// The suite in a browser: options come in the address, lines go into the page, results to the server that gave the page.
import { describe, OPTIONS, ours, runSuite } from '../lib/suite.mjs';
import { loadPeers } from './peers.mjs';

const query = new URLSearchParams(location.search);
const options = Object.fromEntries(
  Object.entries(OPTIONS).map(([key, { default: usual }]) => [key, query.get(key) ?? usual]),
);
const log = document.getElementById('log');
const show = (text) => {
  log.append(`${text}\n`);
};
const post = (path, value) => fetch(path, { method: 'POST', body: JSON.stringify(value) });

async function run() {
  if (!crossOriginIsolated) show('this page is not isolated: its clock is coarse');
  const peers = await loadPeers(query.get('peers') ?? '');
  const versions = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
  show(`${navigator.userAgent}\n${JSON.stringify(versions)}`);
  show(`microseconds per step of one stream, one thread: median [quartiles] of ${options.rounds} rounds\n`);
  const results = [];
  await runSuite(options, peers, async (result) => {
    results.push(result);
    const text = describe(result, ours(options), peers);
    show(`${text}\n`);
    await post('/line', text);
  });
  await post('/results', { userAgent: navigator.userAgent, peers: versions, results });
  show('done');
}

await run().catch(async (error) => {
  show(error.stack ?? error);
  await post('/failure', String(error.stack ?? error));
});
