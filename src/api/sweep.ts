/** The sweeps of a run directory: over positions, and over all settings. */
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import type { NamedFile } from '../options/kinds.ts';
import { withLockedRun } from '../run/access.ts';
import { labelsOfRun } from '../run/config.ts';
import { readLearned } from '../run/learned.ts';
import { loadRun } from '../run/load.ts';
import type { NamedData } from '../selection/measure.ts';
import { type Sweep, type SweepOptions, sweepPositions } from '../selection/sweep.ts';
import { type Front, type FrontOptions, sweepFront } from '../selection/weighted.ts';

/** What a command on a run may say of labels, where the run says something else or nothing, and what it scores by. */
export interface LabelRequest {
  readonly labels?: LabelOptions;
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
}

/** What positions are also scored on; it decides nothing. */
export interface SweepRequest extends Omit<SweepOptions, 'stress'>, WorkOptions, ExecutorOptions, LabelRequest {
  readonly stress?: StressRequest | undefined;
}

/**
 * Scores every position of a run on a data file and keeps the result as `sweep.json` in the run.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `data-unreadable`, `data-invalid`.
 */
export const sweep = (path: string, data: string, options: SweepRequest = {}): Promise<Sweep> =>
  withLockedRun(path, () => sweepLocked(path, data, options));

async function sweepLocked(path: string, data: string, { stress: asked, ...options }: SweepRequest): Promise<Sweep> {
  const run = await loadRun(path);
  const said = labelsOfRun(run.directory.config, options.labels);
  const dataset = await loadDataset(data, said);
  const scorable = LabelledData.toChooseBy(run.parents, dataset, options.metric);
  const stress = asked && (await stressSets(scorable, run.parents, asked, said));
  return withExecutor(options, async executor => {
    const execution = { executor, ...workOptions(options) };
    const result = await sweepPositions(execution, run, scorable, { ...options, stress });
    await run.directory.writeJson('sweep', result);
    return result;
  });
}

export interface FrontRequest
  extends Omit<FrontOptions, 'learned' | 'stress'>,
    WorkOptions,
    ExecutorOptions,
    LabelRequest {
  /** Test sets: the own site's first. They decide nothing. */
  readonly tests?: readonly NamedFile[] | undefined;
  /** Also score the weights that `suture weigh` left in the run. */
  readonly learned?: boolean | undefined;
  /** What settings are also scored on; it decides nothing. */
  readonly stress?: StressRequest | undefined;
}

/**
 * Scores settings of a run on the own site's validation data and on test sets, and keeps the result as `front.json` in the run.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `option-invalid`, `data-unreadable`, `data-invalid`.
 */
export const front = (path: string, data: string, request: FrontRequest = {}): Promise<Front> =>
  withLockedRun(path, () => frontLocked(path, data, request));

async function frontLocked(path: string, data: string, request: FrontRequest): Promise<Front> {
  const { tests = [], learned = false, labels, metric, stress: asked, ...options } = request;
  const run = await loadRun(path);
  const said = labelsOfRun(run.directory.config, labels);
  const { parents } = run;
  const validation = LabelledData.toChooseBy(parents, await loadDataset(data, said), metric);
  const named: NamedData[] = [];
  for (const { name, file } of tests)
    named.push({ name, data: LabelledData.for(parents, await loadDataset(file, said), metric) });
  const stress = asked && (await stressSets(validation, parents, asked, said));
  const weights = learned ? await readLearned(run) : undefined;
  return withExecutor(options, async executor => {
    const execution = { executor, ...workOptions(options) };
    const front = await sweepFront(
      execution,
      run,
      { validation, tests: named },
      { ...options, learned: weights, stress },
    );
    await run.directory.writeJson('front', { ...front, ...(weights && { weights: weights.seal }) });
    return front;
  });
}
