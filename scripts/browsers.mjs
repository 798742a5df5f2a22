// Browsers for the tests and the benchmark page: headless, and nothing in the background.
import { existsSync } from 'node:fs';

const BROWSERS = {
  chromium: {
    paths: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
    flags: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    /** Without a window, on a profile of its own. */
    start: (profile) => ['--headless=new', `--user-data-dir=${profile}`],
  },
  firefox: {
    paths: ['/usr/bin/firefox', '/usr/bin/firefox-esr'],
    flags: ['--no-remote'],
    start: (profile) => ['--headless', '--profile', profile],
    preferences: {
      'app.update.enabled': false,
      'browser.shell.checkDefaultBrowser': false,
      'datareporting.policy.dataSubmissionEnabled': false,
      'toolkit.telemetry.enabled': false,
    },
  },
};

export const BROWSER_NAMES = Object.keys(BROWSERS);

/**
 * Where a browser is (CHROMIUM or FIREFOX in the environment, else where distributions put it; undefined where it is not)
 * and how it is started.
 */
export function browser(name) {
  const { paths, preferences = {}, ...rest } = BROWSERS[name];
  const path = [process.env[name.toUpperCase()], ...paths].find((each) => each && existsSync(each));
  return { path, preferences, ...rest };
}
