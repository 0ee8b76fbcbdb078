import { expect, it } from 'vitest';
import { type Dataset, gatherImages } from '../../../src/data/dataset.ts';
import { joined } from '../../../src/data/join.ts';

const dataset = (source: string, count: number, first: number, labels: Dataset['labels']): Dataset => ({
  source,
  count,
  images: Float32Array.from({ length: 2 * count }, (_, i) => first + i),
  imageShape: [1, 2],
  ...(labels && { labels }),
  fold: Array<number>(count).fill(0),
  arrays: ['images', 'labels'],
});

const labelled = (data: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>) => ({
  ...{ data, shape: [], ignore: undefined },
  ...{ regions: undefined, task: undefined },
});

it('has the images and labels of all, one after the other, of whatever width', () => {
  const all = joined([
    dataset('a', 2, 0, labelled(Uint8Array.of(1, 2))),
    dataset('b', 1, 10, labelled(Int32Array.of(-1))),
    dataset('c', 2, 20, labelled(Uint8Array.of(3, 255))),
  ]);
  expect(all.count).toBe(5);
  expect([...gatherImages(all, [4, 2, 0, 3])]).toEqual([22, 23, 10, 11, 0, 1, 20, 21]);
  expect([...all.labels!.data]).toEqual([1, 2, -1, 3, 255]);
  expect(all.source).toBe('a + b + c');
  expect(all.fold).toBeUndefined();
});

it('is the data set itself where there is one', () => {
  const only = dataset('a', 2, 0, undefined);
  expect(joined([only])).toBe(only);
});

it('refuses what is not alike', () => {
  const a = dataset('a', 2, 0, labelled(Uint8Array.of(1, 2)));
  expect(() => joined([a, dataset('b', 2, 0, undefined)])).toThrow(
    'a has images [N, 1, 2] and labels [N], and b images [N, 1, 2] and no labels',
  );
  expect(() => joined([a, { ...a, source: 'b', imageShape: [2] }])).toThrow('must be of one shape');
});
