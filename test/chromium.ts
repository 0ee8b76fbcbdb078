/** A real browser for tests: Chromium as the system has it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Names that it goes by. */
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `SUTURE_CHROMIUM`, or what is found in the folders of `PATH`. */
const executable = (
  process.env.SUTURE_CHROMIUM
    ? [process.env.SUTURE_CHROMIUM]
    : (process.env.PATH ?? '').split(delimiter).flatMap(folder => names.map(name => join(folder, name)))
).find(isExecutable);

/** Why tests in a browser are skipped, as the end of their title; empty where they are not. */
export const withoutChromium =
  executable === undefined ? ' (skipped: there is no Chromium here; apt-get install chromium)' : '';

/** Starts it. Without a sandbox, which containers do not allow: the pages are our own. */
export const launch = (args: readonly string[]): Promise<Browser> =>
  chromium.launch({
    ...(executable !== undefined && { executablePath: executable }),
    // Which drivers this process has looked at is none of the browser's business.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VK_'))) as Record<
      string,
      string
    >,
    args: ['--no-sandbox', ...args],
  });
