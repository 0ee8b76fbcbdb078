/** Folders of image files as data sets of tiles. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { printable, SutureError } from '../../../ir/errors.ts';
import { hashFile } from '../../files/hash.ts';
import { isFolder } from '../../files/there.ts';
import type { Plans } from '../../preprocessing/plans.ts';
import { preprocess, preprocessLabels } from '../../preprocessing/preprocess.ts';
import { type PlansFiles, readShared } from '../../preprocessing/shared-input.ts';
import type { Dataset, LabelOptions } from '../dataset.ts';
import { Random } from '../random.ts';
import { readCase } from './case.ts';
import { casesError, openRaw, type RawCase, type RawDataset } from './open.ts';
import { ImageCollector } from './spill.ts';
import { coveringTiles, drawnTiles, imageOf, labelsOf, type TileLabels } from './tiles.ts';

/** What is said of folders of image files. */
export interface FolderOptions extends PlansFiles {
  /** What cases are cut into: two axes for slices, three for volumes. Default: what the plans say, else whole cases. */
  readonly tile?: readonly number[] | undefined;
  /** Which of the splits: cases that it is validated on, or trained on. Default: all cases. */
  readonly fold?: number | undefined;
}

/** What a data set is read for: drawn from, or covered. */
export type Use = 'training' | 'scoring';

/** The SHA-256 of a data file, or of all that a folder's data set is made of, the plans too. */
export async function hashData(path: string, { folder }: LabelOptions = {}): Promise<string> {
  if (!(await isFolder(path))) return hashFile(path);
  const { root, files } = await openRaw(path);
  const hash = createHash('sha256');
  const { plans, partners = {} } = folder ?? {};
  for (const file of [...(plans === undefined ? [] : [plans]), ...Object.values(partners)]) {
    hash.update(`plans\0${await hashFile(file)}\n`);
  }
  for (const file of files) hash.update(`${file}\0${await hashFile(join(root, file))}\n`);
  return hash.digest('hex');
}

/** What is to be said of folders of image files that nothing prepares as networks were trained, each once. */
export async function unpreparedTexts(
  sources: readonly string[],
  { folder }: LabelOptions,
): Promise<readonly string[]> {
  if (folder?.plans !== undefined) return [];
  const folders: string[] = [];
  for (const source of new Set(sources)) if (await isFolder(source)) folders.push(source);
  return folders.map(
    source =>
      `${printable(source)}: there are no plans, so intensities and spacings are taken as they are; say --plans plans.json if the networks were ` +
      'trained on normalised ones.',
  );
}

function chosen({ source, cases, splits, isPart }: RawDataset, fold: number | undefined, use: Use): readonly RawCase[] {
  if (fold === undefined || isPart) return cases;
  if (!splits) {
    throw new SutureError(
      'option-invalid',
      `--fold ${fold}: ${printable(source)} has no splits_final.json (nnU-Net keeps it with its preprocessed data; copy it there); all cases are what ` +
        '"imagesTr" of it holds: name that folder.',
    );
  }
  if (fold >= splits.length) {
    throw new SutureError(
      'option-invalid',
      `--fold ${fold}: ${printable(source)} has ${splits.length} folds, counted from 0 on.`,
    );
  }
  const names = new Set(use === 'training' ? splits[fold].train : splits[fold].val);
  const found = cases.filter(({ name }) => names.has(name));
  if (found.length > 0) return found;
  const part = use === 'training' ? 'train' : 'val';
  throw new SutureError(
    'data-invalid',
    `${printable(source)}: there are no cases: "${part}" of the fold ${fold} in splits_final.json is empty; name another by --fold.`,
  );
}

/** One case as a network sees it. */
interface Seen {
  readonly data: Float32Array<ArrayBuffer>;
  /** [C, z, y, x]. */
  readonly shape: readonly number[];
  readonly labels?: TileLabels;
  /** In mm; undefined where no file says it. */
  readonly spacing: readonly number[] | undefined;
}

async function seen(raw: RawDataset, of: RawCase, plans: Plans | undefined): Promise<Seen> {
  const { image, labels } = await readCase(raw, of);
  const known = image.geometry.kind === 'nifti' || image.spacing.some(mm => mm !== 1 && mm !== 999);
  if (!plans) return { ...image, spacing: known ? image.spacing : undefined, ...(labels && { labels }) };
  const { data, shape, placement } = preprocess(image, plans, of.name);
  return {
    data,
    shape,
    spacing: known ? placement.change.toSpacing : undefined,
    ...(labels && { labels: preprocessLabels(labels, placement) }),
  };
}

/** What places that count nowhere get where nobody says which labels there are. */
const unusedLabel = 65535;

/** Why something that a data set holds cannot be read: only that is collected. */
const isOfData = (cause: unknown): cause is SutureError =>
  cause instanceof SutureError && (cause.code === 'data-unreadable' || cause.code === 'data-invalid');

/**
 * Reads a folder, case by case, as tiles: those that cover each case, or as many that are drawn from it for training. Places beyond a case
 * and those that another tile has already get the label to ignore.
 *
 * @throws SutureError `data-unreadable`, `data-invalid` naming every case that cannot be used; as `openRaw` and `readShared`.
 */
export async function loadFolder(source: string, said: LabelOptions, use: Use): Promise<Dataset> {
  const { tile: asked, fold, ...plansFiles } = said.folder ?? {};
  const raw = await openRaw(source);
  const cases = chosen(raw, fold, use);
  const plans = (await readShared(plansFiles, asked?.length))?.plans;
  const folds = foldsOf(raw);
  const stated = said.ignoreLabel ?? raw.description?.ignore;
  const ignore = stated ?? (raw.description ? Math.max(...raw.description.names.keys()) + 1 : unusedLabel);
  const counts = (label: number): boolean => label !== 0 && label !== stated;

  const images = new ImageCollector();
  const labels: TileLabels[] = [];
  const [id, foldOf, spacing] = [[] as number[], [] as number[], [] as (readonly number[])[]];
  const problems: SutureError[] = [];
  let tile: readonly number[] | undefined = asked ?? plans?.patchSize;
  let channels: number | undefined;
  for (const [number, of] of raw.cases.entries()) {
    if (!cases.includes(of)) continue;
    try {
      const found = await seen(raw, of, plans);
      const [count, ...extents] = found.shape;
      tile ??= extents[0] === 1 ? extents.slice(1) : extents;
      channels ??= count;
      requireAlike(of, { count, extents }, { channels, tile, given: asked ?? plans?.patchSize });
      const cut = { extents, tile: tile.length === 2 ? [1, ...tile] : tile };
      const tiles =
        use === 'scoring'
          ? coveringTiles(cut)
          : drawnTiles(cut, { labels: found.labels, counts }, Random.seeded(0, of.name), id.length);
      for (const each of tiles) {
        images.add(imageOf(found.data, cut, each));
        if (found.labels) labels.push(labelsOf(found.labels, cut, each, ignore));
        id.push(number);
        foldOf.push(folds?.get(of.name) ?? -1);
        if (found.spacing) spacing.push(found.spacing.slice(-tile.length));
      }
    } catch (cause) {
      if (!isOfData(cause)) throw cause;
      problems.push(cause);
    }
  }
  if (problems.length > 0) {
    throw casesError(source, `${problems.length} of ${cases.length} cases cannot be read`, problems);
  }
  const shape = [...tile!];
  const ignored = stated !== undefined || labels.some(each => each.includes(ignore));
  const regions = said.regions ?? raw.description?.regions;
  return {
    source,
    count: id.length,
    images: images.images(),
    imageShape: [channels!, ...shape],
    arrays: ['images'],
    ...(labels.length > 0 && {
      labels: { data: joined(labels), shape, ignore: ignored ? ignore : undefined, regions, task: said.task },
    }),
    id,
    caseNames: raw.cases.map(({ name }) => name),
    ...(fold === undefined && !foldOf.includes(-1) && { fold: foldOf }),
    ...(spacing.length === id.length && { spacing }),
  };
}

/** The fold that each case is validated in; undefined where there are none. */
function foldsOf({ splits }: RawDataset): ReadonlyMap<string, number> | undefined {
  return splits && new Map(splits.flatMap(({ val }, fold) => val.map(name => [name, fold] as const)));
}

function requireAlike(
  { name }: RawCase,
  { count, extents }: { readonly count: number; readonly extents: readonly number[] },
  { channels, tile, given }: { readonly channels: number; readonly tile: readonly number[]; readonly given: unknown },
): void {
  if (count !== channels) {
    throw new SutureError(
      'data-invalid',
      `case ${printable(name)} has ${count} channels, and the first case ${channels}.`,
    );
  }
  if (given !== undefined) return;
  const own = tile.length === 2 ? [1, ...tile] : tile;
  if (extents.every((extent, axis) => extent === own[axis])) return;
  const text = (of: readonly number[]): string => of.join(' x ');
  throw new SutureError(
    'data-invalid',
    `case ${printable(name)} is of ${text(extents)} places, and the first case of ${text(own)}: say by --plans or --tile what cases are cut into.`,
  );
}

/** In 8 bits where they fit. */
function joined(labels: readonly TileLabels[]): TileLabels {
  const length = labels.reduce((sum, each) => sum + each.length, 0);
  const wide = labels.some(each => each instanceof Uint16Array && each.some(label => label > 255));
  const all = wide ? new Uint16Array(length) : new Uint8Array(length);
  let at = 0;
  for (const each of labels) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
