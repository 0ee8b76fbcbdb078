import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignmentMatching } from '../../../passes/match/alignment.ts';
import { createDag, edgesOf } from '../../../passes/match/dag.ts';
import { exactMatching } from '../../../passes/match/exact.ts';
import type { MatchProblem, VertexMatching } from '../../../passes/match/problem.ts';
import { matrixScores, progressScores } from '../../../passes/match/scores.ts';
import { findFault } from './fault.ts';
import {
  bestAlignment,
  distinctProblems,
  exhaustiveOptimum,
  networks,
  permutation,
  renamed,
  structuredProblems,
  transposed,
} from './problems.ts';

const allowed =
  ({ scores }: MatchProblem) =>
  (a: number, b: number) =>
    scores.at(a, b) !== -Infinity;
const pairsOf = (matching: VertexMatching): string[] => matching.pairs.map(({ a, b }) => `${a}-${b}`).sort();
const flipped = (matching: VertexMatching): string[] => matching.pairs.map(({ a, b }) => `${b}-${a}`).sort();
const problems = (maxLayers: number): fc.Arbitrary<MatchProblem> =>
  fc.oneof(structuredProblems({ maxLayers }), distinctProblems({ maxLayers }));

describe.each([
  ['alignment', alignmentMatching],
  ['exact', exactMatching],
] as const)('the %s matcher', (_, matcher) => {
  it('pairs compatible vertices, each once, without a cycle, in an order that is topological in both graphs', () => {
    fc.assert(
      fc.property(problems(20), problem => {
        const { pairs, score } = matcher(problem);
        expect(findFault(problem.a, problem.b, pairs, allowed(problem))).toBeUndefined();
        for (const { a, b } of pairs) {
          expect(a > 0 && a < problem.a.size - 1 && b > 0 && b < problem.b.size - 1).toBe(true);
        }
        expect(score).toBeCloseTo(
          pairs.reduce((sum, { a, b }) => sum + problem.scores.at(a, b), 0),
          9,
        );
        pairs.forEach((later, i) => {
          for (const earlier of pairs.slice(0, i)) {
            expect(reaches(problem.a, later.a, earlier.a) || reaches(problem.b, later.b, earlier.b)).toBe(false);
          }
        });
      }),
      { numRuns: 10 },
    );
  });

  it('matches a network with itself vertex by vertex', () => {
    fc.assert(
      fc.property(networks({ maxLayers: 40 }), ({ dag, side }) => {
        const { pairs, score } = matcher({ a: dag, b: dag, scores: progressScores(side, side) });
        const eligible = side.classes.filter(kind => kind >= 0).length;
        expect(pairs.every(({ a, b }) => a === b)).toBe(true);
        expect(score).toBe(eligible);
      }),
      { numRuns: 10 },
    );
  });

  it('finds the same when A and B are exchanged, and whatever the vertices are called', () => {
    fc.assert(
      fc.property(structuredProblems({ maxLayers: 15 }), fc.integer(), (problem, seed) => {
        const other = renamed(problem, permutation(problem.a.size, seed), permutation(problem.b.size, seed + 1));
        expect(new Set([problem, transposed(problem), other].map(same => matcher(same).score)).size).toBe(1);
      }),
      { numRuns: 8 },
    );
    fc.assert(
      fc.property(distinctProblems({ maxLayers: 15 }), fc.integer(), (problem, seed) => {
        const namesA = permutation(problem.a.size, seed);
        const namesB = permutation(problem.b.size, seed + 1);
        const found = matcher(problem);
        expect(flipped(matcher(transposed(problem)))).toEqual(pairsOf(found));
        const other = matcher(renamed(problem, namesA, namesB));
        expect(pairsOf(other)).toEqual(found.pairs.map(({ a, b }) => `${namesA[a]}-${namesB[b]}`).sort());
      }),
      { numRuns: 6 },
    );
  });

  it('is optimal on chains', () => {
    const chains = { maxLayers: 12, chain: true };
    fc.assert(
      fc.property(fc.oneof(structuredProblems(chains), distinctProblems(chains)), problem => {
        const { scores } = problem;
        const best = bestAlignment((i, j) => scores.at(i, j), scores.rows, scores.columns);
        expect(matcher(problem).score).toBeCloseTo(best, 9);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the exact matcher', () => {
  it('equals exhaustive search, which the alignment never exceeds', () => {
    fc.assert(
      fc.property(problems(6), problem => {
        const best = exhaustiveOptimum(problem);
        const { score, bound, optimal } = exactMatching(problem);
        expect(score).toBeCloseTo(best, 9);
        expect([bound, optimal]).toEqual([score, true]);
        expect(alignmentMatching(problem).score).toBeLessThanOrEqual(best + 1e-9);
      }),
      { numRuns: 20 },
    );
  });

  it('never gains by losing a compatible pair', () => {
    fc.assert(
      fc.property(distinctProblems({ maxLayers: 12 }), fc.integer({ min: 0, max: 99 }), (problem, share) => {
        const { a, b, scores } = problem;
        const values = Float64Array.from({ length: a.size * b.size }, (_, i) =>
          (i * 7919) % 100 < share ? Number.NaN : scores.at(Math.floor(i / b.size), i % b.size),
        );
        const fewer = exactMatching({ a, b, scores: matrixScores(a.size, b.size, values) });
        expect(fewer.score).toBeLessThanOrEqual(exactMatching(problem).score + 1e-9);
      }),
      { numRuns: 8 },
    );
  });

  it('never loses by gaining a vertex', () => {
    fc.assert(
      fc.property(
        distinctProblems({ maxLayers: 10 }),
        fc.array(fc.nat(11), { minLength: 1, maxLength: 3 }),
        (problem, from) => {
          const { a, b, scores } = problem;
          // A new vertex that nothing reads leaves the order of the others as it is.
          const grown = createDag(a.size + 1, [
            ...edgesOf(a),
            ...from.filter(v => v < a.size - 1).map(v => [v, a.size] as const),
          ]);
          const values = new Float64Array((a.size + 1) * b.size).fill(0.75);
          for (let i = 0; i < a.size; i++) for (let j = 0; j < b.size; j++) values[i * b.size + j] = scores.at(i, j);
          const more = exactMatching({ a: grown, b, scores: matrixScores(a.size + 1, b.size, values) });
          expect(more.score).toBeGreaterThanOrEqual(exactMatching(problem).score - 1e-9);
        },
      ),
      { numRuns: 8 },
    );
  });
});

function reaches(dag: MatchProblem['a'], from: number, to: number): boolean {
  const seen = new Set([from]);
  for (const v of seen) {
    for (const w of dag.successors.subarray(dag.successorStart[v], dag.successorStart[v + 1])) seen.add(w);
  }
  return from !== to && seen.has(to);
}
