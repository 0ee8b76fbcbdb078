/** Who may make a run directory, and write in one: whether it can be made at a path, its lock, and replacements that are going on. */
import { constants, existsSync } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { printable, SutureError } from '../../ir/errors.ts';
import { unwritable } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { runFileNames, runFiles } from './files.ts';
import { lockFile, refuseLocked, withLock } from './lock.ts';
import { isFolderThere, nextFolder, readyFolder, recover } from './replacement.ts';

const errno = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** The nearest folder on the way to `path` that exists. */
async function nearestFolder(path: string): Promise<string> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch((error: unknown) => {
      if (errno(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found) {
      if (!found.isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
      return folder;
    }
  }
}

/**
 * Asks whether a run directory can be made at `path`, without making it. A folder that holds anything is refused; with
 * `force`, one that holds a run is not.
 *
 * @param locked whether this process holds the run's lock already.
 * @param what the kind of directory that it is to be, and whether one of that kind is there, which `force` may replace. Default: a run, told by its
 * files.
 * @throws SutureError `output-exists`, `output-unwritable`, `run-locked`.
 */
export async function checkRunOutput(
  path: string,
  {
    force = false,
    locked = false,
    what,
  }: {
    readonly force?: boolean | undefined;
    readonly locked?: boolean;
    readonly what?: { readonly kind: string; readonly isThere: boolean };
  } = {},
): Promise<void> {
  try {
    await access(await nearestFolder(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
  const present = await readdir(path).catch((error: unknown) => {
    if (errno(error) === 'ENOENT') return [] as string[];
    throw unwritable(path, error);
  });
  if (!locked && present.includes(lockFile)) await refuseLocked(path);
  // A leftover of a run that was killed before it was one is nothing.
  if (present.every(name => name === nextFolder || name === lockFile)) return;
  const isThere = what?.isThere ?? (present.includes(runFiles.config) || present.includes(readyFolder));
  if (isThere && force) return;
  const kind = what?.kind ?? 'run';
  throw new SutureError(
    'output-exists',
    isThere
      ? `${printable(path)} holds a ${kind} already; choose another name, or say --force to replace it.`
      : `${printable(path)} exists and holds other files than a ${kind}'s; choose another name.`,
  );
}

/** The error for a path where a directory of a kind was expected. @param what the kind, and what commands make one. */
export function notDirectory(
  path: string,
  { kind, maker }: { readonly kind: string; readonly maker: string },
): SutureError {
  const where = printable(path);
  const text = existsSync(path)
    ? `${where} is no ${kind}: there is no config.json of one in it; ${maker} makes one.`
    : `${where} does not exist; ${maker} makes a ${kind}.`;
  return new SutureError('run-invalid', text);
}

export const notRun = (path: string): SutureError =>
  notDirectory(path, { kind: 'run directory', maker: '`suture run -o` or `suture stitch -o`' });

/**
 * Does work on a run that is there while no other process writes in it.
 *
 * @param missing what is said where there is none.
 * @throws SutureError `run-invalid`, `run-locked`, `output-unwritable`.
 */
export async function withLockedRun<T>(
  path: string,
  work: () => Promise<T>,
  missing: (path: string) => SutureError = notRun,
): Promise<T> {
  const signs = [runFiles.config, readyFolder, join(nextFolder, runFiles.config)];
  const present = await Promise.all(signs.map(name => isThere(join(path, name))));
  if (!present.includes(true)) throw missing(path);
  return withLock(path, async () => {
    await recover(path, runFileNames);
    return work();
  });
}

/** How long the moving of a run's files into place may take. */
const settlingSeconds = 5;

/** Ends a replacement that a killed process left, or waits for one that is going on. @throws SutureError `run-locked`. */
export async function recoverUnlocked(path: string): Promise<void> {
  const until = performance.now() + settlingSeconds * 1000;
  while (await isFolderThere(join(path, readyFolder))) {
    try {
      await withLock(path, () => recover(path, runFileNames));
    } catch (error) {
      const waits = error instanceof SutureError && error.code === 'run-locked' && performance.now() < until;
      if (!waits) throw error;
      await sleep(20);
    }
  }
}
