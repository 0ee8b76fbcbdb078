/** WebGPU on this machine, with the measurements that are kept on its disk. */
import { requestDevice } from '../adapter/request.ts';
import type { Executor } from '../executor.ts';
import { KernelChoices } from './choices.ts';
import { kernelContext, WebgpuExecutor } from './executor.ts';
import type { WebgpuOptions } from './options.ts';

/**
 * Opens a device and computes on it.
 *
 * @throws SutureError `adapter-missing` where no adapter can be used.
 */
export async function createWebgpuExecutor(options: WebgpuOptions = {}): Promise<Executor> {
  const device = await requestDevice(options);
  const choices = await KernelChoices.open(device.facts, kernelContext(device, options).adapterClass);
  return new WebgpuExecutor(device, choices, options);
}
