/**
 * How a run comes to its place. It is made in a folder inside the run directory and moved into it: at once where there is no other
 * run, else when its training has ended. A process may be killed at any moment: what is in the run directory is the whole old run
 * or, after {@link recover}, the whole new one.
 *
 *     .suture-next    the new run, while it is made or trained; without a config.json it is a leftover
 *     .suture-ready   the new run, complete; its files are being moved into the run directory
 *
 * The renaming of the first to the second decides. What follows can be repeated: as long as `.suture-ready` has its config.json,
 * everything of the old run may go; that file is moved first. Whoever does any of this holds the run's lock.
 */

import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { syncFolder, unwritable } from '../files/output.ts';
import { isThere } from '../files/there.ts';

export const nextFolder = '.suture-next';
export const readyFolder = '.suture-ready';

const configFile = 'config.json';

const ifThere = async (work: Promise<unknown>): Promise<void> => {
  await work.catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
};

/** Whether a folder is there. @throws SutureError `run-invalid` for a link or a file in its place. */
export async function isFolderThere(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.isDirectory()) return found !== undefined;
  const what = found.isSymbolicLink() ? 'a link' : 'no folder';
  throw new SutureError('run-invalid', `${printable(path)} is ${what}, and no part of a run: remove it.`);
}

/**
 * Puts the run in `.suture-next` in the place of what was there before.
 *
 * @param files the names that a run's files have; others in the folder stay.
 * @throws SutureError `output-unwritable`.
 */
export async function promote(path: string, files: readonly string[]): Promise<void> {
  try {
    await rename(join(path, nextFolder), join(path, readyFolder));
    await syncFolder(join(path, readyFolder));
  } catch (cause) {
    throw unwritable(path, cause);
  }
  await recover(path, files);
}

/**
 * Ends a replacement that a killed process had decided but not ended; does nothing where there is none.
 *
 * @throws SutureError `output-unwritable`.
 */
export async function recover(path: string, files: readonly string[]): Promise<void> {
  const ready = join(path, readyFolder);
  if (!(await isFolderThere(ready))) return;
  try {
    if (await isThere(join(ready, configFile))) {
      for (const name of files) await rm(join(path, name), { recursive: true, force: true });
      await ifThere(rename(join(ready, configFile), join(path, configFile)));
    }
    const rest = await readdir(ready).catch(() => []);
    for (const name of rest) await ifThere(rename(join(ready, name), join(path, name)));
    await ifThere(rmdir(ready));
    await syncFolder(ready);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}
