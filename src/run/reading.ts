/** Reading files of a run directory, in which nothing is followed. */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { bytesOf, withFileBelow } from '../files/input.ts';

/** What stands in the way of reading a file of a run. */
const UNREADABLE: Readonly<Record<string, string>> = {
  ELOOP: 'lies behind a symbolic link, and nothing in a run directory is followed: put the file itself there',
  EISDIR: 'is a folder, and must be a file',
  ENOTFILE: 'is a device or a pipe, and must be a regular file',
  EACCES: 'may not be read',
};

/** Reads a file of a run without following links; undefined when it is not there. @throws SutureError `run-invalid`. */
export async function below<T>(
  root: string,
  name: string,
  work: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await withFileBelow(root, name, work);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const text = `${printable(join(root, name))} ${UNREADABLE[code] ?? 'cannot be read'}.`;
    throw new SutureError('run-invalid', text, { cause });
  }
}

export const readBelow = (root: string, name: string): Promise<Buffer | undefined> =>
  below(root, name, file => bytesOf(file));
