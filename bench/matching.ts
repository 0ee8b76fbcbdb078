/**
 * Matching side by side: our seconds and scores next to those of the predecessors' reference implementation, which are
 * in the problem files. Ours are seconds of processor time (all threads, the collector's and the compiler's included), the
 * least of three runs in one process, so that they mean something on a machine that does other things as well.
 *
 *     npx tsc -p bench && node dist/bench/matching.js [FOLDER]      (default ../shared/matching)
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { alignmentMatching } from '../passes/match/alignment.ts';
import { createDag, type Dag, type Edge } from '../passes/match/dag.ts';
import { type ExactOptions, exactMatching } from '../passes/match/exact.ts';
import type { MatchProblem } from '../passes/match/problem.ts';
import { positionalProgress } from '../passes/match/progress.ts';
import { progressScores, type ScoredSide } from '../passes/match/scores.ts';
import {
  type Architecture,
  branchNet,
  cellNet,
  denseNet,
  efficientNet,
  inceptionNet,
  problemOf,
  residualNet,
  transformer,
  unet,
  wiredNet,
} from '../test/passes/match/architectures.ts';
import { hasReference, readPair, readSmallProblems, SENTINEL_SCORE } from '../test/passes/match/reference.ts';

const RUNS = 3;

/** The work of the default time limit, however busy the machine is. */
const WORK_ALONE: ExactOptions = { timeLimit: Infinity, work: 8 };

/** Tables without colours, one line per row. */
const PLAIN = { head: [], border: [], compact: true };

interface Timed<T> {
  readonly result: T;
  readonly seconds: number;
}

function fastest<T>(run: () => T, runs = RUNS): Timed<T> {
  let best: Timed<T> | undefined;
  for (let i = 0; i < runs; i++) {
    const started = process.cpuUsage();
    const result = run();
    const { user, system } = process.cpuUsage(started);
    const seconds = (user + system) / 1e6;
    if (best === undefined || seconds < best.seconds) best = { result, seconds };
  }
  return best!;
}

const score = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(5));
const time = (seconds: number | undefined): string =>
  seconds === undefined ? '-' : `${seconds < 10 ? seconds.toPrecision(2) : seconds.toFixed(0)} s`;
const gap = (value: number, bound: number, optimal: boolean): string =>
  optimal ? 'proven' : `<= ${bound.toFixed(5)} (${(bound - value).toPrecision(2)})`;

function referencePairs(folder: string): void {
  const table = new Table({
    head: [
      'pair',
      'vertices',
      'fixed order',
      'Hirschberg',
      '',
      'exact',
      '',
      '',
      'reference DP',
      '',
      'reference default',
      '',
    ],
    style: PLAIN,
  });
  for (const file of readdirSync(folder)
    .filter(name => name.endsWith('.json.gz') && !name.startsWith('small'))
    .sort()) {
    const { key, problem, results } = readPair(join(folder, file));
    const aligned = fastest(() => alignmentMatching(problem));
    const exact = fastest(() => exactMatching(problem, WORK_ALONE));
    const { dp, cycle_cut } = results.reference;
    table.push([
      key,
      `${problem.a.size}/${problem.b.size}`,
      score(results.order_dp.weight),
      score(aligned.result.score + SENTINEL_SCORE),
      time(aligned.seconds),
      score(exact.result.score + SENTINEL_SCORE),
      gap(exact.result.score, exact.result.bound, exact.result.optimal),
      time(exact.seconds),
      score(dp.weight),
      time(dp.seconds_min ?? dp.seconds),
      score(cycle_cut.weight),
      time(cycle_cut.seconds_min ?? cycle_cut.seconds),
    ]);
  }
  console.log('Real pairs and residual chains (scores count the two sentinel pairs)');
  console.log(table.toString());
}

function smallProblems(folder: string): void {
  const problems = readSmallProblems(folder);
  const counts = { order: 0, hirschberg: 0, exact: 0, proven: 0 };
  const aligned = fastest(() => problems.map(({ problem }) => alignmentMatching(problem)));
  const exact = fastest(() => problems.map(({ problem }) => exactMatching(problem, WORK_ALONE)));
  problems.forEach((small, i) => {
    const optimum = small.exact - 1e-9;
    if (small.order >= optimum) counts.order++;
    if (aligned.result[i].score + SENTINEL_SCORE >= optimum) counts.hirschberg++;
    if (exact.result[i].score + SENTINEL_SCORE >= optimum) counts.exact++;
    if (exact.result[i].optimal) counts.proven++;
  });
  console.log(
    `\n${problems.length} small random problems, optimal: fixed order ${counts.order}, Hirschberg ${counts.hirschberg} ` +
      `(${time(aligned.seconds)} for all), exact ${counts.exact}, proven ${counts.proven} (${time(exact.seconds)} for all)`,
  );
}

/** Topologies of well-known families, generated, for the cases that the files do not hold. */
function generatedPairs(): void {
  const narrow = [2, 4, 4, 3];
  const wide = [3, 6, 9, 4];
  const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
  const nets = {
    r50: residualNet([3, 4, 6, 3], 8),
    r152: residualNet([3, 8, 36, 3], 8),
    dense: denseNet([6, 12, 24, 16]),
    efficient: efficientNet([2, 4, 4, 6, 8]),
    googlenet: inceptionNet([times(2, narrow), times(5, narrow), times(2, narrow)]),
    inception: inceptionNet([times(3, wide), times(5, wide), times(2, wide)]),
    vit6: transformer(6),
    vit12: transformer(12),
    unetpp: unet(5, 2, true),
    unet: unet(6, 2, false),
    cells9: cellNet(9, 1),
  };
  const pairs: readonly (readonly [keyof typeof nets, keyof typeof nets])[] = [
    ['r50', 'dense'],
    ['r152', 'efficient'],
    ['dense', 'inception'],
    ['inception', 'r152'],
    ['googlenet', 'inception'],
    ['vit6', 'vit12'],
    ['unetpp', 'unet'],
    ['cells9', 'r50'],
  ];
  const table = new Table({ head: ['pair', 'vertices', 'Hirschberg', '', 'exact', '', ''], style: PLAIN });
  for (const [nameA, nameB] of pairs) {
    const problem = problemOf(nets[nameA], nets[nameB]);
    const aligned = fastest(() => alignmentMatching(problem), 1);
    const exact = fastest(() => exactMatching(problem, WORK_ALONE), 1);
    table.push([
      `${nameA} / ${nameB}`,
      `${problem.a.size}/${problem.b.size}`,
      score(aligned.result.score),
      time(aligned.seconds),
      score(exact.result.score),
      gap(exact.result.score, exact.result.bound, exact.result.optimal),
      time(exact.seconds),
    ]);
  }
  console.log('\nGenerated topologies, one run each');
  console.log(table.toString());
}

/**
 * Networks as architecture search finds them, and others with many parallel branches, at several sizes. The gap depends on
 * the work alone: the clock is left out.
 */
function widePairs(): void {
  const pairs: readonly (readonly [Architecture, Architecture])[] = [
    [cellNet(3, 1), cellNet(4, 2)],
    [cellNet(6, 2), cellNet(6, 3)],
    [cellNet(6, 2), cellNet(9, 1)],
    [cellNet(12, 4), cellNet(9, 1)],
    [wiredNet(2, 8, 1), wiredNet(2, 12, 2)],
    [wiredNet(3, 16, 1), wiredNet(3, 16, 2)],
    [wiredNet(3, 32, 1), wiredNet(3, 24, 2)],
    [cellNet(6, 2), wiredNet(3, 16, 2)],
    [branchNet(2, 6, 5, 1), branchNet(3, 6, 5, 2)],
    [branchNet(3, 12, 5, 3), branchNet(3, 10, 8, 4)],
    [branchNet(4, 16, 4, 5), cellNet(9, 1)],
  ];
  const table = new Table({
    head: ['pair', 'vertices', 'Hirschberg', 'exact', 'bound', 'gap', 'ended by', ''],
    style: PLAIN,
  });
  for (const [a, b] of pairs) {
    const problem = problemOf(a, b);
    const aligned = alignmentMatching(problem);
    const { result, seconds } = fastest(() => exactMatching(problem, WORK_ALONE), 1);
    table.push([
      `${a.name} / ${b.name}`,
      `${a.size}/${b.size}`,
      score(aligned.score),
      score(result.score),
      score(result.bound),
      (result.bound - result.score).toPrecision(2),
      result.ended,
      time(seconds),
    ]);
  }
  console.log('\nWide topologies, the work of 8 s, one run each');
  console.log(table.toString());
}

/** Long chains with skips, with and without side branches. */
function longChains(): void {
  for (const length of [1600, 10_000]) {
    for (const branches of [false, true]) {
      const problem = chainProblem(length, branches);
      const { result, seconds } = fastest(() => alignmentMatching(problem), 1);
      const memory = `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident`;
      const kind = branches ? 'with branches' : 'with skips';
      console.log(`${length} x ${length} layers ${kind}: ${result.pairs.length} pairs, ${time(seconds)}, ${memory}`);
    }
  }
}

function chainProblem(length: number, branches: boolean): MatchProblem {
  const side = (period: number): { dag: Dag; side: ScoredSide } => {
    const edges: Edge[] = [];
    for (let v = 1; v < length; v++) {
      // A branch leaves the trunk every seven layers, holds one layer, and comes back three layers on.
      const branched = branches && v % 7 === 3 && v + 3 < length;
      edges.push([branches && v % 7 === 4 && v > 4 ? v - 2 : v - 1, v]);
      if (branched) edges.push([v, v + 3]);
      if (v % period === 0) edges.push([v - Math.min(v, 4), v]);
    }
    const dag = createDag(length, edges);
    return {
      dag,
      side: {
        classes: Int32Array.from({ length }, (_, v) =>
          v === 0 || v === length - 1 ? -1 : Math.floor((5 * v) / length),
        ),
        progress: positionalProgress(dag, [0], [length - 1]),
      },
    };
  };
  const [a, b] = [side(5), side(6)];
  return { a: a.dag, b: b.dag, scores: progressScores(a.side, b.side) };
}

const folder = process.argv[2] ?? '../shared/matching';
// Long chains first: memory that later work leaves behind would count as theirs.
longChains();
if (hasReference(folder)) {
  console.log();
  referencePairs(folder);
  smallProblems(folder);
} else {
  console.log(`\n${folder} holds no matching problems: the comparison with the reference is left out`);
}
generatedPairs();
widePairs();
