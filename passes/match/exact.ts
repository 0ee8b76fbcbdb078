import { alignCanonical, favouritePartners } from './alignment.ts';
import { canonicalForm } from './canonical.ts';
import { topologicalOrder } from './dag.ts';
import { isLinear } from './linearise.ts';
import { posetOf } from './poset.ts';
import { type MatchProblem, scored, type VertexMatching } from './problem.ts';
import { type PosetScores, relax } from './relaxation.ts';
import { searchLattice, TOLERANCE } from './search.ts';

/** A matching with what is known of how good it could be at best. */
export interface ProvenMatching extends VertexMatching {
  /** No acyclic matching scores more than this. */
  readonly bound: number;
  /** Is the score proven to be the maximum? Then `bound` equals `score`. */
  readonly optimal: boolean;
}

export interface ExactOptions {
  /** Seconds after which the best matching so far is returned, with the gap that is left. Default 8. */
  readonly timeLimit?: number;
}

const DEFAULT_TIME_LIMIT = 8;

/** Larger tables (64 MB of scores and as much for the bound) are not made; then only the bound of the alignment holds. */
const MAX_TABLE_CELLS = 8_000_000;

/** Width of the first search, what it is multiplied with for the next, and the states that all memory holds. */
const FIRST_WIDTH = 500;
const WIDENING = 8;
const MIN_WIDENING = 1.5;
const MAX_STATES = 4_000_000;

/** The part of the time that the search for prices may take. */
const RELAXATION_SHARE = 0.4;

/**
 * The exact matcher: starts from the alignment, bounds it by a relaxation, and searches what lies between. Searches wider
 * and wider until one is complete, which proves the optimum, or time or memory end; then the gap is reported as it is.
 *
 * The answer depends on structure only, unless the time limit cuts the search short.
 */
export function exactMatching(problem: MatchProblem, options: ExactOptions = {}): ProvenMatching {
  const started = performance.now();
  const limit = 1000 * (options.timeLimit ?? DEFAULT_TIME_LIMIT);
  const past = (share: number) => (): boolean => performance.now() - started > share * limit;
  const form = canonicalForm(problem);
  const { bound, optimal, ...matching } = solve(form.problem, past(RELAXATION_SHARE), past(1));
  return { ...form.restore(matching), bound, optimal };
}

function solve(problem: MatchProblem, relaxationExpired: () => boolean, expired: () => boolean): ProvenMatching {
  const { scores } = problem;
  const transposed = scores.transpose();
  let best = alignCanonical(problem);
  const proven = (): ProvenMatching => ({ ...best, bound: best.score, optimal: true });
  const linear = [problem.a, problem.b].every(dag => isLinear(dag, topologicalOrder(dag)));
  if (linear) return proven();

  const a = posetOf(problem.a, v => scores.rowAllowed(v));
  const b = posetOf(problem.b, v => transposed.rowAllowed(v));
  if ((a.size + 1) * (b.size + 1) > MAX_TABLE_CELLS) {
    const limit = favouritePartners(problem).bound;
    return limit <= best.score + TOLERANCE ? proven() : { ...best, bound: limit, optimal: false };
  }
  const values = new Float64Array(a.size * b.size);
  for (let i = 0; i < a.size; i++) {
    for (let j = 0; j < b.size; j++) values[i * b.size + j] = scores.at(a.vertex[i], b.vertex[j]);
  }
  const table: PosetScores = { rows: a.size, columns: b.size, values };

  const relaxation = relax(a, b, table, best.score + TOLERANCE, relaxationExpired);
  let bound = relaxation.bound;
  let width = FIRST_WIDTH;
  while (bound > best.score + TOLERANCE && !expired()) {
    const outcome = searchLattice(a, b, table, relaxation, best.score, { width, maxStates: MAX_STATES, expired });
    if (outcome.pairs !== undefined) {
      best = scored(
        outcome.pairs.map(pair => ({ a: a.vertex[pair.a], b: b.vertex[pair.b] })),
        scores,
      );
    }
    bound = Math.min(bound, outcome.bound);
    // States grow about as the width does.
    const room = (0.9 * MAX_STATES) / outcome.states;
    if (room < MIN_WIDENING) break;
    width = Math.floor(width * Math.min(WIDENING, room));
  }
  return bound <= best.score + TOLERANCE ? proven() : { ...best, bound, optimal: false };
}
