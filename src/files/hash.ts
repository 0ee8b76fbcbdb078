import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { withFile } from './input.ts';

/** The SHA-256 of a file that is open, in hexadecimal. */
export async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(file.createReadStream({ autoClose: false }), hash);
  return hash.digest('hex');
}

/** The SHA-256 of a regular file, in hexadecimal. */
export const hashFile = (path: string): Promise<string> => withFile(path, hashOf);

/** The SHA-256 of bytes, in hexadecimal. */
export const hashBytes = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
