/** What is wrong with a trained run, as far as data tell, and where to stitch without labels. */
import { loadDataset } from '../data/load.ts';
import type { ChangeName } from '../data/shift/changes.ts';
import { changeOf } from '../data/shift/suite.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { requireFittingImages } from '../network/interface.ts';
import type { NamedFile } from '../options/kinds.ts';
import { labelsOfRun } from '../run/config.ts';
import { loadRun } from '../run/load.ts';
import { diagnoseNetwork, type RunDiagnosis } from '../selection/diagnose/diagnose.ts';
import type { NamedData } from '../selection/measure.ts';
import type { LabelRequest } from './sweep.ts';

export interface DiagnoseOptions extends WorkOptions, ExecutorOptions, LabelRequest {
  /** The own images, with labels or without. Without images nothing is judged, and positions are known by their depth alone. */
  readonly data?: string | undefined;
  /** Labelled data of elsewhere, on which stitching may gain. */
  readonly tests?: readonly NamedFile[] | undefined;
  /** Changes that features are also looked at under. Default: the default suite. */
  readonly changes?: readonly ChangeName[] | undefined;
  /** About how many images features are looked at on. Default 32. */
  readonly shiftImages?: number | undefined;
  /** Images at a time. */
  readonly batch?: number | undefined;
}

/**
 * Judges a run by the signs of failure that stitching is known for, and lists its positions by what is known of them without labels.
 *
 * @throws SutureError `run-invalid`, `option-invalid`, `data-unreadable`, `data-invalid`.
 */
export async function diagnose(path: string, options: DiagnoseOptions = {}): Promise<RunDiagnosis> {
  const { data: file, tests: named = [], changes, shiftImages: images, batch, labels, metric } = options;
  const run = await loadRun(path);
  const said = labelsOfRun(run.directory.config, labels);
  const dataset = file === undefined ? undefined : await loadDataset(file, said);
  const { parents } = run;
  if (dataset) for (const { graph, name } of parents) requireFittingImages(dataset, graph, name);
  const data = dataset?.labels && LabelledData.toChooseBy(parents, dataset, metric);
  const tests: NamedData[] = [];
  for (const test of named) {
    tests.push({ name: test.name, data: LabelledData.for(parents, await loadDataset(test.file, said), metric) });
  }
  const suite = changes && [...new Set(changes)].map(name => changeOf(name));
  return withExecutor(options, executor =>
    diagnoseNetwork({ executor, ...workOptions(options) }, run, {
      dataset,
      data,
      tests,
      changes: suite,
      images,
      batch,
    }),
  );
}
