/** Cells of a study in this process, and the processes of others. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SutureError } from '../../../ir/index.ts';
import type { Launcher } from '../../../src/api/study.ts';
import { studyCell } from '../../../src/api/study-cell.ts';

/** Computes a cell here; what it throws is in its record. */
export const launch: Launcher = async ({ path }, key) => {
  await studyCell(path, key).catch((error: unknown) => {
    if (!(error instanceof SutureError)) throw error;
  });
};

/** The key of the first cell of a kind. */
export const keyOf = (cells: readonly { readonly key: string }[], kind: string): string =>
  cells.find(({ key }) => key.startsWith(`${kind}-`))!.key;

/** The processes of this machine whose command names a path; undefined where the system does not list them as files. */
export async function processesOf(path: string): Promise<readonly number[] | undefined> {
  const entries = await readdir('/proc').catch(() => undefined);
  if (!entries) return undefined;
  const named: number[] = [];
  for (const pid of entries.filter(name => /^\d+$/.test(name))) {
    const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (command.includes(path)) named.push(Number(pid));
  }
  return named;
}
