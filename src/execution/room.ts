/** What memory there is for what is known beforehand to take much. */
import { freemem } from 'node:os';
import { mebibytes } from './budget.ts';

/** Bytes that may be taken: what memory is free, or as many GiB as `SUTURE_MEMORY_GIB` says. */
export function freeBytes(): number {
  const stated = Number(process.env.SUTURE_MEMORY_GIB ?? Number.NaN);
  return stated > 0 ? stated * 2 ** 30 : (process.availableMemory?.() ?? freemem());
}

/** A number of bytes for people. */
export const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? mebibytes(bytes) : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
