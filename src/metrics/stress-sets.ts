/** The stress sets of a request: files, or the validation images under changes. */
import { printable, SutureError } from '../../ir/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import type { ChangeName } from '../data/shift/changes.ts';
import { changeOf, defaultSuite, shiftedDatasets, shiftImages } from '../data/shift/suite.ts';
import type { Network } from '../network/network.ts';
import type { NamedFile } from '../options/kinds.ts';
import { LabelledData } from './labelled.ts';
import { isChangeable, type StressSet, sampleOf } from './stress.ts';

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
  const sample = LabelledData.for(networks, sampleOf(dataset, images ?? shiftImages, seed), metric);
  return shiftedDatasets(sample.dataset, suite, seed).map((shifted, i) => ({
    name: suite[i].name,
    data: sample.withImages(shifted),
  }));
}
