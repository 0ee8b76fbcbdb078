import { canonicalForm } from './canonical.ts';
import { align, alignmentScore } from './hirschberg.ts';
import { candidateOrders, isLinear, type JointOrder, jointOrder } from './linearise.ts';
import { type MatchProblem, scored, type VertexMatching, type VertexPair } from './problem.ts';

/**
 * How often the table of an alignment may be filled in all: as often as `WORK` cells allow, but at least and at most
 * so often. A constant, so that matching is O(nm) however branched the graphs are.
 */
const WORK = 60_000_000;
const MIN_PASSES = 12;
const MAX_PASSES = 1500;

/** Tables of more cells are cut into parts, of so many cells in all. */
const MAX_CELLS = 150_000_000;
const PARTS_CELLS = 50_000_000;

/** Scores that differ by less are equal: sums of some thousand numbers near 1 are exact to about this much. */
const TOLERANCE = 1e-10;

/**
 * The default matcher. Linearises both graphs, aligns the two sequences (Hirschberg), and looks for better orders of
 * the branches: first among some fixed ones, then by local search. O(nm) time with a constant number of alignments,
 * memory linear in the graphs; the answer depends on structure only, not on the order of vertices or of A and B.
 *
 * Graphs of more than {@link MAX_CELLS} pairs are aligned once and in parts: the result says so (`narrowed`).
 */
export function alignmentMatching(problem: MatchProblem): VertexMatching {
  const form = canonicalForm(problem);
  return form.restore(alignCanonical(form.problem));
}

/** The same for a problem that is in canonical form already. */
export function alignCanonical(problem: MatchProblem): VertexMatching {
  const { a, b, scores } = problem;
  const pairable = pairableVertices(problem);
  let passes = Math.floor(WORK / Math.max(1, pairable.countA * pairable.countB));
  passes = Math.max(MIN_PASSES, Math.min(MAX_PASSES, passes));

  const ordersA = candidateOrders(a);
  const ordersB = candidateOrders(b);
  const first = { orderA: ordersA[0], orderB: ordersB[0] };
  const cells = cellsOf(problem, pairable, first);
  if (cells > MAX_CELLS) {
    const parts = Math.ceil(cells / PARTS_CELLS);
    return { ...alignOrders(problem, pairable, first, parts), narrowed: true };
  }
  let best = alignOrders(problem, pairable, first);
  passes -= 2;
  const unique = isLinear(a, ordersA[0]) && isLinear(b, ordersB[0]);
  if (unique) return best;
  const favourites = favouritePartners(problem);
  if (best.score >= favourites.bound - TOLERANCE) return best;

  for (const [i, j] of combinations(ordersA.length, ordersB.length)) {
    if (passes < MIN_PASSES / 2) break;
    const rowOrder = chosen(ordersA[i], pairable.a, pairable.countA);
    const columnOrder = chosen(ordersB[j], pairable.b, pairable.countB);
    const score = alignmentScore(scores.arrange(rowOrder, columnOrder), rowOrder.length, columnOrder.length);
    passes--;
    if (score <= best.score + TOLERANCE) continue;
    best = alignOrders(problem, pairable, { orderA: ordersA[i], orderB: ordersB[j] });
    passes -= 2;
  }
  return refine(problem, pairable, { start: best, favourites, steps: Math.floor(passes / 2) });
}

/** In the first part of the search every so many steps a loss of about one pair is put up with, to get past plateaus. */
const EXPLORING_PART = 0.4;
const EXPLORING_PERIOD = 8;
const EXPLORING_LOSS = 1.1;

/** Steps without a gain after which the search goes back to the best matching. */
const PATIENCE = 40;

/** At most so many pairs are let go of in one step. */
const MAX_DROPPED = 24;

/** An order of the vertices of each graph. */
type Orders = Pick<JointOrder, 'orderA' | 'orderB'>;

/** Where a local search begins, what it is drawn to, and for how many steps. */
interface Refinement {
  readonly start: VertexMatching;
  readonly favourites: Favourites;
  readonly steps: number;
}

/**
 * Local search over pairs of orders. Each step lets go of some pairs, takes a random topological order of the
 * contraction along those that remain, and aligns the two orders that this implies; what remained is monotone in them,
 * so only what was let go of can be lost, and usually comes back. The randomness is a fixed sequence.
 *
 * The random order follows the last one, with noise: a little moves neighbours past each other, much lets whole branches
 * change sides. Every other time one graph keeps its order, and the vertices of the other are drawn to where their best
 * partners are.
 */
function refine(problem: MatchProblem, pairable: Pairable, { start, favourites, steps }: Refinement): VertexMatching {
  const { a, b } = problem;
  const random = pseudoRandom();
  const size = a.size + b.size;
  const byNumber = Float64Array.from({ length: size }, (_, v) => v);
  let best = { matching: start, rank: jointOrder(a, b, start.pairs, byNumber).rank };
  let current = best;
  let lastGain = 0;
  for (let step = 0; step < steps && best.matching.score < favourites.bound - TOLERANCE; step++) {
    if (step - lastGain > PATIENCE) {
      current = best;
      lastGain = step;
    }
    const { pairs, score } = current.matching;
    const dropped = Math.floor(random() ** 2 * Math.min(pairs.length, MAX_DROPPED));
    const from = Math.floor(random() * Math.max(1, pairs.length - dropped + 1));
    const kept = pairs.toSpliced(from, dropped);

    const noise = 2 + random() ** 2 * (step % 2 === 0 ? 2 * size : 16);
    const draw = step % 4 < 2 ? undefined : step % 4 === 2 ? favourites.ofA : favourites.ofB;
    const key = new Float64Array(size);
    for (let v = 0; v < size; v++) {
      const favourite = draw?.[v] ?? -1;
      key[v] = current.rank[favourite < 0 ? v : favourite] + noise * random();
    }

    const joint = jointOrder(a, b, kept, key);
    const matching = alignOrders(problem, pairable, joint);
    const exploring = step < EXPLORING_PART * steps && step % EXPLORING_PERIOD === EXPLORING_PERIOD - 1;
    if (matching.score < score - TOLERANCE - (exploring ? EXPLORING_LOSS : 0)) continue;
    current = { matching, rank: joint.rank };
    if (matching.score <= best.matching.score + TOLERANCE) continue;
    best = current;
    lastGain = step;
  }
  return best.matching;
}

/** Which vertices occur in an allowed pair at all; the others need not be aligned. */
interface Pairable {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly countA: number;
  readonly countB: number;
}

function pairableVertices({ scores }: MatchProblem): Pairable {
  const transposed = scores.transpose();
  const a = Uint8Array.from({ length: scores.rows }, (_, v) => (scores.rowAllowed(v) ? 1 : 0));
  const b = Uint8Array.from({ length: scores.columns }, (_, v) => (transposed.rowAllowed(v) ? 1 : 0));
  const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);
  return { a, b, countA: count(a), countB: count(b) };
}

/** The vertices of an order that are marked: `count` of them. */
function chosen(order: Int32Array, marked: Uint8Array, count: number): Int32Array {
  const vertices = new Int32Array(count);
  let next = 0;
  for (let i = 0; i < order.length; i++) if (marked[order[i]]) vertices[next++] = order[i];
  return vertices;
}

/** How many cells the table of two orders has where pairs may be allowed. */
function cellsOf({ scores }: MatchProblem, pairable: Pairable, { orderA, orderB }: Orders): number {
  const { spanStart, spanEnd } = scores.arrange(
    chosen(orderA, pairable.a, pairable.countA),
    chosen(orderB, pairable.b, pairable.countB),
  );
  return spanEnd.reduce((sum, end, row) => sum + end - spanStart[row], 0);
}

/** @param parts into how many both orders are cut, at the same shares of their lengths; only vertices of one part are paired. */
function alignOrders(
  { scores }: MatchProblem,
  pairable: Pairable,
  { orderA, orderB }: Orders,
  parts = 1,
): VertexMatching {
  const rowOrder = chosen(orderA, pairable.a, pairable.countA);
  const columnOrder = chosen(orderB, pairable.b, pairable.countB);
  const part = (order: Int32Array, p: number): Int32Array =>
    order.subarray(Math.floor((p * order.length) / parts), Math.floor(((p + 1) * order.length) / parts));
  const pairs: VertexPair[] = [];
  for (let p = 0; p < parts; p++) {
    const [own, other] = [part(rowOrder, p), part(columnOrder, p)];
    const { rows, columns } = align(scores.arrange(own, other), own.length, other.length);
    for (let i = 0; i < rows.length; i++) pairs.push({ a: own[rows[i]], b: other[columns[i]] });
  }
  return scored(pairs, scores);
}

/** The partner that each vertex scores most with, whoever else wants it. */
interface Favourites {
  /** By vertex of the joint graph (B's vertex `b` at `a.size + b`), for A's vertices only and for B's only; else -1. */
  readonly ofA: Int32Array;
  readonly ofB: Int32Array;
  /** What all favourites together would score, on the side where that is less: no matching scores more. */
  readonly bound: number;
}

export function favouritePartners({ scores }: MatchProblem): Favourites {
  const { rows, columns } = scores;
  const ofA = new Int32Array(rows + columns).fill(-1);
  const ofB = new Int32Array(rows + columns).fill(-1);
  const bestOfA = new Float64Array(rows);
  const bestOfB = new Float64Array(columns);
  const identity = (length: number): Int32Array => Int32Array.from({ length }, (_, v) => v);
  const scorer = scores.arrange(identity(rows), identity(columns));
  const row = new Float64Array(columns);
  for (let a = 0; a < rows; a++) {
    const from = scorer.spanStart[a];
    const to = scorer.spanEnd[a];
    scorer.fill(a, from, to, row);
    for (let b = from; b < to; b++) {
      const score = row[b - from];
      if (score > bestOfA[a]) {
        bestOfA[a] = score;
        ofA[a] = rows + b;
      }
      if (score > bestOfB[b]) {
        bestOfB[b] = score;
        ofB[rows + b] = a;
      }
    }
  }
  const sum = (list: Float64Array): number => list.reduce((total, score) => total + score, 0);
  return { ofA, ofB, bound: Math.min(sum(bestOfA), sum(bestOfB)) };
}

/** All pairs of candidates but the first, those with equal indices first. */
function* combinations(countA: number, countB: number): Generator<[number, number]> {
  for (let i = 1; i < Math.min(countA, countB); i++) yield [i, i];
  for (let i = 0; i < countA; i++) for (let j = 0; j < countB; j++) if (i !== j) yield [i, j];
}

/** Uniform numbers in [0, 1), always the same sequence (the generator "mulberry32"). */
export function pseudoRandom(): () => number {
  let state = 0x2545f491;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
