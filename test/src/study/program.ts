/** The program as studies start it: a process of its own, built once for the tests of a worker. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

// Below the package, so that dependencies and package.json are found from there; workers do not wait for each other.
const build = join('dist', `.test-study-${process.env.VITEST_POOL_ID ?? '1'}`);

/** What Node is given to run the program. */
export const main = join(build, 'src', 'cli', 'main.js');

let built: Promise<unknown> | undefined;

/** Types are not the matter here: to check them and write them out would take most of the time. */
export async function buildProgram(): Promise<void> {
  built ??= promisify(execFile)('npx', [
    ...['tsc', '-p', 'tsconfig.build.json', '--outDir', build, '--noCheck', '--declaration', 'false'],
  ]);
  await built;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param env beside that of this process. */
export function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, SUTURE_THREADS: '1', ...env } });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', chunk => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', chunk => (text.stderr += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', code => resolve({ code, ...text }));
  });
  return { child, ended };
}

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
