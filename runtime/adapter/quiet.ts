/**
 * Looking for an adapter where there is most likely none. Dawn writes a complaint to standard error when the Vulkan loader of the
 * system finds no device, and has no setting against it. So that there is always something to find, the embedded driver is added
 * to the system's while it is asked; an adapter of the system still comes first.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectories } from './cache.ts';
import { unpackEmbeddedDriver } from './swiftshader.ts';

/** Names in /dev that a GPU's driver puts there: DRM, NVIDIA, WSL, AMD compute, and what phones and boards have. */
const devices = /^(dri|nvidia\w*|dxg|kfd|mali\d*|kgsl\w*|pvr\w*|galcore|apexgpu)$/;

/** Where Vulkan loaders look for drivers. */
const driverFolders = ['/usr/share', '/usr/local/share', '/etc', '/usr/local/etc'].map(f => join(f, 'vulkan', 'icd.d'));

/** Drivers that need no device. */
const softwareDriver = /lvp|lavapipe|llvmpipe|swiftshader|swrast/i;

const names = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** Whether anything speaks for an adapter of the system. */
const hasSigns = (): boolean =>
  names('/dev').some(name => devices.test(name)) ||
  driverFolders.flatMap(names).some(name => softwareDriver.test(name));

/**
 * Asks the system for an adapter; null where it has none.
 *
 * @param request asks WebGPU.
 */
export async function askQuietly(request: () => Promise<GPUAdapter | null>): Promise<GPUAdapter | null> {
  const { env } = process;
  const told = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES ?? env.VK_ADD_DRIVER_FILES;
  if (process.platform !== 'linux' || told !== undefined || hasSigns()) return request();
  const icd = await embeddedDriver();
  if (icd === undefined) return request();
  env.VK_ADD_DRIVER_FILES = icd;
  try {
    const adapter = await request();
    return adapter !== null && /swiftshader/i.test(`${adapter.info.device} ${adapter.info.architecture}`)
      ? null
      : adapter;
  } finally {
    delete env.VK_ADD_DRIVER_FILES;
  }
}

/** The embedded driver's manifest, unpacked; undefined where it cannot be. */
async function embeddedDriver(): Promise<string | undefined> {
  for (const cache of cacheDirectories()) {
    const driver = await unpackEmbeddedDriver(cache).catch(() => undefined);
    if (driver) return driver.icd;
  }
  return undefined;
}
