/** The training of a whole network in its directory, from its checkpoint if there is one, and what is written of what comes out. */
import * as v from 'valibot';
import { type Graph, printable, SutureError, type Tensor, type TensorType } from '../../ir/index.ts';
import { closeWeights, type TrainingStep } from '../../passes/index.ts';
import type { ExecutorName } from '../../runtime/executor.ts';
import type { Dataset } from '../data/dataset.ts';
import { BatchSampler } from '../data/sampler.ts';
import { bindingFor } from '../execution/execute.ts';
import { withExecutor } from '../execution/open.ts';
import type { Execution, TrainingExecution, TrainingWork, WorkOptions } from '../execution/progress.ts';
import { hashFile } from '../files/hash.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { type ValidationScore, validationScores } from '../metrics/validation.ts';
import { meaningMetadata } from '../network/meaning.ts';
import { networkOf } from '../network/network.ts';
import { firstOutput } from '../network/supervision.ts';
import { writeModel } from '../network/write.ts';
import { averaged, roundStart, type Weights } from '../training/federate.ts';
import { checkpointInterval } from '../training/options.ts';
import { requireRoomForWhole } from '../training/room.ts';
import { type MetricsEntry, Trainer } from '../training/train.ts';
import { type WholeJob, type WholeSettings, type WholeStep, wholeFeed, wholeStep } from '../training/whole.ts';
import { withLockedRun } from './access.ts';
import { naturalSchema } from './checkpoint.ts';
import { labelsOfRun, type RunConfig } from './config.ts';
import {
  type PlannedTraining,
  type Reached,
  readCheckpoint,
  requireCarried,
  resumable,
  type StoredData,
  sameData,
  type TrainingKind,
  train,
} from './lifecycle.ts';
import { requireTensors } from './load.ts';
import { metricsStateSchema } from './metrics.ts';
import { notWhole, scoresSchema, WholeDirectory, type WholeKind } from './whole.ts';

/** What the configurations of all such directories say. */
export interface WholeConfig extends Pick<RunConfig, 'task' | 'labels'> {
  readonly training: WholeSettings;
  readonly metric: MetricName;
  /** Of other networks, on the validation data. */
  readonly scores: readonly ValidationScore[];
  readonly validation: StoredData;
  readonly executor: { readonly name: ExecutorName; readonly description: string };
}

const entries = {
  metrics: metricsStateSchema,
  /** Where a federated training is: the round, from 0, and the site whose steps it does. */
  federation: v.optional(v.object({ round: naturalSchema, site: naturalSchema })),
};

type Entries = typeof entries;

/** How a kind of directory is trained in. */
export type WholeTrainingKind<C extends WholeConfig, N extends string> = TrainingKind<
  Entries,
  'checkpoint',
  WholeDirectory<C, N>
>;

/**
 * @param images how many each site has to draw from; one that has a number for each of several is federated. @param command what goes on
 * with a training.
 */
export const wholeTraining = <C extends WholeConfig, N extends string>(
  stage: string,
  images: (config: C) => readonly number[],
  command: string,
): WholeTrainingKind<C, N> => ({
  file: 'checkpoint',
  stage,
  entries,
  extent({ config }, { federation }, step) {
    const { training } = config;
    const sites = images(config);
    const { rounds } = training;
    if ((rounds === undefined) !== (federation === undefined)) return undefined;
    if (rounds === undefined || !federation) {
      return { ...training, images: sites.reduce((sum, n) => sum + n, 0), sampled: false };
    }
    const { round, site } = federation;
    const local = training.steps / rounds;
    const isIn = round < rounds && site < sites.length && step >= round * local && step <= (round + 1) * local;
    return isIn ? { ...training, images: sites[site], sampled: false } : undefined;
  },
  // Without a checkpoint it is begun again as the configuration says.
  resume: async ({ path }) => `${command} --resume ${printable(path)}`,
  untouched: () => undefined,
});

/**
 * Checks before anything is computed or written that a network can be trained, on these labels and in the memory that is free.
 *
 * @param what whose layers they are, for messages.
 * @throws SutureError `adjoint-missing`, `option-invalid`, `data-invalid`, `memory-short`.
 */
export function requireTrainable(
  execution: Execution,
  job: WholeJob,
  training: WholeSettings,
  what = 'The network',
): WholeStep {
  const planned = wholeStep(job, training);
  const feed = wholeFeed(execution, job, planned, training);
  feed.dispose();
  const { step } = planned;
  const binding = bindingFor(step.graph, feed.shapes);
  const whole = { ...training, step, binding, teacher: job.teacher?.graph, what };
  requireRoomForWhole(whole, { withSession: execution.executor.name === 'ort' });
  return planned;
}

/** What is trained, and what is said of what comes out. */
export interface WholeWork<C extends WholeConfig, N extends string> {
  readonly kind: WholeTrainingKind<C, N>;
  /** Of all data together. */
  readonly job: WholeJob;
  /** The data of each site, where the training is federated. */
  readonly sites?: readonly Dataset[];
  readonly validation: Dataset;
  /** What the network is called where it is scored. */
  readonly name: string;
  /** What it came from, for its file. */
  readonly origin: string;
  /** What the weights that were trained are put into. Default: the network that was trained, as it is. */
  readonly completed?: ((trained: Graph) => Promise<Graph>) | undefined;
}

/** Trains what the directory says, from its checkpoint if there is one, and writes what comes out of it. */
export async function trainWhole<C extends WholeConfig, N extends string>(
  execution: TrainingExecution,
  directory: WholeDirectory<C, N>,
  given: WholeWork<C, N>,
): Promise<void> {
  const { kind, job, validation, name, origin, completed = async graph => graph } = given;
  const { metric, training, scores } = directory.config;
  const planned = wholeStep(job, training);
  const { student: open } = planned.loss;
  const types = new Map([...open.weights.keys()].map(weight => [weight, planned.step.graph.input(weight).type]));
  const from = await readCheckpoint(directory, kind);
  if (from) requireCarried(from, planned.step, directory.file('checkpoint'), keptOfRound(planned.step, from));
  const known = (await directory.readTensors('parameters'))?.tensors;
  if (known) requireTensors(known, types, directory.file('parameters'));
  const trained = closeWeights(open, known ?? (await trainWeights(execution, directory, { ...given, planned, from })));
  const closed = await completed(firstOutput(trained));
  const { meaning } = directory;
  const metadata = { ...closed.info.metadata, ...meaningMetadata(meaning), 'suture.setting': origin };
  const graph = closed.with({ info: { ...closed.info, metadata } });
  const network = networkOf(graph, name, meaning);
  const labelled = LabelledData.for([network], validation, metric);
  const found = await validationScores(execution, [network], labelled, training.seed);
  const file = directory.file('model');
  await writeModel(graph, file, { force: true });
  await directory.writeJson('scores', { metric, model: await hashFile(file), scores: [...scores, ...found] });
  await directory.finish();
}

interface PlannedWork<C extends WholeConfig, N extends string> extends WholeWork<C, N> {
  readonly planned: WholeStep;
  readonly from: Reached<Entries> | undefined;
}

async function trainWeights<C extends WholeConfig, N extends string>(
  execution: TrainingExecution,
  directory: WholeDirectory<C, N>,
  given: PlannedWork<C, N>,
): Promise<ReadonlyMap<string, Tensor>> {
  const { kind, job, sites, planned, from } = given;
  const { training } = directory.config;
  const feed = wholeFeed(execution, job, planned, training);
  const metrics = await directory.openMetrics(from?.more.metrics);
  try {
    const trainAll = async () => {
      const values = from?.values ?? planned.loss.student.weights;
      const trainer = await Trainer.create(execution, { step: planned.step, schedule: training, feed }, values);
      try {
        const onMetrics = (entry: MetricsEntry) => metrics.append(entry);
        const more = async () => ({ metrics: await metrics.state() });
        const parts = { trainer, onMetrics, more };
        const trained = sites
          ? await federated(execution, directory, { ...given, sites }, parts)
          : await train(directory, kind, { from, ...parts });
        await metrics.sync();
        await directory.writeTensors('parameters', trained);
        return trained;
      } finally {
        trainer.dispose();
      }
    };
    return await resumable(directory, kind, trainAll, execution.resume);
  } finally {
    feed.dispose();
    await metrics.close();
  }
}

/** What lies in a checkpoint of a federated training beside what its site carries: the round's start, and what came out of other sites. */
const roundPrefix = 'federation';
const startOfRound = `${roundPrefix}/start`;
const ofSite = (site: number): string => `${roundPrefix}/${site}`;

const under = (prefix: string, weights: Weights): [string, Tensor][] =>
  Array.from(weights, ([name, value]) => [`${prefix}/${name}`, value]);

/** The types of these. */
function keptOfRound(step: TrainingStep, { more: { federation } }: Reached<Entries>): ReadonlyMap<string, TensorType> {
  if (!federation) return new Map();
  const kept = [startOfRound, ...Array.from({ length: federation.site }, (_, site) => ofSite(site))];
  return new Map(
    kept.flatMap(prefix =>
      step.learned.map(name => [`${prefix}/${name}`, step.graph.input(name).type] as [string, TensorType]),
    ),
  );
}

/** Round after round, site after site. A site that ends after the time of a checkpoint leaves one. */
async function federated<C extends WholeConfig, N extends string>(
  execution: TrainingExecution,
  directory: WholeDirectory<C, N>,
  { kind, job, sites, planned, from }: PlannedWork<C, N> & { readonly sites: readonly Dataset[] },
  { trainer, onMetrics, more }: Pick<PlannedTraining<Entries>, 'trainer' | 'onMetrics' | 'more'>,
): Promise<Weights> {
  const { steps, rounds = 1, batch, seed } = directory.config.training;
  const { step } = planned;
  const { checkpointSeconds = checkpointInterval } = execution;
  const local = steps / rounds;
  const keptUnder = (prefix: string): Weights =>
    new Map(step.learned.map(name => [name, from!.values.get(`${prefix}/${name}`)!]));
  const reached = from?.more.federation;
  let common: Weights = from ? keptUnder(startOfRound) : planned.loss.student.weights;
  let ended: Weights[] = Array.from({ length: reached?.site ?? 0 }, (_, site) => keptUnder(ofSite(site)));
  let saved = performance.now();
  for (let round = reached?.round ?? 0; round < rounds; round++) {
    for (let site = ended.length; site < sites.length; site++) {
      const done = round * local;
      const isResumed = from !== undefined && round === reached?.round && site === reached.site;
      const at = isResumed
        ? from
        : {
            step: done,
            sampler: BatchSampler.after(done * batch, sites[site].count, seed).state(),
            values: roundStart(step, common, done),
          };
      trainer.load(new Map([...step.carry.values()].map(name => [name, at.values.get(name)!])));
      const before = (round * sites.length + site) * local - done;
      const onProgress: WorkOptions['onProgress'] = event =>
        execution.onProgress?.({
          ...event,
          done: before + event.done,
          total: steps * sites.length,
          note: [`round ${round + 1} of ${rounds}`, event.note].filter(text => text !== undefined).join(', '),
        });
      const feed = wholeFeed(execution, { ...job, dataset: sites[site] }, planned, directory.config.training);
      const trained = await train(directory, kind, {
        trainer: trainer.fedBy(feed, { onProgress }),
        from: at,
        until: done + local,
        keepEnd: performance.now() - saved > checkpointSeconds * 1000,
        onMetrics: entry => onMetrics({ ...entry, site }),
        more: async () => {
          saved = performance.now();
          return { ...(await more()), federation: { round, site } };
        },
        constant: new Map([
          ...under(startOfRound, common),
          ...ended.flatMap((weights, other) => under(ofSite(other), weights)),
        ]),
      });
      feed.dispose();
      ended.push(trained);
    }
    const images = sites.map(({ count }) => count);
    common = averaged(ended, images);
    ended = [];
  }
  return common;
}

const lossSchema = v.object({ loss: v.number() });

/** What a training came to. */
export interface WholeOutcome<T extends WholeSettings = WholeSettings> {
  readonly training: T;
  /** What computed, in words. */
  readonly executor: string;
  /** Of the first step that was read, and of the last. */
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
  readonly metric: MetricName;
  readonly scores: readonly ValidationScore[];
}

/** What the training of a directory came to. */
export async function outcomeOf<C extends WholeConfig, N extends string>(
  directory: WholeDirectory<C, N>,
): Promise<WholeOutcome<C['training']>> {
  const { training, executor } = directory.config;
  const { metric, scores } = (await directory.readJson('scores', scoresSchema))!;
  const losses = await directory.readMetrics(lossSchema);
  return {
    training,
    executor: executor.description,
    firstLoss: losses[0]?.loss,
    lastLoss: losses.at(-1)?.loss,
    metric,
    scores,
  };
}

/** What is trained on, site by site, and what is scored on. */
export interface WholeData {
  readonly datasets: readonly Dataset[];
  readonly validation: Dataset;
}

/** How what was interrupted goes on. */
interface WholeResumption<C extends WholeConfig, N extends string, S> {
  readonly kind: WholeKind<C, N>;
  /** What is trained on. */
  readonly sources: (config: C) => readonly StoredData[];
  /** Trains what the directory says, on these data and then those that it is scored on. */
  readonly train: (execution: TrainingExecution, directory: WholeDirectory<C, N>, data: WholeData) => Promise<S>;
}

/**
 * Goes on with a training that was interrupted, as it was begun. What comes out is the same to the last bit as without the interruption, on
 * the same adapter and versions.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `data-invalid` when a data file is not the one that it was begun with.
 */
export const resumeWhole = <C extends WholeConfig, N extends string, S>(
  path: string,
  work: TrainingWork,
  { kind, sources, train: trainOn }: WholeResumption<C, N, S>,
): Promise<S> =>
  withLockedRun(
    path,
    async () => {
      const directory = await WholeDirectory.openUnfinished(kind, path);
      const { config } = directory;
      if (await directory.trained()) {
        const text = `The training of ${printable(path)} has ended: there is nothing to resume.`;
        throw new SutureError('run-invalid', text);
      }
      const labels = labelsOfRun(config);
      const since = 'the training was begun';
      const datasets: Dataset[] = [];
      for (const source of sources(config)) datasets.push(await sameData(source, labels, since, 'training'));
      const validation = await sameData(config.validation, labels, since);
      await directory.removeTemporaries();
      return withExecutor({ executor: config.executor.name }, executor =>
        trainOn({ ...work, executor }, directory, { datasets, validation }),
      );
    },
    missing => notWhole(kind, missing),
  );
