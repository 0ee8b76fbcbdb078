/** A network of a run trained whole to give the answers of a better one: `suture distill`. */
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import {
  answersAbreast,
  isGateable,
  type OutputMeaning,
  original,
  requireGateable,
  type Setting,
  settledMeaning,
} from '../../passes/index.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { fixedBatch, stepBatch } from '../execution/fixed-batch.ts';
import { withExecutor } from '../execution/open.ts';
import type { TrainingExecution, TrainingWork } from '../execution/progress.ts';
import { computedBy } from '../execution/version.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { type ValidationScore, validationScores } from '../metrics/validation.ts';
import { abreastFor, gatedFor } from '../network/deployable.ts';
import { settingOfDiscrete } from '../network/discrete.ts';
import { requireFittingImages } from '../network/interface.ts';
import { distilledName } from '../network/names.ts';
import { type Network, networkOf } from '../network/network.ts';
import { usualWeight } from '../options/kinds.ts';
import type { GivenOf } from '../options/option.ts';
import { keptLabels, labelsOfRun } from '../run/config.ts';
import { deployed, deployedCombination, described } from '../run/deployed.ts';
import { type FoundSetting, foundIn } from '../run/found.ts';
import { type LoadedRun, loadRun } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { type StudentConfig, type StudentDirectory, students } from '../run/student.ts';
import {
  outcomeOf,
  requireTrainable,
  resumeWhole,
  trainWhole,
  type WholeData,
  type WholeOutcome,
  wholeTraining,
} from '../run/train-whole.ts';
import { checkWholeOutput, type Given, WholeDirectory } from '../run/whole.ts';
import { alike, type Combination, settingOf, statedShares } from '../selection/combination.ts';
import { costsOf } from '../selection/search/cost.ts';
import { trunkAtOneCost, trunkName, trunkWithin } from '../selection/search/trunks.ts';
import { worthOf } from '../selection/select.ts';
import { balancedShares } from '../training/balance.ts';
import { type distillationOptions, distillationWithDefaults } from '../training/distill.ts';
import { requireBudgetSupport } from '../training/memory.ts';
import { usualBatch } from '../training/options.ts';
import { type WholeJob, wholeJob } from '../training/whole.ts';

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
  /**
   * What is trained: a parent by its tag, or what else `teacher` may be; or by a share of the ensemble's cost, as `65%`, the shared trunk that
   * it pays for, with its outputs gated. Branches whose outputs are gated learn from their own parents. Default: a partner's trunk at
   * one network's cost; where there is none, or a teacher is given, the parent with the best score under shift.
   */
  readonly student?: string | undefined;
  readonly metric?: MetricName | undefined;
  /** What is said of labels, where the run says something else or nothing. */
  readonly labels?: LabelOptions | undefined;
}

/** What `suture distill` shows. */
export interface DistillSummary extends WholeOutcome<StudentConfig['training']> {
  readonly student: string;
  /** The network. */
  readonly file: string;
  readonly run: string;
  /** What it is of the run: `b`. */
  readonly from: string;
  readonly teacher: string;
}

/** What a name stands for. @throws SutureError `option-invalid`. */
function combinationNamed({ network }: LoadedRun, name: string, option: string): Combination {
  const count = network.parents.length;
  const together = { positions: [], weight: usualWeight, output: statedShares(alike(count)) };
  if (name === 'mean') return together;
  if (name === 'gated' && option === 'teacher') return { ...together, gated: true };
  const parent = network.parents.findIndex(p => p.tag === name);
  if (parent >= 0) return { ...together, output: statedShares(alike(count).map((_, i) => (i === parent ? 1 : 0))) };
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
async function networkNamed(run: LoadedRun, name: string, option: string): Promise<Given> {
  if (name.startsWith(settingPrefix)) return networkFound(run, await settingFound(run, name));
  const combination = combinationNamed(run, name, option);
  const graph = deployedCombination(run, combination);
  const meaning = settledMeaning(run.network.outputs[0], settingOf(run.network, combination));
  return { graph, of: name, meaning };
}

/** A setting that a search found. */
function settingFound(run: LoadedRun, named: string): Promise<FoundSetting> {
  const given = named.slice(settingPrefix.length);
  return foundIn(run, { setting: /^\d+$/.test(given) ? Number(given) : given });
}

/** The network of a setting that a search found. */
function networkFound(run: LoadedRun, found: FoundSetting): Given {
  const setting = settingOfDiscrete(run.network, found);
  const meaning = settledMeaning(run.network.outputs[0], setting);
  return { graph: deployed(run, setting, found.name, { gated: found.output === 'gated' }), of: found.name, meaning };
}

/** What is trained, what it learns from, and of branches that are trained side by side what the gated network's output means. */
interface Lesson {
  readonly student: Given;
  readonly teacher: Given;
  readonly gated?: OutputMeaning;
}

/** The branches of a setting, each of which learns from its own parent. */
function branchesOf(run: LoadedRun, setting: Setting, of: string): Lesson {
  const { network } = run;
  const { meaning, combined, sources } = requireGateable(network);
  const given = (which: Setting, named: string): Given => ({
    graph: described(run, abreastFor(run, which), named),
    of: named,
    meaning,
  });
  return { student: given(setting, of), teacher: given(original(network), sources.join(', ')), gated: combined };
}

/**
 * The student that a name stands for, where it is one of {@link branchesOf}: a setting with a gate, or by a share of the ensemble's cost,
 * as 65%, the shared trunk that it pays for.
 *
 * @throws SutureError `option-invalid`.
 */
async function branchesNamed(run: LoadedRun, name: string, dataset: Dataset): Promise<Lesson | undefined> {
  if (name.startsWith(settingPrefix)) {
    const found = await settingFound(run, name);
    return found.output === 'gated' ? branchesOf(run, settingOfDiscrete(run.network, found), found.name) : undefined;
  }
  if (!name.endsWith('%')) return undefined;
  const share = Number(name.slice(0, -1)) / 100;
  const found = Number.isFinite(share) ? trunkWithin(run.network, share, costsOf(run, dataset)) : undefined;
  if (found) return branchesOf(run, settingOfDiscrete(run.network, found.setting), trunkName(run.network, found));
  const text = `No shared trunk of these networks costs ${printable(name)} of both or less, as --student asks; name a parent, or allow more.`;
  throw new SutureError('option-invalid', text);
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
  withExecutor(options, async executor => distillLoaded({ ...work, executor }, await loadRun(path), options));

/** As {@link distill}, for a run that is loaded. */
export const distillLoaded = (
  execution: TrainingExecution,
  run: LoadedRun,
  options: DistillOptions,
): Promise<DistillSummary> =>
  withNewLock(options.output, async () => {
    await checkWholeOutput(students, options.output, options.force);
    return distillLocked(execution, run, options);
  });

async function distillLocked(
  execution: TrainingExecution,
  run: LoadedRun,
  options: DistillOptions,
): Promise<DistillSummary> {
  const { config } = run.directory;
  const { parents } = run.network;
  const labels = labelsOfRun(config, options.labels);
  const dataset = await loadDataset(options.data, labels, 'training');
  requireFittingImages(dataset, run.parents[0].graph, run.parents[0].path);
  const validation = await loadDataset(options.validation, labels);
  const together = await networkNamed(run, options.teacher ?? (isGateable(run.network) ? 'gated' : 'mean'), 'teacher');
  const branches =
    options.student === undefined
      ? usualBranches(run, options, validation)
      : await branchesNamed(run, options.student, validation);
  if (branches) requireBranches(options);
  const asked =
    branches?.student ??
    (options.student === undefined ? undefined : await networkNamed(run, options.student, 'student'));
  const teacher = branches?.teacher ?? together;
  const batch = stepBatch(fixedBatch(run.network.graph), options.batch, usualBatch);
  const labelled = dataset.labels !== undefined;
  const training = distillationWithDefaults(options, { batch, branches: branches !== undefined, labelled });
  const named = ({ graph, meaning }: Given, name: string): Network => networkOf(graph, name, meaning);
  const own = await Promise.all(parents.map(({ tag }) => networkNamed(run, tag, 'student')));
  const scored = [...own.map(parent => named(parent, parent.of)), named(together, 'teacher')];
  // A parent has its row.
  if (asked && !branches && !own.some(({ of }) => of === asked.of)) scored.push(named(asked, 'start'));
  const judged = LabelledData.for(scored, validation, options.metric);
  const { executor } = execution;
  requireBudgetSupport(executor, training);
  const about = { task: config.task, gated: branches?.gated };
  // Of what cannot be trained, or on these labels, it is said before anything is computed or written.
  for (const one of asked ? [asked] : own) {
    const job = jobOf(about, labels, {
      student: named(one, 'the student'),
      teacher: named(teacher, 'the teacher'),
      dataset,
    });
    requireTrainable(execution, job, training, 'The student');
  }
  const scores = await validationScores(execution, scored, judged, training.seed);
  const { name: metric, higherIsBetter } = judged.metricFor(scored[0]);
  const student = asked ?? own[steadiest(scores.slice(0, own.length), higherIsBetter)];
  const rest = {
    run: run.directory.path,
    task: config.task,
    ...keptLabels(labels),
    training,
    ...(branches && { gated: branches.gated }),
    data: { source: dataset.source, sha256: await hashData(options.data, labels), images: dataset.count },
    validation: { source: validation.source, sha256: await hashData(options.validation, labels) },
    metric,
    scores,
    ...computedBy(executor),
  };
  const directory = await WholeDirectory.create<StudentConfig, 'teacher'>(students, options.output, {
    networks: { teacher, start: student },
    config: stored => ({
      ...{ format: 'suture-student', version: 1, ...rest },
      ...{ teacher: stored.teacher, student: stored.start },
    }),
    force: options.force,
  });
  return trainStudent(execution, directory, { datasets: [dataset], validation });
}

/** The branches that are trained where no student is named: those on a partner's trunk at one network's cost. */
function usualBranches(run: LoadedRun, options: DistillOptions, dataset: Dataset): Lesson | undefined {
  const { network } = run;
  if (options.teacher !== undefined || !isGateable(network)) return undefined;
  const found = trunkAtOneCost(network, costsOf(run, dataset));
  return found && branchesOf(run, settingOfDiscrete(network, found.setting), trunkName(network, found));
}

/** @throws SutureError `option-invalid` for what branches that learn from their own parents have no use for. */
function requireBranches({ student, teacher }: DistillOptions): void {
  if (teacher === undefined) return;
  throw new SutureError(
    'option-invalid',
    `--student ${printable(student!)} is gated: each of its branches learns from its own parent, without --teacher.`,
  );
}

/** The number of the network with the best score under shift; of equal ones, and where there is none, the last. */
function steadiest(scores: readonly ValidationScore[], higherIsBetter: boolean): number {
  const worth = scores.map(({ shift }) => worthOf(higherIsBetter)(shift));
  return worth.lastIndexOf(Math.max(...worth));
}

const jobOf = (
  { task, gated }: Pick<StudentConfig, 'task' | 'gated'>,
  { ignoreLabel }: LabelOptions,
  { student, teacher, dataset }: Required<Pick<WholeJob, 'student' | 'teacher' | 'dataset'>>,
): WholeJob => {
  const abreast = gated && answersAbreast(student.graph, student.meaning).length;
  return wholeJob({ student, abreast, teacher, dataset, task, ignore: ignoreLabel !== undefined });
};

/** Goes on with a distillation that was interrupted: see `resumeWhole`. @throws SutureError `run-invalid`, `run-locked`, `data-invalid`. */
export const resumeDistill = (path: string, work: TrainingWork = {}): Promise<DistillSummary> =>
  resumeWhole(path, work, { kind: students, sources: ({ data }) => [data], train: trainStudent });

const studentTraining = wholeTraining<StudentConfig, 'teacher'>(
  'training the student',
  ({ data }) => [data.images],
  'suture distill',
);

/** Trains what the directory says, from its checkpoint if there is one, and writes what comes out of it. */
async function trainStudent(
  execution: TrainingExecution,
  directory: StudentDirectory,
  { datasets: [dataset], validation }: WholeData,
): Promise<DistillSummary> {
  const { config } = directory;
  const [start, teacher] = [await directory.network('start'), await directory.network('teacher')];
  const job = jobOf(config, labelsOfRun(config), { student: start, teacher, dataset });
  const completed =
    config.gated &&
    (async (graph: Graph) => {
      const { training } = config;
      const shares = await balancedShares(execution, { student: { ...start, graph }, teacher, dataset, training });
      return gatedFor(graph, start.meaning, shares);
    });
  const origin = `${config.student.of}, ${distilledName(config.teacher.of)}`;
  await trainWhole(execution, directory, {
    kind: studentTraining,
    job,
    validation,
    name: 'student',
    origin,
    completed,
  });
  return summaryOf(directory);
}

async function summaryOf(directory: StudentDirectory): Promise<DistillSummary> {
  const { config, path } = directory;
  return {
    student: path,
    file: directory.file('model'),
    run: config.run,
    from: config.student.of,
    teacher: config.teacher.of,
    ...(await outcomeOf(directory)),
  };
}
