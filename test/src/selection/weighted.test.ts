import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedErrors, gatedShares } from '../../../src/selection/blend.ts';
import { combinationText, positionsText } from '../../../src/selection/combination.ts';
import { type Choosable, choose } from '../../../src/selection/weighted.ts';

const plain = (output: number, score: number): Choosable => ({ positions: [], output, gated: false, scores: [score] });
const gated = (output: number, score: number): Choosable => ({ ...plain(output, score), gated: true });

describe('the choices', () => {
  it('weigh outputs as evenly as costs at most the loss, rather with a gate', () => {
    const points = [plain(1, 0.95), plain(0.5, 0.949), gated(0.5, 0.947), gated(0.4, 0.95), plain(0.2, 0.96)];
    expect(choose(points, [0.94, 0.95], true, 0.005)).toEqual({ best: 4, even: 2 });
    expect(choose(points, [0.94, 0.953], true, 0.005).even).toBe(3);
    expect(choose(points.slice(0, 3), [0.94, 0.953], true, 0.005).even).toBe(1);
  });

  it('stitch only where nothing else is good enough', () => {
    const stitched = (point: Choosable): Choosable => ({ ...point, positions: [4] });
    expect(choose([stitched(plain(0.5, 0.951)), plain(0.6, 0.95)], [0.95], true, 0.005)).toEqual({ best: 0, even: 1 });
    expect(choose([stitched(plain(0.5, 0.95)), plain(0.6, 0.94)], [0.95], true, 0.005).even).toBe(0);
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

describe('the gate on the host', () => {
  const batch = (a: readonly number[], b: readonly number[], channels: number) => ({
    a,
    b,
    shape: [1, channels, 1, a.length / channels],
    meaning: {
      kind: 'probabilities' as const,
      activation: channels === 1 ? ('sigmoid' as const) : ('softmax' as const),
      channelAxis: 1,
      channels,
    },
  });
  const errorOf = (p: readonly number[], channels = 1): number => expectedErrors(batch(p, p, channels)).a[0]!;
  const probability = fc.double({ min: 0, max: 1, noNaN: true });

  it('expects hardly an error of the sure and the empty, and much of a coin', () => {
    expect(errorOf([0, 0, 0, 0])).toBeCloseTo(0.001);
    expect(errorOf([1, 1, 0, 0])).toBeCloseTo(0.001);
    expect(errorOf([1, 1, 1, 1, 0, 0, 1, 1], 2)).toBeCloseTo(0.001);
    expect(errorOf(Array<number>(400).fill(0.49))).toBeGreaterThan(0.98);
    expect(errorOf(Array<number>(400).fill(0.6))).toBeCloseTo(0.25, 2);
  });

  it('gives the surer more, shares between 0 and 1, and the same whoever is first', () => {
    const numbers = fc.array(probability, { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(numbers, numbers, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (a, b, share) => {
        const errors = expectedErrors(batch(a, b, 3));
        const [given] = gatedShares(errors, share);
        expect(given).toBeGreaterThanOrEqual(0);
        expect(given).toBeLessThanOrEqual(1);
        expect(given! >= share).toBe(errors.a[0]! <= errors.b[0]! || given === share);
        expect(gatedShares({ a: errors.b, b: errors.a }, 1 - share)[0]).toBeCloseTo(1 - given!, 9);
      }),
    );
  });
});

describe('combinations in words', () => {
  it('name positions, weights and gates', () => {
    expect(positionsText([1, 2, 4, 5, 6, 9])).toBe('1, 2, 4–6, 9');
    expect(combinationText({ positions: [38, 41], weight: 0.9, output: 0.5, gated: true })).toBe(
      '38, 41 at 0.9, output 0.5, gated',
    );
    expect(combinationText({ positions: [], weight: 1, output: 0.3 })).toBe('no stitch, output 0.3');
  });
});
