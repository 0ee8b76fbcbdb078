/** A network of a run trained whole to give the answers of a better one: `suture distill`. */
import * as v from 'valibot';
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import { closeWeights, isGateable, type OutputMeaning, settledMeaning } from '../../passes/index.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import { bindingFor } from '../execution/execute.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { fixedBatch, stepBatch } from '../execution/fixed-batch.ts';
import { withExecutor } from '../execution/open.ts';
import { type Execution, workOptions } from '../execution/progress.ts';
import { versions } from '../execution/version.ts';
import { hashFile } from '../files/hash.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { scoreNetworks } from '../metrics/score-networks.ts';
import { isChangeable, stressScore } from '../metrics/stress.ts';
import { stressSets } from '../metrics/stress-sets.ts';
import { settingOfDiscrete } from '../network/discrete.ts';
import { meaningMetadata } from '../network/meaning.ts';
import { type Network, networkOf } from '../network/network.ts';
import { writeModel } from '../network/write.ts';
import { usualWeight } from '../options/kinds.ts';
import type { GivenOf } from '../options/option.ts';
import { withLockedRun } from '../run/access.ts';
import { keptLabels, labelsOfRun } from '../run/config.ts';
import { deployed, deployedCombination } from '../run/deployed.ts';
import { foundIn } from '../run/found.ts';
import {
  type Reached,
  readCheckpoint,
  requireCarried,
  resumable,
  sameData,
  type TrainingKind,
  type TrainingWork,
  train,
} from '../run/lifecycle.ts';
import { type LoadedRun, loadRun, requireTensors } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { metricsStateSchema } from '../run/metrics.ts';
import {
  checkStudentOutput,
  notStudent,
  type OfRun,
  type StudentConfig,
  StudentDirectory,
  scoresSchema,
} from '../run/student.ts';
import { alike, type Combination, outputOf, settingOf } from '../selection/combination.ts';
import {
  type DistillationJob,
  distillationFeed,
  distillationJob,
  type distillationOptions,
  distillationSettings,
  distillationStep,
} from '../training/distill.ts';
import { requireBudgetSupport } from '../training/memory.ts';
import { requireRoomForWhole } from '../training/room.ts';
import { usualBatch } from '../training/settings.ts';
import { type MetricsEntry, Trainer } from '../training/train.ts';

export interface DistillOptions extends GivenOf<typeof distillationOptions> {
  /** Images to train on; labels only where some of the loss is theirs. */
  readonly data: string;
  /** Images with labels that teacher and student are scored on. */
  readonly validation: string;
  /** The directory to make. */
  readonly output: string;
  /** Replace a student that is there, when the training of this one has ended. */
  readonly force?: boolean | undefined;
  /**
   * What is learned from: `gated` (default, where the parents can be gated) or `mean`, of all parents; a parent by its tag; a position at
   * which features are averaged; or a setting that `suture search` found, `setting:3` by its number or `setting:NAME`.
   */
  readonly teacher?: string | undefined;
  /** What is trained: a parent by its tag, or what else `teacher` may be but gated. Default: the parent with the best score under shift. */
  readonly student?: string | undefined;
  readonly metric?: MetricName | undefined;
  /** What is said of labels, where the run says something else or nothing. */
  readonly labels?: LabelOptions | undefined;
}

/** A network's score on the validation data. */
export interface ValidationScore {
  /** `a`, `b`, …, `teacher`, `student`, and `start`: the student before it was trained. */
  readonly network: string;
  /** NaN where nothing could be scored, as is the next. */
  readonly value: number;
  /** The mean over the default suite of changes: see `stressSets`. */
  readonly shift: number;
}

/** What `suture distill` shows. */
export interface DistillSummary {
  readonly student: string;
  /** The network. */
  readonly file: string;
  readonly run: string;
  /** What it is of the run: `b`. */
  readonly from: string;
  readonly teacher: string;
  readonly training: StudentConfig['training'];
  readonly executor: string;
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
  readonly metric: MetricName;
  readonly scores: readonly ValidationScore[];
}

/** What a name stands for. @throws SutureError `option-invalid`. */
function combinationNamed({ network }: LoadedRun, name: string, option: string): Combination {
  const count = network.parents.length;
  const together = { positions: [], weight: usualWeight, output: outputOf(alike(count)) };
  if (name === 'mean') return together;
  if (name === 'gated' && option === 'teacher') return { ...together, gated: true };
  const parent = network.parents.findIndex(p => p.tag === name);
  if (parent >= 0) return { ...together, output: outputOf(alike(count).map((_, i) => (i === parent ? 1 : 0))) };
  if (/^\d+$/.test(name)) return { ...together, positions: [Number(name)] };
  const tags = network.parents.map(p => p.tag).join(', ');
  throw new SutureError(
    'option-invalid',
    `--${option} must be one of ${tags}, mean${option === 'teacher' ? ', gated' : ''}, a position's number or setting:NUMBER, not ${printable(name)}.`,
  );
}

/** What a setting that a search found is called by. */
const settingPrefix = 'setting:';

/** A network of a run by its name. @throws SutureError `option-invalid`; `run-invalid` where settings were not searched. */
async function networkNamed(run: LoadedRun, name: string, option: string): Promise<OfRun> {
  if (name.startsWith(settingPrefix)) return networkFound(run, name, option);
  const combination = combinationNamed(run, name, option);
  const graph = deployedCombination(run, combination);
  const meaning = settledMeaning(run.network.outputs[0], settingOf(run.network, combination));
  return { graph, of: name, meaning };
}

/** The network of a setting that a search found. */
async function networkFound(run: LoadedRun, named: string, option: string): Promise<OfRun> {
  const given = named.slice(settingPrefix.length);
  const found = await foundIn(run, { setting: /^\d+$/.test(given) ? Number(given) : given });
  const gated = found.output === 'gated';
  if (gated && option === 'student') {
    const text = `--student ${printable(named)} weighs its outputs by a gate, which cannot be trained; name a setting with another output.`;
    throw new SutureError('option-invalid', text);
  }
  const setting = settingOfDiscrete(run.network, found);
  const meaning = settledMeaning(run.network.outputs[0], setting);
  return { graph: deployed(run, setting, found.name, gated), of: found.name, meaning };
}

/**
 * Distils a run into one network and keeps it in a directory of its own, as `student.onnx`, with the names of inputs and outputs that the
 * own network has. What was interrupted goes on with {@link resumeDistill}. The weights of the last step are kept.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `option-invalid`, `data-invalid`, `output-exists`, `adjoint-missing`,
 * `loss-not-finite`, `interrupted`.
 */
export const distill = (
  path: string,
  options: DistillOptions & ExecutorOptions,
  work: TrainingWork = {},
): Promise<DistillSummary> =>
  withExecutor(options, async executor =>
    distillLoaded({ executor, ...workOptions(work) }, await loadRun(path), options, work),
  );

/** As {@link distill}, for a run that is loaded. */
export const distillLoaded = (
  execution: Execution,
  run: LoadedRun,
  options: DistillOptions,
  work: TrainingWork,
): Promise<DistillSummary> =>
  withNewLock(options.output, async () => {
    await checkStudentOutput(options.output, options.force);
    return distillLocked(execution, run, options, work);
  });

async function distillLocked(
  execution: Execution,
  run: LoadedRun,
  options: DistillOptions,
  work: TrainingWork,
): Promise<DistillSummary> {
  const { config } = run.directory;
  const { parents } = run.network;
  const labels = labelsOfRun(config, options.labels);
  const dataset = await loadDataset(options.data, labels, 'training');
  const validation = await loadDataset(options.validation, labels);
  const teacher = await networkNamed(run, options.teacher ?? (isGateable(run.network) ? 'gated' : 'mean'), 'teacher');
  const asked = options.student === undefined ? undefined : await networkNamed(run, options.student, 'student');
  const batch = stepBatch(fixedBatch(run.network.graph), options.batch, usualBatch);
  const training = distillationSettings(options, batch);
  const named = ({ graph, meaning }: OfRun, name: string): Network => networkOf(graph, name, meaning);
  const own = await Promise.all(parents.map(({ tag }) => networkNamed(run, tag, 'student')));
  const scored = [...own.map(parent => named(parent, parent.of)), named(teacher, 'teacher')];
  // A parent has its row.
  if (asked && !own.some(({ of }) => of === asked.of)) scored.push(named(asked, 'start'));
  const labelled = LabelledData.for(scored, validation, options.metric);
  const { executor } = execution;
  requireBudgetSupport(executor, training);
  // Of what cannot be trained, or on these labels, it is said before anything is computed or written.
  for (const one of asked ? [asked] : own) {
    const job = jobOf(config, labels, named(one, 'the student'), named(teacher, 'the teacher'), dataset);
    const planned = distillationStep(job, training);
    const feed = distillationFeed(execution, job, planned, training);
    feed.dispose();
    const { step } = planned;
    const binding = bindingFor(step.graph, feed.shapes);
    const whole = { ...training, step, binding, teacher: teacher.graph };
    requireRoomForWhole(whole, { withSession: executor.name === 'ort' });
  }
  const scores = await validationScores(execution, scored, labelled, training.seed);
  const { name: metric, higherIsBetter } = labelled.metricFor(scored[0]);
  const student = asked ?? own[steadiest(scores.slice(0, own.length), higherIsBetter)];
  const specification = {
    run: run.directory.path,
    teacher,
    student,
    task: config.task,
    ...keptLabels(labels),
    training,
    data: { source: dataset.source, sha256: await hashData(options.data, labels), images: dataset.count },
    validation: { source: validation.source, sha256: await hashData(options.validation, labels) },
    metric,
    scores,
    executor: { name: executor.name, description: executor.describe() },
    versions: { ...versions() },
  };
  const directory = await StudentDirectory.create(options.output, specification, { force: options.force });
  return trainStudent(execution, directory, { dataset, validation }, work);
}

/** Scores at home and under shift. */
async function validationScores(
  execution: Execution,
  networks: readonly Network[],
  labelled: LabelledData,
  seed: number,
): Promise<ValidationScore[]> {
  const valuesOn = async (data: LabelledData): Promise<readonly number[]> =>
    (await scoreNetworks(execution, networks, data)).map(({ score }) => score.value);
  const values = await valuesOn(labelled);
  const shifted: (readonly number[])[] = [];
  // What no change changes scores as it does at home.
  if (isChangeable(labelled.dataset)) {
    for (const { data } of await stressSets(labelled, networks, { seed })) shifted.push(await valuesOn(data));
  } else shifted.push(values);
  return networks.map(({ name }, i) => ({
    network: name,
    value: values[i],
    shift: stressScore(shifted.map(scores => scores[i])).value,
  }));
}

/** The number of the network with the best score under shift; of equal ones, and where there is none, the last. */
function steadiest(scores: readonly ValidationScore[], higherIsBetter: boolean): number {
  const worth = scores.map(({ shift }) =>
    Number.isNaN(shift) ? Number.NEGATIVE_INFINITY : higherIsBetter ? shift : -shift,
  );
  return worth.lastIndexOf(Math.max(...worth));
}

const jobOf = (
  { task }: Pick<StudentConfig, 'task'>,
  { ignoreLabel }: LabelOptions,
  student: Network,
  teacher: Network,
  dataset: Dataset,
): DistillationJob => distillationJob({ student, teacher, dataset, task, ignore: ignoreLabel !== undefined });

/**
 * Goes on with a distillation that was interrupted, as it was begun. What comes out is the same to the last bit as without the
 * interruption, on the same adapter and versions.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `data-invalid` when a data file is not the one that it was begun with.
 */
export const resumeDistill = (path: string, work: TrainingWork = {}): Promise<DistillSummary> =>
  withLockedRun(
    path,
    async () => {
      const directory = await StudentDirectory.openUnfinished(path);
      const { config } = directory;
      if (await directory.trained()) {
        throw new SutureError(
          'run-invalid',
          `The training of ${printable(path)} has ended: there is nothing to resume.`,
        );
      }
      const labels = labelsOfRun(config);
      const since = 'the training was begun';
      const dataset = await sameData(config.data, labels, since, 'training');
      const validation = await sameData(config.validation, labels, since);
      await directory.removeTemporaries();
      return withExecutor({ executor: config.executor.name }, executor =>
        trainStudent({ executor, ...workOptions(work) }, directory, { dataset, validation }, work),
      );
    },
    notStudent,
  );

const studentTraining: TrainingKind<{ metrics: typeof metricsStateSchema }, 'checkpoint', StudentDirectory> = {
  file: 'checkpoint',
  stage: 'training the student',
  entries: { metrics: metricsStateSchema },
  extent: ({ config: { training, data } }) => ({ ...training, images: data.images, sampled: false }),
  // Without a checkpoint it is begun again as the configuration says.
  resume: async ({ path }) => `suture distill --resume ${printable(path)}`,
  untouched: () => undefined,
};

/** Trains what the directory says, from its checkpoint if there is one, and writes what comes out of it. */
async function trainStudent(
  execution: Execution,
  directory: StudentDirectory,
  { dataset, validation }: { readonly dataset: Dataset; readonly validation: Dataset },
  work: TrainingWork,
): Promise<DistillSummary> {
  const { config } = directory;
  const { training } = config;
  const student = await directory.network('start');
  const labels = labelsOfRun(config);
  const job = jobOf(config, labels, student, await directory.network('teacher'), dataset);
  const planned = distillationStep(job, training);
  const { student: open } = planned.loss;
  const types = new Map([...open.weights.keys()].map(name => [name, planned.step.graph.input(name).type]));
  const from = await readCheckpoint(directory, studentTraining);
  if (from) requireCarried(from, planned.step, directory.file('checkpoint'));
  const known = (await directory.readTensors('parameters'))?.tensors;
  if (known) requireTensors(known, types, directory.file('parameters'));
  const weights = known ?? (await trainWeights(execution, directory, job, planned, work, from));
  const graph = annotated(closeWeights(open, weights), directory, student.meaning);
  const network = networkOf(graph, 'student', student.meaning);
  const labelled = LabelledData.for([network], validation, config.metric);
  const found = await validationScores(execution, [network], labelled, training.seed);
  const file = directory.file('model');
  await writeModel(graph, file, { force: true });
  const scores = [...config.scores, ...found];
  await directory.writeJson('scores', { metric: config.metric, model: await hashFile(file), scores });
  await directory.finish();
  return summaryOf(directory);
}

async function trainWeights(
  execution: Execution,
  directory: StudentDirectory,
  job: DistillationJob,
  planned: ReturnType<typeof distillationStep>,
  work: TrainingWork,
  from?: Reached<{ metrics: typeof metricsStateSchema }>,
) {
  const { training } = directory.config;
  const feed = distillationFeed(execution, job, planned, training);
  const metrics = await directory.openMetrics(from?.more.metrics);
  try {
    return await resumable(directory, studentTraining, async () => {
      const values = from?.values ?? planned.loss.student.weights;
      const trainer = await Trainer.create(execution, planned.step, training, values, feed);
      try {
        const trained = await train(
          directory,
          studentTraining,
          {
            trainer,
            from,
            onMetrics: (entry: MetricsEntry) => metrics.append(entry),
            more: async () => {
              await metrics.sync();
              return { metrics: metrics.state() };
            },
          },
          work,
        );
        await metrics.sync();
        await directory.writeTensors('parameters', trained);
        return trained;
      } finally {
        trainer.dispose();
      }
    });
  } finally {
    feed.dispose();
    await metrics.close();
  }
}

/** The student with what is to be said of it in its file. */
function annotated(graph: Graph, { config: { student, teacher } }: StudentDirectory, meaning: OutputMeaning): Graph {
  const metadata = {
    ...graph.info.metadata,
    ...meaningMetadata(meaning),
    'suture.setting': `${student.of}, distilled from ${teacher.of}`,
  };
  return graph.with({ info: { ...graph.info, metadata } });
}

const lossSchema = v.object({ loss: v.number() });

async function summaryOf(directory: StudentDirectory): Promise<DistillSummary> {
  const { config, path } = directory;
  const losses = await directory.readMetrics(lossSchema);
  const { metric, scores } = (await directory.readJson('scores', scoresSchema))!;
  return {
    student: path,
    file: directory.file('model'),
    run: config.run,
    from: config.student.of,
    teacher: config.teacher.of,
    training: config.training,
    executor: config.executor.description,
    firstLoss: losses[0]?.loss,
    lastLoss: losses.at(-1)?.loss,
    metric,
    scores,
  };
}
