import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Groups, verdictOf } from '../../../src/metrics/bootstrap.ts';
import type { Metric } from '../../../src/metrics/metric.ts';
import { accuracyMetric, errorMetric } from '../../../src/metrics/ratio.ts';
import { type Candidate, judge, type Kind, kinds } from '../../../src/selection/verdict.ts';

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

const shares: { readonly [K in Kind]?: number } = { parent: 1, weighted: 0.7, 'gated weighted': 0.7 };

const candidate = (kind: Kind, name: string, cost: number, own: number, ...stress: number[]): Candidate => ({
  ...{ kind, name, family: name, cost, share: shares[kind] ?? 0.5 },
  own: rightOn(own),
  stress: stress.map(rightOn),
});

const groups = (sets: number) => ({ own: images, stress: Array<Groups>(sets).fill(images) });
const chosenOf = (candidates: readonly Candidate[], sets: number, budget?: number): string => {
  const { standings, chosen } = judge(candidates, groups(sets), budget);
  return standings[chosen].name;
};

describe('the verdict', () => {
  const home = candidate('parent', 'parent a', 0.5, 1, 0.2, 0.4);
  const partner = candidate('parent', 'parent b', 0.5, 0.5, 0.9, 0.9);
  const ensemble = candidate('ensemble', 'output ensemble', 1, 1, 0.6, 0.5);
  const all = [home, partner, ensemble];

  it('is for what has nothing fitted, of what is not worse at home, unless another is shown to be better under shift', () => {
    expect(chosenOf(all, 2)).toBe('output ensemble');
    const close = candidate('stitched', 'close', 1, 1, 0.6, 0.52);
    expect(chosenOf([...all, close], 2)).toBe('output ensemble');
    const better = candidate('stitched', 'better', 1, 1, 0.8, 0.8);
    const best = candidate('gated stitched', 'best', 1, 1, 0.9, 0.8);
    expect(chosenOf([...all, better, { ...best, kind: 'weighted' }], 2)).toBe('best');
    const { standings, incumbent } = judge([...all, better], groups(2));
    expect(standings.map(s => s.out)).toEqual([undefined, 'home', undefined, undefined]);
    expect(standings[incumbent].name).toBe('output ensemble');
    expect(standings[2].shift).toBeCloseTo(0.55, 12);
    expect(standings[2].chosenBetterBy).toMatchObject({ own: { value: 0 }, shift: { groups: count } });
    expect(standings[2].chosenBetterBy!.shift!.value).toBeCloseTo(0.25, 12);
    expect(standings[3].chosenBetterBy).toBeUndefined();
  });

  it('is for a larger share of the own network only where equal shares lose at home, and then for the least', () => {
    const gated = candidate('gated ensemble', 'gated', 1, 1, 0.6, 0.6);
    const weighted = [0.9, 0.7, 0.2].map(share => ({
      ...candidate('gated weighted', `gated ${share}`, 1, 1, share, share),
      ...{ family: 'weighted', share },
    }));
    expect(chosenOf([...all, gated, ...weighted], 2)).toBe('gated');
    const losing = { ...gated, own: rightOn(0.9) };
    expect(chosenOf([...all, losing, ...weighted], 2)).toBe('gated 0.7');
    const partners = { ...weighted[2], stress: [rightOn(0.9), rightOn(0.8)] };
    expect(chosenOf([...all, gated, weighted[0], partners], 2)).toBe('gated 0.2');
    const { standings, bar } = judge([...all, gated, ...weighted], groups(2));
    expect(standings.map(({ name }) => name)).toEqual([
      'parent a',
      'parent b',
      'output ensemble',
      'gated',
      'gated 0.7',
    ]);
    expect(standings[bar].name).toBe('parent a');
  });

  it('takes none that is shown to be worse than the plain ensemble under shift', () => {
    const gated = candidate('gated ensemble', 'gated', 1, 1, 0.3, 0.3);
    expect(chosenOf([...all, gated], 2)).toBe('output ensemble');
    expect(judge([...all, gated], groups(2)).standings.map(s => s.out)).toEqual([
      undefined,
      'home',
      undefined,
      'shift',
    ]);
  });

  it('goes by the scores at home where nothing is known of other sites', () => {
    const blind = all.map(c => ({ ...c, stress: [] }));
    expect(chosenOf(blind, 0)).toBe('output ensemble');
    expect(chosenOf([...blind, candidate('stitched', 'stitched', 1, 0.995)], 0)).toBe('output ensemble');
  });

  it('keeps to the budget, and says what there is where it is too low', () => {
    expect(chosenOf(all, 2, 0.6)).toBe('parent a');
    expect(() => judge(all, groups(2), 0.4)).toThrow(
      'Nothing costs as little as 40 % of the parents together: the cheapest, parent a, costs 50 %.',
    );
  });

  it('is for a stand-in only where the budget rules out every ensemble', () => {
    const trunk = candidate('trunk', 'shared trunk', 0.7, 1, 1, 1);
    expect(chosenOf([...all, trunk], 2)).toBe('output ensemble');
    expect(chosenOf([...all, trunk], 2, 0.7)).toBe('shared trunk');
    const outOf = (budget?: number) => judge([...all, trunk], groups(2), budget).standings.map(s => s.out);
    expect(outOf()).toEqual([undefined, 'home', undefined, 'stand-in']);
    expect(outOf(0.7)).toEqual([undefined, 'home', 'cost', undefined]);
  });

  it('is for a student of gated branches where it stands changes better than an ensemble and loses nothing at home', () => {
    const gated = candidate('gated ensemble', 'gated', 1, 1, 0.6, 0.6);
    const student = candidate('gated student', 'student', 0.65, 1, 0.8, 0.8);
    expect(chosenOf([...all, gated, student], 2)).toBe('student');
    expect(chosenOf([...all, gated, { ...student, own: rightOn(0.9) }], 2)).toBe('gated');
    expect(chosenOf([...all, gated, { ...student, stress: gated.stress }], 2)).toBe('gated');
    const together = candidate('gated student ensemble', 'with the student', 1.65, 1, 0.7, 0.7);
    expect(chosenOf([...all, gated, { ...student, own: rightOn(0.9) }, together], 2)).toBe('with the student');
    expect(chosenOf([...all, gated, student, together], 2)).toBe('student');
    expect(chosenOf([...all, gated, { ...student, own: rightOn(0.9) }, together], 2, 1)).toBe('gated');
    // One answer alone says nothing of how sure it is.
    expect(chosenOf([...all, gated, { ...student, kind: 'student' }], 2)).toBe('gated');
  });

  it('is for a student of gated branches before an own trunk that stands changes of the own images better', () => {
    const student = candidate('gated student', 'student', 0.65, 1, 0.6, 0.5);
    const own = { ...candidate('gated trunk', 'shared trunk', 0.7, 1, 1, 1), share: 1 };
    expect(chosenOf([...all, student, own], 2)).toBe('output ensemble');
    expect(chosenOf([...all, student, own], 2, 0.7)).toBe('student');
    // A partner's trunk is not won by what is the own network's.
    expect(chosenOf([...all, student, { ...own, share: 0.5 }], 2, 0.7)).toBe('shared trunk');
    expect(chosenOf([...all, { ...student, own: rightOn(0.9) }, own], 2, 0.7)).toBe('shared trunk');
  });

  it('takes none that is far behind at home, however few images there are to show it', () => {
    const few: Groups = [images.flat()];
    const weak = candidate('ensemble', 'weak', 1, 0.9, 1);
    const { standings, chosen } = judge([candidate('parent', 'parent a', 0.5, 1, 0.5), weak], {
      own: few,
      stress: [few],
    });
    expect(standings[chosen].name).toBe('parent a');
  });

  it('is for the smaller error', () => {
    const error = (value: number): Metric => {
      const metric = errorMetric({ kind: 'values', data: new Float32Array(count), shape: [], reading: '' });
      metric.add({ data: new Float32Array(count).fill(value), shape: [count] }, 0);
      return metric;
    };
    const values = [2, 1, 1.001].map((own, i) => ({
      kind: 'weighted' as const,
      name: `${i}`,
      family: `${i}`,
      cost: 1,
      share: 0.5,
      own: error(own),
      stress: [error([1, 3, 2][i])],
    }));
    expect(chosenOf(values.slice(0, 2), 1)).toBe('1');
    // The second has more than the first by so little, but on every image.
    expect(chosenOf(values.slice(1), 1)).toBe('1');
  });

  const scored = fc.record({
    kind: fc.constantFrom(...kinds),
    cost: fc.integer({ min: 1, max: 20 }).map(c => c / 10),
    share: fc.constantFrom(0, 0.2, 0.5, 0.8, 1),
    own: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    stress: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
  });

  it('is never for one that is shown to be worse at home than what is given, nor beyond the budget', () => {
    fc.assert(
      fc.property(
        fc.array(scored, { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0.1, max: 2 }),
        (given, budget) => {
          const candidates = given.map(({ kind, cost, share, own, stress }, i) => ({
            ...{ kind, cost, share, name: `${i}`, family: `${i}` },
            own: accuracy(image => own[image]),
            stress: [accuracy(image => stress[image])],
          }));
          if (!candidates.some(c => c.cost <= budget + 1e-9)) {
            expect(() => judge(candidates, groups(1), budget)).toThrow(/Nothing costs as little/);
            return;
          }
          const { standings, chosen, bar, incumbent } = judge(candidates, groups(1), budget);
          expect(standings[chosen].cost).toBeLessThanOrEqual(budget + 1e-9);
          expect(standings[chosen].eligible).toBe(true);
          expect(standings[incumbent].eligible).toBe(true);
          for (const { eligible, affordable, out } of standings) {
            expect(eligible).toBe(out === undefined);
            expect(affordable).toBe(out !== 'cost');
          }
          if (bar !== chosen) expect(verdictOf(standings[bar].chosenBetterBy!.own)).not.toBe('worse');
          // What displaces the incumbent is shown to be better than it.
          expect(standings[chosen].share).toBeLessThanOrEqual(standings[incumbent].share);
          if (incumbent !== chosen) expect(verdictOf(standings[incumbent].chosenBetterBy!.shift!)).toBe('better');
        },
      ),
      { numRuns: 60 },
    );
  });
});
