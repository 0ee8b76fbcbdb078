import { type Graph, SutureError, type Value } from '../../ir/index.ts';
import { type Limits, limitsFrom } from '../../ir/limits.ts';
import type { BranchGrid } from '../other-grid.ts';
import type { MatchedPair, Tag } from '../stitch.ts';
import { alignmentMatching } from './alignment.ts';
import { exactMatching, type ProvenMatching } from './exact.ts';
import type { FeatureGraph } from './features.ts';
import type { MatchProblem, VertexMatching } from './problem.ts';
import { type PairScores, type PositionMetric, progressScores, type ScoredSide, similarityScores } from './scores.ts';
import { comparedFeatures, sizesOfPairs } from './sizes.ts';
import { type Names, namesOf } from './unify.ts';
import { allowing, hasPartner, type TooWide, tooWide, widthsOf, withinWidth } from './widths.ts';

export interface Matching {
  /** In an order that is topological in both networks. */
  readonly pairs: readonly MatchedPair[];
  /** Sum of the pairs' scores. */
  readonly score: number;
  /** The exact matcher's: no acyclic matching of these networks scores more. */
  readonly bound?: number;
  /** The exact matcher's: is the score proven to be the maximum? */
  readonly optimal?: boolean;
  /** The exact matcher's: why it ended. After `time` another machine may come further; otherwise all answer the same. */
  readonly ended?: ProvenMatching['ended'];
  /** Said where compatible layers were left out of pairs, or pairs hold for some sizes only; absent where there is nothing to say. */
  readonly warnings?: readonly MatchWarning[];
}

/** Something that a user should know of a matching that went well. */
export interface MatchWarning {
  readonly code: 'layers-too-wide' | 'networks-too-large' | 'sizes-assumed';
  /** One sentence: what was left out or taken for granted, why, and what to do. */
  readonly message: string;
}

export const matchers = ['hirschberg', 'exact'] as const;
export type Matcher = (typeof matchers)[number];

export interface MatchOptions {
  /** Default `hirschberg`. */
  readonly matcher?: Matcher | undefined;
  /** How distance of positions lowers a score: `1 - ½·Δp²` (default) or `1 - |Δp|`. Not together with `similarity`. */
  readonly metric?: PositionMetric | undefined;
  /**
   * How similar two features are, from 0 to 1, by value name (linear CKA on sample data, say; see {@link cka}).
   * The score is then `½ + ½·similarity·(1 - Δp²)`.
   */
  readonly similarity?: ((a: string, b: string) => number) | undefined;
  /** What the pairs call the two networks. Default: `a` and `b`. */
  readonly tags?: readonly [Tag, Tag];
  /** What messages call the two networks, by their roles and files, say. Default: the graphs' names, which exporters give to all alike. */
  readonly names?: Names;
  /** Seconds that the exact matcher may take. Default 8. */
  readonly timeLimit?: number | undefined;
  /** The shape [C, spatial...] of the images that the networks are to be joined for: no sizes are assumed that these do not have. */
  readonly imageShape?: readonly number[];
  /** Where the features of the two lie, where that is another grid than the images'. */
  readonly grids?: readonly (BranchGrid | undefined)[];
  /** How many parameters a stitch may have (`stitch`); see {@link limitsFrom}. */
  readonly limits?: Partial<Limits> | undefined;
}

/**
 * Matches the layers of two networks: the set of compatible pairs with the largest total score such that all stitches can
 * be used in both directions at once without a cycle. See `docs/matching.md`.
 *
 * @throws SutureError `parents-incompatible` if the inputs do not fit together, `no-pairs` if no pair is compatible,
 * or all that are would need too large a stitch.
 */
export function match(a: Graph, b: Graph, options: MatchOptions = {}): Matching {
  const { names = namesOf(a, b) } = options;
  const compared = comparedFeatures(a, b, names, options);
  const { a: featuresA, b: featuresB } = compared;
  const { problem, left } = problemOf(featuresA, featuresB, names, options);
  const exact = options.matcher === 'exact' ? exactMatching(problem, options) : undefined;
  const found: VertexMatching = exact ?? alignmentMatching(problem);
  if (found.pairs.length === 0) {
    throw found.narrowed
      ? new SutureError(
          'no-pairs',
          `${narrowedText(names, featuresA, featuresB)} Here there are none; name pairs with --pairs.`,
        )
      : noPairs(names, left);
  }
  const sizes = sizesOfPairs(compared, found.pairs);
  const warnings: readonly MatchWarning[] = [
    ...(left ? [{ code: 'layers-too-wide', message: left.text } as const] : []),
    ...(found.narrowed
      ? [{ code: 'networks-too-large', message: narrowedText(names, featuresA, featuresB) } as const]
      : []),
    ...(sizes === undefined ? [] : [{ code: 'sizes-assumed', message: assumedText(names, sizes) } as const]),
  ];
  const [tagA, tagB] = options.tags ?? ['a', 'b'];
  return {
    score: found.score,
    pairs: found.pairs.map(({ a: v, b: w }) => ({
      features: { [tagA]: featuresA.values[v].name, [tagB]: featuresB.values[w].name },
      score: problem.scores.at(v, w),
      progress: { [tagA]: featuresA.progress[v], [tagB]: featuresB.progress[w] },
    })),
    ...(exact && { bound: exact.bound, optimal: exact.optimal, ended: exact.ended }),
    ...(warnings.length > 0 && { warnings }),
  };
}

const assumedText = ([a, b]: Names, sizes: string): string =>
  `${a} and ${b} round other sizes differently, so the pairs, and what is stitched by them, hold for a ${sizes}.`;

const narrowedText = (names: Names, a: FeatureGraph, b: FeatureGraph): string =>
  `${names[0]} has ${a.values.length} layers and ${names[1]} ${b.values.length}, too many to compare each with each: only layers at about ` +
  'the same place of both were paired, so that a better matching may be missed.';

const noPairs = (names: Names, left: TooWide | undefined): SutureError =>
  new SutureError(
    'no-pairs',
    left
      ? `All layers of ${names[0]} that are compatible with a layer of ${names[1]} are too wide for it: a stitch would have up to ` +
          `${left.largest} parameters; ${allowing(left.largest)}.`
      : `No layer of ${names[0]} is compatible with a layer of ${names[1]}: nowhere do rank, batch and ` +
          'spatial size agree; give networks that work at the same resolutions.',
  );

/** The values of each network that can be matched with some value of the other. */
export interface Matchable {
  readonly a: readonly Value[];
  readonly b: readonly Value[];
}

/**
 * What of two networks can be matched at all, for whoever wants to look at it before: by similarity, say.
 *
 * @param grids as {@link MatchOptions.grids}.
 * @throws SutureError `parents-incompatible` if the inputs do not fit together.
 */
export function matchableValues(
  a: Graph,
  b: Graph,
  names: Names = namesOf(a, b),
  grids?: MatchOptions['grids'],
): Matchable {
  const { a: ofA, b: ofB } = comparedFeatures(a, b, names, { grids });
  const { stitch } = limitsFrom();
  const withPartner = (own: FeatureGraph, other: FeatureGraph): Value[] => {
    const widths = widthsOf(own, other);
    return own.values.filter((_, v) => hasPartner(widths, v, stitch));
  };
  return { a: withPartner(ofA, ofB), b: withPartner(ofB, ofA) };
}

/** The problem, and which compatible pairs are left out of it. */
function problemOf(
  a: FeatureGraph,
  b: FeatureGraph,
  names: Names,
  { metric, similarity, limits }: MatchOptions,
): { readonly problem: MatchProblem; readonly left: TooWide | undefined } {
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
  const all: PairScores =
    similarity === undefined
      ? progressScores(sideOf(a), sideOf(b), metric)
      : similarityScores(sideOf(a), sideOf(b), (i, j) => similarity(nameA(i), nameB(j)));
  const colours = numbered([...a.descriptions, ...b.descriptions]);
  const coloursOf = ({ descriptions }: FeatureGraph): Int32Array =>
    Int32Array.from(descriptions, text => colours.get(text)!);
  const { stitch } = limitsFrom(limits);
  const [widthsA, widthsB] = [widthsOf(a, b), widthsOf(b, a)];
  const sides = [
    { features: a, widths: widthsA },
    { features: b, widths: widthsB },
  ];
  const left = tooWide(sides, names, stitch);
  const scores = left ? withinWidth(all, widthsA, widthsB, stitch) : all;
  return { problem: { a: a.dag, b: b.dag, scores, coloursA: coloursOf(a), coloursB: coloursOf(b) }, left };
}

/** Numbers texts by their alphabetical order, so that the numbers do not depend on the order of a file. */
function numbered(texts: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...new Set(texts)].sort().map((text, i) => [text, i]));
}
