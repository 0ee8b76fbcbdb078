import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type ErrorCode, printable, SutureError } from '../../ir/errors.ts';
import { readFault, withFile } from './input.ts';

/** So many bytes are read at once. */
const mostAtOnce = 2 ** 20;

/** The SHA-256 of a file that is open, in hexadecimal. */
export async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const part = Buffer.allocUnsafe(Math.min((await file.stat()).size + 1, mostAtOnce));
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(part, 0, part.length, at);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(part.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * The SHA-256 of a regular file, in hexadecimal.
 *
 * @throws SutureError of the code, where it cannot be read.
 */
export const hashFile = (path: string, code: ErrorCode = 'data-unreadable'): Promise<string> =>
  withFile(path, hashOf).catch((cause: unknown) => {
    throw new SutureError(code, `${printable(path)}: ${readFault(cause)}.`, { cause });
  });

/** The SHA-256 of bytes, in hexadecimal. */
export const hashBytes = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
