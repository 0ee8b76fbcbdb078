/** What memory there is for what is known beforehand to take much. */
import { mebibytes } from './budget.ts';

/** Bytes that may be taken: what memory is free, or as many GiB as `SUTURE_MEMORY_GIB` says. A browser does not tell, and ends what is too large. */
export function freeBytes(): number {
  const { process } = globalThis as { readonly process?: typeof globalThis.process };
  const stated = Number(process?.env.SUTURE_MEMORY_GIB ?? Number.NaN);
  return stated > 0 ? stated * 2 ** 30 : (process?.availableMemory() ?? Number.POSITIVE_INFINITY);
}

/** A number of bytes for people. */
export const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? mebibytes(bytes) : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
