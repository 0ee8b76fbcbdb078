/** The images of a site by folds: what is trained on, and what is validated on. */
import { join } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { type Dataset, gatherImages, type LabelArray, type LabelOptions, subsetOf } from '../data/dataset.ts';
import { requireAlike } from '../data/join.ts';
import { loadDataset } from '../data/load.ts';
import { type NpyArray, npyArray } from '../data/npy.ts';
import { formatNpz } from '../data/npz.ts';
import { hashData } from '../data/raw/load.ts';
import { hashBytes } from '../files/hash.ts';
import { makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import type { Cell } from './cells.ts';
import type { StudyFolder } from './folder.ts';
import type { Site } from './request.ts';
import { leavesOut } from './sites.ts';

export interface SiteData {
  readonly train: string;
  readonly validation: string;
}

/**
 * The data files of a site for a cell: those of the site, or of its fold two that are made of them once, and all images whose `fold` is
 * another are trained on. Of a folder the same path twice, of which `labelsFor` leaves out a fold.
 *
 * @throws SutureError `data-invalid` where a file has no folds, or a fold no images or all.
 */
export async function dataFor(
  { path, request }: StudyFolder,
  site: Site,
  { fold }: Pick<Cell, 'fold'>,
): Promise<SiteData> {
  const { train, validation } = site;
  if (await leavesOut(site)) return { train, validation: train };
  if (fold === undefined) return { train, validation: validation! };
  const folder = join(path, 'data');
  const sources = validation === undefined ? [train] : [train, validation];
  const name = await foldName(site.name, fold, sources, request.labels);
  const made = { train: join(folder, `${name}-train.npz`), validation: join(folder, `${name}-validation.npz`) };
  // The second is written last.
  if (await isThere(made.validation)) return made;
  const all: Dataset[] = [];
  for (const source of sources) all.push(await loadDataset(source, request.labels));
  requireAlike(all);
  const without = all.find(({ fold: folds }) => !folds);
  if (without) throw new SutureError('data-invalid', `${printable(without.source)}: there is no array "fold".`);
  const parts = (isHeldOut: boolean): readonly Dataset[] =>
    all.map(data =>
      subsetOf(
        data,
        [...data.fold!.keys()].filter(i => (data.fold![i] === fold) === isHeldOut),
      ),
    );
  const [held, others] = [parts(true), parts(false)];
  for (const [of, text] of [
    [held, 'no image has'],
    [others, 'every image has'],
  ] as const) {
    if (of.some(({ count }) => count > 0)) continue;
    throw new SutureError('data-invalid', `${printable(site.train)}: ${text} the fold ${fold}.`);
  }
  await makeFolder(folder);
  await writeOutput(made.train, archiveOf(others), { force: true });
  await writeOutput(made.validation, archiveOf(held), { force: true });
  return made;
}

/** A short name for the images of a fold: another where the sources hold anything else, or their labels are read otherwise. */
async function foldName(
  site: string,
  fold: number,
  sources: readonly string[],
  labels: LabelOptions | undefined,
): Promise<string> {
  const hashes: string[] = [];
  for (const source of sources) hashes.push(await hashData(source, labels));
  return `${site}-f${fold}-${hashBytes(JSON.stringify([hashes, labels])).slice(0, 8)}`;
}

function archiveOf(parts: readonly Dataset[]): Uint8Array {
  const [{ imageShape, labels }] = parts;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const images = Float32Array.from(
    parts.flatMap(part => [
      ...gatherImages(
        part,
        Array.from({ length: part.count }, (_, i) => i),
      ),
    ]),
  );
  const numbers = (pick: (part: Dataset) => readonly number[] | undefined): NpyArray | undefined =>
    parts.every(part => pick(part))
      ? npyArray(Int32Array.from(parts.flatMap(part => [...pick(part)!])), [count])
      : undefined;
  const [fold, id, group] = [numbers(part => part.fold), numbers(part => part.id), numbers(part => part.group)];
  return formatNpz({
    images: npyArray(images, [count, ...imageShape]),
    ...(labels && { labels: npyArray(labelsOf(parts, labels), [count, ...labels.shape]) }),
    ...(fold && { fold }),
    ...(id && { id }),
    ...(group && { group }),
  });
}

function labelsOf(
  parts: readonly Dataset[],
  { data }: LabelArray,
): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const all = parts.flatMap(part => Array.from(part.labels!.data));
  return data instanceof Float32Array ? Float32Array.from(all) : Int32Array.from(all);
}
