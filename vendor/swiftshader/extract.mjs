/**
 * Takes the software Vulkan driver and the Vulkan loader out of an npm package that carries Chromium's builds of them, and packs them
 * again, each by itself. Needs tar and the registry.
 *
 *     node vendor/swiftshader/extract.mjs 147.0.2
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

const version = process.argv[2];
if (version === undefined) throw new Error('Name a version of @sparticuz/chromium.');
const files = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'];
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'swiftshader-'));
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: 'utf8' }).trim();
try {
  const archive = run('npm', 'pack', '--silent', `@sparticuz/chromium@${version}`);
  run('tar', '-xzf', archive, 'package/bin/swiftshader.tar.br');
  writeFileSync(
    join(folder, 'swiftshader.tar'),
    brotliDecompressSync(readFileSync(join(folder, 'package', 'bin', 'swiftshader.tar.br'))),
  );
  run('tar', '-xf', 'swiftshader.tar', ...files);
  const sha256 = {};
  for (const file of files) {
    const bytes = readFileSync(join(folder, file));
    sha256[file] = createHash('sha256').update(bytes).digest('hex');
    const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(join(here, `${file}.br`), brotliCompressSync(bytes, { params }));
  }
  const origin = { package: '@sparticuz/chromium', version, platform: 'linux-x64', sha256 };
  writeFileSync(join(here, 'origin.json'), `${JSON.stringify(origin, undefined, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
