/**
 * Whether one network scores better than another on a data set, with the error of having seen these cases and no others: a paired
 * bootstrap over groups (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals).
 */
import type { Dataset } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import type { Metric } from './metric.ts';

/** A difference of two scores, so that more is better, with its 95 % interval. NaN where nothing could be scored. */
export interface Difference {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** How many groups were drawn from. */
  readonly groups: number;
}

/** Fewer draws make the interval's ends uncertain. */
const resamples = 2000;

/** Images that are not independent of each other: those of one `group`, else of one `id`, else each image for itself. */
export function groupsOf({
  count,
  group,
  id,
}: Pick<Dataset, 'count' | 'group' | 'id'>): readonly (readonly number[])[] {
  const keys = group ?? id ?? Array.from({ length: count }, (_, image) => image);
  const groups = new Map<number, number[]>();
  for (const [image, key] of keys.entries()) {
    const known = groups.get(key);
    if (known) known.push(image);
    else groups.set(key, [image]);
  }
  return [...groups.values()];
}

/**
 * The score of `ours` less that of `theirs`, both of the same images. Every resample draws as many groups as there are, with
 * replacement, and scores both networks on it. The same numbers come out each time.
 */
export function differenceOf(ours: Metric, theirs: Metric, groups: readonly (readonly number[])[]): Difference {
  const sign = ours.higherIsBetter ? 1 : -1;
  const between = (images: readonly number[]): number => {
    const [own, other] = [ours, theirs].map(metric => metric.score(images).value) as [number, number];
    // Not −0 where both are the same.
    return own === other ? 0 : sign * (own - other);
  };
  const random = Random.seeded(0, 'bootstrap');
  const drawn: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const found = between(groups.flatMap(() => groups[random.int(groups.length)]!));
    // Without any foreground there is no score.
    if (!Number.isNaN(found)) drawn.push(found);
  }
  drawn.sort((p, q) => p - q);
  const at = (share: number): number => drawn[Math.round(share * (drawn.length - 1))] ?? Number.NaN;
  return { value: between(groups.flat()), low: at(0.025), high: at(0.975), groups: groups.length };
}

export const verdicts = ['better', 'worse', 'no difference shown'] as const;
export type Verdict = (typeof verdicts)[number];

/** What an interval shows: a difference where it leaves out 0, and nothing where a single group was seen. */
export function verdictOf({ low, high, groups }: Difference): Verdict {
  if (groups > 1 && low > 0) return 'better';
  if (groups > 1 && high < 0) return 'worse';
  return 'no difference shown';
}
