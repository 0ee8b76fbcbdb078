import { beforeAll, describe, expect, it } from 'vitest';
import { alignmentMatching } from '../../../passes/match/alignment.ts';
import { exactMatching, type ProvenMatching } from '../../../passes/match/exact.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { branchNet, cellNet, problemOf, wiredNet } from './architectures.ts';
import { findFault } from './fault.ts';
import { permutation, renamed, transposed } from './problems.ts';

/** So much is done on every machine; the clock must not cut in. */
const searched = (problem: MatchProblem, work: number): ProvenMatching =>
  exactMatching(problem, { work, timeLimit: Number.POSITIVE_INFINITY });

const cells = problemOf(cellNet(2, 1), cellNet(3, 2));

describe('the exact matcher on wide networks', () => {
  let much: ProvenMatching;
  beforeAll(() => {
    much = searched(cells, 0.25);
  });

  it.each([
    ['cells', cells, () => much],
    ['random wiring', problemOf(wiredNet(1, 16, 1), wiredNet(1, 20, 2))],
    ['branches', problemOf(branchNet(1, 6, 4, 1), branchNet(1, 8, 4, 2))],
  ] as const)('comes within a twentieth of a pair: %s', (_, problem, found = () => searched(problem, 0.25)) => {
    const { pairs, score, bound } = found();
    expect(findFault(problem.a, problem.b, pairs, (i, j) => problem.scores.at(i, j) !== -Infinity)).toBeUndefined();
    expect(bound).toBeGreaterThanOrEqual(score);
    expect(bound - score).toBeLessThan(0.03);
    expect(score).toBeGreaterThanOrEqual(alignmentMatching(problem).score);
  });

  it('finds more with more work, and the same under other names and with A and B exchanged', () => {
    const little = searched(cells, 0.03);
    expect([little.ended, little.optimal, much.ended]).toEqual(['work', false, 'work']);
    expect(much.score).toBeGreaterThanOrEqual(little.score);
    expect(much.bound).toBeLessThan(little.bound);
    const other = renamed(cells, permutation(cells.a.size, 1), permutation(cells.b.size, 2));
    for (const same of [other, transposed(cells)]) {
      const found = searched(same, 0.03);
      expect([found.score, found.bound]).toEqual([little.score, little.bound]);
    }
  });

  it('says so when the clock ended it', () => {
    const { ended, optimal, bound, score } = exactMatching(cells, { timeLimit: 0.001, work: 1 });
    expect([ended, optimal]).toEqual(['time', false]);
    expect(bound).toBeGreaterThan(score);
  });
});
