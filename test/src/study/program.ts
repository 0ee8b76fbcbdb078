/** What a process says of a study. */
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
