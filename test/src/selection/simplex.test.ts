import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharesOf } from '../../../src/selection/combination.ts';
import { shareLattice } from '../../../src/selection/simplex.ts';

describe('ways of sharing an output', () => {
  it('of two parents are even steps from the second to the first', () => {
    const { outputs, faces } = shareLattice(2, 4, 40);
    expect(outputs).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(faces).toEqual([[0], [1], [2], [3], [4], [0, 1], [1, 2], [2, 3], [3, 4]]);
    expect(shareLattice(2, 40, 500).outputs).toHaveLength(41);
  });

  it('of more are a lattice with everyone alone and the mean in it', () => {
    for (const [parents, finest, most, count] of [
      [3, 40, 500, 496],
      [3, 10, 40, 28],
      [4, 40, 500, 455],
      [6, 40, 500, 462],
      [6, 10, 40, 22],
      [8, 40, 500, 331],
      [30, 10, 40, 31],
    ] as const) {
      const { outputs } = shareLattice(parents, finest, most);
      const shares = outputs.map(sharesOf);
      expect(outputs).toHaveLength(count);
      expect(new Set(shares.map(String)).size).toBe(count);
      for (const way of shares) expect(way.reduce((sum, v) => sum + v)).toBeCloseTo(1, 12);
      expect(shares.filter(way => way.includes(1))).toHaveLength(parents);
      expect(shares.filter(way => way.every(v => Math.abs(v - 1 / parents) < 1e-12))).toHaveLength(1);
    }
  });

  it('adjoin where one share has a step more and another one less, and cover the simplex of three', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 4 }), (parents, finest) => {
        const { outputs, faces } = shareLattice(parents, finest, 200);
        const [seen, steps] = [new Set<string>(), new Set<number>()];
        for (const face of faces) {
          expect(seen.has(face.toSorted().join())).toBe(false);
          seen.add(face.toSorted().join());
          for (const [i, from] of face.entries()) {
            for (const to of face.slice(i + 1)) {
              const [p, q] = [from, to].map(at => sharesOf(outputs[at]));
              const moved = p.map((v, k) => Math.abs(v - q[k])).filter(v => v > 1e-9);
              expect(moved).toHaveLength(2);
              for (const v of moved) steps.add(Math.round(1 / v));
            }
          }
        }
        expect(steps.size).toBe(1);
        // Small triangles of side 1/k in a triangle of side 1.
        const k = Math.max(...steps);
        if (parents === 3) expect(faces.filter(f => f.length === 3)).toHaveLength(k ** 2);
      }),
      { numRuns: 25 },
    );
  });
});
