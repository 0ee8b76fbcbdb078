/** What `docs/deploy.md` shows runs as it is written, with ONNX Runtime for Node in the place of that for browsers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { demo, scratch } from '../src/cli/support.ts';

it('docs/deploy.md has a page that asks a network', async () => {
  const text = readFileSync('docs/deploy.md', 'utf8');
  const [, script = ''] = /```html\n<script type="module">\n(.*?)<\/script>/s.exec(text) ?? [];
  const standing = script
    .replace("* as ort from './ort.wasm.min.mjs'", `ort from '${import.meta.resolve('onnxruntime-node')}'`)
    .replace("'stitched.onnx'", JSON.stringify(demo('parent_a.onnx')));
  expect(standing).not.toMatch(/\.wasm\.min|'stitched/);
  const file = join(await scratch(), 'page.mjs');
  writeFileSync(file, `${standing}\nexport { data, dims };\n`);
  const { data, dims } = await import(pathToFileURL(file).href);
  expect(dims.length).toBe(4);
  expect([dims[0], ...dims.slice(2)]).toEqual([1, 48, 48]);
  expect([...data].every(Number.isFinite)).toBe(true);
});
