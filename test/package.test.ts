/** What the package is made of, and what it does to the machine that it is installed on. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

describe('the package', () => {
  it('is installed, with all that it needs, without a script that could download', async () => {
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8'));
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name);
    // Where the lock does not say that a package has install scripts, npm runs none: ONNX Runtime's would download CUDA.
    expect(await readFile('package-lock.json', 'utf8')).not.toContain('hasInstallScript');
  });

  it('needs no package with native code or of hundreds of megabytes', async () => {
    const { dependencies } = JSON.parse(await readFile('package.json', 'utf8'));
    for (const name of ['onnxruntime-node', 'webgpu', '@sparticuz/chromium', 'onnx-proto']) {
      expect(dependencies).not.toHaveProperty(name);
    }
  });

  it('holds no tests, no benchmarks and no source maps', async () => {
    const pack = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      maxBuffer: 2 ** 26,
    });
    const [{ files }] = JSON.parse(pack.stdout) as [{ files: readonly { readonly path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toContain('vendor/swiftshader/libvk_swiftshader.so.br');
    expect(paths).toContain('vendor/swiftshader/LICENSE');
    expect(paths.filter(path => /\.map$|\.mjs$|(^|\/)\.?(test|bench|fixtures)\//.test(path))).toEqual([]);
  });
});
