/** The adapter that a browser gives a page or a worker. */
import { SutureError } from '../../ir/errors.ts';
import { type Device, openDevice } from './device.ts';
import { adapterFacts, adapterName } from './facts.ts';

/** What is read of the scope of a page or a worker; the types of browsers are not those of the rest. */
interface Scope {
  readonly navigator: { readonly gpu?: GPU };
  readonly isSecureContext?: boolean;
}

/**
 * Opens a device on the browser's adapter for high performance.
 *
 * @throws SutureError `adapter-missing`, `device-error`.
 */
export async function requestBrowserDevice(): Promise<Device> {
  const { navigator, isSecureContext } = globalThis as unknown as Scope;
  const { gpu } = navigator;
  if (gpu === undefined) {
    throw new SutureError(
      'adapter-missing',
      isSecureContext === false
        ? 'There is no WebGPU here: browsers give it to pages from https:// or localhost alone.'
        : 'There is no WebGPU in this browser: use a current Chrome, Edge, Safari or Firefox.',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new SutureError(
      'adapter-missing',
      'This browser has WebGPU, but gives no adapter: switch hardware acceleration on in its settings, or see its page about graphics (chrome://gpu).',
    );
  }
  const reason = `${adapterName(adapter.info)} is what the browser gives.`;
  return openDevice({ gpu, adapter, facts: adapterFacts(adapter, 'system', undefined, reason) });
}
