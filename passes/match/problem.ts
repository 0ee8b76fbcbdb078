import type { Dag } from './dag.ts';
import type { PairScores } from './scores.ts';

/** Two graphs and what each pair of their vertices is worth. */
export interface MatchProblem {
  readonly a: Dag;
  readonly b: Dag;
  readonly scores: PairScores;
  /**
   * Optional: a number per vertex that says what the vertex is (its operator, its channels), for telling vertices apart
   * that the edges and the scores do not. Only equality matters. It never changes which matching is best, only which of
   * several equally good ones is returned.
   */
  readonly coloursA?: Int32Array;
  readonly coloursB?: Int32Array;
}

/** A pair of vertices, one of A and one of B. */
export interface VertexPair {
  readonly a: number;
  readonly b: number;
}

/** A set of pairs and the sum of their scores. */
export interface VertexMatching {
  /** In an order that is topological in both graphs. */
  readonly pairs: readonly VertexPair[];
  readonly score: number;
  /** Set where the graphs were too large to be looked at as a whole: only pairs near the same place of both were considered. */
  readonly narrowed?: true;
}

/** Adds up the scores of pairs that are in a canonical order, so that equal matchings have equal sums to the last bit. */
export const scored = (pairs: readonly VertexPair[], scores: PairScores): VertexMatching => ({
  pairs,
  score: pairs.reduce((sum, { a, b }) => sum + scores.at(a, b), 0),
});
