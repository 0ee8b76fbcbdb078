/** Scores by case: of some networks, on some data sets. */

import * as v from 'valibot';
import { groupedBy } from '../../ir/grouped.ts';
import { range } from '../../ir/numbers.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Metric, metricNames } from './metric.ts';
import { scoreSchema } from './schema.ts';

const setSchema = v.object({
  /** That of a test set; `validation`. */
  name: v.string(),
  source: v.string(),
  metric: v.picklist(metricNames),
  higherIsBetter: v.boolean(),
  networks: v.array(v.string()),
  cases: v.array(
    v.object({
      /** By its `id`; where images are cases, by their number from 0 on. */
      case: v.number(),
      name: v.optional(v.string()),
      /** One for each network. */
      scores: v.array(scoreSchema),
    }),
  ),
});

/** `by-case.json`. */
export const casesSchema = v.object({
  /** SHA-256 of the network that was exported. */
  model: v.string(),
  /** The test sets, or where there are none the validation data. */
  sets: v.array(setSchema),
});

export type Cases = v.InferOutput<typeof casesSchema>;
export type CaseSet = Cases['sets'][number];

/** The images of each case: those of one `id`, or without ids each image for itself. */
export const imagesByCase = ({ count, id }: Pick<Dataset, 'count' | 'id'>): ReadonlyMap<number, readonly number[]> =>
  groupedBy(range(count), image => id?.[image] ?? image);

/** What a case is called: by its name where there are some, else by its `id` or number. */
export const caseName = ({ caseNames }: Pick<Dataset, 'caseNames'>, key: number): string =>
  caseNames?.[key] ?? String(key);

/** What networks score on each case of a data set, all of whose images they have been measured on. */
export function scoresByCase(
  name: string,
  { source, caseNames, ...dataset }: Pick<Dataset, 'count' | 'id' | 'source' | 'caseNames'>,
  measured: readonly { readonly network: string; readonly metric: Metric }[],
): CaseSet {
  const [{ metric }] = measured;
  return {
    name,
    source,
    metric: metric.name,
    higherIsBetter: metric.higherIsBetter,
    networks: measured.map(({ network }) => network),
    cases: Array.from(imagesByCase(dataset), ([key, images]) => ({
      case: key,
      ...(caseNames && { name: caseNames[key] }),
      scores: measured.map(m => m.metric.score(images).value),
    })),
  };
}

/** Cases that have a score of a network, from the best to the worst. */
export function rankedCases({ cases, networks, higherIsBetter }: CaseSet, network: string): CaseSet['cases'] {
  const column = networks.indexOf(network);
  const sign = higherIsBetter ? -1 : 1;
  return cases
    .filter(({ scores }) => Number.isFinite(scores[column]))
    .toSorted((p, q) => sign * (p.scores[column] - q.scores[column]));
}
