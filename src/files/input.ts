/**
 * Reading what may have been put there by anyone: regular files only, so that no pipe or device keeps a command waiting. Errors are
 * the system's, with two more codes: `ENOTFILE` for what is neither a file nor a folder, and `ELOOP` also where a link is refused.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, realpath, stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

const FAULTS: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory, not a file',
  ENOTFILE: 'it is a device or a pipe, and must be a regular file',
  EACCES: 'it may not be read',
  ENAMETOOLONG: 'its name is too long',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ERR_INVALID_ARG_VALUE: 'its name is none that a file can have',
  ELOOP: 'it is a loop of symbolic links',
};

/** Why something cannot be read, in words. */
export function readFault(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return FAULTS[code ?? ''] ?? message;
}

const fault = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

function requireRegular(found: Stats): void {
  if (found.isFile()) return;
  throw fault(found.isDirectory() ? 'EISDIR' : found.isSymbolicLink() ? 'ELOOP' : 'ENOTFILE');
}

/** Opens a file of which was found that it is regular; what has come into its place since neither blocks nor passes. */
async function opened<T>(path: string, flags: number, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | flags);
  try {
    requireRegular(await file.stat());
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Opens a regular file for reading. */
export async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  requireRegular(await stat(path));
  return opened(path, 0, work);
}

/** Opens a regular file below a folder for reading. The folder may be a link; below it none is followed, of files nor of folders. */
export async function withFileBelow<T>(
  folder: string,
  name: string,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const path = join(folder, name);
  requireRegular(await lstat(path));
  return opened(path, constants.O_NOFOLLOW ?? 0, async file => {
    const holder = join(await realpath(folder), dirname(normalize(name)));
    if ((await realpath(dirname(path))) !== holder || normalize(name).startsWith('..')) throw fault('ELOOP');
    return work(file);
  });
}

/** Node reads no more at once, and no whole file that is larger: those of wide stitches are. */
const mostAtOnce = 2 ** 30;

/** The bytes of a file that is open. A file that grows meanwhile is read as long as it was. */
export async function bytesOf(file: FileHandle, atOnce = mostAtOnce): Promise<Buffer> {
  const { size } = await file.stat();
  if (size <= atOnce) return file.readFile();
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(atOnce, size - at), at);
    if (bytesRead === 0) return bytes.subarray(0, at);
    at += bytesRead;
  }
  return bytes;
}

/** The bytes of a regular file. */
export const readRegular = (path: string): Promise<Buffer> => withFile(path, file => bytesOf(file));
