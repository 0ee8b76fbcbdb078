/**
 * Copies what suture needs of the packages with native code, ONNX Runtime and Dawn, to this folder, for `npm pack` to carry: of each the
 * JavaScript and one platform's libraries, without install scripts. As they are on the registry they hold every platform (165 MB to
 * download, 420 MB unpacked), and ONNX Runtime's install script downloads CUDA from elsewhere.
 *
 *     node vendor/carry.mjs               for this platform, or for those of SUTURE_PLATFORMS: linux-x64,darwin-arm64 or all
 *     node vendor/carry.mjs --remove      takes them away again
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const here = dirname(createRequire(import.meta.url).resolve('./carry.mjs'));
const every = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const named = process.env.SUTURE_PLATFORMS || `${process.platform}-${process.arch}`;
const platforms = named === 'all' ? every : named.split(',');

/** Of each package, the JavaScript that is loaded and the libraries of a platform. */
const packages = {
  'onnxruntime-node': {
    code: ['dist/index.js', 'dist/backend.js', 'dist/binding.js', 'dist/version.js'],
    libraries: platform => join('bin', 'napi-v6', ...platform.split('-')),
    // The same library under its full version; what is loaded is libonnxruntime.1.dylib.
    superfluous: /\.\d+\.\d+\.\d+\.dylib$/,
  },
  webgpu: {
    code: ['index.js'],
    libraries: platform => join('dist', platform.replace(/^darwin-.*/, 'darwin-universal')),
    superfluous: /^$/,
  },
};

for (const [name, { code, libraries, superfluous }] of Object.entries(packages)) {
  const to = join(here, name);
  rmSync(to, { recursive: true, force: true });
  if (process.argv.includes('--remove')) continue;
  const from = join(here, '..', 'node_modules', name);
  const { version, main, type = 'commonjs', license } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const file of code) cpSync(join(from, file), join(to, file));
  for (const platform of platforms) {
    const folder = libraries(platform);
    if (!existsSync(join(from, folder))) {
      throw new Error(`${name} ${version} has no libraries for ${platform}; there are ${every.join(', ')}, or all.`);
    }
    mkdirSync(join(to, folder), { recursive: true });
    for (const file of readdirSync(join(from, folder))) {
      if (!superfluous.test(file)) cpSync(join(from, folder, file), join(to, folder, file));
    }
  }
  writeFileSync(join(to, 'package.json'), `${JSON.stringify({ name, version, main, type, license }, undefined, 2)}\n`);
}
