import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget } from '../../../passes/match/budget.ts';
import { cliqueBound } from '../../../passes/match/cliques.ts';
import { createDag, type Dag } from '../../../passes/match/dag.ts';
import { DownsetLattice } from '../../../passes/match/downsets.ts';
import { exactMatching } from '../../../passes/match/exact.ts';
import { improveByParts } from '../../../passes/match/neighbourhoods.ts';
import { elementsOf, posetOf } from '../../../passes/match/poset.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { ascend, type PosetPair, type Prices, relax, tableOf } from '../../../passes/match/relaxation.ts';
import { Remainders } from '../../../passes/match/remainders.ts';
import { matrixScores } from '../../../passes/match/scores.ts';
import { searchLattice } from '../../../passes/match/search.ts';
import { StreamedAlignment } from '../../../passes/match/streamed.ts';
import { findFault } from './fault.ts';
import { distinctProblems, exhaustiveOptimum, mulberry, networks, structuredProblems } from './problems.ts';

const endless = (): Budget => new Budget(Infinity);

/** A whole problem as posets and a table, all vertices kept. */
function wholeOf({ a, b, scores }: MatchProblem): PosetPair {
  const [posetA, posetB] = [posetOf(a, () => true), posetOf(b, () => true)];
  return { a: posetA, b: posetB, table: tableOf(posetA, posetB, scores) };
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

const pick = ({ bound, pricesA, pricesB }: Prices): Prices => ({ bound, pricesA, pricesB });

describe('bounds', () => {
  const problems = fc.oneof(structuredProblems({ maxLayers: 6 }), distinctProblems({ maxLayers: 6 }));

  it('are never below the optimum, however little is searched', () => {
    fc.assert(
      fc.property(
        problems,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 40 }),
        (problem, width, rounds, maxStates) => {
          const best = exhaustiveOptimum(problem);
          const whole = wholeOf(problem);
          const { a, b, table } = whole;
          const windows = relax(whole, { target: 0, budget: endless(), maxRounds: rounds });
          expect(windows.bound).toBeGreaterThanOrEqual(best - 1e-9);
          const cliques = cliqueBound(a, b, table, { rounds, target: 0, budget: endless() });
          expect(cliques.bound).toBeGreaterThanOrEqual(best - 1e-9);
          for (const bounds of [{ windows }, { windows, cliques }]) {
            const search = (limits: { width: number; maxStates: number }) =>
              searchLattice(whole, bounds, 0, { ...limits, budget: endless() });
            for (const limits of [
              { width, maxStates: 1e6 },
              { width: 1e6, maxStates },
            ]) {
              const outcome = search(limits);
              expect(outcome.bound).toBeGreaterThanOrEqual(best - 1e-9);
              expect(outcome.score).toBeLessThanOrEqual(best + 1e-9);
            }
            const complete = search({ width: 1e6, maxStates: 1e6 });
            expect(complete.score).toBeCloseTo(best, 9);
            expect(complete.bound).toBeCloseTo(best, 9);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it('by cliques hold for what remains of every state, and know pairs that exclude each other', () => {
    fc.assert(
      fc.property(problems, fc.integer(), (problem, seed) => {
        const { a, b, table } = wholeOf(problem);
        const cliques = cliqueBound(a, b, table, { rounds: 40, target: 0, budget: endless() });
        const [latticeA, latticeB] = [new DownsetLattice(a), new DownsetLattice(b)];
        const remainders = new Remainders(cliques, latticeA, latticeB);
        const random = mulberry(seed);
        let [inA, inB, rest] = [0, 0, remainders.whole];
        expect(rest).toBeGreaterThanOrEqual(exhaustiveOptimum(problem) - 1e-9);
        // A random walk up; at each place the rest of the problem is solved on its own.
        for (let step = 0; step < 4; step++) {
          const side = random() < 0.5 ? latticeA : latticeB;
          const from = side === latticeA ? inA : inB;
          const frontier = side.frontierStart[from + 1] - side.frontierStart[from];
          if (frontier === 0) break;
          const place = side.frontierStart[from] + Math.floor(random() * frontier);
          const element = side.frontier[place];
          if (side === latticeA) {
            rest -= remainders.lossOfA(element, inB);
            inA = side.extend(inA, place);
          } else {
            rest -= remainders.lossOfB(element, inA);
            inB = side.extend(inB, place);
          }
          const values = table.values.map((value, i) =>
            latticeA.has(inA, Math.floor(i / table.columns)) || latticeB.has(inB, i % table.columns)
              ? Number.NaN
              : value,
          );
          const scores = matrixScores(table.rows, table.columns, values);
          expect(rest).toBeGreaterThanOrEqual(exhaustiveOptimum({ a: problem.a, b: problem.b, scores }) - 1e-9);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('by cliques are those of the linear programme', () => {
    // Two parallel layers against a chain of two: both pairs fit side by side.
    const parallel = createDag(4, [
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3],
    ]);
    const chain = createDag(4, [
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    const bound = (a: Dag, b: Dag, allowed: readonly (readonly [number, number])[]): number => {
      const values = new Float64Array(16).fill(Number.NaN);
      for (const [i, j] of allowed) values[4 * i + j] = 1;
      const { a: left, b: right, table } = wholeOf({ a, b, scores: matrixScores(4, 4, values) });
      return cliqueBound(left, right, table, { rounds: 400, target: 0, budget: endless() }).bound;
    };
    const crossing = [
      [1, 2],
      [2, 1],
    ] as const;
    expect(bound(parallel, chain, crossing)).toBeCloseTo(2, 2);
    expect(bound(chain, chain, crossing)).toBeCloseTo(1, 2);
  });

  it('by windows are the same in linear memory', () => {
    fc.assert(
      fc.property(
        fc.oneof(structuredProblems({ maxLayers: 40 }), distinctProblems({ maxLayers: 40 })),
        fc.integer({ min: 0, max: 12 }),
        (problem, rounds) => {
          const whole = wholeOf(problem);
          const { a, b } = whole;
          const streamed = new StreamedAlignment(a, b, problem.scores.arrange(a.vertex, b.vertex));
          const limits = () => ({ target: 0, budget: endless(), maxRounds: rounds });
          expect(ascend(streamed, a.size, b.size, limits())).toEqual(pick(relax(whole, limits())));
        },
      ),
      { numRuns: 15 },
    );
  });

  it('are tight on two chains after one round', () => {
    fc.assert(
      fc.property(distinctProblems({ maxLayers: 8, chain: true }), problem => {
        const { bound } = relax(wholeOf(problem), { target: 0, budget: endless(), maxRounds: 0 });
        expect(bound).toBeCloseTo(exhaustiveOptimum(problem), 9);
      }),
      { numRuns: 15 },
    );
  });
});

describe('a matching improved by parts', () => {
  it('stays one, and never gets worse', () => {
    fc.assert(
      fc.property(fc.oneof(structuredProblems({ maxLayers: 90 }), distinctProblems({ maxLayers: 90 })), problem => {
        const { pairs, score } = improveByParts(problem, { pairs: [], score: 0 }, new Budget(2e8));
        expect(score).toBeGreaterThanOrEqual(0);
        const allowed = (x: number, y: number): boolean => problem.scores.at(x, y) !== -Infinity;
        expect(findFault(problem.a, problem.b, pairs, allowed)).toBeUndefined();
      }),
      { numRuns: 8 },
    );
  });

  it('comes near the optimum even from nothing', () => {
    fc.assert(
      fc.property(distinctProblems({ maxLayers: 25 }), problem => {
        const { score } = improveByParts(problem, { pairs: [], score: 0 }, new Budget(1e9));
        expect(score).toBeGreaterThanOrEqual(0.95 * exactMatching(problem).score);
      }),
      { numRuns: 5 },
    );
  });
});

describe('a budget', () => {
  it('is spent by its parts, too', () => {
    const whole = new Budget(100);
    const part = whole.part(60);
    expect([part.spend(50), whole.left, part.left]).toEqual([true, 50, 10]);
    expect([part.spend(20), whole.left, part.left]).toEqual([false, 30, 0]);
    expect([whole.spend(30), whole.left, whole.late]).toEqual([false, 0, false]);
  });

  it('says whether the clock ended it', () => {
    const budget = new Budget(100, () => true);
    const part = budget.part(50);
    expect([part.spend(1), part.late, part.left, budget.late]).toEqual([false, true, 0, true]);
  });
});
