/** Two or more networks in, one out: everything that is asked for is read and checked, then trained, and then comes what follows. */
import { printable, SutureError } from '../../ir/index.ts';
import { type GateScope, requireGateable } from '../../passes/index.ts';
import { casesAtATime } from '../data/batches.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import { withExecutor } from '../execution/open.ts';
import { type TrainingExecution, type TrainingWork, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { isChangeable, type StressSet } from '../metrics/stress.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import type { Parent } from '../network/parent.ts';
import { requireSizes } from '../network/sizes.ts';
import type { NamedFile } from '../options/kinds.ts';
import { withLockedRun } from '../run/access.ts';
import { type FollowUp, labelsOfRun, requestSchema } from '../run/config.ts';
import { type StoredData, sameData, withMore } from '../run/lifecycle.ts';
import { withNewLock } from '../run/lock.ts';
import { openRequest, planRun, type StitchRequest } from '../run/plan.ts';
import { parentCosts } from '../selection/candidates.ts';
import { checkPositions } from '../selection/combination.ts';
import { type Rule, requireDepthRule, requireFolds } from '../selection/select.ts';
import { affordableOf } from '../selection/verdict.ts';
import { type Following, follow, type RunResult, type TestData } from './follow.ts';
import { openBegun, resumeLocked, type TrainedRun, trainLocked } from './stitch.ts';

export interface RunRequest extends Omit<StitchRequest, 'data'> {
  /** Images that the stitches are trained on. */
  readonly train: string;
  /** Labelled images that the position is chosen by. */
  readonly validation: string;
  readonly tests: readonly NamedFile[];
  /** Whether outputs are weighed on each image by how sure the parents are (`settleGated`). Default: wherever a gate can act. */
  readonly gate?: boolean | undefined;
  /** What positions are chosen by and networks reported with. Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
  /** What has shares of its own with a gate: each image (default), or each case. */
  readonly gateOver?: GateScope | undefined;
  /** What networks are compared on beside the validation data; false: nothing. Default: its images under the default suite of changes. */
  readonly stress?: Omit<StressRequest, 'seed'> | false | undefined;
  /** The highest cost of the exported network, as a share of what all parents together cost. Default: any. */
  readonly budget?: number | undefined;
  /**
   * Also train one network for so many steps: see `distill`. It is the trunk that the budget pays for, by default 65 %, with branches that each
   * learn to give their parent's answers; where there is none, or no gate, one that gives the ensemble's. Default: none.
   */
  readonly distill?: number | undefined;
  /** By which the stitched position is chosen. Default: 2 where there are folds to rank in, else 1. */
  readonly rule?: Rule | undefined;
  /** The depth that rule 3 looks for. Default `usualDepth`. */
  readonly depth?: number | undefined;
  /** Export what is stitched at this position, whatever it is worth. Default: what the verdict is for. */
  readonly position?: number | undefined;
  /** Also write the exported network in float16, where that keeps its scores: see `writeHalf`. */
  readonly half?: boolean | undefined;
}

/** Folds are those of the own data: of other folders all cases are tested on. */
const labelsOfTest = (said: LabelOptions, file: string, own: readonly string[]): LabelOptions =>
  said.folder?.fold === undefined || own.includes(file)
    ? said
    : { ...said, folder: { ...said.folder, fold: undefined } };

const followUpOf = async (request: RunRequest): Promise<FollowUp> => {
  const { validation, tests, gate, gateOver, metric, budget, distill, rule, depth, position, half } = request;
  const stress = request.stress === false ? undefined : (request.stress ?? {});
  const hashed = async (source: string) => ({ source, sha256: await hashData(source, request.labels) });
  const namedFiles = (files: readonly NamedFile[]) =>
    Promise.all(files.map(async ({ name, file }) => ({ name, ...(await hashed(file)) })));
  return {
    validation: await hashed(validation),
    tests: await namedFiles(tests),
    ...{ gate, gateOver, metric },
    stress: stress && {
      files: stress.files && (await namedFiles(stress.files)),
      changes: stress.changes && [...stress.changes],
      images: stress.images,
    },
    ...{ budget, distill, rule, depth, position },
    half: half || undefined,
  };
};

/**
 * Does everything in a row and leaves it in a run directory. All inputs are read and checked before anything is written. What was
 * interrupted goes on with {@link resumeRun}.
 *
 * @throws SutureError whatever is wrong with the files, the options or the output.
 */
export async function run(request: RunRequest, work: TrainingWork = {}): Promise<RunResult> {
  const { train, validation, tests, gate, gateOver, metric, stress: _, budget, distill, ...others } = request;
  const { rule, depth, position, half: _half, ...rest } = others;
  const stitching = { ...rest, data: train };
  const opened = await openRequest(stitching, [train, validation, ...tests.map(({ file }) => file)]);
  const said = { ...opened.labels, task: rest.task };
  const validationData = await loadDataset(validation, said);
  const plan = await planRun(stitching, { opened, labelled: validationData }, workOptions(work));
  const { parents } = plan;
  const choosable = LabelledData.toChooseBy(parents, validationData, metric);
  const data: TestData[] = [];
  for (const test of tests) {
    const ofTest = labelsOfTest(said, test.file, [train, validation]);
    data.push({ ...test, data: LabelledData.for(parents, await loadDataset(test.file, ofTest), metric) });
  }
  if (position !== undefined) checkPositions(plan.network, [position]);
  if (rule === 2) requireFolds(validationData.fold);
  requireDepthRule(rule, depth);
  // A student learns from labels too, where there are some.
  if (distill !== undefined && plan.dataset.labels) LabelledData.for(parents, plan.dataset);
  if (budget !== undefined) affordableOf(parentCosts(plan.network, validationData), budget);
  if (gateOver === 'case') {
    requireGateable(plan.network, gateOver);
    for (const { data: test } of data) casesAtATime(test.dataset);
  }
  const followUp = await followUpOf(request);
  const stress = await stressOf(followUp, choosable, parents, said);
  requireSizes(
    plan.network,
    [choosable, ...data.map(test => test.data), ...stress.map(set => set.data)].map(({ dataset }) => dataset),
  );
  const result = await withExecutor(request, executor =>
    withNewLock(request.output, async () => {
      const execution = { ...work, executor };
      const trained = await trainLocked(plan, execution, followUp);
      return afterTraining(execution, trained, { asked: followUp, choosable, stress, tests: data });
    }),
  );
  return { ...result, warnings: [...plan.warnings, ...result.warnings] };
}

/**
 * Goes on with what {@link run} began and did not end, from whichever step it was in, to the same report.
 *
 * @throws SutureError `run-invalid`, `run-locked`, and `data-invalid` when a data file is not the one that the run was started with.
 */
export const resumeRun = (path: string, work: TrainingWork = {}): Promise<RunResult> =>
  withLockedRun(path, async () => {
    const run = await openBegun(path);
    const { directory, parents } = run;
    const followUp = await directory.readJson('request', requestSchema);
    if (!followUp) {
      throw new SutureError(
        'run-invalid',
        `${printable(path)} was made by \`suture stitch\`, so that nothing follows its training; \`suture stitch --resume\` goes on with that.`,
      );
    }
    if (await directory.has('reportText')) {
      throw new SutureError('run-invalid', `${printable(path)} has its report: there is nothing to resume.`);
    }
    const said = labelsOfRun(directory.config);
    const read = (file: StoredData, labels = said) => sameData(file, labels, 'the run was started');
    const own = [directory.config.data.source, followUp.validation.source];
    const choosable = LabelledData.toChooseBy(parents, await read(followUp.validation), followUp.metric);
    const tests: TestData[] = [];
    for (const test of followUp.tests) {
      tests.push({
        name: test.name,
        file: test.source,
        data: LabelledData.for(parents, await read(test, labelsOfTest(said, test.source, own)), followUp.metric),
      });
    }
    for (const file of followUp.stress?.files ?? []) await read(file);
    const stress = await stressOf(followUp, choosable, parents, said);
    const trained = await resumeLocked(run, work);
    return withExecutor({ executor: directory.config.executor.name }, executor =>
      afterTraining({ ...work, executor }, trained, { asked: followUp, choosable, stress, tests }),
    );
  });

/** What networks are compared on beside the validation data. What has no extent in space cannot be changed as images are. */
async function stressOf(
  { stress }: FollowUp,
  choosable: LabelledData,
  parents: readonly Parent[],
  said: LabelOptions,
): Promise<readonly StressSet[]> {
  if (!stress || (!stress.files && !isChangeable(choosable.dataset))) return [];
  const files = stress.files?.map(({ name, source }) => ({ name, file: source }));
  return stressSets(choosable, parents, { ...stress, files }, said);
}

/** What follows a training; an error that ends it says how to go on. */
async function afterTraining(
  execution: TrainingExecution,
  trained: TrainedRun,
  following: Following,
): Promise<RunResult> {
  const resume = `suture run --resume ${printable(trained.run.directory.path)}`;
  try {
    return await follow({ ...execution, resume }, trained, following);
  } catch (error) {
    // A student's training has said how to go on.
    if (!(error instanceof SutureError) || error.resume !== undefined) throw error;
    throw withMore(error, [`the stitches are trained: go on with \`${resume}\``], resume);
  }
}
