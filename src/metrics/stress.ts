/**
 * Validation under shift: data sets that stand for the sites that one site does not see. They are its own validation images under changes
 * (`docs/shift.md`), or data that the user has of elsewhere.
 */
import type * as v from 'valibot';
import { printable, SutureError } from '../../ir/index.ts';
import { type Dataset, type LabelOptions, loadDataset, subsetOf } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import type { ChangeName } from '../data/shift/changes.ts';
import { changeOf, defaultSuite, shiftedDatasets, shiftImages } from '../data/shift/suite.ts';
import type { Network } from '../network/network.ts';
import type { NamedFile } from '../options/kinds.ts';
import { groupsOf } from './bootstrap.ts';
import { LabelledData } from './labelled.ts';
import type { stressScoreSchema, stressSetsSchema } from './schema.ts';

export interface StressSet {
  readonly name: string;
  readonly data: LabelledData;
}

/** Data files, or changes of the validation images. */
export interface StressRequest {
  /** Data sets instead of changed images. */
  readonly files?: readonly NamedFile[] | undefined;
  /** Changes by their names. Default: the default suite. */
  readonly changes?: readonly ChangeName[] | undefined;
  /** About how many images are changed: whole cases, evenly from all groups. Default {@link shiftImages}. */
  readonly images?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

/** Whether the changes do anything: numbers without an extent in space are channels of one value each, which all but brightness leave alone. */
export const isChangeable = ({ imageShape }: Pick<Dataset, 'imageShape'>): boolean => imageShape.length > 1;

/**
 * The stress sets that a request asks for, scored by what the validation data is scored by. Images under changes are made when they are
 * read, and kept for one set at a time: read one set after the other.
 *
 * @param said what is said of labels, of those of files.
 * @throws SutureError `option-invalid` where files and changes are asked for, and for changes of what they cannot change; as `loadDataset` and `LabelledData.for`.
 */
export async function stressSets(
  validation: LabelledData,
  networks: readonly Network[],
  { files, changes, images, seed = 0 }: StressRequest,
  said: LabelOptions = {},
): Promise<readonly StressSet[]> {
  const { dataset, metric } = validation;
  if (files) {
    if (changes ?? images) {
      throw new SutureError(
        'option-invalid',
        'Networks are held against changed images or against data sets, not both.',
      );
    }
    const sets: StressSet[] = [];
    for (const { name, file } of files) {
      sets.push({ name, data: LabelledData.for(networks, await loadDataset(file, said), metric) });
    }
    return sets;
  }
  if (!isChangeable(dataset)) {
    throw new SutureError(
      'option-invalid',
      `${printable(dataset.source)}: what has no extent in space cannot be changed as images are: name data sets of elsewhere by --stress NAME=FILE.`,
    );
  }
  const suite = changes ? [...new Set(changes)].map(name => changeOf(name)) : defaultSuite;
  const sample = sampleOf(dataset, images ?? shiftImages, seed);
  return shiftedDatasets(sample, suite, seed).map((shifted, i) => ({
    name: suite[i].name,
    data: LabelledData.for(networks, shifted, metric),
  }));
}

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
export const stressFacts = (sets: readonly StressSet[]): v.InferOutput<typeof stressSetsSchema> =>
  sets.map(({ name, data: { dataset } }) => ({ name, source: dataset.source, images: dataset.count }));
