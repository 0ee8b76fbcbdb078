import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hashBytes, hashFile } from '../../../src/files/hash.ts';
import { scratch } from '../cli/support.ts';

it.each([0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1])('a file of %i bytes is hashed as its bytes are', async length => {
  const file = join(await scratch(), 'file');
  const bytes = Buffer.alloc(length, 'suture');
  await writeFile(file, bytes);
  expect(await hashFile(file)).toBe(hashBytes(bytes));
});
