/**
 * Writing results. A file appears under its name only when it is complete and on the disk; what was there before stays
 * until then. Whether a path can be written is asked before long work, not after it.
 */
import { constants, rmSync, type Stats } from 'node:fs';
import { access, lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { isFolder } from './there.ts';

export interface WriteOptions {
  /** Replace what is there. */
  readonly force?: boolean | undefined;
}

const FAULTS: { readonly [code: string]: string } = {
  EACCES: 'you may not write there',
  EPERM: 'you may not write there',
  EROFS: 'the file system is read-only',
  ENOENT: 'its folder does not exist; create it first',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder; give the name of a file',
  ENOTFILE: 'it is a device or a pipe; give the name of a file',
  ENOSPC: 'the disk is full; free some space or choose another disk',
  EDQUOT: 'your disk quota is used up; free some space or choose another disk',
  EFBIG: 'the file would be larger than the file system allows',
  ENAMETOOLONG: 'the name is too long',
  EEXIST: 'a file of that name is in the way',
  ELOOP: 'the path is a loop of symbolic links',
  EIO: 'the disk reported an error',
};

/** The system's complaint about a path as `output-unwritable`, in words. */
export function unwritable(path: string, cause: unknown): SutureError {
  if (cause instanceof SutureError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const fault = FAULTS[code ?? ''] ?? printable(message ?? String(cause));
  return new SutureError('output-unwritable', `${printable(path)} cannot be written: ${fault}.`, { cause });
}

const found = async (path: string): Promise<Stats | undefined> =>
  lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw unwritable(path, error);
  });

/** Throws `output-exists` where something is at `path` and may not be replaced. Devices and pipes never may. */
export async function refuseExisting(path: string, options: WriteOptions): Promise<void> {
  const there = await found(path);
  if (there === undefined) return;
  if (options.force !== true) {
    throw new SutureError(
      'output-exists',
      `${printable(path)} exists already; choose another name, or say --force to replace it.`,
    );
  }
  if (!there.isFile() && !there.isDirectory() && !there.isSymbolicLink()) {
    throw unwritable(path, Object.assign(new Error(), { code: 'ENOTFILE' }));
  }
}

/**
 * Asks whether a file can be written at `path`, without writing it: for the start of long work.
 *
 * @throws SutureError `output-exists`, `output-unwritable`.
 */
export async function checkOutputFile(path: string, options: WriteOptions = {}): Promise<void> {
  await refuseExisting(path, options);
  try {
    const folder = dirname(resolve(path));
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    await access(folder, constants.W_OK);
    const target = (await found(path)) && (await stat(path).catch(() => undefined));
    if (target?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Makes the name of a file durable. Not every file system lets folders be synchronised; there it is left to the system. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(resolve(path)), 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

let counter = 0;

/** Files that are being written. */
const temporaries = new Set<string>();

/** Removes files that are being written, for the end of a process that does not wait for them. */
export function removeTemporaries(): void {
  for (const path of temporaries) rmSync(path, { force: true });
}

/**
 * Writes a file under a temporary name beside `path`, forces it to the disk and renames it.
 *
 * @throws SutureError `output-exists`, `output-unwritable`; nothing is left behind then.
 */
export async function writeOutput(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  await refuseExisting(path, options);
  const temporary = `${path}.${process.pid}-${counter++}.tmp`;
  temporaries.add(temporary);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(path, cause);
  } finally {
    temporaries.delete(temporary);
  }
  await syncFolder(path);
}

/** Makes a folder and those above it. @returns the first that was not there; undefined where all were. @throws SutureError `output-unwritable`. */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await make(resolve(path));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Node's own recursion does not end where a folder is there and nothing can be made in it, as in /proc. @returns as {@link makeFolder}. */
async function make(path: string): Promise<string | undefined> {
  const attempt = (): Promise<NodeJS.ErrnoException | undefined> =>
    mkdir(path).then(
      () => undefined,
      error => error,
    );
  let first: string | undefined;
  let error = await attempt();
  if (error?.code === 'ENOENT' && dirname(path) !== path) {
    first = await make(dirname(path));
    error = await attempt();
  }
  if (error === undefined) return first ?? path;
  if (await isFolder(path)) return first;
  throw error;
}

/** JSON as suture writes it: indented, floats as they are, a line feed at the end. NaN and infinities become null. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
