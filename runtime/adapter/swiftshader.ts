/**
 * The embedded software driver: the SwiftShader build (and the Vulkan loader) that `@sparticuz/chromium` carries, unpacked
 * once into a per-user cache directory and loaded into this process. It needs no root, no display and no system Vulkan.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';
import { SutureError } from '../../ir/errors.ts';
import { cacheDirectories, ensurePrivate } from './cache.ts';
import { driversOnly } from './system.ts';

/** The files of the archive that a Vulkan program needs; the OpenGL ES ones beside them are left packed. */
const driverFiles = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'] as const;

/** `RTLD_NODELETE` of `<dlfcn.h>`, which Node does not name: the library stays when Node finds that it is no addon. */
const RTLD_NODELETE = 0x1000;

/** An embedded driver that is loaded: where it lies, and which package version it came from. */
export interface EmbeddedDriver {
  readonly directory: string;
  readonly icd: string;
  readonly packageVersion: string;
}

interface Archive {
  readonly file: string;
  readonly version: string;
  readonly bytes: number;
}

/** The packed driver that `npm` installed, or `undefined` where the package is absent. */
function findArchive(): Archive | undefined {
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  } catch {
    return undefined;
  }
  for (let directory = dirname(entry); ; directory = dirname(directory)) {
    const file = join(directory, 'bin', 'swiftshader.tar.br');
    if (existsSync(file)) {
      const manifest: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      const version =
        typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
      return { file, version, bytes: statSync(file).size };
    }
    if (dirname(directory) === directory) return undefined;
  }
}

/** Why the embedded driver cannot serve here, or `undefined` where it can be tried. */
export function embeddedDriverUnavailable(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the embedded driver is built for linux-x64, and this is ${process.platform}-${process.arch}`;
  }
  if (findArchive() === undefined) return 'the package @sparticuz/chromium, which carries it, is not installed';
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
  const archive = findArchive();
  if (archive === undefined)
    throw new SutureError('adapter-missing', 'The package @sparticuz/chromium is not installed.');
  await ensurePrivate(cache);
  const directory = join(cache, `swiftshader-${archive.version}-${archive.bytes}`);
  if (!complete(directory)) {
    const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
    const fresh = `${directory}.${unique}.new`;
    const stale = `${directory}.${unique}.old`;
    try {
      const wanted = new Set<string>(driverFiles);
      await pipeline(
        createReadStream(archive.file),
        createBrotliDecompress(),
        extract(fresh, { ignore: (_path, header) => header === undefined || !wanted.has(header.name), dmode: 0o700 }),
      );
      if (!complete(fresh)) throw new Error(`${archive.file} does not hold ${driverFiles.join(', ')}`);
      if (existsSync(directory) && !complete(directory)) await rename(directory, stale);
      await rename(fresh, directory).catch((error: unknown) => {
        if (!complete(directory)) throw error;
      });
    } finally {
      await rm(fresh, { recursive: true, force: true });
      await rm(stale, { recursive: true, force: true });
    }
  }
  return { directory, icd: join(directory, 'vk_swiftshader_icd.json'), packageVersion: archive.version };
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
