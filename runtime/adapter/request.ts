/** A device of this machine. */
import { SutureError } from '../../ir/errors.ts';
import { type Device, openDevice } from './device.ts';
import type { AdapterOptions } from './facts.ts';
import { lookLessOften } from './polling.ts';
import { searchAdapter } from './search.ts';

/**
 * Finds the best adapter (see `searchAdapter`) and opens a device on it.
 *
 * @throws SutureError `adapter-missing` where there is none: its details say where was looked and what can be done.
 */
export async function requestDevice(options: AdapterOptions = {}): Promise<Device> {
  const { found, report } = await searchAdapter(options);
  if (found === undefined) {
    const tried = report.attempts.map(attempt => `${attempt.origin}: ${attempt.detail}`);
    throw new SutureError(
      'adapter-missing',
      'No GPU adapter can be used here; `suture doctor` says why, and `--executor ort` computes on the CPU.',
      { details: [...tried, ...report.advice] },
    );
  }
  if (found.facts.adapterClass === 'software') lookLessOften();
  return openDevice(found);
}
