import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
// The chart is drawn by the built code of the command line.
const isBuilt = existsSync(`${root}/build/ts/cli/chart/svg.js`);
if (!isBuilt) console.warn('the tables of docs/performance.md are not checked: build/ts is not there (npm run build)');

describe.skipIf(!isBuilt)('the tables and the chart of measurements', () => {
  it('are what bench/results/ gives', () => {
    const { status, stderr } = spawnSync(process.execPath, ['bench/draw.mjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
