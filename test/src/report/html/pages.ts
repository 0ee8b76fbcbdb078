/** The page in a real browser: what it shows, and that it asks nobody for anything. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../../src/api/run.ts';
import { studyPage } from '../../../../src/study/page.ts';
import { smallData, smallParents } from '../../cli/small.ts';
import { shared } from '../../cli/support.ts';
import { inventedStudy } from '../../study/invented.ts';
import { largePage } from './large.ts';

const schemes = ['light', 'dark'] as const;
const pages = ['run', 'study'] as const;

interface Opened {
  readonly page: Page;
  /** What it must not do. */
  readonly faults: readonly string[];
  /** The processor time in seconds that the page's main thread took until it was there. */
  readonly busy: number;
}

async function opened(browser: Browser, folder: string, name: (typeof pages)[number] | 'large'): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const { href } = pathToFileURL(join(folder, `${name}.html`));
  const faults: string[] = [];
  page.on('console', message => faults.push(`console: ${message.text()}`));
  page.on('pageerror', error => faults.push(`error: ${error.message}`));
  page.on('dialog', dialog => faults.push(`dialog: ${dialog.message()}`));
  page.on('request', request => {
    if (request.url() !== href && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
  });
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.goto(href);
  const { metrics } = await session.send('Performance.getMetrics');
  return { page, faults, busy: metrics.find(metric => metric.name === 'TaskDuration')?.value ?? Number.NaN };
}

/** What a script says that the page runs. It is text: of the names that a page has, the tests' compiler knows none. */
const inPage = <T>(page: Page, script: string): Promise<T> => page.evaluate<T>(script);

const interactive = `[...document.querySelectorAll('a[href], summary, [tabindex="0"]')]`;
const ground = 'getComputedStyle(document.body).backgroundColor';

/** Texts of less contrast than 4.5 to 1 to what is behind them, as the browser draws them. */
const faintTexts = `(() => {
  const parse = text => {
    const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\\d.]+/g) ?? []).map(Number);
    return [r, g, b, text === 'transparent' ? 0 : a];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    if (!element) return [255, 255, 255, 1];
    const colour = parse(getComputedStyle(element).backgroundColor);
    return colour[3] === 0 ? behind(element.parentElement) : colour;
  };
  return [...document.querySelectorAll('body *')].flatMap(element => {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '');
    if (!own || element.closest('title')) return [];
    const style = getComputedStyle(element);
    const text = parse(element instanceof SVGElement ? style.fill : style.color);
    const [p, q] = [luminance(text), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (p + 0.05) / (q + 0.05);
    return ratio < 4.5 ? [element.textContent.slice(0, 40) + ': ' + ratio.toFixed(2)] : [];
  });
})()`;

/** Fits a wide and a narrow window. */
async function expectToFit(page: Page): Promise<void> {
  for (const width of [400, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    expect(await inPage<number>(page, 'document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    // What is wider than the window is scrolled: captions are not, and figures stay large enough to be read.
    const ends = `[...document.querySelectorAll('caption span')].map(e => e.getBoundingClientRect().right)`;
    expect(Math.max(...(await inPage<number[]>(page, ends)))).toBeLessThanOrEqual(width);
    const widths = `[...document.querySelectorAll('.drawing svg')].map(e => e.getBoundingClientRect().width)`;
    expect(Math.min(...(await inPage<number[]>(page, widths)).filter(w => w > 0))).toBeGreaterThan(450);
  }
}

/** @param browser from the first test on. */
export function testReports(browser: () => Browser): void {
  const folder = shared();
  let large = '';
  beforeAll(async () => {
    large = largePage();
    const [a, b] = await smallParents(folder(), [[3], [2, 3]]);
    const [train, validation, test] = await Promise.all(
      ['train', 'val', 'test'].map(name => smallData(join(folder(), `${name}.npz`))),
    );
    const output = join(folder(), 'RUN');
    const tests = [{ name: `"><script>alert('x')</script><img src=x onerror="alert('y')">`, file: test }];
    const training = { steps: 2, batch: 2, initImages: 4, closingImages: 4 };
    const stress = { changes: ['gamma', 'contrast'] } as const;
    await run({ networks: [a, b], train, validation, tests, training, stress, executor: 'ort', output });
    await writeFile(join(folder(), 'run.html'), await readFile(join(output, 'report.html')));
    await writeFile(join(folder(), 'large.html'), large);
    await writeFile(join(folder(), 'study.html'), studyPage(inventedStudy(['a', 'b'])));
  });

  describe.each(pages)('of %s', name => {
    let page: Page;
    let faults: readonly string[];
    beforeAll(async () => {
      ({ page, faults } = await opened(browser(), folder(), name));
    });
    afterAll(() => page.close());

    it.each(schemes)('says nothing on the console, asks nobody, and can be read in the %s scheme', async scheme => {
      await page.emulateMedia({ colorScheme: scheme });
      expect(await inPage<string[]>(page, faintTexts)).toEqual([]);
      expect(await inPage(page, ground)).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 24, 28)');
      expect(faults).toEqual([]);
    });

    it('fits a wide and a narrow window', () => expectToFit(page));

    it('has headings in order, and a name for each figure, picture, table and link', async () => {
      const levels = await inPage<number[]>(
        page,
        `[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))`,
      );
      expect(levels.filter(level => level === 1)).toHaveLength(1);
      expect(levels.filter((level, i) => i > 0 && level > levels[i - 1] + 1)).toEqual([]);
      for (const role of ['img', 'link', 'group'] as const) {
        const all = page.getByRole(role);
        expect(await all.count(), role).toBeGreaterThan(0);
        const named = page.getByRole(role, { name: /\S/ });
        // Groups are what is scrolled, and details, which have a summary.
        if (role !== 'group') expect(await named.count(), role).toBe(await all.count());
      }
      const tables = await inPage<(readonly [boolean, number])[]>(
        page,
        `[...document.querySelectorAll('table')].map(t => [t.caption?.textContent !== '', t.querySelectorAll('th:not([scope])').length])`,
      );
      expect(new Set(tables.map(String))).toEqual(new Set(['true,0']));
      const ids = await inPage<string[]>(page, `[...document.querySelectorAll('[id]')].map(e => e.id)`);
      expect(new Set(ids).size).toBe(ids.length);
    });

    it('is reached by keys: what is interactive has the focus in turn, and shows it', async () => {
      const wanted = await inPage<number>(
        page,
        `${interactive}.filter(e => e.closest('details:not([open]) > :not(summary)') === null).length`,
      );
      const reached = new Set<number>();
      for (let i = 0; i < wanted; i++) {
        await page.keyboard.press('Tab');
        const [place, outline] = await inPage<readonly [number, string]>(
          page,
          `[${interactive}.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]`,
        );
        expect(outline).toBe('solid');
        reached.add(place);
      }
      expect(reached).not.toContain(-1);
      expect(reached.size).toBe(wanted);
      const summary = page.locator('summary').first();
      await summary.focus();
      await page.keyboard.press('Enter');
      expect(await page.locator('details').first().getAttribute('open')).not.toBeNull();
    });

    it('is printed on white paper, without its list of contents', async () => {
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      expect(await inPage(page, ground)).toBe('rgb(255, 255, 255)');
      expect(await page.locator('nav').isVisible()).toBe(false);
      // 210 mm less the margins, at 96 pixels an inch.
      const width = 725;
      await page.setViewportSize({ width, height: 1000 });
      expect(await inPage(page, 'document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect((await page.pdf()).subarray(0, 5).toString()).toBe('%PDF-');
    });
  });

  it('of many parents, positions and cases is small, soon there, fits, and says of every difference whose it is', async () => {
    expect(Buffer.byteLength(large)).toBeLessThan(2e6);
    const { page, faults, busy } = await opened(browser(), folder(), 'large');
    // Not by the clock: the machine may be busy.
    expect(busy).toBeGreaterThan(0.001);
    expect(busy).toBeLessThan(2);
    await expectToFit(page);
    const words = await inPage<string[]>(
      page,
      `[...document.querySelectorAll('#networks tbody :is(.better, .worse)')].map(e => e.lastChild.textContent)`,
    );
    expect(words.length).toBeGreaterThan(0);
    expect(words.filter(text => !/^(exported|chosen) (better|worse)$/.test(text))).toEqual([]);
    expect(faults).toEqual([]);
    await page.close();
  });
}
