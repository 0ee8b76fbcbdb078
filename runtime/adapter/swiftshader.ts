/**
 * The embedded software driver: SwiftShader and a Vulkan loader, which suture carries packed (`vendor/swiftshader`), unpacked once
 * into a per-user cache directory and loaded into this process. It needs no root, no display and no system Vulkan.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { SutureError } from '../../ir/errors.ts';
import { ownFolder } from '../package.ts';
import { cacheDirectories, ensurePrivate } from './cache.ts';
import { driversOnly } from './system.ts';

/** The files that a Vulkan program needs. */
const driverFiles = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'] as const;

const unbrotli = promisify(brotliDecompress);

/** `RTLD_NODELETE` of `<dlfcn.h>`, which Node does not name: the library stays when Node finds that it is no addon. */
const RTLD_NODELETE = 0x1000;

/** An embedded driver that is loaded: where it lies, and which version of the package that it was taken from. */
export interface EmbeddedDriver {
  readonly directory: string;
  readonly icd: string;
  readonly packageVersion: string;
}

/** The packed driver. */
interface Packed {
  readonly folder: string;
  readonly version: string;
}

/** The packed driver, or `undefined` where it is not there. */
function findPacked(): Packed | undefined {
  const folder = join(ownFolder, 'vendor', 'swiftshader');
  const origin = join(folder, 'origin.json');
  if (!existsSync(origin)) return undefined;
  return { folder, version: (JSON.parse(readFileSync(origin, 'utf8')) as { readonly version: string }).version };
}

/** Why the embedded driver cannot serve here, or `undefined` where it can be tried. */
export function embeddedDriverUnavailable(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the embedded driver is built for linux-x64, and this is ${process.platform}-${process.arch}`;
  }
  if (findPacked() === undefined) return 'the folder vendor/swiftshader, which holds it, is missing from the package';
  return undefined;
}

function complete(directory: string): boolean {
  return driverFiles.every(name => {
    const status = statSync(join(directory, name), { throwIfNoEntry: false });
    return status !== undefined && status.size > 0;
  });
}

/**
 * Unpacks the driver under `cache` unless it is there already, and returns its directory. The directory appears under its
 * final name only when it is complete, so any number of processes may do this at the same time.
 */
export async function unpackEmbeddedDriver(cache: string): Promise<EmbeddedDriver> {
  const packed = findPacked();
  if (packed === undefined) throw new SutureError('adapter-missing', 'The folder vendor/swiftshader is missing.');
  await ensurePrivate(cache);
  const directory = join(cache, `swiftshader-${packed.version}`);
  if (!complete(directory)) {
    const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
    const fresh = `${directory}.${unique}.new`;
    const stale = `${directory}.${unique}.old`;
    try {
      await mkdir(fresh, { mode: 0o700 });
      for (const file of driverFiles) {
        const bytes = await unbrotli(await readFile(join(packed.folder, `${file}.br`)));
        await writeFile(join(fresh, file), bytes, { mode: 0o700 });
      }
      if (existsSync(directory) && !complete(directory)) await rename(directory, stale);
      await rename(fresh, directory).catch((error: unknown) => {
        if (!complete(directory)) throw error;
      });
    } finally {
      await rm(fresh, { recursive: true, force: true });
      await rm(stale, { recursive: true, force: true });
    }
  }
  return { directory, icd: join(directory, 'vk_swiftshader_icd.json'), packageVersion: packed.version };
}

/** Loads a shared library that is no Node addon into the process, for others to find by its name. */
function loadLibrary(file: string): void {
  try {
    process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    // Node opens the library, finds no addon in it, and says so; RTLD_NODELETE has kept it loaded all the same.
    if (!(error instanceof Error && error.message.includes('did not self-register'))) throw error;
  }
}

let loaded: Promise<EmbeddedDriver> | undefined;

/** Whether this process has loaded the embedded driver: it is then what every search of the system finds. */
export const embeddedDriverLoaded = (): boolean => loaded !== undefined;

/**
 * Unpacks the embedded driver if need be, loads its Vulkan loader into this process and points `VK_DRIVER_FILES` to it.
 * Every WebGPU implementation in the process that looks for adapters afterwards finds it.
 *
 * @throws SutureError `adapter-missing` where no cache directory can hold it or it cannot be loaded.
 */
export function loadEmbeddedDriver(): Promise<EmbeddedDriver> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function load(): Promise<EmbeddedDriver> {
  const unavailable = embeddedDriverUnavailable();
  if (unavailable !== undefined) {
    throw new SutureError('adapter-missing', `No embedded adapter: ${unavailable}. Install a Vulkan driver.`);
  }
  const failures: string[] = [];
  for (const cache of cacheDirectories()) {
    try {
      const driver = await unpackEmbeddedDriver(cache);
      loadLibrary(join(driver.directory, 'libvulkan.so.1'));
      Object.assign(process.env, driversOnly(driver.icd));
      return driver;
    } catch (error) {
      failures.push(`${cache}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new SutureError(
    'adapter-missing',
    `The embedded adapter could not be unpacked and loaded (${failures.join('; ')}). ` +
      'Set SUTURE_CACHE_DIR to a directory that you own, on a file system that allows executables.',
  );
}
