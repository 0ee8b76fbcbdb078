import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { disagreements, quantile } from '../../../src/selection/blend.ts';
import { combinationText, positionsText } from '../../../src/selection/combination.ts';
import { type Choosable, choose } from '../../../src/selection/weighted.ts';

const plain = (output: number, score: number): Choosable => ({ positions: [], output, apart: 0, scores: [score] });
const gated = (output: number, score: number, apart: number, to: number): Choosable => ({
  ...plain(output, score),
  apart,
  gate: { threshold: 0.1, apart: to },
});

describe('the choices', () => {
  it('weigh outputs as evenly as costs at most the loss, gates that act on no own image first', () => {
    const points = [
      plain(1, 0.95),
      plain(0.5, 0.947),
      gated(0.5, 0.947, 0, 1),
      gated(0.5, 0.947, 0, 0),
      plain(0.2, 0.96),
    ];
    expect(choose(points, [0.94, 0.95], true, 0.005)).toEqual({ best: 4, even: 3 });
  });

  it('let a gate act where the plain mean costs too much, on as few images as will do', () => {
    const points = [
      plain(1, 0.85),
      plain(0.5, 0.83),
      gated(0.5, 0.849, 0.6, 1),
      gated(0.5, 0.846, 0.3, 1),
      plain(0.9, 0.85),
    ];
    expect(choose(points, [0.85], true, 0.005).even).toBe(3);
  });

  it('stitch only where that lets outputs be weighed more evenly', () => {
    const stitched = (point: Choosable): Choosable => ({ ...point, positions: [4] });
    expect(choose([stitched(plain(0.5, 0.951)), plain(0.5, 0.95)], [0.95], true, 0.005)).toEqual({ best: 0, even: 1 });
    expect(choose([stitched(plain(0.5, 0.95)), plain(0.5, 0.94), plain(0.6, 0.95)], [0.95], true, 0.005).even).toBe(0);
  });

  it('take errors the other way round, and the best where nothing else is left', () => {
    expect(choose([plain(0.5, 2), plain(1, 1), plain(0.6, 1.004)], [1], false, 0.005)).toEqual({ best: 1, even: 2 });
    expect(choose([plain(0.5, 0.1), plain(1, 0.2)], [0.9], true, 0.005)).toEqual({ best: 1, even: 1 });
  });

  it('never lose more than they may', () => {
    const point = fc.tuple(fc.nat(10), fc.nat(1000)).map(([output, score]) => plain(output / 10, score / 1000));
    fc.assert(
      fc.property(fc.array(point, { minLength: 1 }), fc.nat(1000), (points, rival) => {
        const { best, even } = choose(points, [rival / 1000], true, 0.01);
        const score = points[even]!.scores[0]!;
        expect(score >= rival / 1000 - 0.01 || even === best).toBe(true);
        expect(points.every(p => p.scores[0]! <= points[best]!.scores[0]!)).toBe(true);
      }),
    );
  });
});

describe('disagreement', () => {
  const batch = (a: readonly number[], b: readonly number[], channels: number) => ({
    a,
    b,
    shape: [1, channels, 1, a.length / channels],
    kind: 'probabilities' as const,
  });

  it('is 0 of the same and of the empty, and near 1 of large disjoint ones', () => {
    const zero = [1, 1, 0, 0];
    expect(disagreements(batch(zero, zero, 2))).toEqual([0]);
    const [left, right] = [0, 1].map(side => Array.from({ length: 400 }, (_, i) => (i < 200 === (side === 0) ? 1 : 0)));
    expect(disagreements(batch(left!, right!, 1))[0]).toBeCloseTo(1, 2);
  });

  it('lies in [0, 1] and does not depend on who is who', () => {
    const numbers = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const [d] = disagreements(batch(a, b, 3));
        expect(d).toBeGreaterThanOrEqual(-1e-12);
        expect(d).toBeLessThanOrEqual(1);
        expect(disagreements(batch(b, a, 3))).toEqual([d]);
      }),
    );
  });

  it('has quantiles that as many values lie under, rounded up', () => {
    expect(quantile([0.3, 0.1, 0.20001, 0.4], 0.5)).toBe(0.2001);
    expect(quantile([0.3, 0.1], 1)).toBe(0.3);
    const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, q) => {
        const found = all.filter(v => v <= quantile(all, q)).length;
        expect(found).toBeGreaterThanOrEqual(Math.floor(q * all.length));
      }),
    );
  });
});

describe('combinations in words', () => {
  it('name positions, weights and gates', () => {
    expect(positionsText([1, 2, 4, 5, 6, 9])).toBe('1, 2, 4–6, 9');
    expect(
      combinationText({ positions: [38, 41], weight: 0.9, output: 0.5, gate: { threshold: 0.1359, apart: 0 } }),
    ).toBe('38, 41 at 0.9, output 0.5, 0 where apart by more than 0.1359');
    expect(combinationText({ positions: [], weight: 1, output: 0.3 })).toBe('no stitch, output 0.3');
  });
});
