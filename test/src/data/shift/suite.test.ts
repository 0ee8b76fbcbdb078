import { describe, expect, it } from 'vitest';
import { imagesOf } from '../../../../src/data/batches.ts';
import type { Dataset } from '../../../../src/data/dataset.ts';
import { Random } from '../../../../src/data/random.ts';
import { changeOf, defaultSuite, shiftedDatasets } from '../../../../src/data/shift/suite.ts';
import { allImages } from '../support.ts';

const dataset: Dataset = {
  source: 'val.npz',
  count: 5,
  images: Random.seeded(1).normals(5 * 2 * 8 * 8),
  imageShape: [2, 8, 8],
  labels: { data: new Uint8Array(5 * 64), shape: [8, 8], ignore: undefined, regions: undefined, task: undefined },
  fold: [0, 1, 0, 1, 0],
  id: [7, 8, 9, 10, 11],
  group: [1, 1, 2, 2, 3],
  arrays: ['images', 'labels'],
};

describe('a data set under a change', () => {
  it('keeps all but the images, and says what it is', () => {
    const { images: before, ...rest } = dataset;
    const { images, ...kept } = shiftedDatasets(dataset, [changeOf('bias-field')], 3)[0];
    expect(kept).toEqual({ ...rest, source: 'val.npz under bias field' });
    expect(images).not.toEqual(before);
  });

  it('has the same images in any order, for images before them and of the whole suite', () => {
    const suite = shiftedDatasets(dataset, defaultSuite, 3);
    const images = suite.map(shifted => allImages(shifted));
    for (const i of [3, 0, 5]) {
      const alone = shiftedDatasets(dataset, [defaultSuite[i]], 3)[0];
      expect(alone.images).toEqual(images[i]);
      expect(suite[i].images).toEqual(images[i]);
      expect(imagesOf(alone, [4, 1]).data.slice(128)).toEqual(images[i].slice(128, 256));
    }
    const fewer = shiftedDatasets(
      { ...dataset, count: 2, images: allImages(dataset).slice(0, 256) },
      [changeOf('gaussian-noise')],
      3,
    )[0];
    const noise = suite[defaultSuite.findIndex(({ name }) => name === 'gaussian-noise')];
    expect(allImages(noise).slice(0, 256)).toEqual(fewer.images);
  });

  it('differs between seeds and between images', () => {
    const same = { ...dataset, images: allImages(dataset).map((_, i, all) => all[i % 128]) };
    const [first, other] = [3, 4].map(seed => allImages(shiftedDatasets(same, [changeOf('gaussian-noise')], seed)[0]));
    expect(first).not.toEqual(other);
    expect(first.slice(0, 128)).not.toEqual(first.slice(128, 256));
  });
});
