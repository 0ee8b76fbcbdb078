/** Versions of suture and of what its numbers depend on. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function packageVersion(file: string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The package's own folder: two levels up from `dist/src`, one from `src`. */
function ownPackage(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    try {
      if ((JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'suture') return file;
    } catch {
      // No package.json here, or an unreadable one: look further up.
    }
    if (dirname(folder) === folder) throw new Error(`No package.json of suture above ${here}.`);
  }
}

/** The version of a package that suture depends on; `undefined` where it is not installed. */
function dependencyVersion(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return packageVersion(join(folder, name, 'package.json'));
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

export interface Versions {
  readonly suture: string;
  readonly node: string;
  readonly platform: string;
  readonly webgpu: string | undefined;
  readonly onnxruntime: string | undefined;
}

export const sutureVersion: string = packageVersion(ownPackage());

export const versions = (): Versions => ({
  suture: sutureVersion,
  node: process.versions.node,
  platform: `${process.platform}-${process.arch}`,
  webgpu: dependencyVersion('webgpu'),
  onnxruntime: dependencyVersion('onnxruntime-node'),
});
