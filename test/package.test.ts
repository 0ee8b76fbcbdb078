/** What the package is made of, and what it does to the machine that it is installed on. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { scratch } from './src/cli/support.ts';

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

  it('carries what it offers', async () => {
    const { exports: offered, files } = JSON.parse(await readFile('package.json', 'utf8')) as {
      readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
      readonly files: readonly string[];
    };
    expect(Object.keys(offered)).toEqual(['.', './ir', './passes', './web']);
    for (const target of Object.values(offered).flatMap(one => Object.values(one))) {
      expect(
        files.some(folder => target.startsWith(`./${folder}/`)),
        target,
      ).toBe(true);
      const source = target.replace('./dist/', '').replace(/(\.d\.ts|\.js)$/, '.ts');
      await expect(readFile(source, 'utf8')).resolves.toMatch(/^\/\*\*/);
    }
  });

  it('holds no tests, no benchmarks and no source maps', async () => {
    const folder = await scratch();
    // Files of these names, since npm compresses what it lists.
    const made = ['ir', 'passes', 'runtime', 'src'].flatMap(room =>
      ['.js', '.js.map', '.d.ts'].map(end => `dist/${room}/index${end}`),
    );
    const carried = ['libvk_swiftshader.so.br', 'LICENSE'].map(file => `vendor/swiftshader/${file}`);
    const known = ['LICENSE', 'README.md', 'CHANGELOG.md', 'docs/README.md', ...made, ...carried];
    const others = [
      ...['dist/test/ir/dim.test.js', 'dist/bench/search.js', 'dist/fixtures/raw-folder.js', 'dist/.test/src/index.js'],
      ...[
        'src/index.ts',
        'test/seed.ts',
        'bench/search.ts',
        'fixtures/demo/parent_a.onnx',
        'vendor/carry.mjs',
        'tsconfig.json',
      ],
    ];
    for (const file of [...known, ...others]) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), '');
    }
    await copyFile('package.json', join(folder, 'package.json'));
    const pack = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder });
    const [{ files }] = JSON.parse(pack.stdout) as [{ files: readonly { readonly path: string }[] }];
    const wanted = [...known, 'package.json'].filter(path => !path.endsWith('.map'));
    expect(files.map(({ path }) => path).sort()).toEqual(wanted.sort());
  });
});
