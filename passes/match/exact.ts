import { alignCanonical, favouritePartners } from './alignment.ts';
import { Budget } from './budget.ts';
import { canonicalForm } from './canonical.ts';
import { cliqueBound, roundCost } from './cliques.ts';
import { topologicalOrder } from './dag.ts';
import { isLinear } from './linearise.ts';
import { improveByParts } from './neighbourhoods.ts';
import { orderCounts, posetOf } from './poset.ts';
import { type MatchProblem, scored, type VertexMatching } from './problem.ts';
import { type AscentLimits, ascend, type PosetPair, relax, tableOf } from './relaxation.ts';
import { type SearchBounds, searchLattice, TOLERANCE } from './search.ts';
import { StreamedAlignment } from './streamed.ts';

/** A matching with what is known of how good it could be at best. */
export interface ProvenMatching extends VertexMatching {
  /** No acyclic matching scores more than this. */
  readonly bound: number;
  /** Is the score proven to be the maximum? Then `bound` equals `score`. */
  readonly optimal: boolean;
  /** Why the search ended. After `time`, another machine may come further; otherwise the answer is the same everywhere. */
  readonly ended: 'proof' | 'work' | 'time';
}

export interface ExactOptions {
  /** Seconds after which the best matching so far is returned, with the gap that is left. Default 8. */
  readonly timeLimit?: number | undefined;
  /** The work to do, by the seconds of time limit that stand for it. Default: the time limit's own. */
  readonly work?: number;
}

const DEFAULT_TIME_LIMIT = 8;

/**
 * Work per second of the time limit, in the units of {@link Budget}: well below what ordinary processors do in that time, so
 * that the work ends a search and not the clock.
 */
const WORK_PER_SECOND = 5e8;

/** Beyond so many vertices (a bit set for each) reachability is not computed: no bound takes account of the order. */
const MAX_ORDER = 12_000;

/** Larger tables (64 MB of scores and as much for the bound) are not made: the alignment stands, with a streamed bound. */
const MAX_TABLE_CELLS = 8_000_000;

/** Width of the first search, what it is multiplied with for the next, and the states that all memory holds. */
const FIRST_WIDTH = 500;
const WIDENING = 8;
const MIN_WIDENING = 1.5;
const MAX_STATES = 4_000_000;

/** The parts of the work that go at most to the windows' prices, to searches with them, and to the cliques' bound; of the rest, to parts. */
const WINDOWS_SHARE = 0.1;
const FIRST_SHARE = 0.15;
const CLIQUES_SHARE = 0.25;
const PARTS_SHARE = 0.5;

/** The cliques' bound is not sought with fewer rounds, or beyond so many pairs of elements (about 100 bytes each). */
const MIN_ROUNDS = 40;
const MAX_ROUNDS = 1500;
const MAX_CLIQUE_CELLS = 2_000_000;

/**
 * The exact matcher: starts from the alignment, bounds it by relaxations, and searches what lies between, wider and wider
 * until a search is complete, which proves the optimum, or the budget is spent; then the gap is reported as it is.
 *
 * The answer depends on structure and on the time limit only, unless the clock cuts the search short (`ended: 'time'`).
 */
export function exactMatching(problem: MatchProblem, options: ExactOptions = {}): ProvenMatching {
  const started = performance.now();
  const seconds = options.timeLimit ?? DEFAULT_TIME_LIMIT;
  const budget = new Budget(
    WORK_PER_SECOND * (options.work ?? seconds),
    () => performance.now() - started > 1000 * seconds,
  );
  const form = canonicalForm(problem);
  const { bound, optimal, ended, ...matching } = solve(form.problem, budget);
  return { ...form.restore(matching), bound, optimal, ended };
}

function solve(problem: MatchProblem, budget: Budget): ProvenMatching {
  const { scores } = problem;
  const transposed = scores.transpose();
  const aligned = alignCanonical(problem);
  // Scores lie below 1, and each vertex has one partner at most.
  if (aligned.narrowed) return judged(aligned, Math.min(problem.a.size, problem.b.size), budget);
  const linear = [problem.a, problem.b].every(dag => isLinear(dag, topologicalOrder(dag)));
  if (linear) return judged(aligned, aligned.score, budget);
  const inA = (v: number): boolean => scores.rowAllowed(v);
  const inB = (v: number): boolean => transposed.rowAllowed(v);
  if ((problem.a.size + 1) * (problem.b.size + 1) > MAX_TABLE_CELLS) {
    return judged(aligned, streamedBound(problem, [inA, inB], { target: aligned.score + TOLERANCE, budget }), budget);
  }
  const a = posetOf(problem.a, inA);
  const b = posetOf(problem.b, inB);
  return new TableSolver(problem, { a, b, table: tableOf(a, b, problem.scores) }, aligned, budget).run();
}

/** Without a table there is no search, but a bound that takes account of the order. */
function streamedBound(
  problem: MatchProblem,
  [inA, inB]: readonly ((vertex: number) => boolean)[],
  limits: AscentLimits,
): number {
  const { bound } = favouritePartners(problem);
  if (bound <= limits.target || Math.max(problem.a.size, problem.b.size) > MAX_ORDER) return bound;
  const [a, b] = [orderCounts(problem.a, inA), orderCounts(problem.b, inB)];
  const worker = new StreamedAlignment(a, b, problem.scores.arrange(a.vertex, b.vertex));
  if (worker.cost > limits.budget.left) return bound;
  return Math.min(bound, ascend(worker, a.size, b.size, limits).bound);
}

/** What is known once no matching can score more than `bound`. */
function judged(best: VertexMatching, bound: number, budget: Budget): ProvenMatching {
  if (bound <= best.score + TOLERANCE) return { ...best, bound: best.score, optimal: true, ended: 'proof' };
  return { ...best, bound, optimal: false, ended: budget.late ? 'time' : 'work' };
}

class TableSolver {
  readonly #problem: MatchProblem;
  readonly #whole: PosetPair;
  readonly #budget: Budget;
  #best: VertexMatching;
  #bound = Infinity;

  constructor(problem: MatchProblem, whole: PosetPair, start: VertexMatching, budget: Budget) {
    this.#problem = problem;
    this.#whole = whole;
    this.#best = start;
    this.#budget = budget;
  }

  /** Narrow graphs are done with windows alone; the cliques' bound is for the others. */
  run(): ProvenMatching {
    const work = this.#budget.left;
    const { a, b, table } = this.#whole;
    const windows = relax(this.#whole, { target: this.#target, budget: this.#budget.part(WINDOWS_SHARE * work) });
    this.#bound = windows.bound;
    if (!this.#done) this.#searchWider({ windows }, this.#budget.part(FIRST_SHARE * work));
    const cost = roundCost(a, b, table);
    const rounds = Math.min(MAX_ROUNDS, Math.floor((CLIQUES_SHARE * work) / cost));
    let bounds: SearchBounds = { windows };
    if (!this.#done && rounds >= MIN_ROUNDS && table.values.length <= MAX_CLIQUE_CELLS) {
      const limits = { rounds, target: this.#target, budget: this.#budget };
      const cliques = cliqueBound(a, b, table, limits);
      this.#bound = Math.min(this.#bound, cliques.bound);
      bounds = { windows, cliques };
    }
    if (!this.#done) {
      this.#best = improveByParts(this.#problem, this.#best, this.#budget.part(PARTS_SHARE * this.#budget.left));
    }
    if (!this.#done) this.#searchWider(bounds, this.#budget);
    return judged(this.#best, this.#bound, this.#budget);
  }

  get #target(): number {
    return this.#best.score + TOLERANCE;
  }

  get #done(): boolean {
    return this.#bound <= this.#target || this.#budget.left === 0;
  }

  /** Searches wider and wider, as far as the budget is expected to reach. */
  #searchWider(bounds: SearchBounds, budget: Budget): void {
    let width = FIRST_WIDTH;
    while (!this.#done && budget.left > 0) {
      const before = budget.left;
      const states = this.#search(bounds, width, budget);
      // States and work grow about as the width does.
      const room = Math.min((0.9 * MAX_STATES) / states, budget.left / (before - budget.left));
      if (room < MIN_WIDENING) return;
      width = Math.floor(width * Math.min(WIDENING, room));
    }
  }

  /** One search; returns how many states it made. */
  #search(bounds: SearchBounds, width: number, budget: Budget): number {
    const limits = { width, maxStates: MAX_STATES, budget };
    const { pairs, bound, states } = searchLattice(this.#whole, bounds, this.#best.score, limits);
    if (pairs !== undefined) {
      const { a, b } = this.#whole;
      const found = pairs.map(pair => ({ a: a.vertex[pair.a], b: b.vertex[pair.b] }));
      this.#best = scored(found, this.#problem.scores);
    }
    this.#bound = Math.min(this.#bound, bound);
    return states;
  }
}
