import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dominates } from '../../../../src/selection/front.ts';
import { Archive } from '../../../../src/selection/search/archive.ts';
import { hypervolume } from '../../../../src/selection/search/hypervolume.ts';

/** Points on a grid, whose volume is a number of cells. */
const grid = 5;
const points = (dimensions: number) =>
  fc.array(fc.array(fc.integer({ min: 0, max: grid }), { minLength: dimensions, maxLength: dimensions }), {
    maxLength: 6,
  });

/** The cells of the grid, by their lowest corners. */
const cells = (dimensions: number): readonly number[][] =>
  dimensions === 0 ? [[]] : cells(dimensions - 1).flatMap(cell => Array.from({ length: grid }, (_, i) => [...cell, i]));

describe('the hypervolume', () => {
  it.each([1, 2, 3, 4])('in %i dimensions is the number of cells below some point', dimensions => {
    const all = cells(dimensions);
    fc.assert(
      fc.property(points(dimensions), some => {
        const below = all.filter(cell => some.some(p => p.every((v, i) => v >= cell[i] + 1)));
        expect(hypervolume(some, Array(dimensions).fill(0))).toBe(below.length);
      }),
      { numRuns: 40 },
    );
  });

  it('counts nothing that is not better than the reference in every score', () => {
    expect(hypervolume([[1, 3]], [1, 0])).toBe(0);
    expect(hypervolume([[Number.NaN, 3]], [0, 0])).toBe(0);
  });
});

describe('the archive', () => {
  it('holds what nothing that was offered surpasses, and of equal points the first', () => {
    fc.assert(
      fc.property(points(3), offered => {
        const archive = new Archive<number>();
        for (const [i, point] of offered.entries()) archive.add(i, point);
        const best = offered.flatMap((p, i) => {
          const surpassed = offered.some(q => dominates(q, p));
          const again = offered.findIndex(q => q.join() === p.join()) < i;
          return surpassed || again ? [] : [i];
        });
        expect(archive.held.map(({ item }) => item).sort((p, q) => p - q)).toEqual(best);
      }),
      { numRuns: 60 },
    );
  });

  it('takes nothing without a score', () => {
    expect(new Archive<number>().add(0, [Number.NaN, Number.NaN])).toBe(false);
  });
});
