/** The program as a process of its own, which is built once for the tests of a worker. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'vite';

// Below the package, so that dependencies and package.json are found from there; workers do not wait for each other.
const folder = join('dist', `.test-${process.env.VITEST_POOL_ID ?? '1'}`, 'src', 'cli');

/** What Node is given to run the program. */
export const main = join(folder, 'main.js');

let built: Promise<unknown> | undefined;

/** Writes the program as it is published. */
export async function buildProgram(): Promise<void> {
  built ??= build({ logLevel: 'error', build: { outDir: folder } });
  await built;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a file of JavaScript. @param env beside that of this process. */
export function startFile(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env } });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', chunk => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', chunk => (text.stderr += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, ended };
}

/** Starts the program. @param env beside that of this process. */
export const start = (args: readonly string[], env?: NodeJS.ProcessEnv): Started => startFile(main, args, env);
