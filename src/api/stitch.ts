/** Making a run: parents joined, stitches trained, everything kept in a directory. */
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import type { StitchParameters } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type TrainingExecution, type TrainingWork, workOptions } from '../execution/progress.ts';
import { computedBy } from '../execution/version.ts';
import type { Parent } from '../network/parent.ts';
import { checkRunOutput, withLockedRun } from '../run/access.ts';
import { type FollowUp, keptLabels, labelsOfRun } from '../run/config.ts';
import { type ParentSource, RunDirectory } from '../run/directory.ts';
import { type FurtherStitchRequest, planFurther, startOf } from '../run/further.ts';
import {
  errorThatLeaves,
  type Reached,
  readCheckpoint,
  requireCarried,
  resumable,
  sameData,
  type TrainingKind,
  train,
} from '../run/lifecycle.ts';
import { joinOpened, type LoadedRun, type OpenRun, trainedParameters } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { metricsStateSchema } from '../run/metrics.ts';
import { planRun, type RunPlan, type StitchRequest } from '../run/plan.ts';
import { type RunSummary, summaryOf } from '../run/summary.ts';
import { fitToOutputs } from '../training/closing.ts';
import { drawsSettings } from '../training/found.ts';
import { initialise } from '../training/initialise.ts';
import { type TrainingJob, trainingJob } from '../training/job.ts';
import { requireBudgetSupport } from '../training/memory.ts';
import type { Training } from '../training/options.ts';
import { requireRoom } from '../training/room.ts';
import { stitchParameters, stitchTrainer, stitchTypes } from '../training/stitches.ts';
import { type MetricsEntry, stepOf, type Trainer } from '../training/train.ts';

/**
 * Trains the stitches of a plan and makes its run directory. Where the training cannot begin, nothing is left of it.
 *
 * @throws SutureError `output-unwritable`, `run-locked`, `kernel-missing`, `device-memory`, `loss-not-finite`, `interrupted`.
 */
export const trainRun = (plan: RunPlan, executor: Executor, work: TrainingWork = {}): Promise<TrainedRun> =>
  withNewLock(plan.output, () => trainLocked(plan, { ...work, executor }));

/** A run whose training has ended, and what there is to say of it. */
export interface TrainedRun {
  readonly run: LoadedRun;
  readonly summary: RunSummary;
}

/** As {@link trainRun}, where the caller holds the run's lock. @param followUp what is to be done with the run then. */
export async function trainLocked(
  plan: RunPlan,
  execution: TrainingExecution,
  followUp?: FollowUp,
): Promise<TrainedRun> {
  const { dataset, training, parents, network } = plan;
  const { executor } = execution;
  const job = trainingJob(execution, network, dataset);
  await checkRunOutput(plan.output, { force: plan.force, locked: true });
  requireBudgetSupport(executor, training);
  requireRoom(network, training, dataset, { withSession: executor.name === 'ort' });
  const directory = await RunDirectory.create(
    plan.output,
    {
      parents: parents.map(recordOf),
      task: plan.task,
      ...keptLabels(plan.labels),
      outputMean: plan.outputMean,
      training,
      data: { source: dataset.source, sha256: plan.dataHash, images: dataset.count },
      ...(plan.input && { input: plan.input }),
      ...computedBy(executor),
    },
    plan.pairs,
    { force: plan.force, followUp },
  );
  const run = { directory, parents, network };
  const ready = await readied(run, job).catch(async (error: unknown) => {
    if (!isInterruption(error)) await directory.discard();
    throw error;
  });
  return trainReady(run, job, ready);
}

const isInterruption = (error: unknown): error is SutureError =>
  error instanceof SutureError && error.code === 'interrupted';

/** The first values of every stitch's parameters, by input name. */
const beginning = (job: TrainingJob, training: Training): Promise<StitchParameters> =>
  training.settings === 'found' ? startOf(training) : initialise(job, training);

const recordOf = ({
  path,
  sha256,
  file,
  output,
  meaning,
  external,
  axes,
  front,
  grid,
  classes,
}: Parent): ParentSource => ({
  source: path,
  sha256,
  output: file.outputs.length > 1 ? output : undefined,
  meaning,
  external,
  axes: axes && [...axes],
  front: front?.map(channel => ({ ...channel })),
  grid: grid && { shared: [...grid.shared], resized: [...grid.resized] },
  classes: classes && [...classes],
});

const stitches: TrainingKind<{ metrics: typeof metricsStateSchema }, 'checkpoint', RunDirectory> = {
  file: 'checkpoint',
  stage: 'training the stitches',
  entries: { metrics: metricsStateSchema },
  extent: ({ config: { training, data } }) =>
    training.steps > 0 ? { ...training, images: data.images, sampled: drawsSettings(training) } : undefined,
  // Without a checkpoint it is begun again as the configuration says.
  resume: async directory =>
    `suture ${(await directory.has('request')) ? 'run' : 'stitch'} --resume ${printable(directory.path)}`,
  untouched: ({ path, replaces }) =>
    replaces ? `${printable(path)} holds the run that was there before until the new one is trained` : undefined,
};

/** A training that stands ready. */
interface ReadyTraining {
  /** None where there are no steps. */
  readonly trainer: Trainer | undefined;
  /** Where it begins, or has come to. */
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly from?: Reached<typeof stitches.entries> | undefined;
}

/** Makes a training ready to go on from its last checkpoint or, without one, to begin. */
async function readied({ directory, network }: OpenRun, job: TrainingJob): Promise<ReadyTraining> {
  const { config } = directory;
  const from = await readCheckpoint(directory, stitches);
  if (from) {
    const step = stepOf(job.network, config.training, config);
    requireCarried(from, step, directory.file('checkpoint'), stitchTypes(network));
  }
  const begun = () =>
    beginning(job, config.training).catch(async (error: unknown) => {
      throw isInterruption(error) ? await errorThatLeaves(directory, stitches, error) : error;
    });
  const initial = from?.values ?? (await begun());
  return { trainer: await stitchTrainer(job, config.training, config, initial), initial, from };
}

async function trainReady(run: OpenRun, job: TrainingJob, ready: ReadyTraining): Promise<TrainedRun> {
  try {
    await run.directory.begin();
    return await finishTraining(run, job, ready);
  } finally {
    ready.trainer?.dispose();
  }
}

/** Runs a training to its end and writes what comes out of it. */
async function finishTraining(
  run: OpenRun,
  job: TrainingJob,
  { trainer, initial, from }: ReadyTraining,
): Promise<TrainedRun> {
  const { directory } = run;
  const { training } = directory.config;
  const metrics = await directory.openMetrics(from?.more.metrics);
  // Stitches that are not trained stay as they began.
  const parameters = stitchParameters(run.network, initial);
  const more = async () => ({ metrics: await metrics.state() });
  const end = async (): Promise<StitchParameters> => {
    if (trainer) {
      const planned = {
        trainer,
        from,
        // What is interrupted in the closing fit need not be trained again.
        keepEnd: training.closingImages > 0,
        onMetrics: (entry: MetricsEntry) => metrics.append(entry),
        more,
        constant: parameters,
      };
      const trained = await train(directory, stitches, planned);
      for (const [name, value] of trained) parameters.set(name, value);
    }
    await metrics.sync();
    const closed = training.closingImages > 0 ? await fitToOutputs(job, training, parameters) : parameters;
    await directory.writeTensors('parameters', closed);
    return closed;
  };
  let closed: StitchParameters;
  try {
    closed = await resumable(directory, stitches, end);
  } finally {
    await metrics.close();
  }
  await directory.finish();
  return trainedRun({ ...run, parameters: closed });
}

const trainedRun = async (run: LoadedRun): Promise<TrainedRun> => ({
  run,
  summary: await summaryOf(run),
});

/**
 * Goes on with a training that was interrupted, from its last checkpoint or, without one, from the start. What comes out is
 * the same to the last bit as without the interruption, on the same adapter and versions.
 *
 * @throws SutureError `run-invalid`, `run-locked`, and `data-invalid` when the data file is not the one that the run was started with.
 */
export const resumeStitch = (path: string, work: ResumedWork = {}): Promise<RunSummary> =>
  withLockedRun(path, async () => {
    const run = await openBegun(path);
    const { directory } = run;
    if ((await directory.has('parameters')) && !directory.replaces && !(await directory.has('checkpoint'))) {
      throw new SutureError('run-invalid', `The training of ${printable(path)} has ended: there is nothing to resume.`);
    }
    return (await resumeLocked(run, work)).summary;
  });

export type ResumedWork = TrainingWork & Pick<ExecutorOptions, 'onProfile'>;

/** Opens the run whose training is to go on. @throws SutureError `run-invalid`. */
export const openBegun = async (path: string): Promise<OpenRun> => joinOpened(await RunDirectory.openUnfinished(path));

/** As {@link resumeStitch}, where the caller holds the run's lock; a run whose training has ended stays as it is. */
export async function resumeLocked(run: OpenRun, work: ResumedWork): Promise<TrainedRun> {
  const { directory } = run;
  const { config } = directory;
  const { onProfile } = work;
  const parameters = await trainedParameters(run);
  if (parameters) {
    // It was killed between its last step and its end, or after it.
    await directory.finish();
    return trainedRun({ ...run, parameters });
  }
  const dataset = await sameData(config.data, labelsOfRun(config), 'the run was started', 'training');
  await directory.removeTemporaries();
  return withExecutor({ executor: config.executor.name, ...(onProfile && { onProfile }) }, async executor => {
    const job = trainingJob({ ...work, executor }, run.network, dataset);
    return trainReady(run, job, await readied(run, job));
  });
}

/**
 * Matches two networks, joins them, trains the stitches and keeps the result: `suture stitch`.
 *
 * @throws SutureError as {@link planRun} and {@link trainRun}.
 */
export async function stitch(request: StitchRequest, work: TrainingWork = {}): Promise<Stitched> {
  return trainPlanned(await planRun(request, {}, workOptions(work)), request, work);
}

/**
 * Trains the stitches of settings that a search found further, from the parameters that the run has, and makes a run of it whose other
 * stitches are as they were: `suture stitch RUN --setting`.
 *
 * @throws SutureError as {@link planFurther} and {@link trainRun}.
 */
export async function stitchFurther(request: FurtherStitchRequest, work: TrainingWork = {}): Promise<Stitched> {
  return trainPlanned(await planFurther(request), request, work);
}

/** What a training came to. */
export interface Stitched {
  readonly summary: RunSummary;
  readonly warnings: readonly string[];
}

const trainPlanned = (plan: RunPlan, request: ExecutorOptions, work: TrainingWork): Promise<Stitched> =>
  withExecutor(request, async executor => ({
    summary: (await trainRun(plan, executor, work)).summary,
    warnings: plan.warnings,
  }));
