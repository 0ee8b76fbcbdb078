/** Where suture's own package lies, and the two packages of native code that it computes with. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SutureError } from '../ir/errors.ts';

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly main?: string;
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The folder of suture's own package: above the sources, and above what they are compiled to. */
export const ownFolder: string = findOwn();

function findOwn(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    try {
      if (manifestOf(folder).name === 'suture') return folder;
    } catch {
      // No package.json here, or an unreadable one: look further up.
    }
    if (dirname(folder) === folder) throw new Error(`No package.json of suture above ${here}.`);
  }
}

/** The packages of native code. A packed suture carries them for the platforms that it was packed for (`vendor/carry.mjs`). */
const carried = {
  'onnxruntime-node': 'ONNX Runtime',
  webgpu: 'The WebGPU implementation',
} as const;

type NativePackage = keyof typeof carried;

/** The folder of the package: carried by suture, else installed beside it; `undefined` where it is neither. */
function folderOf(name: NativePackage): string | undefined {
  const installed = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return [join(ownFolder, 'vendor'), ...installed]
    .map(folder => join(folder, name))
    .find(folder => existsSync(join(folder, 'package.json')));
}

/** The version of a package of native code; `undefined` where there is none. */
export function nativeVersion(name: NativePackage): string | undefined {
  const folder = folderOf(name);
  return folder === undefined ? undefined : manifestOf(folder).version;
}

/**
 * The file that loads a package of native code.
 *
 * @throws SutureError `native-missing` where the package is not there.
 */
export function nativeEntry(name: NativePackage): string {
  const folder = folderOf(name);
  if (folder === undefined) throw nativeMissing(name);
  return join(folder, manifestOf(folder).main ?? 'index.js');
}

/** The error for a package of native code that is not there, or does not load. */
export function nativeMissing(name: NativePackage, cause?: unknown): SutureError {
  const reason = cause instanceof Error ? ` (${cause.message.split('\n')[0]})` : '';
  return new SutureError(
    'native-missing',
    `${carried[name]} does not load on ${process.platform}-${process.arch}${reason}: this copy of suture was packed for ` +
      `another platform; install the package ${name} beside it, or pack it with SUTURE_PLATFORMS=${process.platform}-${process.arch}.`,
    { cause },
  );
}
