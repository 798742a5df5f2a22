import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import { browser } from '../../scripts/browsers.mjs';

const { path, flags: quiet } = browser('chromium');

/** Where a Chromium is, or undefined: CHROMIUM in the environment, else where distributions put it. */
export const chromiumPath = path;

/** A browser with a profile of its own; `close` ends it and removes the profile. */
export async function openChromium(flags: string[] = []): Promise<{ context: BrowserContext; close(): Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), 'rivulet-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath as string,
    headless: true,
    args: [...quiet, ...flags],
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
