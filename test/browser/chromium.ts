import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a Chromium is, or undefined: CHROMIUM in the environment, else where distributions put it. */
export const chromiumPath = [process.env.CHROMIUM, ...EXECUTABLES].find((path) => path && existsSync(path));

/** Headless and quiet: nothing in the background, nothing outside the page asked for. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own; `close` ends it and removes the profile. */
export async function openChromium(flags: string[] = []): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), 'rivulet-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath as string,
    headless: true,
    args: [...FLAGS, ...flags],
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
