/**
 * Whether to ask the system for an adapter. Dawn, the Vulkan loader and drivers write complaints to standard error, from native
 * code and with no setting against it: where there is no loader, where it has no device, where Dawn refuses a driver (Mesa 22 of
 * Debian 12). So Dawn is asked in this process only where a child process was given an adapter; what is written there is kept.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { printable } from '../../ir/errors.ts';
import { nativeEntry } from '../package.ts';
import { dawnFlags } from './dawn.ts';

/** Environment variables under which a Vulkan loader uses the named driver manifests alone; older loaders know the second name. */
export const driversOnly = (manifests: string): Readonly<Record<string, string>> => ({
  VK_DRIVER_FILES: manifests,
  VK_ICD_FILENAMES: manifests,
});

/** What came of asking for an adapter in a process of its own. */
export interface Probe {
  readonly found: boolean;
  /** What ended the process before it could answer, as the end of a sentence: `ended by SIGSEGV`. */
  readonly failure?: string;
  /** What was written to standard error, line by line. */
  readonly complaints: readonly string[];
}

/** What the search asks of a machine with Linux. */
export interface System {
  /** Whether this process would find a Vulkan loader. */
  hasLoader(): boolean;
  /** Asks for an adapter in a process of its own. */
  probe(environment: Readonly<Record<string, string>>): Promise<Probe>;
  /** The files by which drivers announce themselves to the loader. */
  manifests(): readonly string[];
}

/** What is known before this process asks. */
export interface Verdict {
  /** Why not to ask, as a sentence; undefined where asking brings an adapter. */
  readonly refusal?: string;
  /** The environment variables under which to ask. */
  readonly environment: Readonly<Record<string, string>>;
  /** What was written when it was tried, for `suture doctor`. */
  readonly complaints: readonly string[];
}

/** The sentence for a system without an adapter. */
export const noAdapter = (): string =>
  process.env.VK_DRIVER_FILES
    ? `No usable adapter through VK_DRIVER_FILES=${process.env.VK_DRIVER_FILES}.`
    : 'This machine offers no adapter that WebGPU can use.';

/** Finds out whether `system` has an adapter, and how it can be asked for without complaints. */
export async function examine(system: System): Promise<Verdict> {
  const environment = {};
  if (!system.hasLoader()) {
    return { refusal: 'There is no Vulkan loader (libvulkan.so.1) here.', environment, complaints: [] };
  }
  const { found, failure, complaints } = await system.probe({});
  if (failure !== undefined) {
    return { refusal: `The system's Vulkan drivers failed when they were tried: ${failure}.`, environment, complaints };
  }
  if (!found) return { refusal: noAdapter(), environment, complaints };
  if (complaints.length === 0) return { environment, complaints };
  // One driver serves and maybe another complains: those that serve without a word are asked alone.
  const quiet: string[] = [];
  for (const manifest of system.manifests()) {
    const alone = await system.probe(driversOnly(manifest));
    if (alone.found && alone.complaints.length === 0) quiet.push(manifest);
  }
  return { environment: quiet.length > 0 ? driversOnly(quiet.join(':')) : environment, complaints };
}

/** Runs in the child process: exit code 0 where there is an adapter, 3 where there is none. */
const program = `
const [module, ...flags] = process.argv.slice(1);
const { create } = await import(module);
const gpu = create(flags);
process.exit((await gpu.requestAdapter({ powerPreference: 'high-performance' })) === null ? 3 : 0);`;

/** Drivers that take longer than this to answer are taken to hang. */
const patience = 20_000;

/** Of what was written, so much is kept: the Vulkan loader can be told to write without end. */
const keptLines = 50;

function probe(environment: Readonly<Record<string, string>>): Promise<Probe> {
  const dawn = pathToFileURL(nativeEntry('webgpu')).href;
  const options = {
    env: { ...process.env, ...environment },
    timeout: patience,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 26,
  } as const;
  return new Promise(resolve => {
    const args = ['--input-type=module', '-e', program, dawn, ...dawnFlags];
    execFile(process.execPath, args, options, (error, _, stderr) => {
      const lines = stderr.split('\n').filter(line => line.trim() !== '');
      const complaints = lines.slice(0, keptLines).map(line => printable(line.trimEnd(), 1000));
      if (error === null || error.code === 3) resolve({ found: error === null, complaints });
      else {
        const failure = error.killed
          ? `no answer within ${patience / 1000} s`
          : error.signal
            ? `ended by ${error.signal}`
            : `ended with ${error.code}`;
        resolve({ found: false, failure, complaints });
      }
    });
  });
}

/** Opens the library as Dawn would. Node finds that it is no addon, and closes it. */
function hasLoader(): boolean {
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
    return true;
  } catch (error) {
    return error instanceof Error && error.message.includes('did not self-register');
  }
}

function manifests(): readonly string[] {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, XDG_DATA_HOME } = process.env;
  const named = VK_DRIVER_FILES ?? VK_ICD_FILENAMES;
  if (named !== undefined) return named.split(':').filter(file => file !== '');
  const roots = ['/etc', '/usr/local/etc', '/usr/local/share', '/usr/share'];
  const personal = XDG_DATA_HOME || join(homedir(), '.local', 'share');
  return [personal, ...roots].flatMap(root => {
    const folder = join(root, 'vulkan', 'icd.d');
    try {
      return readdirSync(folder)
        .filter(name => name.endsWith('.json'))
        .map(name => join(folder, name));
    } catch {
      return [];
    }
  });
}

/** This machine; undefined where Vulkan is not what adapters come from. */
export const thisSystem: System | undefined =
  process.platform === 'linux' ? { hasLoader, probe, manifests } : undefined;

/** Does what `action` does under the given environment variables, and puts back those that were. */
export async function withEnvironment<T>(
  environment: Readonly<Record<string, string>>,
  action: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(environment).map(name => [name, process.env[name]] as const);
  Object.assign(process.env, environment);
  try {
    return await action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
