/** Folders of image files as data sets: of the demo's images the same as from its files, and what is refused. */
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { writeRawFolder } from '../../../../fixtures/raw-folder.ts';
import { gatherImages, requireLabels } from '../../../../src/data/dataset.ts';
import { loadDataset } from '../../../../src/data/load.ts';
import { npyArray } from '../../../../src/data/npy.ts';
import { formatNpz } from '../../../../src/data/npz.ts';
import { Random } from '../../../../src/data/random.ts';
import { hashData } from '../../../../src/data/raw/load.ts';
import { ImageCollector } from '../../../../src/data/raw/spill.ts';
import { coveringTiles, drawnTiles, imageOf, labelsOf } from '../../../../src/data/raw/tiles.ts';
import { readVolume, writeLabels } from '../../../../src/volumes/files.ts';
import { scratch, shared } from '../../cli/support.ts';
import { allImages } from '../support.ts';

const folder = shared();
const raw = (): string => join(folder(), 'raw');

/** Two small images of two channels for each part. */
async function npz(name: string, count: number): Promise<string> {
  const random = Random.seeded(4, name);
  const images = Float32Array.from({ length: count * 2 * 6 * 8 }, () => random.uniform(-3, 5));
  const labels = Uint8Array.from({ length: count * 6 * 8 }, () => random.int(3));
  labels[0] = 2;
  const path = join(folder(), `${name}.npz`);
  const bytes = formatNpz({ images: npyArray(images, [count, 2, 6, 8]), labels: npyArray(labels, [count, 6, 8]) });
  await writeFile(path, bytes);
  return path;
}

const plans = (): { readonly folder: { readonly plans: string } } => ({ folder: { plans: join(raw(), 'plans.json') } });

beforeAll(async () => {
  await writeRawFolder(raw(), await npz('train', 3), await npz('val', 2), await npz('test', 2));
});

/** A copy of the data set that a test may spoil. */
async function copy(): Promise<string> {
  const path = join(await scratch(), 'copy');
  await cp(raw(), path, { recursive: true });
  return path;
}

async function editJson(path: string, edit: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  edit(json);
  await writeFile(path, JSON.stringify(json));
}

describe('a raw data set', () => {
  it.each([
    ['training', 'train', ''],
    ['scoring', 'val', ''],
    ['scoring', 'test', 'imagesTs'],
  ] as const)('gives for %s what the file %s.npz gave', async (use, file, part) => {
    const said = { folder: { ...plans().folder, fold: 0 } };
    const [found, expected] = [
      await loadDataset(join(raw(), part), said, use),
      await loadDataset(join(folder(), `${file}.npz`)),
    ];
    expect(found).toMatchObject({ count: expected.count, imageShape: expected.imageShape });
    const [ours, theirs] = [allImages(found), allImages(expected)];
    // Half a step of 16 bits.
    for (const [i, value] of ours.entries()) expect(Math.abs(value - theirs[i])).toBeLessThan(4e-4);
    expect([...requireLabels(found).data]).toEqual([...requireLabels(expected).data]);
    expect(found.id!.map(id => found.caseNames![id])).toEqual(
      Array.from({ length: expected.count }, (_, i) => `${file}_000${i}`),
    );
  });

  it('is all its training cases without a fold, and intensities are as they are without plans', async () => {
    const found = await loadDataset(raw());
    expect(found.count).toBe(5);
    const all = allImages(found);
    expect(all.every(value => Number.isInteger(value) && value > 0 && value < 65536)).toBe(true);
    expect(found.fold).toBeUndefined();
    expect((await loadDataset(join(raw(), 'imagesTr'), { folder: { fold: 0 } })).count).toBe(5);
  });

  it('is cut into tiles, and what is beyond a case counts nowhere', async () => {
    const whole = await loadDataset(raw());
    const found = await loadDataset(raw(), { folder: { tile: [4, 9] } });
    expect(found).toMatchObject({ count: 10, imageShape: [2, 4, 9], id: [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] });
    const { data, ignore } = requireLabels(found);
    expect(ignore).toBe(3);
    const counted = (labels: ArrayLike<number>): number[] =>
      [0, 1, 2].map(k => Array.from(labels).filter(l => l === k).length);
    expect(counted(data)).toEqual(counted(requireLabels(whole).data));
  });

  it('takes regions and the label to ignore from dataset.json', async () => {
    const path = await copy();
    await editJson(join(path, 'dataset.json'), json => {
      json.labels = { background: 0, all: [1, 2], core: [2], ignore: 3 };
      json.regions_class_order = [1, 2];
    });
    expect(requireLabels(await loadDataset(path))).toMatchObject({ regions: [[1, 2], [2]], ignore: 3 });
    await editJson(join(path, 'dataset.json'), json => {
      json.regions_class_order = [1];
    });
    await expect(loadDataset(path)).rejects.toThrow(
      /dataset.json: its labels are 2 regions, and "regions_class_order"/,
    );
  });

  it('takes endings in capitals for what they are', async () => {
    const path = await copy();
    await rename(join(path, 'imagesTr', 'val_0000_0001.png'), join(path, 'imagesTr', 'val_0000_0001.PNG'));
    await rename(join(path, 'labelsTr', 'val_0000.png'), join(path, 'labelsTr', 'val_0000.Png'));
    const [found, expected] = [await loadDataset(path, {}, 'scoring'), await loadDataset(raw(), {}, 'scoring')];
    expect(found.count).toBe(expected.count);
    expect(allImages(found)).toEqual(allImages(expected));
    expect(found.labels?.data).toEqual(expected.labels?.data);
  });

  it('takes pictures with masks of the same numbers for cases', async () => {
    const path = await scratch();
    const write = async (folder: string, name: string): Promise<void> => {
      await mkdir(join(path, folder), { recursive: true });
      await writeLabels(join(path, folder, name), [0, 1, 1, 0], { shape: [1, 2, 2], geometry: { kind: 'pixels' } });
    };
    for (const folder of ['images', 'masks']) for (const number of [0, 1, 2]) await write(folder, `f_000${number}.png`);
    expect((await loadDataset(path, {}, 'scoring')).caseNames).toEqual(['f_0000', 'f_0001', 'f_0002']);
  });

  it('takes the files that dataset.json lists', async () => {
    const path = await copy();
    await rm(join(path, 'splits_final.json'));
    await editJson(join(path, 'dataset.json'), json => {
      const image = (c: number): string => `imagesTr/train_0001_000${c}.png`;
      json.dataset = { only: { images: [image(0), image(1)], label: 'labelsTr/train_0001.png' } };
    });
    const found = await loadDataset(path);
    expect(found).toMatchObject({ count: 1, caseNames: ['only'] });
    expect(allImages(found)).toEqual(gatherImages(await loadDataset(raw()), [1]));
  });

  it('changes its hash with any of its files, and with the plans', async () => {
    const path = await copy();
    const before = await hashData(path);
    expect(await hashData(raw())).toBe(before);
    expect(await hashData(path, plans())).not.toBe(before);
    await writeFile(join(path, 'labelsTr', 'val_0001.png'), 'another');
    expect(await hashData(path)).not.toBe(before);
  });
});

describe('what is refused of a raw data set, by case', () => {
  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    [
      'a channel that is missing',
      path => rm(join(path, 'imagesTr', 'train_0001_0001.png')),
      /5 cases cannot be read: .*train_0001_0000.png: it has 1 channel, and dataset.json names 2/,
    ],
    [
      'the first channel missing',
      path => rm(join(path, 'imagesTr', 'train_0001_0000.png')),
      /1 of 5 cases cannot be used: case train_0001 lacks the channel 0 \(channel 0\)/,
    ],
    [
      'an image that is called otherwise',
      path => rename(join(path, 'imagesTr', 'val_0000_0000.png'), join(path, 'imagesTr', 'val_0000.x.png')),
      /2 of 6 cases cannot be used: case val_0000.x is called imagesTr\/val_0000.x.png, and files of channels are called as CASE_0000.png/,
    ],
    [
      'a folder in the place of an image',
      async path => {
        await rm(join(path, 'imagesTr', 'val_0000_0000.png'));
        await mkdir(join(path, 'imagesTr', 'val_0000_0000.png'));
      },
      /1 of 5 cases cannot be read: .*val_0000_0000.png: it is a directory, not a file/,
    ],
    [
      'labels that are missing',
      path => rm(join(path, 'labelsTr', 'val_0000.png')),
      /1 of 5 cases cannot be used: case val_0000 has no labels: there is no labelsTr\/val_0000.png/,
    ],
    [
      'extents that differ between channels',
      path =>
        writeFile(
          join(path, 'imagesTr', 'train_0002_0001.png'),
          encode({ width: 8, height: 5, data: new Uint8Array(40), channels: 1, depth: 8 }),
        ),
      /1 of 5 .*train_0002_0001.png: it has other extents \(8 x 5 x 1, not 8 x 6 x 1 voxels\) than .*train_0002_0000.png/,
    ],
    [
      'a label that dataset.json does not name',
      path =>
        writeFile(
          join(path, 'labelsTr', 'train_0000.png'),
          encode({ width: 8, height: 6, data: new Uint8Array(48).fill(7, 11, 12), channels: 1, depth: 8 }),
        ),
      /train_0000.png: the label at x 3, y 1, z 0 is 7, which dataset.json does not name; it has 0 \(background\), 1/,
    ],
    [
      'two broken files',
      async path => {
        await writeFile(join(path, 'imagesTr', 'val_0000_0000.png'), 'no image');
        await writeFile(join(path, 'imagesTr', 'val_0001_0000.png'), '');
      },
      /2 of 5 cases cannot be read: .*val_0000_0000.png: it is no PNG file/,
    ],
    [
      'no channels',
      path => editJson(join(path, 'dataset.json'), json => delete json.channel_names),
      /neither "channel_names"/,
    ],
    [
      'other files',
      path => editJson(join(path, 'dataset.json'), json => (json.file_ending = '.mha')),
      /files of ".mha" are not read/,
    ],
    [
      'files of another ending',
      path => editJson(join(path, 'dataset.json'), json => (json.file_ending = '.nii.gz')),
      /no file of imagesTr is called as CASE_0000.nii.gz, its "file_ending", and files of .png are there/,
    ],
    [
      'no ending',
      path => editJson(join(path, 'dataset.json'), json => delete json.file_ending),
      /"file_ending" must say what the names of its files end with, as ".nii.gz"/,
    ],
    [
      'labels as in version 1',
      path => editJson(join(path, 'dataset.json'), json => (json.labels = { 0: 'background', 1: 'cell' })),
      /is of nnU-Net version 1, which names labels the other way round; nnUNetv2_convert_old_nnUNet_dataset/,
    ],
    [
      'listed cases of which some have labels, or whose names lead elsewhere',
      async path => {
        await rm(join(path, 'splits_final.json'));
        await editJson(join(path, 'dataset.json'), json => {
          const images = [0, 1].map(c => `imagesTr/train_0001_000${c}.png`);
          json.dataset = { a: { images, label: 'labelsTr/train_0001.png' }, b: { images }, '../c': { images } };
        });
      },
      /2 of 3 cases cannot be used: case ..\/c has a name that files cannot have; and:/,
    ],
    ['no background', path => editJson(join(path, 'dataset.json'), json => (json.labels = { a: 1 })), /no label is 0/],
    ['no JSON', path => writeFile(join(path, 'dataset.json'), '{'), /dataset.json: it is no JSON/],
    [
      'splits of other cases',
      path => writeFile(join(path, 'splits_final.json'), '[{"train": ["train_0000"], "val": ["other"]}]'),
      /splits_final.json: it names the case "other", which is not in imagesTr/,
    ],
    [
      'an empty folder of images',
      async path => {
        await rm(join(path, 'imagesTr'), { recursive: true });
        await rm(join(path, 'splits_final.json'));
        await mkdir(join(path, 'imagesTr'));
      },
      /there are no cases: no file of imagesTr is called as CASE_0000.png/,
    ],
    ['no dataset.json', path => rm(join(path, 'dataset.json')), /it has "imagesTr" and no dataset.json/],
  ])('%s', async (_, spoil, message) => {
    const path = await copy();
    await spoil(path);
    await expect(loadDataset(path)).rejects.toThrow(message);
  });

  it('every case that is broken, up to a number', async () => {
    const path = await copy();
    for (const name of ['train_0000', 'train_0002', 'val_0001'])
      await writeFile(join(path, 'labelsTr', `${name}.png`), 'x');
    await expect(loadDataset(path)).rejects.toMatchObject({
      code: 'data-unreadable',
      details: [expect.stringContaining('train_0002.png'), expect.stringContaining('val_0001.png')],
    });
  });

  it('folds that there are not', async () => {
    await expect(loadDataset(raw(), { folder: { fold: 1 } })).rejects.toThrow(/--fold 1: .* has 1 folds/);
    const path = await copy();
    await writeFile(join(path, 'splits_final.json'), '[{"train": ["train_0000"], "val": []}]');
    await expect(loadDataset(path, { folder: { fold: 0 } })).rejects.toThrow(
      /copy: there are no cases: "val" of the fold 0 in splits_final.json is empty/,
    );
    await rm(join(path, 'splits_final.json'));
    await expect(loadDataset(path, { folder: { fold: 0 } })).rejects.toThrow(/no splits_final.json/);
  });

  it('cases of several sizes without a size to cut them into', async () => {
    const path = join(await scratch(), 'plain');
    await mkdir(path, { recursive: true });
    for (const width of [4, 5]) {
      const data = new Uint8Array(width * 3).fill(9);
      await writeFile(join(path, `w${width}.png`), encode({ width, height: 3, data, channels: 1, depth: 8 }));
    }
    await expect(loadDataset(path)).rejects.toThrow(/case w5 is of 1 x 3 x 5 places, .* say by --plans or --tile/);
    const found = await loadDataset(path, { folder: { tile: [3, 4] } });
    expect(found).toMatchObject({ count: 3, imageShape: [1, 3, 4], id: [0, 1, 1] });
    expect(() => requireLabels(found)).toThrow(/no labels beside its images/);
  });
});

it('takes NIfTI volumes with their spacing, as volumes or slices, and refuses labels that lie elsewhere', async () => {
  const files = JSON.parse(await readFile('fixtures/volumes.json', 'utf8')) as { name: string; bytes: string }[];
  const bytesOf = (name: string): Buffer => Buffer.from(files.find(each => each.name === name)!.bytes, 'base64');
  const path = await scratch();
  for (const sub of ['images', 'labels']) await mkdir(join(path, sub));
  await writeFile(join(path, 'images', 'a.nii'), bytesOf('plain with a matrix'));
  const { geometry, data } = await readVolume(join(path, 'images', 'a.nii'));
  const labels = Uint8Array.from({ length: 24 }, (_, i) => i % 2);
  await writeLabels(join(path, 'labels', 'a.nii.gz'), labels, { shape: [2, 3, 4], geometry });
  const whole = await loadDataset(path);
  expect(whole).toMatchObject({ count: 1, imageShape: [1, 2, 3, 4] });
  for (const [axis, mm] of [3, 1.5, 0.7].entries()) expect(whole.spacing![0][axis]).toBeCloseTo(mm, 6);
  expect(allImages(whole)).toEqual(data);
  const slices = await loadDataset(path, { folder: { tile: [3, 4] } });
  expect(slices).toMatchObject({ count: 2, imageShape: [1, 3, 4], id: [0, 0] });
  expect(slices.spacing![1]).toEqual(whole.spacing![0].slice(1));
  expect([...requireLabels(slices).data]).toEqual([...labels]);

  await writeFile(join(path, 'images', 'a.nii'), bytesOf('quaternion of half a turn'));
  await expect(loadDataset(path)).rejects.toThrow(
    /labels.a.nii.gz: it lies elsewhere in space \(another affine: a corner is \d/,
  );
});

it('takes a folder of colour images with black and white masks of the same names', async () => {
  const path = await scratch();
  for (const sub of ['images', 'masks']) await mkdir(join(path, sub));
  const colours = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => i);
  await writeFile(join(path, 'images', 'a.png'), encode({ width: 3, height: 2, data: colours, channels: 3, depth: 8 }));
  const mask = Uint8Array.of(0, 255, 0, 0, 255, 255);
  await writeFile(join(path, 'masks', 'a.png'), encode({ width: 3, height: 2, data: mask, channels: 1, depth: 8 }));
  const found = await loadDataset(path);
  expect(found).toMatchObject({ count: 1, imageShape: [3, 2, 3], caseNames: ['a'] });
  expect([...allImages(found).subarray(0, 6)]).toEqual([0, 3, 6, 9, 12, 15]);
  expect([...requireLabels(found).data]).toEqual([0, 1, 0, 0, 1, 1]);
  await writeFile(join(path, 'images', 'b.png'), encode({ width: 3, height: 2, data: colours, channels: 3, depth: 8 }));
  await expect(loadDataset(path)).rejects.toThrow(
    /1 of 2 cases cannot be used: case b has no file of its name in "masks"/,
  );
});

describe('tiles', () => {
  const extent = fc.integer({ min: 1, max: 9 });
  const triple = fc.tuple(extent, extent, extent);

  it('count every place of a case once, and show the case where they are', () => {
    fc.assert(
      fc.property(triple, triple, (extents, tile) => {
        const size = extents[0] * extents[1] * extents[2];
        const numbers = Uint16Array.from({ length: size }, (_, i) => i);
        const seen: number[] = [];
        for (const each of coveringTiles({ extents, tile })) {
          const labels = labelsOf(numbers, { extents, tile }, each, 9999);
          const image = imageOf(Float32Array.from(numbers), { extents, tile }, each);
          for (const [at, label] of labels.entries()) {
            if (label === 9999) continue;
            seen.push(label);
            expect(image[at]).toBe(label);
          }
        }
        expect(seen.sort((a, b) => a - b)).toEqual([...numbers]);
      }),
    );
  });

  it('are drawn within the case, as many as cover it, every third with foreground', () => {
    fc.assert(
      fc.property(triple, triple, fc.integer(), (extents, tile, seed) => {
        const size = extents[0] * extents[1] * extents[2];
        const labels = new Uint8Array(size);
        labels[Random.seeded(seed).int(size)] = 4;
        const drawn = drawnTiles({ extents, tile }, { labels, counts: label => label === 4 }, Random.seeded(seed), 0);
        const covering = coveringTiles({ extents, tile });
        expect(drawn.length).toBe(covering.length);
        for (const [i, each] of drawn.entries()) {
          for (const [axis, start] of each.start.entries()) {
            if (tile[axis] >= extents[axis]) expect(start).toBe(covering[0].start[axis]);
            else expect(start >= 0 && start + tile[axis] <= extents[axis]).toBe(true);
          }
          if (i % 3 === 2 || drawn.length === 1) expect([...labelsOf(labels, { extents, tile }, each, 0)]).toContain(4);
        }
      }),
    );
  });
});

it('keeps in a file what memory does not hold, and reads the same', () => {
  const images = Array.from({ length: 7 }, (_, n) => Float32Array.from({ length: 5 }, (_, i) => 10 * n + i));
  const collectors = [0, 60, 1e9].map(most => new ImageCollector(most));
  for (const image of images) for (const each of collectors) each.add(image);
  const sets = collectors.map(each => ({ source: 'x', count: 7, imageShape: [5], arrays: [], images: each.images() }));
  expect(sets.map(({ images: kept }) => kept instanceof Float32Array)).toEqual([false, false, true]);
  for (const set of sets)
    expect(gatherImages(set, [6, 0, 3])).toEqual(Float32Array.of(...images[6], ...images[0], ...images[3]));
});

it('reads a folder that is larger than what memory may be taken, image by image, and labels in 8 bits', async () => {
  const whole = await loadDataset(raw(), plans());
  vi.stubEnv('SUTURE_MEMORY_GIB', '0.000001');
  onTestFinished(() => void vi.unstubAllEnvs());
  const bounded = await loadDataset(raw(), plans());
  expect(whole.images).toBeInstanceOf(Float32Array);
  expect(bounded.images).not.toBeInstanceOf(Float32Array);
  expect(bounded.images.length).toBe(whole.images.length);
  expect(allImages(bounded)).toEqual(allImages(whole));
  expect(requireLabels(bounded).data).toBeInstanceOf(Uint8Array);
  expect(requireLabels(bounded).data).toEqual(requireLabels(whole).data);
});
