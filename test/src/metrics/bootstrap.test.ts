import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classDifferences, differenceOf, groupsOf, meanDifference, verdictOf } from '../../../src/metrics/bootstrap.ts';
import { diceMetric } from '../../../src/metrics/dice.ts';
import { accuracyMetric } from '../../../src/metrics/ratio.ts';

/** The accuracy of a classifier that is right where it is said. */
function accuracyOf(right: readonly boolean[]) {
  const labels = {
    kind: 'classes',
    data: new Uint8Array(right.length),
    shape: [],
    classes: 2,
    ignore: undefined,
  } as const;
  const metric = accuracyMetric({ ...labels, reading: '' });
  const data = right.flatMap(isRight => (isRight ? [1, 0] : [0, 1]));
  metric.add({ data, shape: [right.length, 2] }, 0);
  return metric;
}

const alone = (count: number): number[][] => Array.from({ length: count }, (_, i) => [i]);

describe('a difference of scores', () => {
  it('has the interval of the binomial where only one of two classifiers errs', () => {
    const count = 400;
    const [ours, theirs] = [
      accuracyOf(Array(count).fill(true)),
      accuracyOf(Array.from({ length: count }, (_, i) => i % 5 > 0)),
    ];
    const found = differenceOf(ours, theirs, alone(count));
    // A share of 0.2: the normal approximation has a standard error of sqrt(0.2 · 0.8 / 400) = 0.02.
    expect(found.value).toBeCloseTo(0.2, 12);
    expect(found.low).toBeCloseTo(0.2 - 1.96 * 0.02, 2);
    expect(found.high).toBeCloseTo(0.2 + 1.96 * 0.02, 2);
    expect(verdictOf(found)).toBe('better');
    expect(verdictOf(differenceOf(theirs, ours, alone(count)))).toBe('worse');
  });

  it('is paired: what both get wrong alike makes no difference at all', () => {
    const right = Array.from({ length: 50 }, (_, i) => i % 3 > 0);
    const found = differenceOf(accuracyOf(right), accuracyOf(right), alone(50));
    expect(found).toEqual({ value: 0, low: 0, high: 0, groups: 50 });
    expect(verdictOf(found)).toBe('no difference shown');
  });

  it('is turned round when the networks change places, and holds its own value', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 2, maxLength: 30 }), pairs => {
        const [a, b] = [0, 1].map(i => accuracyOf(pairs.map(p => p[i])));
        const [one, other] = [differenceOf(a, b, alone(pairs.length)), differenceOf(b, a, alone(pairs.length))];
        expect(other.value).toBeCloseTo(-one.value, 12);
        expect(other.low).toBeCloseTo(-one.high, 12);
        expect(one.low).toBeLessThanOrEqual(one.value + 1e-12);
        expect(one.high).toBeGreaterThanOrEqual(one.value - 1e-12);
      }),
      { numRuns: 10 },
    );
  });

  it('over several sets draws the same groups of those that have the same images, and others apart', () => {
    const right = Array.from({ length: 40 }, (_, i) => i % 3 > 0);
    const [some, all] = [accuracyOf(right), accuracyOf(Array(40).fill(true))];
    const images = alone(40);
    // What is gained on one set is lost on the other, image by image.
    const gain = { ours: all, theirs: some, groups: images };
    const loss = { ours: some, theirs: all, groups: images };
    expect(meanDifference([gain])).toEqual(differenceOf(all, some, images));
    expect(meanDifference([gain, loss])).toEqual({ value: 0, low: 0, high: 0, groups: 40 });
    const apart = meanDifference([gain, { ...loss, groups: alone(40) }]);
    expect(apart.value).toBe(0);
    expect(apart.low).toBeLessThan(-0.03);
    expect(apart.high).toBeGreaterThan(0.03);
  });

  it('of a class is that of networks and labels that know no other', () => {
    const pixel = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2));
    const image = fc.array(pixel, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(image, { minLength: 2, maxLength: 8 }), images => {
        const groups = alone(images.length);
        /** Of the labels and two networks, with all classes or one alone. */
        const diceOf = (network: 1 | 2, only?: number) => {
          const seen = (value: number): number => (only === undefined ? value : Number(value === only));
          const [count, classes] = [images.length, only === undefined ? 3 : 2];
          const data = Uint8Array.from(images.flat(), ([label]) => seen(label));
          const labels = { kind: 'classes', data, shape: [4], classes, ignore: undefined, reading: '' } as const;
          const metric = diceMetric(labels);
          const answers = images.flatMap(pixels =>
            Array.from({ length: classes }, (_, k) => pixels.map(p => Number(seen(p[network]) === k))).flat(),
          );
          metric.add({ data: answers, shape: [count, classes, 4] }, 0);
          return metric;
        };
        const found = classDifferences(diceOf(1), diceOf(2), groups);
        expect(found).toEqual([1, 2].map(k => differenceOf(diceOf(1, k), diceOf(2, k), groups)));
      }),
      { numRuns: 5 },
    );
  });

  it('is wider where images come in groups that are right or wrong together', () => {
    const right = Array.from({ length: 60 }, (_, i) => Math.floor(i / 10) % 3 > 0);
    const [ours, theirs] = [accuracyOf(Array(60).fill(true)), accuracyOf(right)];
    const group = Array.from({ length: 60 }, (_, i) => Math.floor(i / 10));
    const apart = differenceOf(ours, theirs, groupsOf({ count: 60 }));
    const together = differenceOf(ours, theirs, groupsOf({ count: 60, group, id: group.map((_, i) => i) }));
    expect(together.groups).toBe(6);
    expect(together.high - together.low).toBeGreaterThan(1.5 * (apart.high - apart.low));
  });

  it('counts a case that is drawn twice as two, and tears none apart', () => {
    // Two groups of the cases {0} and {1, 2}, of Dice 1 and 0 and 0 by ours; theirs has 0 everywhere.
    const labels = {
      kind: 'classes',
      data: Uint8Array.of(1, 1, 1, 1),
      shape: [1],
      classes: 2,
      ignore: undefined,
    } as const;
    const [id, group] = [
      [5, 6, 7, 5],
      [1, 2, 2, 3],
    ];
    const [ours, theirs] = [
      [1, -1, -1, 1],
      [-1, -1, -1, -1],
    ].map(signs => {
      const metric = diceMetric({ ...labels, reading: '' }, id);
      metric.add({ data: signs.flatMap(sign => [0, sign]), shape: [4, 2, 1] }, 0);
      return metric;
    });
    const groups = groupsOf({ count: 4, group, id });
    expect(groups).toEqual([
      [0, 3],
      [1, 2],
    ]);
    // The draws are: both the first (1), one of each (1 of 3 cases), both the second (0).
    expect(differenceOf(ours, theirs, groups)).toMatchObject({ value: 1 / 3, low: 0, high: 1, groups: 2 });
  });

  it('takes groups that share cases for one, through any number of them', () => {
    const chained = { count: 6, group: [1, 2, 2, 3, 4, 4], id: [0, 0, 1, 1, 2, 3] };
    expect(groupsOf(chained)).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1, maxLength: 20 }), images => {
        const [group, id] = [images.map(i => i[0]), images.map(i => i[1])];
        const groups = groupsOf({ count: images.length, group, id });
        expect(groups.flat().sort((p, q) => p - q)).toEqual([...images.keys()]);
        const where = (image: number) => groups.findIndex(g => g.includes(image));
        for (const keys of [group, id]) {
          for (const [p, key] of keys.entries()) expect(where(keys.indexOf(key))).toBe(where(p));
        }
      }),
    );
  });

  it('of one group alone shows nothing, and resamples without foreground do not count', () => {
    const [ours, theirs] = [accuracyOf([true, true]), accuracyOf([false, false])];
    expect(verdictOf(differenceOf(ours, theirs, [[0, 1]]))).toBe('no difference shown');
    const labels = {
      kind: 'classes',
      data: Uint8Array.of(1, 0, 0),
      shape: [1],
      classes: 2,
      ignore: undefined,
    } as const;
    const [good, bad] = [1, -1].map(sign => {
      const metric = diceMetric({ ...labels, reading: '' });
      metric.add({ data: [0, sign, 1, 0, 1, 0], shape: [3, 2, 1] }, 0);
      return metric;
    });
    expect(differenceOf(good, bad, alone(3))).toMatchObject({ value: 1, low: 1, high: 1 });
  });
});

describe('an interval', () => {
  const right = (count: number, every: number) => Array.from({ length: count }, (_, i) => i % every > 0);

  it('is the same whatever was compared before, alone and beside another set', () => {
    const [p, q, r] = [3, 4, 5].map(every => () => accuracyOf(right(30, every)));
    const [groups, others] = [alone(30), alone(30)];
    const [kept, against] = [p(), q()];
    const first = differenceOf(kept, against, groups);
    const both = (ours: typeof kept, theirs: typeof against) =>
      meanDifference([
        { ours: r(), theirs: against, groups: others },
        { ours, theirs, groups },
      ]);
    const joined = both(kept, against);
    expect(joined).not.toEqual(first);
    expect(differenceOf(kept, against, groups)).toEqual(first);
    expect(differenceOf(p(), q(), alone(30))).toEqual(first);
    expect(both(p(), q())).toEqual(joined);
    expect(differenceOf(kept, r(), groups)).toEqual(differenceOf(p(), r(), alone(30)));
  });

  it('is of all that a metric was given, where it is given more in between', () => {
    const labels = { kind: 'classes', data: new Uint8Array(8), shape: [], classes: 2, ignore: undefined } as const;
    const growing = accuracyMetric({ ...labels, reading: '' });
    const add = (wins: readonly number[], first: number): void =>
      growing.add({ data: wins.flatMap(win => [win, 1 - win]), shape: [wins.length, 2] }, first);
    add([1, 1, 0, 1], 0);
    const before = differenceOf(growing, accuracyOf([true, false, false, true]), alone(4));
    add([0, 0, 1, 0], 4);
    const groups = Array.from({ length: 4 }, (_, i) => [i, i + 4]);
    const all = accuracyOf([true, true, false, true, false, false, true, false]);
    const theirs = accuracyOf([true, false, false, true, false, false, false, false]);
    expect(differenceOf(growing, theirs, groups)).toEqual(differenceOf(all, theirs, groups));
    expect(differenceOf(growing, theirs, groups)).not.toEqual(before);
  });
});
