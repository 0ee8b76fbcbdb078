/** What a process says of a study, and the processes of its cells. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { start } from '../../program.ts';

/** A cell as `study status --json` has it. */
export interface Facts {
  readonly key: string;
  readonly status: string;
  readonly queue?: string;
  readonly error?: string;
}

export async function statusOf(study: string, env: NodeJS.ProcessEnv = {}): Promise<readonly Facts[]> {
  return JSON.parse((await start(['study', 'status', study, '--json'], env).ended).stdout).cells;
}

/** The key of the first cell of a kind. */
export const keyOf = (cells: readonly Pick<Facts, 'key'>[], kind: string): string =>
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
