/** What is shown and computed in a real browser: one for all of it, since starting it costs more than most of what is tested. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';
import { launch, withoutChromium } from './chromium.ts';
import { testReports } from './src/report/html/pages.ts';
import { testLibrary } from './src/web/in-chromium.ts';
import { insecureHost } from './web/browser.ts';
import { testPage } from './web/page.ts';

describe.skipIf(withoutChromium !== '')(`in Chromium${withoutChromium}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch([
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`,
    ]);
  });
  afterAll(() => browser?.close());

  describe('the report', () => testReports(() => browser));
  describe('suture/web', () => testLibrary(() => browser));
  describe('the page', () => testPage(() => browser));
});
