import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyCharacterModel } from '../support/tiny-model.js';

const executable = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const isBuilt = existsSync(executable);

describe.skipIf(!isBuilt)('dist/cli.js (skipped where dist/ is not built: npm run build)', () => {
  let folder: string;
  let model: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rivulet-executable-'));
    model = join(folder, 'model.safetensors');
    await writeFile(model, tinyCharacterModel());
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('evaluates in sequences by any number of threads, to the same bit', async () => {
    const text = join(folder, 'held.txt');
    await writeFile(text, 'abcde ab\n'.repeat(60));
    const state = join(folder, 'begun.state');
    await start('generate', model, '--length', '5', '--seed', '1', '--save-state', state).ended;
    const loss = async (...argv: string[]) => {
      const { child, ended } = start('evaluate', model, text, '--json', '--batch-size', '5', ...argv);
      let stdout = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      expect(await ended).toEqual({ code: 0, stderr: '' });
      const { loss, count } = JSON.parse(stdout);
      return [loss, count];
    };
    const [alone, begun, small] = [[], ['--state', state], ['--weights', 'int8']];
    const losses = await Promise.all(
      [alone, begun, small].map(async (options) => {
        const one = await loss('--workers', '1', ...options);
        expect(await loss('--workers', '2', ...options)).toEqual(one);
        return one[0];
      }),
    );
    expect(await loss('--workers', '9')).toEqual([losses[0], 5 * 107]);
    expect(new Set(losses).size).toBe(3);
  });

  function start(...argv: string[]) {
    const child = spawn(process.execPath, [executable, ...argv], { stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
      child.on('close', (code) => resolve({ code, stderr }));
    });
    return { child, ended };
  }

  it('ends by itself, with stdin open and everything written', async () => {
    const { child, ended } = start('generate', model, '--length', '200000', '--temperature', '0');
    let length = 0;
    child.stdout.on('data', (chunk) => {
      length += chunk.length;
    });
    expect(await ended).toMatchObject({ code: 0, stderr: expect.stringContaining('200,000 characters') });
    expect(length).toBe(200_000);
  });

  it('ends with 130 at SIGINT', async () => {
    const { child, ended } = start('generate', model, '--length', '1000000000');
    child.stdout.once('data', () => child.kill('SIGINT'));
    child.stdout.resume();
    expect(await ended).toEqual({ code: 130, stderr: '' });
  });

  it('ends with 130 at SIGINT while it waits for input', async () => {
    const { child, ended } = start('run', model);
    child.stdin.write('1\n');
    child.stdout.once('data', () => child.kill('SIGINT'));
    expect(await ended).toEqual({ code: 130, stderr: '' });
  });

  it('ends quietly when its reader goes', async () => {
    const { child, ended } = start('generate', model, '--length', '1000000000');
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await ended).toEqual({ code: 0, stderr: '' });
  });

  it('gives wrong usage the exit code 2', async () => {
    expect(await start('generate').ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('MODEL is missing'),
    });
  });
});
