import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDag } from '../../../passes/match/dag.ts';
import { DownsetLattice } from '../../../passes/match/downsets.ts';
import { elementsOf, posetOf } from '../../../passes/match/poset.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { type PosetScores, relax } from '../../../passes/match/relaxation.ts';
import { searchLattice } from '../../../passes/match/search.ts';
import { distinctProblems, exhaustiveOptimum, networks, structuredProblems } from './problems.ts';

const never = (): boolean => false;

/** A whole problem as posets and a table, all vertices kept. */
function tableOf({ a, b, scores }: MatchProblem): PosetScores {
  const values = Float64Array.from({ length: a.size * b.size }, (_, i) =>
    scores.at(Math.floor(i / b.size), i % b.size),
  );
  return { rows: a.size, columns: b.size, values };
}

describe('the order of the features', () => {
  it('is reachability among those that are kept', () => {
    //  0 → 1 → 2 → 4, 0 → 3 → 4, without 1
    const dag = createDag(5, [
      [0, 1],
      [1, 2],
      [2, 4],
      [0, 3],
      [3, 4],
    ]);
    const poset = posetOf(dag, v => v !== 1);
    expect([...poset.vertex]).toEqual([0, 2, 3, 4]);
    expect([0, 1, 2, 3].map(i => elementsOf(poset.below, i * poset.words, poset.words))).toEqual([
      [],
      [0],
      [0],
      [0, 1, 2],
    ]);
    expect([...poset.coverStart]).toEqual([0, 2, 3, 4, 4]);
    expect([...poset.covers]).toEqual([1, 2, 3, 3]);
  });

  it('has as many downsets as counting finds', () => {
    fc.assert(
      fc.property(networks({ maxLayers: 9 }), ({ dag }) => {
        const poset = posetOf(dag, () => true);
        const lattice = new DownsetLattice(poset);
        for (let d = 0; d < lattice.count; d++) {
          for (let place = lattice.frontierStart[d]; place < lattice.frontierStart[d + 1]; place++) {
            const next = lattice.extend(d, place);
            expect(lattice.has(next, lattice.frontier[place])).toBe(true);
            expect(lattice.sizes[next]).toBe(lattice.sizes[d] + 1);
          }
        }
        let count = 0;
        for (let set = 0; set < 1 << poset.size; set++) {
          const closed = [...poset.vertex.keys()].every(
            i => !(set & (1 << i)) || (poset.below[i * poset.words] & ~set) === 0,
          );
          if (closed) count++;
        }
        expect(lattice.count).toBe(count);
      }),
      { numRuns: 30 },
    );
  });
});

describe('bounds', () => {
  it('are never below the optimum, however little is searched', () => {
    const problems = fc.oneof(structuredProblems({ maxLayers: 6 }), distinctProblems({ maxLayers: 6 }));
    fc.assert(
      fc.property(
        problems,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 30 }),
        (problem, width, rounds) => {
          const best = exhaustiveOptimum(problem);
          const a = posetOf(problem.a, () => true);
          const b = posetOf(problem.b, () => true);
          const table = tableOf(problem);
          const relaxation = relax(a, b, table, 0, never, rounds);
          expect(relaxation.bound).toBeGreaterThanOrEqual(best - 1e-9);
          const outcome = searchLattice(a, b, table, relaxation, 0, { width, maxStates: 1e6, expired: never });
          expect(outcome.bound).toBeGreaterThanOrEqual(best - 1e-9);
          expect(outcome.score).toBeLessThanOrEqual(best + 1e-9);
          const complete = searchLattice(a, b, table, relaxation, 0, { width: 1e6, maxStates: 1e6, expired: never });
          expect(complete.score).toBeCloseTo(best, 9);
          expect(complete.bound).toBeCloseTo(best, 9);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are infinite when a search is broken off', () => {
    const dag = createDag(3, [
      [0, 1],
      [0, 2],
    ]);
    const poset = posetOf(dag, () => true);
    const table: PosetScores = { rows: 3, columns: 3, values: new Float64Array(9).fill(1) };
    const relaxation = relax(poset, poset, table, 0, never);
    const outcome = searchLattice(poset, poset, table, relaxation, 0, { width: 9, maxStates: 1, expired: never });
    expect(outcome.bound).toBe(Infinity);
  });

  it('are tight on two chains after one round', () => {
    fc.assert(
      fc.property(distinctProblems({ maxLayers: 8, chain: true }), problem => {
        const [a, b] = [posetOf(problem.a, () => true), posetOf(problem.b, () => true)];
        expect(relax(a, b, tableOf(problem), 0, never, 0).bound).toBeCloseTo(exhaustiveOptimum(problem), 9);
      }),
      { numRuns: 30 },
    );
  });
});
