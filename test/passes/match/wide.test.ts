import { describe, expect, it } from 'vitest';
import { alignmentMatching } from '../../../passes/match/alignment.ts';
import { exactMatching, type ProvenMatching } from '../../../passes/match/exact.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { branchNet, cellNet, problemOf, wiredNet } from './architectures.ts';
import { findFault } from './fault.ts';
import { permutation, renamed, transposed } from './problems.ts';

/** So much is done on every machine; the clock must not cut in. */
const searched = (problem: MatchProblem, work: number): ProvenMatching =>
  exactMatching(problem, { work, timeLimit: Number.POSITIVE_INFINITY });

describe('the exact matcher on wide networks', () => {
  it.each([
    ['cells', cellNet(2, 1), cellNet(3, 2)],
    ['random wiring', wiredNet(1, 16, 1), wiredNet(1, 20, 2)],
    ['branches', branchNet(1, 6, 4, 1), branchNet(1, 8, 4, 2)],
  ])('comes within a twentieth of a pair: %s', (_, a, b) => {
    const problem = problemOf(a, b);
    const { pairs, score, bound } = searched(problem, 0.4);
    expect(findFault(problem.a, problem.b, pairs, (i, j) => problem.scores.at(i, j) !== -Infinity)).toBeUndefined();
    expect(bound).toBeGreaterThanOrEqual(score);
    expect(bound - score).toBeLessThan(0.05);
    expect(score).toBeGreaterThanOrEqual(alignmentMatching(problem).score);
  });

  it('finds more with more work, and the same with the same', () => {
    const problem = problemOf(cellNet(2, 1), cellNet(3, 2));
    const little = searched(problem, 0.05);
    const much = searched(problem, 0.25);
    expect([little.ended, little.optimal, much.ended]).toEqual(['work', false, 'work']);
    expect(much.score).toBeGreaterThanOrEqual(little.score);
    expect(much.bound).toBeLessThan(little.bound);
    expect(searched(problem, 0.05)).toEqual(little);
  });

  it('finds the same under other names, and with A and B exchanged, when its work ends it', () => {
    const problem = problemOf(cellNet(2, 1), cellNet(2, 3));
    const { score, bound, ended } = searched(problem, 0.05);
    expect(ended).toBe('work');
    const other = renamed(problem, permutation(problem.a.size, 1), permutation(problem.b.size, 2));
    for (const same of [other, transposed(problem)]) {
      const found = searched(same, 0.05);
      expect([found.score, found.bound]).toEqual([score, bound]);
    }
  });

  it('says so when the clock ended it', () => {
    const { ended, optimal, bound, score } = exactMatching(problemOf(cellNet(2, 1), cellNet(3, 2)), {
      timeLimit: 0.001,
      work: 1,
    });
    expect([ended, optimal]).toEqual(['time', false]);
    expect(bound).toBeGreaterThan(score);
  });
});
