import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  above as aboveSurface,
  beyond as beyondSurface,
  dominates,
  type Point,
  paretoSet,
  surfaceOf,
} from '../../../src/selection/front.ts';
import { shareLattice } from '../../../src/selection/simplex.ts';

const score = fc.integer({ min: 0, max: 1000 }).map(v => v / 1000);
const pointOf = (sets: number): fc.Arbitrary<Point> => fc.array(score, { minLength: sets, maxLength: sets });
const cloud = fc.integer({ min: 1, max: 3 }).chain(n => fc.array(pointOf(n), { minLength: 1, maxLength: 12 }));
const pointAndCurve = fc
  .integer({ min: 1, max: 3 })
  .chain(n => fc.tuple(pointOf(n), fc.array(pointOf(n), { minLength: 1, maxLength: 6 })));
const planar = fc.tuple(pointOf(2), fc.array(pointOf(2), { minLength: 1, maxLength: 6 }));

/** Points in a row, each joined to the next. */
const curveOf = (points: readonly Point[]) =>
  surfaceOf(points, [...points.map((_, i) => [i]), ...points.slice(1).map((_, i) => [i, i + 1])]);

const beyond = (p: Point, curve: readonly Point[]): number => beyondSurface(p, curveOf(curve));
const above = (p: Point, curve: readonly Point[]): number | undefined => aboveSurface(p, curveOf(curve));

const shifted = (p: Point, by: number): Point => p.map(v => v + by);

/** Points of the curve, close together. */
const samples = (curve: readonly Point[], per = 400): Point[] =>
  curve.length === 1
    ? [...curve]
    : curve
        .slice(1)
        .flatMap((to, i) =>
          Array.from({ length: per + 1 }, (_, k) => curve[i].map((v, c) => v + (k / per) * (to[c] - v))),
        );

describe('the Pareto set', () => {
  it('holds who is dominated by none', () => {
    expect(
      paretoSet([
        [0.9, 0.6],
        [0.8, 0.7],
        [0.8, 0.6],
        [0.7, 0.8],
        [0.9, 0.6],
      ]),
    ).toEqual([0, 1, 3, 4]);
  });

  it('has no member that another dominates, and a dominator in it for everyone else', () => {
    fc.assert(
      fc.property(cloud, points => {
        const set = paretoSet(points);
        for (const i of set) expect(set.some(j => dominates(points[j], points[i]))).toBe(false);
        for (const [i, p] of points.entries()) {
          if (!set.includes(i)) expect(set.some(j => dominates(points[j], p))).toBe(true);
        }
        expect(set.length).toBeGreaterThan(0);
      }),
    );
  });

  it('does not depend on the order of the points', () => {
    fc.assert(
      fc.property(cloud, points => {
        const reversed = paretoSet(points.toReversed()).map(i => points.length - 1 - i);
        expect(reversed.toReversed()).toEqual(paretoSet(points));
      }),
    );
  });

  it('counts a missing score as the worst', () => {
    expect(
      paretoSet([
        [0.5, Number.NaN],
        [0.5, 0.1],
      ]),
    ).toEqual([1]);
  });
});

describe('beyond', () => {
  const curve: Point[] = [
    [1, 0],
    [0.5, 0.5],
    [0, 1],
  ];

  it('is the least that every score exceeds the curve by', () => {
    expect(beyond([0.6, 0.6], curve)).toBeCloseTo(0.1);
    expect(beyond([0.4, 0.4], curve)).toBeCloseTo(-0.1);
    expect(beyond([0.75, 0.25], curve)).toBeCloseTo(0);
    expect(beyond([1.1, 0], curve)).toBeCloseTo(0.1);
  });

  it('for one data set is the distance to the best rival', () => {
    expect(beyond([0.7], [[0.2], [0.6], [0.4]])).toBeCloseTo(0.1);
  });

  it('is what a fine sampling of the curve gives', () => {
    fc.assert(
      fc.property(pointAndCurve, ([p, rivals]) => {
        const coarse = Math.min(...samples(rivals).map(r => Math.max(...p.map((v, i) => v - r[i]))));
        const found = beyond(p, rivals);
        expect(found).toBeLessThanOrEqual(coarse + 1e-12);
        expect(found).toBeGreaterThan(coarse - 0.01);
      }),
    );
  });

  it('moves with the point along the diagonal', () => {
    fc.assert(
      fc.property(
        pointAndCurve,
        fc.integer({ min: -1000, max: 1000 }).map(v => v / 1000),
        ([p, rivals], by) => {
          expect(beyond(shifted(p, by), rivals)).toBeCloseTo(beyond(p, rivals) + by, 9);
        },
      ),
    );
  });

  it('grows with any score and shrinks with any rival', () => {
    fc.assert(
      fc.property(pointAndCurve, score, ([p, rivals], more) => {
        const better = p.map((v, i) => (i === 0 ? v + more : v));
        expect(beyond(better, rivals)).toBeGreaterThanOrEqual(beyond(p, rivals) - 1e-12);
        expect(beyond(p, [...rivals, p])).toBeLessThanOrEqual(1e-12);
      }),
    );
  });

  it('does not depend on the order of the data sets, nor on the direction of the curve', () => {
    fc.assert(
      fc.property(pointAndCurve, ([p, rivals]) => {
        const turned = (q: Point): Point => q.toReversed();
        expect(beyond(turned(p), rivals.map(turned))).toBeCloseTo(beyond(p, rivals), 9);
        expect(beyond(p, rivals.toReversed())).toBeCloseTo(beyond(p, rivals), 9);
      }),
    );
  });

  it('is not positive on the curve', () => {
    fc.assert(
      fc.property(planar, fc.nat(), ([, rivals], pick) => {
        const on = samples(rivals, 7);
        expect(beyond(on[pick % on.length], rivals)).toBeLessThan(1e-9);
      }),
    );
  });
});

describe('above', () => {
  it('compares at the same first score', () => {
    const curve: Point[] = [
      [0.9, 0.5],
      [0.8, 0.7],
    ];
    expect(above([0.85, 0.65], curve)).toBeCloseTo(0.05);
    expect(above([0.7, 0.65], curve)).toBeCloseTo(-0.05);
    expect(above([0.95, 0.1], curve)).toBeUndefined();
  });

  it('has the sign of `beyond` wherever both tell the sides apart', () => {
    fc.assert(
      fc.property(planar, ([p, rivals]) => {
        const [e, v] = [beyond(p, rivals), above(p, rivals)];
        if (v === undefined) expect(e).toBeGreaterThan(-1e-9);
        else if (e < -1e-9) expect(v).toBeLessThan(1e-9);
        else if (v < -1e-9) expect(e).toBeLessThan(1e-9);
      }),
    );
  });

  it('is at least `beyond` where the point is beyond the curve', () => {
    fc.assert(
      fc.property(planar, ([p, rivals]) => {
        const v = above(p, rivals);
        if (v !== undefined && beyond(p, rivals) > 0) expect(v).toBeGreaterThanOrEqual(beyond(p, rivals) - 1e-9);
      }),
    );
  });
});

describe('the ensembles of three networks and more', () => {
  /** Scores at random for every way of sharing, and a point. */
  const scored = (parents: number, sets: number) => {
    const { outputs, faces } = shareLattice(parents, 3, 40);
    const points = fc.array(pointOf(sets), { minLength: outputs.length, maxLength: outputs.length });
    return fc.tuple(pointOf(sets), points).map(([p, at]) => ({ p, points: at, faces }));
  };
  const cases = fc.constantFrom([3, 2], [3, 3], [4, 2], [4, 3], [3, 4]).chain(([n, d]) => scored(n, d));

  /** Points of all triangles, close together, and those that are in none. */
  const triangles = (points: readonly Point[], faces: readonly (readonly number[])[], per = 12): Point[] => [
    ...points,
    ...faces
      .filter(f => f.length === 3)
      .flatMap(corners =>
        Array.from({ length: per + 1 }, (_, i) => i).flatMap(i =>
          Array.from({ length: per + 1 - i }, (_, j) => [i / per, j / per, (per - i - j) / per]).map(t =>
            points[0].map((_, c) => corners.reduce((sum, at, k) => sum + t[k] * points[at][c], 0)),
          ),
        ),
      ),
  ];

  it('are at no point of their surface beyond it, and come as near as its finest sampling', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ p, points, faces }, pick) => {
        const surface = surfaceOf(points, faces);
        const samples = triangles(points, faces);
        const coarse = Math.min(...samples.map(r => Math.max(...p.map((v, i) => v - r[i]))));
        const found = beyondSurface(p, surface);
        expect(found).toBeLessThanOrEqual(coarse + 1e-12);
        expect(found).toBeGreaterThan(coarse - 0.2);
        expect(beyondSurface(samples[pick % samples.length], surface)).toBeLessThan(1e-9);
      }),
      { numRuns: 40 },
    );
  });

  it('take nothing back when there are more of them, and leave one that none surpasses at zero', () => {
    fc.assert(
      fc.property(cases, ({ p, points, faces }) => {
        const few = beyondSurface(p, surfaceOf(points, faces.slice(0, faces.length / 2)));
        const surface = surfaceOf(points, faces);
        expect(beyondSurface(p, surface)).toBeLessThanOrEqual(few);
        const corners = surfaceOf(
          points,
          points.map((_, i) => [i]),
        );
        for (const i of paretoSet(points)) expect(beyondSurface(points[i], corners)).toBe(0);
        const [first, higher] = [aboveSurface(p, corners), aboveSurface(p, surface)];
        if (first !== undefined) expect(higher).toBeLessThanOrEqual(first);
      }),
      { numRuns: 100 },
    );
  });

  it('are the same rivals in whatever order', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(3, 4, 5),
        pointOf(3),
        fc.array(pointOf(3), { minLength: 5, maxLength: 5 }),
        fc.nat(),
        (parents, p, alone, seed) => {
          const order = Array.from({ length: parents }, (_, i) => (i + seed) % parents).toReversed();
          const { outputs, faces } = shareLattice(parents, 4, 60);
          // A smooth score of an ensemble that isn't the mean of its members'.
          const scoreOf = (shares: readonly number[], networks: readonly number[]): Point =>
            p.map((_, c) => Math.sqrt(shares.reduce((sum, s, i) => sum + s * alone[networks[i]][c] ** 2, 0)));
          const [straight, turned] = [order.toSorted(), order].map(networks =>
            surfaceOf(
              outputs.map(o => scoreOf(o as readonly number[], networks)),
              faces,
            ),
          );
          expect(beyondSurface(p, turned)).toBeCloseTo(beyondSurface(p, straight), 9);
        },
      ),
      { numRuns: 30 },
    );
  });
});
