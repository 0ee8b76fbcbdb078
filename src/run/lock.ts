/**
 * One process at a time writes in a folder: a run, a cell of a study, a study. The lock is the system's, on a file in the folder: it ends
 * with the process that holds it, whatever ends that, and a file that was left behind locks nothing.
 *
 * The file says who holds the lock, and is written again every {@link refreshSeconds}. That is for the message, and for what the system does
 * not know: a network folder may keep the locks of each machine from the others, and some file systems have none. There another process counts
 * as there as long as its file is fresh, and where both are of one machine as long as it lives.
 */
import { constants, readFileSync } from 'node:fs';
import { type FileHandle, lstat, open, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { printable, SutureError } from '../../ir/errors.ts';
import { makeFolder, unwritable } from '../files/output.ts';

export const lockFile = '.suture-lock';

/** Seconds from one sign of life to the next. */
const refreshSeconds = 20;

/** A process of another machine that gave no sign for so many seconds is gone; one that computes without a turn of its event loop gives none. */
const silentSeconds = 180;

/** Complaints of systems and file systems that have no locks. */
const LOCKLESS: ReadonlySet<string> = new Set(['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']);

/** Whether the lock of an open file was to be had; undefined where there are none. @param shared one that others may share. */
async function granted({ fd }: FileHandle, shared = false): Promise<boolean | undefined> {
  // No binary of the library for this system.
  const library = await import('fs-native-extensions').catch(() => undefined);
  try {
    return library?.tryLock(fd, { shared });
  } catch (cause) {
    if (LOCKLESS.has((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
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

/** What tells one start of a machine from all others, in whichever container; undefined where the system does not say. */
const machine = ((): string | undefined => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
})();

const own = `process ${process.pid} on ${hostname()}`;
const ownText = `${own}\n${machine ?? ''}`;

/** Lock files that this process holds. */
const held = new Set<string>();

/** What a lock file says of who wrote it. */
interface Holder {
  /** `process 12 on node7`; empty where nothing is known. */
  readonly name: string;
  readonly isOfThisMachine: boolean;
  /** Seconds since its last sign. */
  readonly silent: number;
}

async function readHolder(file: FileHandle): Promise<Holder> {
  // Windows lets nobody read what another process has locked.
  const text = (await file.readFile('utf8').catch(() => '')).slice(0, 500);
  const [, name = '', host, boot] = /^(process \d+ on (.+))\n?(.*)$/.exec(text) ?? [];
  const isOfThisMachine = boot && machine ? boot === machine : host === hostname();
  // Clocks of two machines may differ.
  const silent = Math.abs(Date.now() - (await file.stat()).mtimeMs) / 1000;
  return { name, isOfThisMachine, silent };
}

/** Whether a process is there whose lock the system does not know of. @param hasLocks whether the system had a lock to give. */
function isAlive(path: string, { name, isOfThisMachine, silent }: Holder, hasLocks: boolean): boolean {
  if (name === '' || (isOfThisMachine && hasLocks)) return false;
  if (!isOfThisMachine) return silent < silentSeconds;
  const pid = Number(/^process (\d+) /.exec(name)?.[1]);
  if (pid === process.pid) return held.has(resolve(path));
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** No link is followed, and no pipe waited for. */
const plainly = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

async function requireFile(handle: FileHandle): Promise<void> {
  if (!(await handle.stat()).isFile()) throw Object.assign(new Error(), { code: 'EEXIST' });
}

/** @throws SutureError `run-locked`, `output-unwritable`. */
async function acquire(path: string): Promise<() => Promise<void>> {
  const file = join(path, lockFile);
  try {
    for (;;) {
      const handle = await open(file, constants.O_RDWR | constants.O_CREAT | plainly);
      try {
        await requireFile(handle);
        const isGranted = await granted(handle);
        const holder = await readHolder(handle);
        if (isGranted === false) {
          // Whoever only asks who holds the lock shares it with others that ask, for a moment.
          if ((await granted(handle, true)) !== true) throw locked(path, holder, false);
        } else {
          if (isAlive(file, holder, isGranted === true)) throw locked(path, holder, true);
          // Whoever ends removes the file and then gives up the lock: the lock of a removed file is worth nothing.
          if (await isStill(file, handle)) return await hold(file, handle);
        }
      } catch (cause) {
        await handle.close();
        throw cause;
      }
      await handle.close();
      await sleep(5 * Math.random());
    }
  } catch (cause) {
    throw notLocked(path, cause);
  }
}

/** Whoever has named a folder knows nothing of a file in it, but where something else is in that file's place. */
function notLocked(path: string, cause: unknown): SutureError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  return unwritable(inTheWay.has(code) ? join(path, lockFile) : path, cause);
}

/** Complaints that are about the file itself. */
const inTheWay: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ELOOP']);

/** Keeps a file that is locked as one's own. @returns what gives it up. */
async function hold(file: string, handle: FileHandle): Promise<() => Promise<void>> {
  const remove = (): Promise<void> => rm(file, { force: true }).catch(() => undefined);
  try {
    await handle.truncate();
    await handle.write(ownText, 0);
  } catch (cause) {
    await remove();
    throw cause;
  }
  const path = resolve(file);
  held.add(path);
  let refreshing: Promise<unknown> = Promise.resolve();
  const refresh = setInterval(() => {
    // On a disk that is full the old text stays; what was locked goes on.
    refreshing = handle.write(ownText, 0).catch(() => undefined);
  }, 1000 * refreshSeconds).unref();
  return async () => {
    clearInterval(refresh);
    await refreshing;
    await remove();
    await handle.close();
    held.delete(path);
  };
}

/** @param isUnseen whether the system does not know of the lock. */
function locked(path: string, { name, isOfThisMachine, silent }: Holder, isUnseen: boolean): SutureError {
  const who = name === '' ? 'another process' : printable(name);
  const unseen =
    isUnseen && !isOfThisMachine
      ? `, whose lock is not seen from here: its last sign was ${Math.round(silent)} s ago, and after ${silentSeconds} s it counts as gone`
      : '';
  return new SutureError(
    'run-locked',
    `${printable(path)} is in use: ${who} is writing in it${unseen}; wait until that has ended, or choose another folder.`,
  );
}

/**
 * Does work while no other process writes in a folder that is there.
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

/** As {@link withLock}, for a folder that may have to be made first. Made folders in which nothing came to be are removed. */
export async function withNewLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const first = await makeFolder(path);
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

/** Who writes in a folder, or has left a lock file there. */
export interface Writer {
  /** `process 12 on node7`, or `another process` where nothing is known. */
  readonly name: string;
  /** Whether it is gone, without a word. */
  readonly isGone: boolean;
}

/** Asks who writes in a folder, and changes nothing. @throws SutureError `output-unwritable` where that cannot be read. */
export async function writerOf(path: string): Promise<Writer | undefined> {
  const found = await probed(path);
  return found && { name: found.holder.name || 'another process', isGone: found.refusal === undefined };
}

/** Asks whether another process writes in a folder now. @throws SutureError `run-locked`, `output-unwritable`. */
export async function refuseLocked(path: string): Promise<void> {
  const { refusal } = (await probed(path)) ?? {};
  if (refusal) throw refusal;
}

async function probed(path: string): Promise<{ readonly holder: Holder; readonly refusal?: SutureError } | undefined> {
  const file = join(path, lockFile);
  try {
    const handle = await open(file, constants.O_RDONLY | plainly);
    try {
      await requireFile(handle);
      const isGranted = await granted(handle, true);
      const holder = await readHolder(handle);
      if (isGranted === false) return { holder, refusal: locked(path, holder, false) };
      // Removed since it was opened: whoever held it has ended.
      if (!(await isStill(file, handle))) return undefined;
      const isUnseen = isAlive(file, holder, isGranted === true);
      return { holder, ...(isUnseen && { refusal: locked(path, holder, true) }) };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw notLocked(path, cause);
  }
}
