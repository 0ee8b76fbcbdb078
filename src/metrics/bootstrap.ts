/**
 * Whether one network scores better than another on a data set, with the error of having seen these cases and no others: a paired
 * bootstrap over groups (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals).
 */
import { groupedBy } from '../../ir/grouped.ts';
import { range, sameNumbers, sum } from '../../ir/numbers.ts';
import type { Dataset } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { type Metric, valueOfTerms } from './metric.ts';

/** A difference of scores, so that more is better, with its 95 % interval. NaN where nothing could be scored. */
export interface Difference {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** How many groups were drawn from. */
  readonly groups: number;
}

/** What is drawn of a metric. */
export type Resampled = Pick<Metric, 'terms' | 'higherIsBetter'>;

/** A metric by groups. */
interface Drawable {
  readonly metric: Resampled;
  /** What each group adds to a score, one after the other: see `Metric.terms`. */
  readonly terms: Float64Array;
  /** How many there are of each group. */
  readonly width: number;
}

function drawable(metric: Resampled, groups: Groups): Drawable {
  const found = groups.map(images => metric.terms(images));
  const width = found[0]?.length ?? 0;
  const terms = new Float64Array(groups.length * width);
  for (const [g, one] of found.entries()) terms.set(one, g * width);
  return { metric, terms, width };
}

/** The score over the groups that are named from `start` to `end`. @param sums room for so many numbers as a group has. */
function valueOver({ terms, width }: Drawable, drawn: Uint32Array, { start, end }: Range, sums: Float64Array): number {
  sums.fill(0);
  for (let d = start; d < end; d++) {
    const at = drawn[d] * width;
    for (let i = 0; i < width; i++) sums[i] += terms[at + i];
  }
  return valueOfTerms(sums);
}

/** Where the groups of a set stand among all that are drawn. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Fewer draws make the interval's ends uncertain. */
const resamples = 2000;

/** The groups of every resample, of sets with so many each, one set after the other. What is yielded is overwritten by the next. */
function* drawResamples(counts: readonly number[]): Generator<Uint32Array> {
  const random = Random.seeded(0, 'bootstrap');
  const drawn = new Uint32Array(sum(counts));
  for (let i = 0; i < resamples; i++) {
    let at = 0;
    for (const count of counts) for (let g = 0; g < count; g++) drawn[at++] = random.int(count);
    yield drawn;
  }
}

/** Resamples by the counts that they were drawn for: a run asks for the intervals of many networks on few data sets. */
const known = new Map<string, readonly Uint32Array[]>();
/** So many groups are kept of each, and so many counts: 16 MB at most. */
const [groupsKept, countsKept] = [2 ** 8, 2 ** 3];

/** The same each time. */
function resamplesOf(counts: readonly number[]): Iterable<Uint32Array> {
  if (sum(counts) > groupsKept) return drawResamples(counts);
  const key = counts.join();
  const found = known.get(key);
  if (found) return found;
  const drawn = Array.from(drawResamples(counts), one => one.slice());
  if (known.size >= countsKept) known.clear();
  known.set(key, drawn);
  return drawn;
}

/** The scores of a network on all resamples that are drawn for some counts, of groups with these terms. */
interface Scored {
  readonly drawn: string;
  readonly terms: Float64Array;
  readonly scores: Float64Array;
}

/** A network is compared with many others: its scores on the same resamples are computed once. */
const scored = new WeakMap<Resampled, Scored[]>();
/** So many are kept of each network. */
const scoredKept = 8;

/** The scores of networks on every resample. @param sets the ranges of sets among `counts`, and the networks of each. */
function scoresOf(
  counts: readonly number[],
  sets: readonly (Range & { readonly metrics: readonly Drawable[] })[],
): readonly (readonly Float64Array[])[] {
  const missing: {
    readonly one: Drawable;
    readonly range: Range;
    readonly sums: Float64Array;
    readonly scores: Float64Array;
  }[] = [];
  const found = sets.map(({ metrics, ...range }) =>
    metrics.map(one => {
      const drawn = `${counts} from ${range.start}`;
      const known = scored.get(one.metric) ?? [];
      const same = known.find(before => before.drawn === drawn && sameNumbers(before.terms, one.terms));
      if (same) return same.scores;
      const scores = new Float64Array(resamples);
      missing.push({ one, range, sums: new Float64Array(one.width), scores });
      scored.set(one.metric, [{ drawn, terms: one.terms, scores }, ...known].slice(0, scoredKept));
      return scores;
    }),
  );
  if (missing.length === 0) return found;
  let resample = 0;
  for (const drawn of resamplesOf(counts)) {
    for (const { one, range, sums, scores } of missing) scores[resample] = valueOver(one, drawn, range, sums);
    resample++;
  }
  return found;
}

/**
 * Images that are not independent of each other: those of one `group`, else of one `id`, else each image for itself. Groups that have
 * images of one case (`id`) are one, so that no case is torn apart.
 */
export function groupsOf({ count, group, id }: Pick<Dataset, 'count' | 'group' | 'id'>): Groups {
  // The first image that each belongs with: of its group, then of the groups of its case.
  const first = range(count);
  const root = (image: number): number => {
    let at = image;
    while (first[at] !== at) at = first[at];
    return at;
  };
  for (const keys of [group, id]) {
    const known = new Map<number, number>();
    for (const [image, key] of (keys ?? []).entries()) {
      const [p, q] = [root(image), root(known.get(key) ?? image)];
      first[Math.max(p, q)] = Math.min(p, q);
      known.set(key, Math.min(p, q));
    }
  }
  return [...groupedBy(first.keys(), root).values()];
}

/** Images that are not independent of each other. No case is in two: see {@link groupsOf}. */
export type Groups = readonly (readonly number[])[];

/** Two networks on the same images. */
export interface Pairing<M extends Resampled = Metric> {
  readonly ours: M;
  readonly theirs: M;
  readonly groups: Groups;
}

/** The score of `ours` less that of `theirs`, both of the same images: see {@link intervalOf}. */
export const differenceOf = (ours: Resampled, theirs: Resampled, groups: Groups): Difference =>
  meanDifference([{ ours, theirs, groups }]);

/** The same for each of the classes that {@link Metric.terms} has, in their order. */
export function classDifferences(ours: Metric, theirs: Metric, groups: Groups): readonly Difference[] {
  const ofClass = (metric: Metric, k: number): Resampled => ({
    higherIsBetter: metric.higherIsBetter,
    terms: images => metric.terms(images).slice(2 * k, 2 * k + 2),
  });
  return ours.score().classes.map((_, k) => differenceOf(ofClass(ours, k), ofClass(theirs, k), groups));
}

/** Networks on the same images. */
export interface Drawn {
  readonly metrics: readonly Resampled[];
  readonly groups: Groups;
}

/**
 * The mean over data sets of {@link differenceOf}; see {@link intervalOf} for how they are drawn. A set on which nothing can be scored
 * counts for nothing.
 */
export function meanDifference(pairings: readonly [Pairing<Resampled>, ...Pairing<Resampled>[]]): Difference {
  const signs = pairings.map(({ ours }) => (ours.higherIsBetter ? 1 : -1));
  const sets = pairings.map(({ ours, theirs, groups }) => ({ metrics: [ours, theirs], groups }));
  return intervalOf(sets, scores => {
    let [sum, count] = [0, 0];
    for (let set = 0; set < scores.length; set++) {
      const p = scores[set][0];
      const q = scores[set][1];
      if (Number.isNaN(p - q)) continue;
      // Not −0 where both are the same.
      sum += p === q ? 0 : signs[set] * (p - q);
      count++;
    }
    return sum / count;
  });
}

/**
 * A number that is computed from scores, with its 95 % interval. Every resample draws as many groups as there are, with replacement, and
 * scores all networks of a set on it; what is drawn twice counts twice. Sets whose `groups` are one object have the same images under different
 * changes, and the same groups are drawn of each; of other sets groups are drawn apart. The same numbers come out each time.
 *
 * @param numberOf computes it from the scores of each set's networks, which it must not keep. Resamples for which it is NaN, as nothing can be scored, count for nothing.
 */
export function intervalOf(
  sets: readonly Drawn[],
  numberOf: (scores: readonly (readonly number[])[]) => number,
): Difference {
  const different = [...new Set(sets.map(({ groups }) => groups))];
  const counts = different.map(groups => groups.length);
  const drawables = sets.map(({ metrics, groups }) => {
    const set = different.indexOf(groups);
    const start = sum(counts.slice(0, set));
    return { metrics: metrics.map(m => drawable(m, groups)), start, end: start + counts[set] };
  });
  const every = Uint32Array.from(counts.flatMap(count => range(count)));
  const value = numberOf(
    drawables.map(({ metrics, ...range }) =>
      metrics.map(one => valueOver(one, every, range, new Float64Array(one.width))),
    ),
  );
  const scores = scoresOf(counts, drawables);
  const numbers: number[] = [];
  // Those of one resample, overwritten by the next.
  const drawn = scores.map(set => set.map(() => 0));
  for (let resample = 0; resample < resamples; resample++) {
    for (let s = 0; s < scores.length; s++) {
      for (let n = 0; n < scores[s].length; n++) drawn[s][n] = scores[s][n][resample];
    }
    const number = numberOf(drawn);
    // Without anything to count there is no score.
    if (!Number.isNaN(number)) numbers.push(number);
  }
  const ordered = Float64Array.from(numbers).sort();
  const at = (share: number): number => ordered[Math.round(share * (ordered.length - 1))] ?? Number.NaN;
  return { value, low: at(0.025), high: at(0.975), groups: Math.min(...sets.map(({ groups }) => groups.length)) };
}

const verdicts = ['better', 'worse', 'no difference shown'] as const;
export type Verdict = (typeof verdicts)[number];

/** What an interval shows: a difference where it leaves out 0, and nothing where a single group was seen. */
export function verdictOf({ low, high, groups }: Difference): Verdict {
  if (groups > 1 && low > 0) return 'better';
  if (groups > 1 && high < 0) return 'worse';
  return 'no difference shown';
}
