import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dataset, subsetOf } from '../../../src/data/dataset.ts';
import { Random } from '../../../src/data/random.ts';
import { sampleOf, stressScore } from '../../../src/metrics/stress.ts';
import { allImages } from '../data/support.ts';

/** Images of two pixels that say which they are. */
const dataOf = (id: readonly number[], group: readonly number[], foreground = id.map(() => true)): Dataset => ({
  source: 'val.npz',
  count: id.length,
  images: Float32Array.from(id.flatMap((_, i) => [i, -i])),
  imageShape: [1, 2],
  labels: {
    data: Uint8Array.from(foreground.flatMap((has, i) => [0, has ? i + 1 : 0])),
    shape: [2],
    ignore: undefined,
    regions: undefined,
    task: undefined,
  },
  fold: id.map((_, i) => i % 2),
  id,
  group,
  arrays: [],
});

describe('some images of a data set', () => {
  it('have all that is known of them', () => {
    const some = subsetOf({ ...dataOf([5, 5, 6], [1, 1, 2]), spacing: [[1], [2], [3]] }, [2, 0]);
    expect(some).toMatchObject({ count: 2, fold: [0, 0], id: [6, 5], group: [2, 1], spacing: [[3], [1]] });
    expect([...allImages(some)]).toEqual([2, -2, 0, -0]);
    expect([...some.labels!.data]).toEqual([0, 3, 0, 1]);
  });
});

describe('a sample', () => {
  const drawn = fc.array(fc.tuple(fc.nat(8), fc.nat(3)), { minLength: 1, maxLength: 30 });

  it('is of whole cases, large enough, each image once and in order, and the same again', () => {
    fc.assert(
      fc.property(drawn, fc.integer({ min: 1, max: 30 }), fc.integer(), (images, wanted, seed) => {
        // A case has one group.
        const id = images.map(([own]) => own);
        const dataset = dataOf(
          id,
          id.map(own => own % 3),
        );
        const sample = sampleOf(dataset, wanted, seed);
        expect(sample.count).toBeGreaterThanOrEqual(Math.min(wanted, dataset.count));
        const kept = allImages(sample);
        const numbers = Array.from({ length: sample.count }, (_, i) => kept[2 * i]);
        expect(numbers).toEqual([...new Set(numbers)].sort((p, q) => p - q));
        const cases = new Set(sample.id);
        expect(numbers.length).toBe(id.filter(own => cases.has(own)).length);
        expect(sampleOf(dataset, wanted, seed).images).toEqual(sample.images);
      }),
    );
  });

  it('takes from every group, and what has foreground first', () => {
    const id = Array.from({ length: 12 }, (_, i) => i);
    const group = id.map(i => (i < 9 ? 0 : i - 8));
    const foreground = id.map(i => i >= 8);
    for (let seed = 0; seed < 10; seed++) {
      const sample = sampleOf(dataOf(id, group, foreground), 4, seed);
      expect(sample.id).toEqual([8, 9, 10, 11]);
    }
  });
});

describe('the score under shift', () => {
  it('is the mean over the sets that say something', () => {
    expect(stressScore([0.5, Number.NaN, 1])).toEqual({ value: 0.75, sets: [0.5, Number.NaN, 1] });
    expect(stressScore([Number.NaN]).value).toBeNaN();
    const random = Random.seeded(1);
    const sets = Array.from({ length: 8 }, () => random.float());
    expect(stressScore(sets).value).toBeCloseTo(sets.reduce((sum, score) => sum + score) / 8, 12);
  });
});
