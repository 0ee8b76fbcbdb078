/** Which of several networks is worth deploying: not shown to be worse at home, best under shift, within a budget. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { type Difference, type Groups, meanDifference, type Pairing, verdictOf } from '../metrics/bootstrap.ts';
import { type Metric, metricNames } from '../metrics/metric.ts';
import { scoreSchema, stressSetsSchema } from '../metrics/schema.ts';
import { stressScore } from '../metrics/stress.ts';

/** A network that could be deployed, measured. */
export interface Candidate {
  /** `parent b`, `output ensemble, gated`. */
  readonly name: string;
  /** Multiply-adds for an image, as a share of those of all parents together. */
  readonly cost: number;
  /** On the own validation data. */
  readonly own: Metric;
  /** On each stress set; none, where it was not asked how it does there. */
  readonly stress: readonly Metric[];
}

/** Which images are not independent of each other; sets of the same images under different changes have the same object. */
export interface Judged {
  readonly own: Groups;
  readonly stress: readonly Groups[];
}

const difference = v.object({ value: scoreSchema, low: scoreSchema, high: scoreSchema, groups: v.number() });

const standingSchema = v.object({
  name: v.string(),
  /** Multiply-adds for an image, as a share of those of all parents together. */
  cost: v.number(),
  own: scoreSchema,
  /** The mean over the stress sets; absent without any. */
  shift: v.optional(scoreSchema),
  affordable: v.boolean(),
  /** Whether it may be chosen: affordable, and neither shown to be worse at home than the best nor far behind it. */
  eligible: v.boolean(),
  /** What the chosen one is better by, so that more is better; absent of the chosen one itself. */
  chosenBetterBy: v.optional(v.object({ own: difference, shift: v.optional(difference) })),
});

/** How a candidate stands. */
export type Standing = v.InferOutput<typeof standingSchema>;

const verdictEntries = {
  standings: v.array(standingSchema),
  /** Which of them is exported. */
  chosen: v.number(),
  /** The affordable one with the best score at home. */
  best: v.number(),
};

/** Which of several networks is worth deploying. */
export type Verdict = v.InferOutput<v.ObjectSchema<typeof verdictEntries, undefined>>;

/** `verdict.json`. */
export const verdictSchema = v.object({
  data: v.object({ source: v.string(), images: v.number() }),
  metric: v.picklist(metricNames),
  /** Where scores under shift are from. */
  stress: stressSetsSchema,
  budget: v.optional(v.number()),
  ...verdictEntries,
});

export type StoredVerdict = v.InferOutput<typeof verdictSchema>;

/** What the chosen one may lack of the best score at home, as a share of it, whatever so few images can show. */
export const tolerance = 0.01;

/** The mean over the stress sets; undefined without any. */
const underShift = ({ stress }: Candidate): number | undefined =>
  stress.length === 0 ? undefined : stressScore(stress.map(metric => metric.score().value)).value;

/**
 * Of the candidates that the budget allows and that are neither shown to be worse than the best of them on the own validation data (a 95 %
 * interval) nor more than 1 % behind it, the one with the best score under shift. Without stress sets, the best at home. Of equal ones the
 * cheapest, and then the first.
 *
 * @param budget the highest cost; any without.
 * @throws SutureError `option-invalid` where nothing is as cheap as the budget.
 */
export function judge(candidates: readonly Candidate[], groups: Judged, budget = Number.POSITIVE_INFINITY): Verdict {
  const sign = candidates[0]!.own.higherIsBetter ? 1 : -1;
  const worth = (value: number | undefined): number =>
    value === undefined || Number.isNaN(value) ? Number.NEGATIVE_INFINITY : sign * value;
  const scores = candidates.map(candidate => ({
    own: candidate.own.score().value,
    shift: underShift(candidate),
    affordable: candidate.cost <= budget + 1e-9,
  }));
  const all = candidates.map((_, i) => i);
  const affordable = all.filter(i => scores[i]!.affordable);
  if (affordable.length === 0) {
    const cheapest = candidates.reduce((p, q) => (q.cost < p.cost ? q : p));
    throw new SutureError(
      'option-invalid',
      `Nothing costs as little as ${percent(budget)} of the parents together: the cheapest, ${printable(cheapest.name)}, costs ${percent(cheapest.cost)}.`,
    );
  }
  const first = (from: readonly number[], worthOf: (i: number) => number): number =>
    from.reduce((p, q) => {
      const gain = worthOf(q) - worthOf(p);
      return gain > 0 || (!(gain < 0) && candidates[q]!.cost < candidates[p]!.cost) ? q : p;
    });
  const best = first(affordable, i => worth(scores[i]!.own));

  const ownDifference = (p: number, q: number): Difference =>
    meanDifference([{ ours: candidates[p]!.own, theirs: candidates[q]!.own, groups: groups.own }]);
  const least = worth(scores[best]!.own) - tolerance * Math.abs(scores[best]!.own);
  const isEligible = (i: number): boolean =>
    i === best || (worth(scores[i]!.own) >= least && verdictOf(ownDifference(i, best)) !== 'worse');
  const eligible = affordable.filter(isEligible);
  const hasShift = scores.some(({ shift }) => shift !== undefined);
  const chosen = hasShift ? first(eligible, i => worth(scores[i]!.shift)) : best;

  const against = (i: number): Standing['chosenBetterBy'] => {
    const [ours, theirs] = [candidates[chosen]!.stress, candidates[i]!.stress];
    const [pairing, ...others] = theirs.map((metric, set): Pairing => {
      return { ours: ours[set]!, theirs: metric, groups: groups.stress[set]! };
    });
    return { own: ownDifference(chosen, i), ...(pairing && { shift: meanDifference([pairing, ...others]) }) };
  };
  return {
    standings: candidates.map(({ name, cost }, i) => ({
      name,
      cost,
      own: scores[i]!.own,
      ...(scores[i]!.shift !== undefined && { shift: scores[i]!.shift }),
      affordable: scores[i]!.affordable,
      eligible: eligible.includes(i),
      ...(i !== chosen && { chosenBetterBy: against(i) }),
    })),
    chosen,
    best,
  };
}

/** `65 %`. */
export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
