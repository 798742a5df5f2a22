// `npm start [-- options]`: builds what is missing, then `rivulet generate models/shakespeare` with the options given.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function run(script, ...args) {
  const { status, signal, error } = spawnSync(process.execPath, [join(root, script), ...args], { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(signal ? 130 : status);
}

run('scripts/build.mjs', '--if-stale');
run('dist/cli.js', 'generate', join(root, 'models/shakespeare/model.safetensors'), ...process.argv.slice(2));
