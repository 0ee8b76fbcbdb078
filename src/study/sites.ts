/** What the data of sites are: files, or folders of which folds leave cases out. */
import { printable, SutureError } from '../../ir/errors.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { foldsIn } from '../data/load.ts';
import type { FolderOptions } from '../data/raw/load.ts';
import { openRaw } from '../data/raw/open.ts';
import { isFolder } from '../files/there.ts';
import type { Cell } from './cells.ts';
import type { Site, StudyRequest } from './request.ts';

/** Whether a site is validated on what a fold of its folder leaves out. */
export const leavesOut = async ({ train, validation }: Pick<Site, 'train' | 'validation'>): Promise<boolean> =>
  validation === undefined && (await isFolder(train));

/**
 * Checks that every site has something to be validated on, in each fold. A fold that is named holds for all folders that are read, so folders
 * have validation data of their own or none has.
 *
 * @throws SutureError `study-invalid`; as `openRaw`.
 */
export async function requireValidation({ sites, folds, labels }: StudyRequest): Promise<void> {
  const fail = ({ name }: Site, problem: string): never => {
    throw new SutureError('study-invalid', `Site ${printable(name)}: ${problem}.`);
  };
  let first: Site | undefined;
  for (const site of sites) {
    const { train, validation, test, plans } = site;
    for (const file of plans === undefined ? [] : [train, validation ?? train, test]) {
      if (!(await isFolder(file)))
        fail(site, `plans are of folders of image files, and ${printable(file)} is none; leave out its plans`);
    }
    if (!(await isFolder(train))) {
      if (validation === undefined && !folds)
        fail(site, `${printable(train)} is no folder with splits, so name validation data, or folds`);
      await requireFolds(site, folds ?? [], fail);
      continue;
    }
    first ??= site;
    if ((first.validation === undefined) !== (validation === undefined))
      fail(site, `name validation data for each folder, or for none, as for ${printable(first.name)}`);
    if (validation !== undefined) {
      if (folds) fail(site, `the folds of ${printable(train)} say what is validated on; leave out its validation data`);
      continue;
    }
    const { splits } = await openRaw(train);
    if (!splits) {
      fail(site, `${printable(train)} has no splits_final.json; copy it there, or name validation data`);
      continue;
    }
    const missing = (folds ?? [labels?.folder?.fold ?? 0]).find(fold => fold >= splits.length);
    if (missing !== undefined)
      fail(site, `${printable(train)} has ${splits.length} folds, counted from 0 on, and no fold ${missing}`);
  }
}

/** Checks that some images, and not all, of a site's files are of each fold. */
async function requireFolds(
  site: Site,
  wanted: readonly number[],
  fail: (site: Site, problem: string) => never,
): Promise<void> {
  if (wanted.length === 0) return;
  const { train, validation } = site;
  const known = new Set<number>();
  for (const file of validation === undefined ? [train] : [train, validation]) {
    const folds = await foldsIn(file);
    if (!folds) fail(site, `${printable(file)} has no array "fold"; leave out folds, or add it`);
    else for (const fold of folds) known.add(fold);
  }
  const all = [...known].sort((p, q) => p - q).join(', ');
  const missing = wanted.find(fold => !known.has(fold));
  if (missing !== undefined) fail(site, `no image is of the fold ${missing}; there are ${printable(all)}`);
  if (known.size === 1) fail(site, `all images are of the fold ${all}, so nothing is left to train on`);
}

/** How a cell reads data. */
export interface CellLabels {
  /** Of what is trained and validated on. */
  readonly labels: LabelOptions;
  /** Of test data, of which all cases count. */
  readonly testLabels: LabelOptions;
}

/** What is said of the data that a cell reads, with the plans of its networks, of the cell's own one last where it is compared with both. */
export async function labelsFor(request: StudyRequest, cell: Cell, labels: LabelOptions): Promise<CellLabels> {
  const { sites, labels: said } = request;
  const { seen, compared } = plansFor(request, cell);
  const [read, tested] = [withFolder(labels, seen), withFolder(labels, compared)];
  for (const site of sites) {
    if (!(await leavesOut(site))) continue;
    const left = cell.fold ?? said?.folder?.fold ?? 0;
    return { labels: withFolder(read, { fold: left }), testLabels: withFolder(tested, { fold: undefined }) };
  }
  return { labels: read, testLabels: tested };
}

const withFolder = (labels: LabelOptions, more: FolderOptions | undefined): LabelOptions =>
  more ? { ...labels, folder: { ...labels.folder, ...more } } : labels;

type SeenBy = Pick<FolderOptions, 'plans' | 'partners'>;

/**
 * The plans of what a cell trains or joins, and of the networks that it compares: of both sites', `a` and `b`, and its own, `c`. Nothing where
 * sites have none of their own. A network that is tuned keeps those that it was trained by; merged data and FedAvg have those of all
 * sites, or else of their first; what is made of both networks sees what the own one sees.
 */
function plansFor(
  { sites, labels }: StudyRequest,
  { kind, sites: [own, partner] }: Cell,
): { readonly seen?: SeenBy; readonly compared?: SeenBy } {
  if (sites.every(({ plans }) => plans === undefined)) return {};
  const common = labels?.folder?.plans;
  const of = (name: string): string => sites.find(site => site.name === name)!.plans ?? common!;
  if (kind === 'alone') return { seen: { plans: of(own) }, compared: { plans: of(own) } };
  const both = (c?: string): SeenBy => ({
    plans: of(own),
    partners: { b: of(partner), ...(c !== undefined && { c }) },
  });
  switch (kind) {
    case 'merged':
    case 'fedavg': {
      const plans = common ?? of(own);
      return { seen: { plans }, compared: both(plans) };
    }
    case 'finetune':
    case 'finetune-shift':
      return { seen: { plans: of(partner) }, compared: both(of(partner)) };
    default:
      return { seen: both(), compared: both() };
  }
}
