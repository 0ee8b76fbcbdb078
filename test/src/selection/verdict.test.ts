import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Groups } from '../../../src/metrics/bootstrap.ts';
import type { Metric } from '../../../src/metrics/metric.ts';
import { accuracyMetric, errorMetric } from '../../../src/metrics/ratio.ts';
import { type Candidate, judge } from '../../../src/selection/verdict.ts';

const count = 60;
const images: Groups = Array.from({ length: count }, (_, i) => [i]);

/** A classifier that is right on the images that are said. */
function accuracy(isRight: (image: number) => boolean): Metric {
  const labels = { data: new Uint8Array(count), shape: [], classes: 2, ignore: undefined, reading: '' } as const;
  const metric = accuracyMetric({ kind: 'classes', ...labels });
  const data = Array.from({ length: count }, (_, i) => (isRight(i) ? [1, 0] : [0, 1])).flat();
  metric.add({ data, shape: [count, 2] }, 0);
  return metric;
}

/** Right on the first images, a share of all. */
const rightOn = (share: number): Metric => accuracy(i => i < Math.round(share * count));

const candidate = (name: string, cost: number, own: number, ...stress: number[]): Candidate => ({
  name,
  cost,
  own: rightOn(own),
  stress: stress.map(rightOn),
});

const groups = (sets: number) => ({ own: images, stress: Array<Groups>(sets).fill(images) });
const chosenOf = (candidates: readonly Candidate[], sets: number, budget?: number): string => {
  const { standings, chosen } = judge(candidates, groups(sets), budget);
  return standings[chosen]!.name;
};

describe('the verdict', () => {
  const home = candidate('parent a', 0.5, 1, 0.2, 0.4);
  const partner = candidate('parent b', 0.5, 0.5, 0.9, 0.9);
  const ensemble = candidate('output ensemble', 1, 1, 0.6, 0.5);

  it('is for what is best under shift of what is not worse at home', () => {
    expect(chosenOf([home, partner, ensemble], 2)).toBe('output ensemble');
    const { standings } = judge([home, partner, ensemble], groups(2));
    expect(standings.map(s => s.eligible)).toEqual([true, false, true]);
    expect(standings[2]!.shift).toBeCloseTo(0.55, 12);
    expect(standings[0]!.chosenBetterBy).toMatchObject({ own: { value: 0 }, shift: { groups: count } });
    expect(standings[0]!.chosenBetterBy!.shift!.value).toBeCloseTo(0.25, 12);
    expect(standings[2]!.chosenBetterBy).toBeUndefined();
  });

  it('is for what is best at home where nothing is known of other sites', () => {
    expect(
      chosenOf(
        [partner, home, ensemble].map(c => ({ ...c, stress: [] })),
        0,
      ),
    ).toBe('parent a');
  });

  it('keeps to the budget, and says what there is where it is too low', () => {
    expect(chosenOf([home, partner, ensemble], 2, 0.6)).toBe('parent a');
    expect(() => judge([home, partner, ensemble], groups(2), 0.4)).toThrow(
      'Nothing costs as little as 40 % of the parents together: the cheapest, parent a, costs 50 %.',
    );
  });

  it('is for the cheaper of two that score the same', () => {
    const same = candidate('student', 0.3, 1, 0.6, 0.5);
    expect(chosenOf([home, ensemble, same], 2)).toBe('student');
  });

  it('takes none that is far behind at home, however few images there are to show it', () => {
    const few: Groups = [images.flat()];
    const weak = candidate('weak', 1, 0.9, 1);
    const { standings, chosen } = judge([candidate('parent a', 0.5, 1, 0.5), weak], { own: few, stress: [few] });
    expect(standings[chosen]!.name).toBe('parent a');
  });

  it('is for the smaller error', () => {
    const error = (value: number): Metric => {
      const metric = errorMetric({ kind: 'values', data: new Float32Array(count), shape: [], reading: '' });
      metric.add({ data: new Float32Array(count).fill(value), shape: [count] }, 0);
      return metric;
    };
    const values = [2, 1, 1.001].map((own, i) => ({
      name: `${i}`,
      cost: 1,
      own: error(own),
      stress: [error([1, 3, 2][i]!)],
    }));
    expect(chosenOf(values.slice(0, 2), 1)).toBe('1');
  });

  const scored = fc.record({
    cost: fc.integer({ min: 1, max: 20 }).map(c => c / 10),
    own: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    stress: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
  });

  it('is never for one that is shown to be worse at home than another that can be paid, nor beyond the budget', () => {
    fc.assert(
      fc.property(fc.array(scored, { minLength: 1, maxLength: 5 }), fc.double({ min: 0.1, max: 2 }), (all, budget) => {
        const candidates = all.map(({ cost, own, stress }, i) => ({
          name: `${i}`,
          cost,
          own: accuracy(image => own[image]!),
          stress: [accuracy(image => stress[image]!)],
        }));
        if (!candidates.some(c => c.cost <= budget)) {
          expect(() => judge(candidates, groups(1), budget)).toThrow(/Nothing costs as little/);
          return;
        }
        const { standings, chosen, best } = judge(candidates, groups(1), budget);
        expect(standings[chosen]!.cost).toBeLessThanOrEqual(budget + 1e-9);
        for (const { affordable, own } of standings)
          if (affordable) expect(standings[best]!.own).toBeGreaterThanOrEqual(own);
        for (const [i, { eligible, shift }] of standings.entries()) {
          if (eligible) expect(standings[chosen]!.shift).toBeGreaterThanOrEqual(shift!);
          if (i === best && i !== chosen) expect(standings[i]!.chosenBetterBy!.own.high).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 60 },
    );
  });
});
