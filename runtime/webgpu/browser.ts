/** WebGPU in a browser. Sizes of kernels that are measured serve as long as the executor does. */
import { requestBrowserDevice } from '../adapter/browser.ts';
import type { Executor } from '../executor.ts';
import { WebgpuExecutor } from './executor.ts';
import type { WebgpuOptions } from './options.ts';

/**
 * Opens a device in a page or a worker and computes on it.
 *
 * @throws SutureError `adapter-missing`, `device-error`.
 */
export const createBrowserExecutor = async (
  options: Pick<WebgpuOptions, 'tune' | 'onTuning'> = {},
): Promise<Executor> =>
  new WebgpuExecutor(await requestBrowserDevice(), { measured: new Map(), save: async () => {} }, options);
