/** The signs by which stitching is known to fail (arXiv 2512.17592), each judged by figures. */
import * as v from 'valibot';
import { mean } from '../../../ir/numbers.ts';
import { type Difference, differenceOf, type Groups, verdictOf } from '../../metrics/bootstrap.ts';
import type { Metric } from '../../metrics/metric.ts';
import { differenceSchema, scoreSchema } from '../../metrics/schema.ts';
import { ensembleName } from '../../network/names.ts';
import type { StitchError } from './errors.ts';

const signNames = ['collapse', 'ownSiteLoss', 'noGain', 'outOfDistribution'] as const;
export type SignName = (typeof signNames)[number];

const judged = {
  status: v.picklist(['seen', 'not seen', 'not judged']),
  /** Why it was not judged. */
  reason: v.optional(v.string()),
};

const lie = v.object({
  residual: scoreSchema,
  distance: scoreSchema,
  meanShift: scoreSchema,
  varianceRatio: scoreSchema,
});

export const signsSchema = v.object({
  /** The score collapses when several positions are stitched at once. */
  collapse: v.object({
    ...judged,
    /** The score against the number of positions, spread evenly; the first is a single one. */
    counts: v.optional(v.array(v.object({ count: v.number(), positions: v.array(v.number()), value: scoreSchema }))),
    /** The number at which the score is worst, and what it is better by there than with a single position. */
    worst: v.optional(v.object({ count: v.number(), difference: differenceSchema })),
  }),
  /** The plain ensemble is worse on the own data than the own network. */
  ownSiteLoss: v.object({ ...judged, difference: v.optional(differenceSchema) }),
  /** No stitched position is shown to be better than the ensemble. */
  noGain: v.object({
    ...judged,
    /** The position with the best score on the own data. */
    position: v.optional(v.number()),
    /** It less the ensemble and less each parent, on the own data and on each test set. */
    comparisons: v.optional(v.array(v.object({ data: v.string(), against: v.string(), difference: differenceSchema }))),
    /** How much of their answers to the own images the first network and each other one agree on, as a Dice. */
    agreements: v.optional(v.array(v.object({ partner: v.string(), images: v.number(), agreement: scoreSchema }))),
    /** What may be wrong with the networks together, in words. */
    disagreements: v.optional(v.array(v.string())),
  }),
  /** Features behind a stitch are not distributed as those that the branch was trained on. */
  outOfDistribution: v.object({
    ...judged,
    /** The images that were looked at, and the changes that they were also looked at under. */
    images: v.optional(v.number()),
    changes: v.optional(v.array(v.string())),
    /** Each stitch on the images as they are and, as a mean, under the changes: see `StitchError`. */
    stitches: v.optional(
      v.array(v.object({ position: v.number(), from: v.string(), to: v.string(), home: lie, shift: v.optional(lie) })),
    ),
  }),
});

export type Signs = v.InferOutput<typeof signsSchema>;
export type Status = Signs[SignName]['status'];

/** What is not judged, and why. */
export const notJudged = (reason: string): { readonly status: Status; readonly reason: string } => ({
  status: 'not judged',
  reason,
});

const statusOf = (isSeen: boolean): Status => (isSeen ? 'seen' : 'not seen');

/** A training that holds at every setting loses less than this share of the score of a single position, one for clean features more. */
const collapseShare = 0.1;

/** A setting of some positions, measured. */
export interface Counted {
  readonly count: number;
  readonly positions: readonly number[];
  readonly metric: Metric;
}

const scoreOf = (metric: Metric): number => metric.score().value;

/** Whether more positions at once are shown to be worse than one, by {@link collapseShare} at least. `counted` begins with a single one. */
export function collapseOf(counted: readonly Counted[], groups: Groups): Signs['collapse'] {
  const [single, ...several] = counted;
  if (several.length === 0) return notJudged('the networks are joined at a single position');
  const sign = single.metric.higherIsBetter ? 1 : -1;
  const worst = several.reduce((p, q) => (sign * scoreOf(q.metric) < sign * scoreOf(p.metric) ? q : p));
  const difference = differenceOf(worst.metric, single.metric, groups);
  const isLarge = -difference.value > collapseShare * Math.abs(scoreOf(single.metric));
  return {
    status: statusOf(isLarge && verdictOf(difference) === 'worse'),
    counts: counted.map(({ count, positions, metric }) => ({
      count,
      positions: [...positions],
      value: scoreOf(metric),
    })),
    worst: { count: worst.count, difference },
  };
}

/** Whether the plain ensemble is shown to be worse than the own network. */
export function ownSiteLossOf(ensemble: Metric, own: Metric, groups: Groups): Signs['ownSiteLoss'] {
  const difference = differenceOf(ensemble, own, groups);
  return { status: statusOf(verdictOf(difference) === 'worse'), difference };
}

/** A stitched position against the ensemble and the parents, on one data set. */
export interface Gain {
  readonly data: string;
  readonly stitched: Metric;
  readonly ensemble: Metric;
  /** By their names: `parent a`. */
  readonly parents: readonly (readonly [name: string, metric: Metric])[];
  readonly groups: Groups;
}

/** Whether a position is shown to be better than the ensemble on none of some data sets. */
export function noGainOf(position: number, gains: readonly Gain[]): Signs['noGain'] {
  const against = (gain: Gain, metric: Metric): Difference => differenceOf(gain.stitched, metric, gain.groups);
  const comparisons = gains.flatMap(gain =>
    [[ensembleName, gain.ensemble] as const, ...gain.parents].map(([name, metric]) => ({
      data: gain.data,
      against: name,
      difference: against(gain, metric),
    })),
  );
  const gained = comparisons.some(c => c.against === ensembleName && verdictOf(c.difference) === 'better');
  return { status: statusOf(!gained), position, comparisons };
}

/** Least squares stay below it: see `StitchError.distance`. */
export const farDistance = 1;

/** Whether features behind some stitch lie apart from those that the branch was trained on, on images as they are. */
export function outOfDistributionOf(
  home: readonly StitchError[],
  shifted: readonly (readonly StitchError[])[],
): Signs['outOfDistribution'] {
  const stitches = home.map(({ position, from, to, ...own }, i) => {
    const under = (key: keyof typeof own): number => mean(shifted.map(found => found[i][key]));
    const keys = ['residual', 'distance', 'meanShift', 'varianceRatio'] as const;
    const [residual, distance, meanShift, varianceRatio] = keys.map(under);
    return {
      ...{ position, from, to, home: own },
      ...(shifted.length > 0 && { shift: { residual, distance, meanShift, varianceRatio } }),
    };
  });
  return { status: statusOf(stitches.some(s => s.home.distance > farDistance)), stitches };
}
