import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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

  it('of three parents look for equal shares', () => {
    const shared = (output: readonly number[]): Choosable => ({ ...plain(0, 0.95), output: [...output] });
    const points = [
      [1, 0, 0],
      [0.5, 0.5, 0],
      [0.4, 0.3, 0.3],
      [0, 0.5, 0.5],
    ].map(shared);
    expect(choose(points, [0.95], true, 0.005).even).toBe(2);
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
        const score = points[even].scores[0];
        expect(score >= rival / 1000 - 0.01 || even === best).toBe(true);
        expect(points.every(p => p.scores[0] <= points[best].scores[0])).toBe(true);
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
    expect(combinationText({ positions: [], weight: 1, output: [1 / 3, 1 / 3, 1 / 3] })).toBe(
      'no stitch, output 0.333/0.333/0.333',
    );
  });
});
