/** Making a run: parents joined, stitches trained, everything kept in a directory. */
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import {
  checkPairs,
  featurePairs,
  type Matching,
  match,
  type StitchParameters,
  type SuperNetwork,
  type Task,
} from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { type Dataset, type LabelOptions, loadDataset } from '../data/dataset.ts';
import { withExecutor } from '../execution/execute.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { type Execution, type WorkOptions, workOptions } from '../execution/progress.ts';
import { versions } from '../execution/version.ts';
import { hashFile } from '../files/hash.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { compareAnswers, disagreementTexts } from '../network/agreement.ts';
import { requireFittingImages, spatialExtents } from '../network/interface.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { loadModel, type Model, rolesOf } from '../network/model.ts';
import { type PairEntry, readPairs } from '../network/pairs.ts';
import { type Parent, parentOf } from '../network/parent.ts';
import { graphForImages } from '../network/sizes.ts';
import { isReached, naturalSchema, randomStateSchema, samplerStateSchema } from '../run/checkpoint.ts';
import { labelsOfRun, type RunConfig } from '../run/config.ts';
import {
  checkRunOutput,
  type ParentSource,
  RunDirectory,
  type RunSpecification,
  withLockedRun,
} from '../run/directory.ts';
import { joinOpened, joinParents, type LoadedRun, type OpenRun, requireTensors, stitchTypes } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { type MetricsState, metricsStateSchema } from '../run/metrics.ts';
import { type RunSummary, summaryOf } from '../run/summary.ts';
import { checkPositions } from '../selection/combination.ts';
import { fitToOutputs } from '../training/closing.ts';
import { initialise } from '../training/initialise.ts';
import { type TrainingJob, trainingJob } from '../training/job.ts';
import { requireBudgetSupport } from '../training/memory.ts';
import { type TrainingSettings, trainingSchema, withDefaults } from '../training/settings.ts';
import { type Checkpoint, type Labelled, type MetricsEntry, stepOf, Trainer } from '../training/train.ts';

export interface StitchRequest extends ExecutorOptions, Pick<MeaningOptions, 'activation'> {
  /** The parents' files. */
  readonly a: string;
  readonly b: string;
  /** The images that the stitches are trained on. */
  readonly data: string;
  /** The run directory to make. */
  readonly output: string;
  readonly force?: boolean;
  /** A file of pairs; without one the parents are matched. */
  readonly pairs?: string;
  /** What is not given is as `withDefaults` says. */
  readonly training?: Partial<TrainingSettings>;
  /** Default: what outputs and labels tell. */
  readonly task?: Task;
  /** What is said of labels; the run keeps it. */
  readonly labels?: LabelOptions;
  readonly outputMean?: RunConfig['outputMean'];
}

export interface TrainingWork extends WorkOptions {
  /** Seconds from one checkpoint to the next, 20 without; 0 writes one after every step. */
  readonly checkpointSeconds?: number | undefined;
}

/** A run whose inputs are read and found to fit, before anything is written. */
export interface RunPlan {
  readonly output: string;
  readonly force: boolean;
  readonly parents: { readonly a: Parent; readonly b: Parent };
  readonly pairs: readonly PairEntry[];
  readonly network: SuperNetwork;
  readonly dataset: Dataset;
  readonly dataHash: string;
  readonly settings: TrainingSettings;
  readonly task: Task;
  readonly labels: LabelOptions;
  readonly outputMean: RunConfig['outputMean'];
  readonly warnings: readonly string[];
}

/** Fills in the defaults. @throws SutureError `option-invalid`. */
function completed(given: Partial<TrainingSettings> | undefined, { graph }: Model): TrainingSettings {
  const dense = graph.outputs.some(({ value }) => value.type.shape.length > 2);
  const parsed = v.safeParse(trainingSchema, withDefaults(given, { dense }));
  if (parsed.success) {
    const problem = contradiction(parsed.output);
    if (problem === undefined) return parsed.output;
    throw new SutureError('option-invalid', problem);
  }
  const [issue] = parsed.issues;
  throw new SutureError('option-invalid', `The training setting ${v.getDotPath(issue) ?? ''}: ${issue.message}.`);
}

/** What does not go together; undefined where all does. */
function contradiction({
  method,
  settings,
  positions,
  weight,
  output,
  closingImages,
}: TrainingSettings): string | undefined {
  const deployed = positions !== undefined || weight !== undefined;
  if (method === 'direct' && (settings !== 'all' || deployed)) {
    return 'Direct matching fits clean features, whatever is stitched later: leave out --settings, --positions and --weight, or train double-batched.';
  }
  if (deployed && settings !== 'fixed') {
    return `Positions and a weight are a setting of their own: leave out --settings ${settings}.`;
  }
  if (output !== undefined && method !== 'task') {
    return 'Outputs are weighed by --method task alone: without labels each network is held to its own output.';
  }
  if (closingImages > 0 && (method !== 'double-batched' || settings !== 'sampled')) {
    return 'The last stitches are fitted to the outputs after double-batched training under sampled settings: leave out --closing-images.';
  }
  return undefined;
}

/** What a network does where nobody says. */
const taskOf = ({ graph, meaning }: Parent): Task =>
  meaning.kind === 'values'
    ? 'regression'
    : spatialExtents(graph.outputs[0]!.value.type, meaning).length > 0
      ? 'segmentation'
      : 'classification';

/** What a run's configuration keeps of it. */
const keptOf = ({ ignoreLabel, regions }: LabelOptions): Pick<RunConfig, 'labels'> =>
  ignoreLabel === undefined && !regions
    ? {}
    : {
        labels: {
          ...(ignoreLabel !== undefined && { ignoreLabel }),
          ...(regions && { regions: regions.map(r => [...r]) }),
        },
      };

/**
 * Reads and checks everything that a run needs.
 *
 * @param labelled data whose labels tell the task and what outputs mean, where neither the networks nor the request say. Default: those that are trained on.
 * @throws SutureError whatever is wrong with the parents, the pairs, the data, the options or the output path.
 */
export async function planRun(request: StitchRequest, labelled?: Dataset, work: WorkOptions = {}): Promise<RunPlan> {
  const { output, force = false, labels = {}, outputMean = 'probabilities' } = request;
  await checkRunOutput(output, { force });
  const [a, b] = [await loadModel(request.a), await loadModel(request.b)];
  const settings = completed(request.training, a);
  const { pairs, warnings = [] } = await pairsOf(request, a, b);
  const dataset = await loadDataset(request.data, { ...labels, task: request.task });
  for (const { graph, path } of [a, b]) {
    requireFittingImages(dataset, graph, path);
    graphForImages(graph, dataset, path);
  }
  const [first, second] = [
    await parentOf(a, labelled ?? dataset, request),
    await parentOf(b, labelled ?? dataset, request),
  ];
  const parents = { a: first, b: second };
  const task = request.task ?? taskOf(first);
  const network = joinParents(first, second, pairs, { task, outputMean });
  checkPositions(network, settings.positions ?? []);
  const agreement = await compareAnswers(first, second, dataset, work);
  if (settings.method === 'task') LabelledData.for([first, second], dataset);
  return {
    output,
    force,
    parents,
    pairs,
    network,
    dataset,
    dataHash: await hashFile(request.data),
    settings,
    task,
    labels,
    outputMean,
    warnings: [
      ...[a, b].flatMap(model => model.warnings.map(w => `${printable(model.path)}: ${w.message}`)),
      ...warnings.map(w => w.message),
      ...(agreement ? disagreementTexts(agreement) : []),
    ],
  };
}

/** The pairs that a file names, found to fit before anything long begins; without a file those that are matched. */
async function pairsOf(
  { pairs: file }: StitchRequest,
  a: Model,
  b: Model,
): Promise<{ readonly pairs: readonly PairEntry[] } & Pick<Matching, 'warnings'>> {
  if (file === undefined) return match(a.graph, b.graph, { names: rolesOf(a, b) });
  const pairs = await readPairs(file);
  checkPairs(
    [
      { tag: 'a', graph: a.graph },
      { tag: 'b', graph: b.graph },
    ],
    featurePairs(pairs),
  );
  return { pairs };
}

/**
 * Trains the stitches of a plan and makes its run directory. A run is there only when the training is ready to start.
 *
 * @throws SutureError `output-unwritable`, `run-locked`, `kernel-missing`, `device-memory`, `loss-not-finite`, `interrupted`.
 */
export const trainRun = (plan: RunPlan, executor: Executor, work: TrainingWork = {}): Promise<TrainedRun> =>
  withNewLock(plan.output, () => trainLocked(plan, { executor, ...workOptions(work) }, work));

/** A run whose training has ended, and what there is to say of it. */
export interface TrainedRun {
  readonly run: LoadedRun;
  readonly summary: RunSummary;
}

/** As {@link trainRun}, where the caller holds the run's lock. */
export async function trainLocked(plan: RunPlan, execution: Execution, work: TrainingWork): Promise<TrainedRun> {
  const { dataset, settings, parents, network } = plan;
  const { executor } = execution;
  const job = trainingJob(execution, network, dataset);
  await checkRunOutput(plan.output, { force: plan.force, locked: true });
  requireBudgetSupport(executor, settings);
  const initial = await initialise(job, settings).catch((error: unknown) => {
    if (!(error instanceof SutureError) || error.code !== 'interrupted') throw error;
    const message = `${error.message.replace(/\.$/, '')}; nothing is kept of it yet, so start the command again.`;
    throw new SutureError(error.code, message, { cause: error });
  });
  const trainer = await trainerFor(job, settings, plan, initial);
  try {
    const specification: RunSpecification = {
      parents: {
        a: recordOf(parents.a),
        b: recordOf(parents.b),
      },
      task: plan.task,
      ...keptOf(plan.labels),
      outputMean: plan.outputMean,
      training: settings,
      data: { source: dataset.source, sha256: plan.dataHash, images: dataset.count },
      executor: { name: executor.name, description: executor.describe() },
      versions: { ...versions() },
    };
    const directory = await RunDirectory.create(plan.output, specification, plan.pairs, { force: plan.force });
    return await finishTraining(job, { directory, parents, network }, trainer, initial, work);
  } finally {
    trainer?.dispose();
  }
}

/** The trainer of a run; undefined where it takes no steps. */
async function trainerFor(
  job: TrainingJob,
  settings: TrainingSettings,
  how: Labelled,
  values: ReadonlyMap<string, Tensor>,
): Promise<Trainer | undefined> {
  if (settings.steps === 0) return undefined;
  return Trainer.create(job, stepOf(job.network, settings, how), settings, values);
}

const recordOf = ({ path, sha256, meaning, external }: Parent): ParentSource => ({
  source: path,
  sha256,
  meaning,
  external,
});

/** Runs a training to its end and writes what comes out of it. */
async function finishTraining(
  job: TrainingJob,
  run: OpenRun,
  trainer: Trainer | undefined,
  initial: ReadonlyMap<string, Tensor>,
  { checkpointSeconds }: TrainingWork,
  from?: Checkpoint & { readonly metrics: MetricsState },
): Promise<TrainedRun> {
  const { directory } = run;
  const { training } = directory.config;
  const metrics = await directory.openMetrics(from?.metrics);
  // Stitches that are not trained stay as they began.
  const parameters = stitchParameters(run.network, initial);
  let closed: StitchParameters;
  try {
    if (trainer) {
      const trained = await trainer.run({
        ...(from && { from }),
        checkpointSeconds,
        // What is interrupted in the closing fit need not be trained again.
        keepEnd: training.closingImages > 0,
        onMetrics: (entry: MetricsEntry) => metrics.append(entry),
        onCheckpoint: async ({ step, sampler, settings, values }) => {
          await metrics.sync();
          await directory.writeTensors('checkpoint', new Map([...parameters, ...values]), {
            step,
            sampler,
            settings,
            metrics: metrics.state(),
          });
        },
      });
      for (const [name, value] of trained) parameters.set(name, value);
    }
    await metrics.sync();
    closed = training.closingImages > 0 ? await fitToOutputs(job, training, parameters) : parameters;
    await directory.writeTensors('parameters', closed);
  } catch (error) {
    throw error instanceof SutureError ? await resumable(error, directory) : error;
  } finally {
    await metrics.close();
  }
  await directory.finish();
  return { run: { ...run, parameters: closed }, summary: await summaryOf(directory, run.network.positions.length) };
}

/** Of some values those that belong to the stitches. */
function stitchParameters(network: SuperNetwork, values: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map([...stitchTypes(network).keys()].map(name => [name, values.get(name)!]));
}

/** An error that ended a training, with what is left of the training and what to do with it. */
async function resumable(error: SutureError, directory: RunDirectory): Promise<SutureError> {
  const { path, replaces } = directory;
  const message = error.message.replace(/\.$/, '');
  const resume = `\`suture stitch --resume ${printable(path)}\``;
  const old = replaces ? `; ${printable(path)} holds the run that was there before until the new one is trained` : '';
  if (error.code === 'loss-not-finite') {
    const kept = (await directory.has('checkpoint'))
      ? 'the last good checkpoint is kept'
      : 'there is no checkpoint yet';
    return new SutureError(error.code, `${message}; ${kept}${old}.`, { details: error.details, cause: error });
  }
  return new SutureError(error.code, `${message}; go on with ${resume}${old}.`, {
    details: error.details,
    cause: error,
  });
}

const checkpointSchema = v.object({
  step: naturalSchema,
  metrics: metricsStateSchema,
  settings: v.optional(randomStateSchema),
  sampler: samplerStateSchema,
});

/** The last checkpoint of a training; undefined where there is none. @throws SutureError `run-invalid`. */
async function readCheckpoint(
  directory: RunDirectory,
  { network, dataset }: TrainingJob,
): Promise<(Checkpoint & { readonly metrics: MetricsState }) | undefined> {
  const stored = await directory.readTensors('checkpoint');
  if (!stored) return undefined;
  const { training } = directory.config;
  const file = directory.file('checkpoint');
  const parsed = v.safeParse(checkpointSchema, stored.state);
  const fits =
    parsed.success &&
    isReached(parsed.output, training, dataset.count) &&
    (parsed.output.settings !== undefined) === (training.settings === 'sampled');
  if (!fits || training.steps === 0) {
    throw new SutureError(
      'run-invalid',
      `${printable(file)} holds no state of this training; remove it to begin again.`,
    );
  }
  const step = stepOf(network, training, directory.config);
  const carried = [...step.carry.values()].map(name => [name, step.graph.input(name).type] as const);
  requireTensors(stored.tensors, new Map([...stitchTypes(network), ...carried]), file);
  return { ...parsed.output, values: stored.tensors };
}

/**
 * Goes on with a training that was interrupted, from its last checkpoint or, without one, from the start. What comes out is
 * the same to the last bit as without the interruption, on the same adapter and versions.
 *
 * @throws SutureError `run-invalid`, `run-locked`, and `data-invalid` when the data file is not the one that the run was started with.
 */
export const resumeStitch = (
  path: string,
  work: TrainingWork & Pick<ExecutorOptions, 'onProfile'> = {},
): Promise<RunSummary> => withLockedRun(path, () => resumeLocked(path, work));

async function resumeLocked(
  path: string,
  work: TrainingWork & Pick<ExecutorOptions, 'onProfile'>,
): Promise<RunSummary> {
  const run = await joinOpened(await RunDirectory.openUnfinished(path));
  const { directory } = run;
  const { config } = directory;
  const { onProfile } = work;
  if (await directory.readTensors('parameters')) {
    if (!directory.replaces && !(await directory.has('checkpoint'))) {
      throw new SutureError('run-invalid', `The training of ${printable(path)} has ended: there is nothing to resume.`);
    }
    // It was killed between its last step and its end.
    await directory.finish();
    return summaryOf(directory, run.network.positions.length);
  }
  const dataset = await loadDataset(config.data.source, labelsOfRun(config));
  if ((await hashFile(config.data.source)) !== config.data.sha256) {
    const source = printable(config.data.source);
    throw new SutureError('data-invalid', `${source} has changed since the run was started; put the old file back.`);
  }
  await directory.removeTemporaries();
  return withExecutor({ executor: config.executor.name, ...(onProfile && { onProfile }) }, async executor => {
    const job = trainingJob({ executor, ...workOptions(work) }, run.network, dataset);
    const from = await readCheckpoint(directory, job);
    const values = from?.values ?? (await initialise(job, config.training));
    const trainer = await trainerFor(job, config.training, config, values);
    try {
      return (await finishTraining(job, run, trainer, values, work, from)).summary;
    } finally {
      trainer?.dispose();
    }
  });
}

/**
 * Matches two networks, joins them, trains the stitches and keeps the result: `suture stitch`.
 *
 * @throws SutureError as {@link planRun} and {@link trainRun}.
 */
export async function stitch(
  request: StitchRequest,
  work: TrainingWork = {},
): Promise<{ readonly summary: RunSummary; readonly warnings: readonly string[] }> {
  const plan = await planRun(request, undefined, workOptions(work));
  return withExecutor(request, async executor => ({
    summary: (await trainRun(plan, executor, work)).summary,
    warnings: plan.warnings,
  }));
}
