/**
 * Validation under shift: data sets that stand for the sites that one site does not see. They are its own validation images under changes
 * (`docs/shift.md`), or data that the user has of elsewhere.
 */
import type * as v from 'valibot';
import { type Dataset, subsetOf } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { groupsOf } from './bootstrap.ts';
import type { LabelledData } from './labelled.ts';
import type { dataSetsSchema, stressScoreSchema } from './schema.ts';

export interface StressSet {
  readonly name: string;
  readonly data: LabelledData;
}

/** Whether the changes do anything: numbers without an extent in space are channels of one value each, which all but brightness leave alone. */
export const isChangeable = ({ imageShape }: Pick<Dataset, 'imageShape'>): boolean => imageShape.length > 1;

/** Whether a place of an image's label counts as foreground, or may. */
function hasForeground({ labels, count }: Dataset, image: number): boolean {
  if (!labels) return false;
  const size = labels.data.length / count;
  const own = labels.data.subarray(image * size, (image + 1) * size);
  return own.some(label => label !== 0 && label !== labels.ignore);
}

/**
 * At least as many images as asked for, where there are so many: whole cases, one of each group in turn, in an order that the seed
 * decides, and in the data set's order again. Cases with foreground come first in each group.
 */
export function sampleOf(dataset: Dataset, images: number, seed: number): Dataset {
  const { count, id } = dataset;
  if (images >= count) return dataset;
  const random = Random.seeded(seed, 'sample');
  const shuffled = <T>(values: readonly T[]): readonly T[] =>
    Array.from(random.permutation(values.length), i => values[i]);
  const queues = shuffled(groupsOf(dataset)).map(group => {
    const cases = shuffled(groupsOf({ count: group.length, ...(id && { id: group.map(image => id[image]) }) }));
    const whole = cases.map(members => members.map(i => group[i]));
    const [full, empty] = [true, false].map(wanted =>
      whole.filter(members => members.some(image => hasForeground(dataset, image)) === wanted),
    );
    return [...full, ...empty];
  });
  const chosen: number[] = [];
  for (let turn = 0; chosen.length < images; turn++) {
    for (const queue of queues) if (chosen.length < images) chosen.push(...(queue[turn] ?? []));
  }
  return subsetOf(
    dataset,
    chosen.sort((p, q) => p - q),
  );
}

/** A network under shift, as documents keep it. */
export type StressScore = v.InferOutput<typeof stressScoreSchema>;

/** The mean over the sets whose score says something; NaN without any. */
export function stressScore(sets: readonly number[]): StressScore {
  const known = sets.filter(score => !Number.isNaN(score));
  return { value: known.reduce((sum, score) => sum + score, 0) / known.length, sets: [...sets] };
}

/** What documents say of the sets. */
export const dataFacts = (sets: readonly Pick<StressSet, 'name' | 'data'>[]): v.InferOutput<typeof dataSetsSchema> =>
  sets.map(({ name, data: { dataset } }) => ({ name, source: dataset.source, images: dataset.count }));
