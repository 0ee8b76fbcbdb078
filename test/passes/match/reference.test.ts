import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { alignmentMatching } from '../../../passes/match/alignment.ts';
import { exactMatching } from '../../../passes/match/exact.ts';
import type { MatchProblem, VertexMatching } from '../../../passes/match/problem.ts';
import { findFault } from './fault.ts';
import { hasReference, readPair, readSmallProblems, SENTINEL_SCORE } from './reference.ts';

const folder = join(import.meta.dirname, '../../../../shared/matching');
const present = hasReference(folder);
if (!present) console.log('skipped: no ../shared/matching beside the project');

const keys = [
  'a_plainunet6__plainunet6',
  'b_plainunet6__resencunet6',
  'd_resnet18__resnet50',
  'f_vgg11__vgg16',
  'g_deeplabv3_mobilenet_v3_large__deeplabv3_resnet50',
  'scale_200',
  'scale_1600',
];

function check(problem: MatchProblem, matching: VertexMatching): void {
  const allowed = (a: number, b: number): boolean => problem.scores.at(a, b) !== -Infinity;
  expect(findFault(problem.a, problem.b, matching.pairs, allowed)).toBeUndefined();
}

describe.skipIf(!present)('on graphs of real networks', () => {
  it.each(keys)('%s: the alignment is as good as the fixed order', key => {
    const { problem, results } = readPair(join(folder, `${key}.json.gz`));
    // Processor time: how busy the machine is otherwise does not matter.
    const started = process.cpuUsage();
    const matching = alignmentMatching(problem);
    expect(process.cpuUsage(started).user).toBeLessThan(2e6);
    check(problem, matching);
    expect(matching.score + SENTINEL_SCORE).toBeGreaterThanOrEqual(results.order_dp.weight! - 1e-9);
  });

  it.each(keys)('%s: the optimum is found and proven', key => {
    const { problem, results } = readPair(join(folder, `${key}.json.gz`));
    const matching = exactMatching(problem, { timeLimit: 50 });
    check(problem, matching);
    expect([matching.optimal, matching.bound]).toEqual([true, matching.score]);
    expect(matching.score + SENTINEL_SCORE).toBeGreaterThanOrEqual((results.reference.dp.weight ?? 0) - 1e-9);
    const bound = Math.min(results.bipartite_upper_bound.weight!, results.clique_lp?.weight ?? Infinity);
    expect(matching.score + SENTINEL_SCORE).toBeLessThanOrEqual(bound + 1e-6);
  });
});

describe.skipIf(!present)('on a fifth of 109 small random problems', () => {
  it('the exact matcher proves every optimum, which the alignment finds nearly always; never is it below the fixed order', () => {
    let optimal = 0;
    for (const { problem, exact, order } of [...readSmallProblems(folder)].filter((_, i) => i % 5 === 0)) {
      const matching = exactMatching(problem);
      check(problem, matching);
      expect(matching.score + SENTINEL_SCORE).toBeCloseTo(exact, 9);
      expect([matching.optimal, matching.bound]).toEqual([true, matching.score]);
      const score = alignmentMatching(problem).score + SENTINEL_SCORE;
      expect(score).toBeLessThanOrEqual(exact + 1e-9);
      expect(score).toBeGreaterThanOrEqual(order - 1e-9);
      if (score > exact - 1e-9) optimal++;
    }
    expect(optimal).toBeGreaterThanOrEqual(20);
  });
});
