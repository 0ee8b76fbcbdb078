/** Networks that are joined or compared, read together: each behind what makes its own images of those that they share. */
import { type Graph, isStatic } from '../../ir/index.ts';
import type { GridChange } from '../../passes/index.ts';
import type { FolderOptions } from '../data/raw/load.ts';
import { isFolder } from '../files/there.ts';
import { inOrder } from '../preprocessing/grid.ts';
import type { Plans } from '../preprocessing/plans.ts';
import { roundHalfEven } from '../preprocessing/resample.ts';
import { readShared, type SharedByTag } from '../preprocessing/shared-input.ts';
import { loadModel } from './load.ts';
import { fronted, type Model, roleOf } from './model.ts';
import { needsOf } from './needs.ts';
import type { OutputNames } from './one-output.ts';
import { requireTags, tagOf, tagsOf } from './tags.ts';

export interface ModelsRequest {
  /** Their files; the first is the own one. */
  readonly networks: readonly string[];
  /** Default: of several outputs the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  /** How folders of image files are read, and the networks' plans. */
  readonly folder?: FolderOptions | undefined;
  /** Data that they are used on. */
  readonly data: readonly string[];
  /** Whether features of 16 bits keep their roundings, as `modelOf` has it. */
  readonly rounds?: boolean;
  /** As of `importOnnx`. */
  readonly apart?: boolean;
}

export interface SharedModels {
  readonly models: readonly Model[];
  /** What they see by their plans; undefined without plans. */
  readonly shared: SharedByTag | undefined;
  /**
   * As it was said; where nobody says what folders are cut into and a network takes one size only, into that, and where nobody says how their
   * cases are prepared and the own network's file does, so.
   */
  readonly folder: FolderOptions | undefined;
}

/**
 * Reads networks that see the same images.
 *
 * @throws SutureError as `loadModel`, `readShared`, `onOtherGrid`; `option-invalid` for what is said of a network that is not there.
 */
export async function loadModels({
  networks,
  outputs = {},
  folder,
  data,
  rounds = false,
  apart = false,
}: ModelsRequest): Promise<SharedModels> {
  const tags = tagsOf(networks);
  const { partners = {} } = folder ?? {};
  requireTags(outputs, 'outputs', tags);
  requireTags(partners, 'plans', tags.slice(1));
  const read: Model[] = [];
  for (const [i, path] of networks.entries()) read.push(await loadModel(path, outputs[tagOf(i)], { rounds, apart }));
  const hasFolder = await anyFolder(data);
  // A network that says itself how its cases are prepared needs nobody else to.
  const [own] = read;
  const isSaid = folder?.plans !== undefined || !hasFolder || needsOf(own.file, own.path).plans === undefined;
  const known = isSaid ? folder : { ...folder, plans: own.path };
  const { grid = 'a' } = known ?? {};
  // Networks without plans see what the own one sees.
  const planOf = (i: number): string => (partners[tagOf(i)] === undefined ? 'a' : tagOf(i));
  const onGrid = read.filter((_, i) => planOf(i) === grid);
  const fixed = onGrid.map(({ graph }) => fixedExtents(graph)).find(extents => extents !== undefined);
  const cuts = fixed !== undefined && !known?.tile && hasFolder;
  const shared = known && (await readShared(known, known.tile?.length ?? (cuts ? fixed.length : undefined)));
  const order = shared?.fronts[grid].axes;
  const taken = fixed && order ? inOrder(fixed, order) : fixed;
  const cut = cuts ? { ...known, tile: taken } : known;
  if (!shared) return { models: read, shared, folder: cut };
  const tile = cut?.tile ?? taken ?? shared.plans.patchSize;
  const models = read.map((model, i) => {
    const plan = planOf(i);
    if (i > 0 && plan === 'a' && seesShared(model, shared.plans)) return model;
    const { axes, channels, ratio } = shared.fronts[plan];
    const turned = fronted(model, { axes }, roleOf(model, tagOf(i)));
    const other = plan === grid ? undefined : gridOf(turned, tile, ratio);
    return fronted(turned, { front: channels, grid: other }, roleOf(model, tagOf(i)));
  });
  return { models, shared, folder: cut };
}

/** Whether a network's own file says that it takes the shared images as they are: one that was joined of others before. */
function seesShared({ file, path }: Model, shared: Plans): boolean {
  const { plans } = needsOf(file, path);
  const text = ({ normalizations, spacing, transpose }: Plans): string =>
    JSON.stringify([normalizations, spacing, transpose]);
  return plans !== undefined && text(plans) === text(shared);
}

async function anyFolder(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (await isFolder(path)) return true;
  return false;
}

/** The extents in space of the images of a network that takes no others: of slices or volumes. */
function fixedExtents({ inputs }: Graph): readonly number[] | undefined {
  const [, , ...spatial] = inputs[0]?.type.shape ?? [];
  return (spatial.length === 2 || spatial.length === 3) && spatial.every(isStatic) ? spatial : undefined;
}

/** Where a network with plans of its own sees what others see as one tile; undefined where that is the same. */
function gridOf(
  { graph }: Model,
  shared: readonly number[],
  ratio: readonly number[] = shared.map(() => 1),
): GridChange | undefined {
  const resized = shared.map((extent, axis) => Math.max(1, roundHalfEven(extent * ratio[axis])));
  const taken = fixedExtents(graph) ?? resized;
  return [resized, taken].every(extents => String(extents) === String(shared)) ? undefined : { shared, resized };
}
