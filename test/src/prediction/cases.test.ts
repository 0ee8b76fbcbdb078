import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCases, readCase } from '../../../src/prediction/cases.ts';
import { writeLabels } from '../../../src/volumes/files.ts';
import { scratch } from '../cli/support.ts';

const png = (folder: string, name: string, values: readonly number[], shape = [1, 2, 3]): Promise<void> =>
  writeLabels(join(folder, name), values, shape, { kind: 'pixels' });

describe('the cases of a folder', () => {
  it('have a file for each channel, or one file', async () => {
    const folder = await scratch();
    await png(folder, 'b_0001.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'b_0000.png', [9, 8, 7, 6, 5, 4]);
    await png(folder, 'alone.png', [1, 1, 1, 1, 1, 1]);
    await writeFile(join(folder, 'notes.txt'), '');
    const { cases, names } = await openCases(folder);
    expect(names).toBeUndefined();
    expect(cases.map(({ name, labels }) => [name, labels])).toEqual([
      ['alone', 'alone.png'],
      ['b', 'b.png'],
    ]);
    const { data, shape } = await readCase(cases[1]);
    expect(shape).toEqual([2, 1, 2, 3]);
    expect([...data]).toEqual([9, 8, 7, 6, 5, 4, 1, 2, 3, 4, 5, 6]);
  });

  it('are those of imagesTs, of a data set, with what its dataset.json says', async () => {
    const folder = await scratch();
    await mkdir(join(folder, 'imagesTs'));
    await png(join(folder, 'imagesTs'), 'x_0000.png', [1, 2, 3, 4, 5, 6]);
    await writeFile(join(folder, 'dataset.json'), JSON.stringify({ labels: { background: 0, cell: 1 } }));
    for (const path of [folder, join(folder, 'imagesTs')]) {
      expect(await openCases(path)).toMatchObject({ cases: [{ name: 'x' }], names: { labels: { cell: 1 } } });
    }
  });

  it('are refused, each by its name, where channels are missing or do not fit', async () => {
    const folder = await scratch();
    await png(folder, 'a_0000.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'a_0002.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'b_0000.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'b_0001.png', [1, 2, 3, 4], [1, 2, 2]);
    const { cases } = await openCases(folder);
    await expect(readCase(cases[0])).rejects.toThrow(/^a: its channel 1 is missing: there is a_0002.png/);
    await expect(readCase(cases[1])).rejects.toThrow(/b_0001.png: it is 1×2×2, and b_0000.png is 1×2×3/);
  });

  it('must be some', async () => {
    const folder = await scratch();
    await expect(openCases(folder)).rejects.toThrow(/holds no images/);
    await expect(openCases(join(folder, 'none'))).rejects.toThrow(/no such folder/);
  });
});
