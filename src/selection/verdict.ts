/** Which of several networks is worth deploying, within a budget: by scores at home and under shift, and by what is shown. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { type Difference, type Groups, meanDifference, type Pairing, verdictOf } from '../metrics/bootstrap.ts';
import { type Metric, metricNames } from '../metrics/metric.ts';
import { dataSetsSchema, differenceSchema, scoreSchema } from '../metrics/schema.ts';
import { stressScore } from '../metrics/stress.ts';
import { worthOf } from './select.ts';

/** What networks are made of, from what has the word where nothing else is shown: a gate, then nothing fitted, nothing dropped, nothing trained first. */
export const kinds = [
  ...(['gated ensemble', 'gated committee', 'gated stitched', 'gated weighted'] as const),
  ...(['ensemble', 'committee', 'stitched', 'weighted'] as const),
  ...(['gated student ensemble', 'gated student', 'gated trunk', 'trunk', 'student', 'parent'] as const),
] as const;
export type Kind = (typeof kinds)[number];

/** What stands in for an ensemble that costs too much: of what a partner alone knows it has less, or says nothing of how sure it is. */
const standIns: ReadonlySet<Kind> = new Set(['gated trunk', 'trunk', 'student']);

/** Why a candidate may not be chosen. */
export const outs = {
  cost: 'costs more than the budget',
  'stand-in': 'stands in for an ensemble',
  home: 'worse at home',
  shift: 'worse under shift',
} as const;
export type Out = keyof typeof outs;

/** A network that could be deployed, measured. */
export interface Candidate {
  readonly kind: Kind;
  /** `parent b`, `output ensemble, gated`. */
  readonly name: string;
  /** Those of one family differ in numbers alone, and the best of them stands for all. */
  readonly family: string;
  /** Multiply-adds for an image, as a share of those of all parents together. */
  readonly cost: number;
  /**
   * The own network's say: its share of the output, an equal one of N networks where shares are not what it is made by; all of it, where all
   * branches look at nothing but its features.
   */
  readonly share: number;
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

const standingSchema = v.object({
  name: v.string(),
  /** Multiply-adds for an image, as a share of those of all parents together. */
  cost: v.number(),
  /** The own network's share of the output. */
  share: v.number(),
  own: scoreSchema,
  /** The mean over the stress sets; absent without any. */
  shift: v.optional(scoreSchema),
  affordable: v.boolean(),
  /** Whether it may be chosen: see `judge`. */
  eligible: v.boolean(),
  /** Why it may not be; absent of what may, and in files of earlier versions. */
  out: v.optional(v.picklist(Object.keys(outs) as Out[])),
  /** What the chosen one is better by, so that more is better; absent of the chosen one itself. */
  chosenBetterBy: v.optional(v.object({ own: differenceSchema, shift: v.optional(differenceSchema) })),
});

/** How a candidate stands. */
export type Standing = v.InferOutput<typeof standingSchema>;

const verdictEntries = {
  standings: v.array(standingSchema),
  /** Which of them is exported. */
  chosen: v.number(),
  /** The parent or plain ensemble with the best score at home, which others must not be shown to be worse than there. */
  bar: v.number(),
  /** The one that has the word where none is shown to be better. */
  incumbent: v.number(),
};

/** Which of several networks is worth deploying. */
export type Verdict = v.InferOutput<v.ObjectSchema<typeof verdictEntries, undefined>>;

/** `verdict.json`. */
export const verdictSchema = v.object({
  data: v.object({ source: v.string(), images: v.number() }),
  metric: v.picklist(metricNames),
  /** Where scores under shift are from. */
  stress: dataSetsSchema,
  budget: v.optional(v.number()),
  ...verdictEntries,
});

export type StoredVerdict = v.InferOutput<typeof verdictSchema>;

/** What the chosen one may lack of the bar's score at home, as a share of it, whatever so few images can show. */
export const tolerance = 0.01;

/** The mean over the stress sets; undefined without any. */
const underShift = ({ stress }: Candidate): number | undefined =>
  stress.length === 0 ? undefined : stressScore(stress.map(metric => metric.score().value)).value;

const atHome = (candidate: Candidate): number => candidate.own.score().value;

const worthAtHome = (candidate: Candidate): number => worthOf(candidate.own.higherIsBetter)(atHome(candidate));

/** The best of some, by what they are worth; of equal ones the first. */
const bestOf = (candidates: readonly Candidate[], worth: (candidate: Candidate) => number): Candidate =>
  candidates.reduce((p, q) => (worth(q) > worth(p) ? q : p));

function differences(ours: Candidate, theirs: Candidate, groups: Judged): NonNullable<Standing['chosenBetterBy']> {
  const [pairing, ...others] = groups.stress.flatMap((images, set): Pairing[] => {
    const [p, q] = [ours.stress[set], theirs.stress[set]];
    return p && q ? [{ ours: p, theirs: q, groups: images }] : [];
  });
  return {
    own: meanDifference([{ ours: ours.own, theirs: theirs.own, groups: groups.own }]),
    ...(pairing && { shift: meanDifference([pairing, ...others]) }),
  };
}

/** What costs no more than is allowed. @throws SutureError `option-invalid` where nothing is as cheap. */
export function affordableOf<C extends Pick<Candidate, 'name' | 'cost'>>(
  candidates: readonly C[],
  budget: number,
): readonly C[] {
  const affordable = candidates.filter(({ cost }) => cost <= budget + 1e-9);
  if (affordable.length > 0) return affordable;
  const cheapest = candidates.reduce((p, q) => (q.cost < p.cost ? q : p));
  throw new SutureError(
    'option-invalid',
    `Nothing costs as little as ${percent(budget)} of the parents together: the cheapest, ${printable(cheapest.name)}, costs ${percent(cheapest.cost)}.`,
  );
}

/** What may be chosen. */
export interface Eligible {
  /** See {@link Verdict}. */
  readonly bar: Candidate;
  readonly eligible: readonly Candidate[];
  /** Why the others may not be. */
  readonly out: ReadonlyMap<Candidate, Out>;
}

/**
 * Steps 1 and 2 of {@link judge}.
 *
 * @throws SutureError `option-invalid` where nothing is as cheap as the budget.
 */
export function eligibleOf(candidates: readonly Candidate[], groups: Judged, budget: number): Eligible {
  const affordable = affordableOf(candidates, budget);
  const isWhole = affordable.some(({ kind }) => kind !== 'parent' && kind !== 'gated student' && !standIns.has(kind));
  const pool = affordable.filter(({ kind }) => !(isWhole && standIns.has(kind)));
  const given = pool.filter(({ kind }) => kind === 'parent' || kind === 'ensemble');
  const bar = bestOf(given.length > 0 ? given : pool, worthAtHome);
  const least = worthAtHome(bar) - tolerance * Math.abs(atHome(bar));
  const ensemble = pool.find(({ kind }) => kind === 'ensemble');
  const outOf = (candidate: Candidate): Out | undefined => {
    if (!affordable.includes(candidate)) return 'cost';
    if (!pool.includes(candidate)) return 'stand-in';
    if (candidate === bar) return undefined;
    if (worthAtHome(candidate) < least) return 'home';
    if (verdictOf(differences(candidate, bar, { ...groups, stress: [] }).own) === 'worse') return 'home';
    const shifted = ensemble && differences(candidate, ensemble, groups).shift;
    return shifted && verdictOf(shifted) === 'worse' ? 'shift' : undefined;
  };
  const out = new Map<Candidate, Out>();
  for (const candidate of candidates) {
    const reason = outOf(candidate);
    if (reason) out.set(candidate, reason);
  }
  return { bar, eligible: candidates.filter(candidate => !out.has(candidate)), out };
}

/**
 * Which of some candidates is worth deploying.
 *
 * 1. What costs more than the budget is out. Stand-ins (shared trunks, students of one answer) compete only where all ensembles are: what a
 *    partner's own branch knows of its site shows in no change of the own images, so no score speaks for dropping it but the cost. Students that
 *    were taught each parent's answers apart, and gate them, have kept it, and compete with ensembles.
 * 2. Of the rest, what is shown to be worse at home than the best of what is given (the parents, their plain ensemble), or is more than 1 %
 *    behind it, is out, and so is what is shown to be worse than the plain ensemble under shift.
 * 3. The first kind that is left, in the order of {@link kinds}, has the word; of one kind the one whose shares are nearest to equal. Another
 *    one displaces it where it gives the own network no larger share and is shown to be better under shift (without stress sets: at home); of
 *    several such the best. For larger shares of the own network no score speaks: the own images, changed or not, ask for what it has learned of
 *    them, and not for what partners know of other sites.
 *
 * Of each family those that this speaks of stand for all, else one.
 *
 * @param budget the highest cost; any without.
 * @throws SutureError `option-invalid` where nothing is as cheap as the budget.
 */
export function judge(candidates: readonly Candidate[], groups: Judged, budget = Number.POSITIVE_INFINITY): Verdict {
  const { bar, eligible, out } = eligibleOf(candidates, groups, budget);
  const even = candidates.find(({ kind }) => kind === 'ensemble')?.share ?? 0.5;
  const rankOf = ({ kind, share }: Candidate): number => kinds.indexOf(kind) + Math.abs(share - even);
  const first = (some: readonly Candidate[]): Candidate => bestOf(some, c => -rankOf(c));
  const incumbent = first(eligible);
  const deciding = ({ own, shift }: NonNullable<Standing['chosenBetterBy']>): Difference => shift ?? own;
  const better = eligible.filter(
    candidate =>
      candidate !== incumbent &&
      candidate.share <= incumbent.share + 1e-9 &&
      verdictOf(deciding(differences(candidate, incumbent, groups))) === 'better',
  );
  const chosen =
    better.length === 0 ? incumbent : bestOf(better, c => worthOf(c.own.higherIsBetter)(underShift(c) ?? atHome(c)));
  const spoken = new Set([bar, incumbent, chosen]);
  const shown = [...new Set(candidates.map(({ family }) => family))].flatMap(family => {
    const members = candidates.filter(candidate => candidate.family === family);
    const named = members.filter(candidate => spoken.has(candidate));
    if (named.length > 0) return named;
    const left = members.filter(candidate => eligible.includes(candidate));
    return [left.length > 0 ? first(left) : bestOf(members, worthAtHome)];
  });
  return {
    standings: shown.map(candidate => {
      const { name, cost, share } = candidate;
      const shift = underShift(candidate);
      const reason = out.get(candidate);
      return {
        ...{ name, cost, share, own: atHome(candidate) },
        ...(shift !== undefined && { shift }),
        affordable: reason !== 'cost',
        eligible: reason === undefined,
        ...(reason && { out: reason }),
        ...(candidate !== chosen && { chosenBetterBy: differences(chosen, candidate, groups) }),
      };
    }),
    chosen: shown.indexOf(chosen),
    bar: shown.indexOf(bar),
    incumbent: shown.indexOf(incumbent),
  };
}

/** `65 %`. */
export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
