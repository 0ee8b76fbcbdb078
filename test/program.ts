/** The program as a process of its own, which is built once for the tests of a worker. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'vite';

// Below the package, so that dependencies and package.json are found from there; workers do not wait for each other.
const folder = join('dist', `.test-${process.env.VITEST_POOL_ID ?? '1'}`);
const entry = join('src', 'cli', 'main.js');

/** What Node is given to run the program. */
export const main = join(folder, entry);

let built: Promise<unknown> | undefined;

/**
 * Writes the program as a few small files, with the packages that it takes: hundreds take a process most of a second to load, which is more
 * than most of what is tested here. The files that are published are started by the test of what is built.
 */
export async function buildProgram(): Promise<void> {
  built ??= build({
    configFile: false,
    logLevel: 'error',
    // All but what is native.
    ssr: {
      noExternal: true,
      external: ['@sparticuz/chromium', 'fs-native-extensions', 'onnxruntime-common', 'onnxruntime-node', 'webgpu'],
    },
    build: {
      minify: true,
      ssr: 'src/cli/main.ts',
      outDir: folder,
      target: 'node20',
      // Beside the entry, as the code finds files from where it lies.
      rolldownOptions: { output: { entryFileNames: entry, chunkFileNames: join('src', 'cli', '[name]-[hash].js') } },
    },
  });
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
