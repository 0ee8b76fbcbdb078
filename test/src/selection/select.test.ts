import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  possibleRules,
  type RankedPosition,
  ranks,
  requireFolds,
  select,
  selectByDepth,
  whyNot,
} from '../../../src/selection/select.ts';

describe('ranks', () => {
  it('gives 1 to the best, and equal values the mean of their ranks', () => {
    expect(ranks([0.5, 0.9, 0.7, 0.7], true)).toEqual([4, 1, 2.5, 2.5]);
    expect(ranks([0.5, 0.9, 0.7, 0.7], false)).toEqual([1, 4, 2.5, 2.5]);
  });

  it('puts what could not be scored last', () => {
    expect(ranks([Number.NaN, 0.1, 0.2], true)).toEqual([3, 2, 1]);
    expect(ranks([Number.NaN, 0.1, 0.2], false)).toEqual([3, 1, 2]);
  });

  it('adds up to n(n + 1)/2, and does not change under a monotone map', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1 }), values => {
        const found = ranks(values, true);
        expect(found.reduce((a, b) => a + b)).toBe((values.length * (values.length + 1)) / 2);
        expect(
          ranks(
            values.map(v => v ** 3 - 7),
            true,
          ),
        ).toEqual(found);
      }),
    );
  });
});

const positions = (...rows: readonly [value: number, ...folds: number[]][]): RankedPosition[] =>
  rows.map(([value, ...folds], position) => ({ position, value, folds }));

describe('select', () => {
  // Position 0 wins two folds and loses the third badly; position 1 is second everywhere; position 2 wins the third.
  const scored = positions([0.84, 0.9, 0.9, 0.6], [0.8, 0.8, 0.8, 0.8], [0.7, 0.5, 0.6, 0.95], [0.6, 0.7, 0.7, 0.7]);

  it('rule 1 takes the best score, and says which is best in each fold', () => {
    expect(select(scored, 1, true)).toMatchObject({ position: 0, perFold: [0, 0, 2] });
  });

  it('rule 2 takes the lowest mean rank', () => {
    const { position, meanRanks } = select(scored, 2, true);
    expect(position).toBe(0);
    expect(meanRanks).toEqual([2, 2, 3, 3]);
  });

  it('rule 2 breaks ties by the overall score', () => {
    const tied = positions([0.7, 0.9, 0.1], [0.8, 0.1, 0.9]);
    expect(select(tied, 2, true).position).toBe(1);
    expect(select(tied, 2, false).position).toBe(0);
  });

  it('rule 2 needs folds', () => {
    expect(() => select(positions([0.5], [0.6]), 2, true)).toThrow(/array `fold`/);
  });

  it('no rule chooses where nothing has a score', () => {
    const empty = positions([Number.NaN, Number.NaN, Number.NaN], [Number.NaN, Number.NaN, Number.NaN]);
    expect(possibleRules(empty)).toEqual([]);
    for (const rule of [1, 2] as const)
      expect(() => select(empty, rule, true)).toThrow(/no validation image has foreground/);
  });

  it('folds in which only false positives have a score take no part: to have none is no worse', () => {
    const holed = positions([0.8, Number.NaN, 0.9, 0.8], [0.7, 0, 0.8, 0.7], [0.6, 0, 0.7, 0.6]);
    expect(select(holed, 2, true)).toMatchObject({ position: 0, meanRanks: [1, 2, 3] });
  });

  it('folds without a score take no part, and one alone is not enough for rule 2', () => {
    const holed = positions([0.8, 0.9, Number.NaN, 0.7], [0.7, 0.8, Number.NaN, 0.9]);
    const whole = positions([0.8, 0.9, 0.7], [0.7, 0.8, 0.9]);
    for (const rule of [1, 2] as const) expect(select(holed, rule, true)).toEqual(select(whole, rule, true));
    const single = positions([0.7, Number.NaN, 0.7], [0.8, Number.NaN, 0.8]);
    expect(possibleRules(single)).toEqual([1]);
    expect(whyNot(single, 2)).toMatch(/only 1 of 2 has images with foreground/);
    expect(select(single, 1, true)).toMatchObject({ position: 1, perFold: [1] });
  });

  it('where lower is better, takes the lowest', () => {
    expect(select(positions([3], [1], [2]), 1, false).position).toBe(1);
  });
});

describe('rule 3', () => {
  const placed = [0.2, 0.55, 0.75, 0.95].map((depth, position) => ({ position, depth }));

  it('takes the position that lies nearest to the depth', () => {
    expect(selectByDepth(placed)).toEqual({ rule: 3, position: 1, perFold: [], meanRanks: [], depth: 0.6 });
    for (const { position, depth } of placed) expect(selectByDepth(placed, depth).position).toBe(position);
    expect([0, 1].map(depth => selectByDepth(placed, depth).position)).toEqual([0, 3]);
  });

  it('lies no nearer anywhere else', () => {
    const place = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(place, { minLength: 1 }), place, (depths, wanted) => {
        const found = selectByDepth(
          depths.map((depth, position) => ({ position, depth })),
          wanted,
        );
        const off = depths.map(depth => Math.abs(depth - wanted));
        expect(off.lastIndexOf(Math.min(...off))).toBe(found.position);
      }),
    );
  });

  it('is told before anything is scored where rule 2 has no folds', () => {
    expect(() => requireFolds([3, 3])).toThrow(/array `fold`/);
    expect(() => requireFolds([3, 1])).not.toThrow();
  });
});
