/** The page in Chromium: files in, the match, a training, the verdict, a network saved; and nothing leaves it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { importOnnx } from '../../ir/onnx/file.ts';
import { npyArray } from '../../src/data/npy.ts';
import { formatNpz } from '../../src/data/npz.ts';
import { smallData, smallParents } from '../src/cli/small.ts';
import { bundled, insecureHost, serve, watched } from './browser.ts';

/** @param browser from the first test on. */
export function testPage(browser: () => Browser): void {
  let server: Awaited<ReturnType<typeof serve>>;
  let site: Awaited<ReturnType<typeof bundled>>;
  let own: string;
  let partner: string;
  let data: string;
  let unlabelled: string;
  let page: Page;
  /** What it did that it must not. */
  let faults: readonly string[];

  beforeAll(async () => {
    site = await bundled('production');
    [own, partner] = await smallParents(site.folder, [[3], [2]]);
    data = await smallData(join(site.folder, 'data.npz'));
    unlabelled = join(site.folder, 'unlabelled.npz');
    await writeFile(unlabelled, formatNpz({ images: npyArray(new Float32Array(2 * 64), [2, 1, 8, 8]) }));
    server = await serve(site.folder);
    page = await browser().newPage();
    faults = watched(page, server.origin);
    await page.goto(server.origin);
    await page.waitForSelector('.device.there, .device.missing');
  });
  afterAll(async () => {
    await page.close();
    server.close();
    await site.remove();
  });

  /** Waits until a section is shown; what is said to be wrong instead fails the test. */
  async function shown(section: string): Promise<void> {
    await page.waitForSelector(`${section}:not([hidden]), #problem:not([hidden])`, { timeout: 120_000 });
    expect(await page.locator('#problem:not([hidden])').allTextContents()).toEqual([]);
  }

  const give = async (files: Readonly<Record<string, string | readonly string[]>>): Promise<void> => {
    for (const [name, file] of Object.entries(files)) await page.setInputFiles(`input[name=${name}]`, file);
  };

  it('says what is wrong with a file, and goes on', async () => {
    await give({ own, partner: data, train: data });
    await page.click('#match');
    await page.waitForSelector('#problem:not([hidden])');
    expect(await page.textContent('#problem')).toMatch(/'data\.npz' can't be read as ONNX/);
    const refused = async (files: Readonly<Record<string, string | readonly string[]>>): Promise<string | null> => {
      await give(files);
      await page.click('#match');
      await page.waitForSelector('#match:enabled');
      return page.textContent('#problem');
    };
    expect(await refused({ partner: [own, partner] })).toMatch(
      'Partner’s network: one ONNX file, beside its files of data, belongs here, and there are 2 (a.onnx, b.onnx).',
    );
    // Before the training, not after it.
    expect(await refused({ partner, validation: unlabelled })).toMatch(/^unlabelled\.npz: /);
    expect(await page.locator('#train-section').isHidden()).toBe(true);
    await give({ validation: data });
    await page.click('#match');
    await shown('#train-section');
    expect(await page.locator('#problem').isHidden()).toBe(true);
    expect(faults).toEqual([]);
  });

  it('makes one network of two', async () => {
    expect(await page.textContent('#device')).toMatch(/^WebGPU on .*software adapter/);
    await give({ own, partner, train: data, validation: data });
    // By keys alone.
    await page.focus('#match');
    await page.keyboard.press('Enter');
    await shown('#train-section');
    expect(await page.textContent('#match-summary')).toMatch(/^\d+ pairs of layers .* trained on 6 images\.$/);
    expect(await page.locator('#match-figure svg line').count()).toBeGreaterThan(4);
    expect(await page.inputValue('input[name=steps]')).toBe('300');
    await page.fill('input[name=steps]', '2');
    await page.fill('input[name=batch]', '1');
    // Who closes the page while it trains is asked.
    const isAsked = (): Promise<boolean> =>
      page.evaluate<boolean>(`!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))`);
    expect(await isAsked()).toBe(false);
    await page.click('#train');
    expect(await isAsked()).toBe(true);
    await shown('#result-section');
    expect(await page.textContent('#curve figcaption')).toMatch(/at step 0, .* at step 1/);
    expect(await page.textContent('#outcome .verdict')).toMatch(/^The verdict: /);
    const names = await page.locator('#outcome table tbody').first().locator('th').allTextContents();
    expect(names.filter(name => /(?<!not be) chosen$/.test(name))).toHaveLength(1);
    expect(names.join()).toMatch(/parent a.*parent b.*output ensemble.*stitched at \d+, gated/);
    const row = names.findIndex(name => /^stitched at \d+, gated/.test(name));
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('button.save').nth(row).click()]);
    const { graph } = importOnnx(await readFile(await download.path()));
    expect(graph.info.metadata?.['suture.setting']).toMatch(/^stitched at \d+, gated$/);
    expect(download.suggestedFilename()).toMatch(/^stitched-at-\d+-gated\.onnx$/);
    await page.getByText(/^stitched-at-\d+-gated\.onnx: stitched at/).waitFor();
    expect(faults).toEqual([]);
  });

  it('says that there is no WebGPU, and why, and sends nothing even where it is told to, from the page or its worker', async () => {
    const page = await browser().newPage();
    const asked: string[] = [];
    await page.route('**/*', route => {
      asked.push(route.request().url());
      return route.continue();
    });
    const origin = server.origin.replace('localhost', insecureHost);
    await page.goto(origin);
    await page.waitForSelector('.device.missing');
    expect(await page.textContent('#device')).toMatch(/^No WebGPU here/);
    expect(await page.textContent('#problem')).toMatch(/pages from https:\/\/ or localhost alone/);
    expect(await page.locator('#match').isDisabled()).toBe(true);

    const before = asked.length;
    expect(before).toBeGreaterThan(0);
    const send = `fetch('${origin}/leak').then(() => 'sent', () => 'refused')`;
    expect(await page.evaluate(send)).toBe('refused');
    const workers = page.workers();
    expect(workers).toHaveLength(1);
    expect(await workers[0].evaluate(send)).toBe('refused');
    expect(asked.slice(before)).toEqual([]);
    await page.close();
  });
}
