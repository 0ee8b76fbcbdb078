import { pseudoRandom } from './alignment.ts';
import type { Budget } from './budget.ts';
import { cliqueBound } from './cliques.ts';
import { jointOrder } from './linearise.ts';
import { posetOf } from './poset.ts';
import { type MatchProblem, scored, type VertexMatching, type VertexPair } from './problem.ts';
import { type PosetPair, relax, tableOf } from './relaxation.ts';
import { searchLattice, TOLERANCE } from './search.ts';

/** How many vertices that can be matched a part of the walk holds, of both graphs, and how far the next part lies. */
const PART_SIZE = 50;
const PART_STEP = 25;

/** What a part's bounds and its search may cost. */
const WINDOW_ROUNDS = 5;
const CLIQUE_ROUNDS = 50;
const WIDTH = 60;
const PART_STATES = 60_000;

/** Sweeps without a gain after which the search ends. */
const PATIENCE = 3;

/**
 * Improves a matching part by part. A matching is a walk through both networks in step; of the walk, a part is taken out,
 * and the vertices that it passes are matched anew, as a problem of its own, by bounds and lattice search. Whatever acyclic
 * matching comes out fits between what lies before and behind. Sweeps over the walk are repeated, each along another
 * topological order of the contraction, until nothing is gained or the budget is spent.
 */
export function improveByParts(problem: MatchProblem, start: VertexMatching, budget: Budget): VertexMatching {
  const { a, b, scores } = problem;
  const transposed = scores.transpose();
  const pairable = Uint8Array.from({ length: a.size + b.size }, (_, v) =>
    (v < a.size ? scores.rowAllowed(v) : transposed.rowAllowed(v - a.size)) ? 1 : 0,
  );
  const random = pseudoRandom();
  let key = Float64Array.from(pairable, (_, v) => v);
  let best = start;
  for (let stale = 0; stale < PATIENCE; stale++) {
    let walk = walkAlong(problem, best, pairable, key);
    for (let from = 0; from === 0 || from + PART_STEP < walk.order.length; from += PART_STEP) {
      if (budget.left === 0) return best;
      const better = matchPart(problem, best, { ...walk, from }, budget);
      if (better === undefined) continue;
      best = better;
      stale = -1;
      walk = walkAlong(problem, best, pairable, walk.rank);
    }
    key = walk.rank.map(own => own + (walk.rank.length / 4) * random());
  }
  return best;
}

/** The vertices of both graphs (B's vertex `b` at `a.size + b`) that can be matched, by rank in a joint order. */
interface Walk {
  readonly order: Int32Array;
  /** Of every vertex; partners have the same rank. */
  readonly rank: Float64Array;
}

function walkAlong({ a, b }: MatchProblem, { pairs }: VertexMatching, pairable: Uint8Array, key: Float64Array): Walk {
  const { rank } = jointOrder(a, b, pairs, key);
  const order = Int32Array.from(rank.keys())
    .filter(v => pairable[v] === 1)
    .sort((v, w) => rank[v] - rank[w] || v - w);
  return { order, rank };
}

/** The matching with the pairs of the part that begins at `from` replaced by better ones, or undefined if there are none. */
function matchPart(
  problem: MatchProblem,
  whole: VertexMatching,
  { order, rank, from }: Walk & { readonly from: number },
  budget: Budget,
): VertexMatching | undefined {
  const { size } = problem.a;
  const first = rank[order[from]];
  const last = rank[order[Math.min(order.length, from + PART_SIZE) - 1]];
  const part = new Set(order.filter(v => rank[v] >= first && rank[v] <= last));
  const pairs = [...whole.pairs].sort((x, y) => rank[x.a] - rank[y.a]);
  const own = scored(
    pairs.filter(pair => part.has(pair.a)),
    problem.scores,
  ).score;
  const a = posetOf(problem.a, v => part.has(v));
  const b = posetOf(problem.b, v => part.has(size + v));
  const found = searchPart({ a, b, table: tableOf(a, b, problem.scores) }, own, budget);
  if (found === undefined) return undefined;
  const before = pairs.filter(pair => rank[pair.a] < first);
  const behind = pairs.filter(pair => rank[pair.a] > last);
  return scored([...before, ...found, ...behind], problem.scores);
}

function searchPart(part: PosetPair, own: number, budget: Budget): VertexPair[] | undefined {
  const { a, b, table } = part;
  const target = own + TOLERANCE;
  const windows = relax(part, { target, budget, maxRounds: WINDOW_ROUNDS });
  if (windows.bound <= target) return undefined;
  const cliques = cliqueBound(a, b, table, { rounds: CLIQUE_ROUNDS, target, budget });
  if (cliques.bound <= target) return undefined;
  const limits = { width: WIDTH, maxStates: PART_STATES, budget };
  const { pairs } = searchLattice(part, { windows, cliques }, own, limits);
  return pairs?.map(pair => ({ a: a.vertex[pair.a], b: b.vertex[pair.b] }));
}
