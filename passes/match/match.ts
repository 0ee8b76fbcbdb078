import { type Graph, SutureError, type Value } from '../../ir/index.ts';
import { alignmentMatching } from './alignment.ts';
import { exactMatching, type ProvenMatching } from './exact.ts';
import { type FeatureGraph, featureGraph } from './features.ts';
import type { MatchProblem, VertexMatching } from './problem.ts';
import { type PairScores, type PositionMetric, progressScores, type ScoredSide, similarityScores } from './scores.ts';
import { type Names, namesOf, shareDims } from './unify.ts';

/** A feature of A and the feature of B that it is stitched with. */
export interface LayerPair {
  /** Value names. */
  readonly a: string;
  readonly b: string;
  readonly score: number;
  /** Positional progress of each in its own network: 0 at the input, 1 at the output. */
  readonly positionA: number;
  readonly positionB: number;
}

export interface Matching {
  /** In an order that is topological in both networks. */
  readonly pairs: readonly LayerPair[];
  /** Sum of the pairs' scores. */
  readonly score: number;
  /** The exact matcher's: no acyclic matching of these networks scores more. */
  readonly bound?: number;
  /** The exact matcher's: is the score proven to be the maximum? */
  readonly optimal?: boolean;
  /** The exact matcher's: why it ended. After `time` another machine may come further; otherwise all answer the same. */
  readonly ended?: ProvenMatching['ended'];
}

export const matchers = ['hirschberg', 'exact'] as const;
export type Matcher = (typeof matchers)[number];

export interface MatchOptions {
  /** Default `hirschberg`. */
  readonly matcher?: Matcher;
  /** How distance of positions lowers a score: `1 - ½·Δp²` (default) or `1 - |Δp|`. Not together with `similarity`. */
  readonly metric?: PositionMetric;
  /**
   * How similar two features are, from 0 to 1, by value name (linear CKA on sample data, say; see {@link cka}).
   * The score is then `½ + ½·similarity·(1 - Δp²)`.
   */
  readonly similarity?: (a: string, b: string) => number;
  /** What messages call the two networks, by their roles and files, say. Default: the graphs' names, which exporters give to all alike. */
  readonly names?: Names;
  /** Seconds that the exact matcher may take. Default 8. */
  readonly timeLimit?: number;
}

/**
 * Matches the layers of two networks: the set of compatible pairs with the largest total score such that all stitches can
 * be used in both directions at once without a cycle. See `docs/matching.md`.
 *
 * @throws SutureError `parents-incompatible` if the inputs do not fit together, `no-pairs` if no pair is compatible.
 */
export function match(a: Graph, b: Graph, options: MatchOptions = {}): Matching {
  const { names = namesOf(a, b) } = options;
  const dims = shareDims(a, b, names);
  const featuresA = featureGraph(a, dims.a);
  const featuresB = featureGraph(b, dims.b);
  const problem = problemOf(featuresA, featuresB, options);
  const exact = options.matcher === 'exact' ? exactMatching(problem, options) : undefined;
  const found: VertexMatching = exact ?? alignmentMatching(problem);
  if (found.pairs.length === 0) {
    throw new SutureError(
      'no-pairs',
      `No layer of ${names[0]} is compatible with a layer of ${names[1]}: nowhere do rank, batch and ` +
        'spatial size agree; give networks that work at the same resolutions.',
    );
  }
  const matching = named(found, featuresA, featuresB);
  return exact ? { ...matching, bound: exact.bound, optimal: exact.optimal, ended: exact.ended } : matching;
}

/** The values of each network that can be matched with some value of the other. */
export interface Matchable {
  readonly a: readonly Value[];
  readonly b: readonly Value[];
}

/**
 * What of two networks can be matched at all, for whoever wants to look at it before: by similarity, say.
 *
 * @throws SutureError `parents-incompatible` if the inputs do not fit together.
 */
export function matchableValues(a: Graph, b: Graph, names: Names = namesOf(a, b)): Matchable {
  const dims = shareDims(a, b, names);
  const [ofA, ofB] = [featureGraph(a, dims.a), featureGraph(b, dims.b)];
  const withPartner = (own: FeatureGraph, other: FeatureGraph): Value[] => {
    const keys = new Set(other.keys);
    return own.values.filter((_, v) => own.keys[v] !== undefined && keys.has(own.keys[v]));
  };
  return { a: withPartner(ofA, ofB), b: withPartner(ofB, ofA) };
}

function problemOf(a: FeatureGraph, b: FeatureGraph, { metric, similarity }: MatchOptions): MatchProblem {
  if (metric !== undefined && similarity !== undefined) {
    throw new SutureError('option-invalid', 'A position metric and a similarity exclude each other; give one of them.');
  }
  const keys = numbered([...a.keys, ...b.keys].filter(key => key !== undefined));
  const sideOf = ({ keys: own, progress }: FeatureGraph): ScoredSide => ({
    classes: Int32Array.from(own, key => (key === undefined ? -1 : keys.get(key)!)),
    progress: progress.map(p => (Number.isNaN(p) ? 0 : p)),
  });
  const nameA = (v: number): string => a.values[v].name;
  const nameB = (v: number): string => b.values[v].name;
  const scores: PairScores =
    similarity === undefined
      ? progressScores(sideOf(a), sideOf(b), metric)
      : similarityScores(sideOf(a), sideOf(b), (i, j) => similarity(nameA(i), nameB(j)));
  const colours = numbered([...a.descriptions, ...b.descriptions]);
  const coloursOf = ({ descriptions }: FeatureGraph): Int32Array =>
    Int32Array.from(descriptions, text => colours.get(text)!);
  return { a: a.dag, b: b.dag, scores, coloursA: coloursOf(a), coloursB: coloursOf(b) };
}

/** Numbers texts by their alphabetical order, so that the numbers do not depend on the order of a file. */
function numbered(texts: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...new Set(texts)].sort().map((text, i) => [text, i]));
}

function named({ pairs, score }: VertexMatching, a: FeatureGraph, b: FeatureGraph): Matching {
  return {
    score,
    pairs: pairs.map(pair => ({
      a: a.values[pair.a].name,
      b: b.values[pair.b].name,
      score: pair.score,
      positionA: a.progress[pair.a],
      positionB: b.progress[pair.b],
    })),
  };
}
