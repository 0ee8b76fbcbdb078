/** The program as a process of its own, which is built once for all workers of a run of the tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { build } from 'vite';

/** Below the package, so that dependencies and package.json are found from there: a folder for each process that has started workers. */
const runs = join('dist', '.tests');
const own = join(runs, `${process.ppid}`);
const folder = join(own, 'src', 'cli');
const done = join(own, 'built');

/** What Node is given to run the program. */
export const main = join(folder, 'main.js');

/** Writes the program as it is published, or waits until another worker has. */
export async function buildProgram(): Promise<void> {
  await mkdir(runs, { recursive: true });
  while (!existsSync(done)) {
    const first = await mkdir(own).then(
      () => true,
      () => false,
    );
    if (first) await buildFirst();
    else await setTimeout(50);
  }
}

async function buildFirst(): Promise<void> {
  const ended = (await readdir(runs)).filter(pid => !isRunning(Number(pid)));
  for (const pid of ended) await rm(join(runs, pid), { recursive: true, force: true });
  try {
    await build({ logLevel: 'error', build: { outDir: folder } });
    await writeFile(done, '');
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
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
