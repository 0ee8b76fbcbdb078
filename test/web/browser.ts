/** The page and the library in a real browser. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';

/** A name of this machine that browsers do not take for it, so that what they give to secure pages is missing. */
export const insecureHost = 'insecure.test';

/** Builds what `web/` has, the page or the library, in a folder of its own. */
export async function bundled(mode: 'production' | 'library') {
  const folder = await mkdtemp(join(tmpdir(), 'suture-web-'));
  const configFile = 'web/vite.config.ts';
  await build({ root: 'web', configFile, mode, logLevel: 'error', build: { outDir: folder } });
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Serves folders, the first that has a file; an empty page is at `/empty.html`. */
export async function serve(...folders: readonly string[]) {
  const server = createServer(({ url = '/' }, response) => {
    const path = url === '/' ? 'index.html' : decodeURIComponent(url.split('?')[0]);
    const file = folders.map(folder => join(folder, path)).find(existsSync);
    response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
    if (path === '/empty.html') response.end('<!doctype html><title>empty</title><link rel="icon" href="data:,">');
    else if (file === undefined) response.writeHead(404).end();
    else response.end(readFileSync(file));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://localhost:${port}`, close: () => server.close() };
}

/** What a page must not do: complain, or ask anyone but where it is from. */
export function watched(page: Page, origin: string): readonly string[] {
  const faults: string[] = [];
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', error => faults.push(`error: ${error.message}`));
  page.on('request', request => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`) && !url.startsWith('data:'))
      faults.push(`request: ${url}`);
  });
  return faults;
}
