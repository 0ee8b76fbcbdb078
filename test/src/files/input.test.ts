import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bytesOf, withFile } from '../../../src/files/input.ts';
import { scratch } from '../cli/support.ts';

it('reads a file in pieces as at once, whatever its length', async () => {
  const file = join(await scratch(), 'bytes');
  for (const length of [0, 1, 9, 10, 11, 95]) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37) % 256));
    await writeFile(file, bytes);
    expect(await withFile(file, opened => bytesOf(opened, 10))).toEqual(bytes);
  }
});
