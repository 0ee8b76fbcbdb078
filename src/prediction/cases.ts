/** The cases of a folder of images, for prediction: no labels, no splits. */

import { join } from 'node:path';
import { readCase } from '../data/raw/case.ts';
import { descriptionFile } from '../data/raw/description.ts';
import { findCases } from '../data/raw/open.ts';
import { isThere } from '../files/there.ts';
import { type DatasetNames, namesOfFolder } from '../preprocessing/dataset-json.ts';
import { endingOf } from '../volumes/files.ts';
import type { Volume } from '../volumes/volume.ts';

/** One case. */
export interface Case {
  readonly name: string;
  /** The name of the file that its labels are written to. */
  readonly labels: string;
  /** The files of its channels. */
  readonly images: readonly string[];
  /** Its image, all channels of it. @throws SutureError as `readCase`. */
  readonly read: () => Promise<Volume>;
}

export interface CaseFolder {
  readonly cases: readonly Case[];
  /** What `dataset.json` in the folder, or above it, says. */
  readonly names?: DatasetNames;
}

/**
 * The cases of a folder of images; of a whole data set those of its `imagesTs`. Labels that are there are not read. A case that cannot be
 * used, as one that lacks a channel, says so where it is read.
 *
 * @throws SutureError as `findCases`.
 */
export async function openCases(path: string): Promise<CaseFolder> {
  const folder = (await isThere(join(path, descriptionFile))) ? join(path, 'imagesTs') : path;
  const raw = await findCases(folder, false);
  const names = await namesOfFolder(folder);
  const labelsOf = (name: string, ending = raw.description?.ending ?? ''): string =>
    `${name}${ending.startsWith('.nii') ? ending : '.png'}`;
  const usable = raw.cases.map(
    ({ name, images }): Case => ({
      name,
      images,
      labels: labelsOf(name, endingOf(images[0])),
      read: async () => (await readCase(raw, { name, images })).image,
    }),
  );
  const unusable = raw.unusable.map(
    ({ name, problem }): Case => ({
      name,
      images: [],
      labels: labelsOf(name),
      read: () => Promise.reject(problem),
    }),
  );
  return { cases: [...usable, ...unusable], ...(names && { names }) };
}
