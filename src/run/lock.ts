/**
 * One process at a time writes in a run directory. The lock is the system's, on a file in the directory: it ends with the process
 * that holds it, whatever ends that, and a file that was left behind locks nothing. What is in the file is for the message alone.
 *
 * Where the system or the file system has no locks, work goes on without.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { unwritable } from '../files/output.ts';

export const lockFile = '.suture-lock';

/** Complaints of systems and file systems that have no locks. */
const LOCKLESS: ReadonlySet<string> = new Set(['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']);

/** Whether the lock of an open file was to be had; also where there are none. */
async function granted({ fd }: FileHandle): Promise<boolean> {
  // No binary of the library for this system.
  const library = await import('fs-native-extensions').catch(() => undefined);
  try {
    return library?.tryLock(fd) ?? true;
  } catch (cause) {
    if (LOCKLESS.has((cause as NodeJS.ErrnoException).code ?? '')) return true;
    throw cause;
  }
}

/** Whether a path still leads to the file that is open. */
async function isStill(path: string, file: FileHandle): Promise<boolean> {
  const [held, found] = await Promise.all([
    file.stat({ bigint: true }),
    lstat(path, { bigint: true }).catch(() => undefined),
  ]);
  return found !== undefined && found.ino === held.ino && found.dev === held.dev;
}

/** @throws SutureError `run-locked`, `output-unwritable`. */
async function acquire(path: string): Promise<() => Promise<void>> {
  const file = join(path, lockFile);
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  try {
    for (;;) {
      const handle = await open(file, flags);
      try {
        if (!(await handle.stat()).isFile()) throw Object.assign(new Error(), { code: 'EEXIST' });
        if (!(await granted(handle))) throw locked(path, await handle.readFile('utf8').catch(() => ''));
        // Whoever ends removes the file and then gives up the lock: the lock of a removed file is worth nothing.
        if (await isStill(file, handle)) {
          const remove = (): Promise<void> => rm(file, { force: true }).catch(() => undefined);
          try {
            await handle.truncate();
            await handle.write(`process ${process.pid} on ${hostname()}`);
          } catch (cause) {
            await remove();
            throw cause;
          }
          return async () => {
            await remove();
            await handle.close();
          };
        }
      } catch (cause) {
        await handle.close();
        throw cause;
      }
      await handle.close();
    }
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

const locked = (path: string, holder: string): SutureError =>
  new SutureError(
    'run-locked',
    `${printable(path)} is in use: ${holder === '' ? 'another process' : printable(holder)} is writing in it; ` +
      'wait until that has ended, or choose another run directory.',
  );

/**
 * Does work while no other process writes in a run directory that is there.
 *
 * @throws SutureError `run-locked`, `output-unwritable`.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const release = await acquire(path);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** As {@link withLock}, for a run directory that may have to be made first. Made folders in which nothing came to be are removed. */
export async function withNewLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const first = await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    throw unwritable(path, cause);
  });
  try {
    return await withLock(path, work);
  } finally {
    for (let folder = resolve(path); first !== undefined; folder = dirname(folder)) {
      const removed = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!removed || folder === resolve(first)) break;
    }
  }
}

/** Asks whether another process writes in a run directory now. @throws SutureError `run-locked`. */
export async function refuseLocked(path: string): Promise<void> {
  const there = await lstat(join(path, lockFile)).catch(() => undefined);
  if (there) await withLock(path, async () => undefined);
}
