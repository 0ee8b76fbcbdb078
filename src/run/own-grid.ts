/** What resizing costs a parent whose images lie on a grid of its own: its scores there, by its own plans, beside those on the shared grid. */
import { loadDataset } from '../data/load.ts';
import type { Execution } from '../execution/progress.ts';
import { isFolder } from '../files/there.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { measureNetworks } from '../metrics/score-networks.ts';
import { loadModel } from '../network/load.ts';
import { fromStored } from '../network/meaning.ts';
import { parentName } from '../network/names.ts';
import { parentWith, withClasses } from '../network/parent.ts';
import { inOrder, inverseOrder } from '../preprocessing/grid.ts';
import { labelsOfRun } from './config.ts';
import type { LoadedRun } from './load.ts';

/** One parent on one data set. */
export interface OnOwnGrid {
  readonly parent: string;
  readonly set: string;
  /** On the grid that the networks share, resized in front and behind; absent where it was not measured. */
  readonly shared?: number | undefined;
  /** On its own; absent where the data are no raw images that could be put on it. */
  readonly own?: number;
}

/** A data set, and what the parents scored on it on the shared grid. */
interface ScoredSet {
  readonly name: string;
  readonly file: string;
  readonly metric: MetricName | undefined;
  readonly sharedOf: (network: string) => number | undefined;
}

/** The scores of all parents on grids of their own; none where there are none. @throws SutureError as `loadDataset`, `measureNetworks`. */
export async function scoresOnOwnGrids(
  execution: Execution,
  { directory, network, parents }: LoadedRun,
  { name, file, metric, sharedOf }: ScoredSet,
): Promise<readonly OnOwnGrid[]> {
  const { config } = directory;
  const { folder, ...labels } = labelsOfRun(config);
  const { tile: _, grid: __, plans, partners = {}, ...others } = folder ?? {};
  const found: OnOwnGrid[] = [];
  for (const [i, { tag }] of network.parents.entries()) {
    const { grid, meaning, output, classes } = config.parents[tag];
    if (!grid) continue;
    const parent = parentName(tag);
    const known = { parent, set: name, shared: sharedOf(parent) };
    if (!(await isFolder(file))) {
      found.push(known);
      continue;
    }
    const stored = fromStored(meaning);
    const model = await loadModel(directory.parentFile(tag), output);
    const alone = parentWith(model, { ...stored, channels: classes?.length ?? stored.channels });
    const { axes, grid: lying } = parents[i];
    const tile = axes && lying ? inOrder(lying.taken, inverseOrder(axes)) : lying?.taken;
    const dataset = await loadDataset(file, { ...labels, folder: { ...others, plans: partners[tag] ?? plans, tile } });
    const mapped = withClasses(alone, classes, stored.channels, parent);
    const data = LabelledData.for([mapped], dataset, metric);
    const [measured] = await measureNetworks(execution, [mapped], data);
    found.push({ ...known, own: measured.metric.score().value });
  }
  return found;
}
