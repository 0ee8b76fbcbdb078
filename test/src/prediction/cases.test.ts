import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCases } from '../../../src/prediction/cases.ts';
import { writeLabels } from '../../../src/volumes/files.ts';
import { scratch } from '../cli/support.ts';

const png = (folder: string, name: string, values: readonly number[], shape = [1, 2, 3]): Promise<void> =>
  writeLabels(join(folder, name), values, { shape, geometry: { kind: 'pixels' } });

describe('the cases of a folder', () => {
  it('have a file for each channel', async () => {
    const folder = await scratch();
    await png(folder, 'b_0001.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'b_0000.png', [9, 8, 7, 6, 5, 4]);
    await png(folder, 'c_0000.png', [1, 2, 3, 4, 5, 6]);
    await png(folder, 'c_0001.png', [1, 2, 3, 4], [1, 2, 2]);
    await writeFile(join(folder, 'notes.txt'), '');
    const { cases, names } = await openCases(folder);
    expect(names).toBeUndefined();
    expect(cases.map(({ name, labels }) => [name, labels])).toEqual([
      ['b', 'b.png'],
      ['c', 'c.png'],
    ]);
    const { data, shape } = await cases[0].read();
    expect(shape).toEqual([2, 1, 2, 3]);
    expect([...data]).toEqual([9, 8, 7, 6, 5, 4, 1, 2, 3, 4, 5, 6]);
    await expect(cases[1].read()).rejects.toThrow(/c_0001.png: it has other extents/);
  });

  it('or one file, whatever it is called', async () => {
    const folder = await scratch();
    for (const name of ['one.png', 'two_0000.png']) await png(folder, name, [1, 2, 3, 4, 5, 6]);
    expect((await openCases(folder)).cases.map(({ labels }) => labels)).toEqual(['one.png', 'two_0000.png']);
  });

  it('are those of imagesTs, of a data set, with what its dataset.json says', async () => {
    const folder = await scratch();
    await mkdir(join(folder, 'imagesTs'));
    await png(join(folder, 'imagesTs'), 'x_0000.png', [1, 2, 3, 4, 5, 6]);
    const description = { channel_names: { 0: 'gray' }, labels: { background: 0, cell: 1 }, file_ending: '.png' };
    await writeFile(join(folder, 'dataset.json'), JSON.stringify(description));
    for (const path of [folder, join(folder, 'imagesTs')]) {
      expect(await openCases(path)).toMatchObject({ cases: [{ name: 'x' }], names: { labels: { cell: 1 } } });
    }
  });

  it('are all there, with what is wrong with those that cannot be used; no labels are wanted', async () => {
    const folder = await scratch();
    for (const part of ['imagesTs', 'labelsTs']) await mkdir(join(folder, part));
    for (const name of ['x_0000', 'x_0001', 'y_0001', 'z_0000', 'z_0001', 'z_0002', 'odd'])
      await png(join(folder, 'imagesTs'), `${name}.png`, [1, 2, 3, 4, 5, 6]);
    const description = { channel_names: { 0: 'R', 1: 'G' }, labels: { background: 0, cell: 1 }, file_ending: '.png' };
    await writeFile(join(folder, 'dataset.json'), JSON.stringify(description));
    const { cases } = await openCases(folder);
    expect((await cases[0].read()).shape).toEqual([2, 1, 2, 3]);
    const problems = await Promise.all(cases.slice(1).map(one => one.read().catch(({ message }) => message)));
    expect(problems).toEqual([
      'case odd is called imagesTs/odd.png, and files of channels are called as CASE_0000.png.',
      'case y lacks the channel 0 (R).',
      'case z has 3 channels, and dataset.json names 2.',
    ]);
  });

  it('are pictures that are numbered, not channels, where none is 0', async () => {
    const folder = await scratch();
    for (const name of ['frame_0001.png', 'frame_0002.PNG', '._frame_0001.png'])
      await png(folder, name, [1, 2, 3, 4, 5, 6]);
    expect((await openCases(folder)).cases.map(({ labels }) => labels)).toEqual(['frame_0001.png', 'frame_0002.png']);
  });

  it('have one file each: others of the same name are named', async () => {
    const folder = await scratch();
    for (const name of ['a.png', 'b.png']) await png(folder, name, [1, 2, 3, 4, 5, 6]);
    await writeFile(join(folder, 'a.tif'), '');
    const { cases } = await openCases(folder);
    expect(cases.map(({ name }) => name)).toEqual(['b', 'a']);
    await expect(cases[1].read()).rejects.toThrow(/case a has two files, a.png and a.tif: leave one of them there/);
  });

  it('must be some', async () => {
    const folder = await scratch();
    await expect(openCases(folder)).rejects.toThrow(/no image files/);
    await expect(openCases(join(folder, 'none'))).rejects.toMatchObject({ code: 'data-unreadable' });
  });
});
