/** Dawn, the WebGPU implementation: how it is loaded, and which of its settings apply. */
import { pathToFileURL } from 'node:url';
import { SutureError } from '../../ir/errors.ts';
import { nativeEntry, nativeMissing } from '../package.ts';

/**
 * Dawn's bounds checks (robustness) and its clearing of workgroup memory guard against shaders written by strangers. Every
 * shader here is generated, stays inside its buffers by construction, and writes workgroup memory before it reads it.
 */
export const dawnFlags = [
  'enable-dawn-features=allow_unsafe_apis,disable_robustness,disable_workgroup_init',
  'disable-dawn-features=timestamp_quantization',
];

/**
 * A WebGPU instance. It must stay referenced while anything of it is used.
 *
 * @throws SutureError `native-missing` where there is no Dawn for this platform.
 */
export async function createInstance(): Promise<GPU> {
  let dawn: typeof import('webgpu');
  try {
    dawn = await import(pathToFileURL(nativeEntry('webgpu')).href);
  } catch (cause) {
    throw cause instanceof SutureError ? cause : nativeMissing('webgpu', cause);
  }
  for (const [name, value] of Object.entries(dawn.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return dawn.create(dawnFlags);
}
