/** Two networks in, one out: match, stitch, sweep, select, export, evaluate, report, check. */

import { join } from 'node:path';
import { printable, SutureError } from '../../ir/index.ts';
import { type GateScope, isGateable, requireGateable, type SuperNetwork } from '../../passes/index.ts';
import { casesAtATime } from '../data/batches.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import { withExecutor } from '../execution/open.ts';
import { type Execution, type TrainingExecution, type TrainingWork, workOptions } from '../execution/progress.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { differenceOf, groupsOf } from '../metrics/bootstrap.ts';
import { type CaseSet, caseName, scoresByCase } from '../metrics/by-case.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { Metric, MetricName } from '../metrics/metric.ts';
import { isChangeable, type StressSet } from '../metrics/stress.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import { summaryOfScores, summaryText } from '../metrics/summary.ts';
import { placedPositions } from '../network/depth.ts';
import { ensembleName, parentName } from '../network/names.ts';
import type { Parent } from '../network/parent.ts';
import { requireSizes } from '../network/sizes.ts';
import type { NamedFile } from '../options/kinds.ts';
import { caseTable, type ListedCase, listedCases } from '../report/cases.ts';
import { type FrontResult, type Report, reportText, type TestResult } from '../report/report.ts';
import { lossTexts } from '../report/verdict.ts';
import { withLockedRun } from '../run/access.ts';
import { type FollowUp, labelsOfRun, requestSchema } from '../run/config.ts';
import type { RunDirectory } from '../run/directory.ts';
import { writeHalf } from '../run/half.ts';
import { type StoredData, sameData, withMore } from '../run/lifecycle.ts';
import { joinStudent, type LoadedRun } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { type OnOwnGrid, scoresOnOwnGrids } from '../run/own-grid.ts';
import { openRequest, planRun, type StitchRequest } from '../run/plan.ts';
import { sharedDataTexts } from '../run/shared-data.ts';
import { students } from '../run/student.ts';
import { compareNetworkWithFile, compareWithFile } from '../run/verify.ts';
import { WholeDirectory } from '../run/whole.ts';
import { type Blueprint, Candidates, type Distilled, parentCosts } from '../selection/candidates.ts';
import { checkPositions } from '../selection/combination.ts';
import { chosenOf, contest } from '../selection/contest.ts';
import { Rivals } from '../selection/rivals.ts';
import { costsOf } from '../selection/search/cost.ts';
import { trunkWithin } from '../selection/search/trunks.ts';
import {
  type Rule,
  requireDepthRule,
  requireFolds,
  type Selection,
  select,
  selectBest,
  selectByDepth,
} from '../selection/select.ts';
import { type Sweep, sweepPositions, sweepSchema } from '../selection/sweep.ts';
import { affordableOf, type StoredVerdict, verdictSchema } from '../selection/verdict.ts';
import { distillLoaded, resumeDistill } from './distill.ts';
import { exportCandidate } from './export.ts';
import { pageOf, shownNames, validationName } from './report.ts';
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

export interface RunResult extends Report {
  readonly sweep: Sweep;
  readonly warnings: readonly string[];
}

/** By the rule that was asked for, else rule 2 where there are folds to rank in, else rule 1. */
function chooseBy(
  { positions, higherIsBetter }: Sweep,
  network: SuperNetwork,
  { rule, depth }: Pick<FollowUp, 'rule' | 'depth'>,
): Selection {
  if (rule === undefined) return selectBest(positions, higherIsBetter);
  return rule === 3 ? selectByDepth(placedPositions(network), depth) : select(positions, rule, higherIsBetter);
}

/** Folds are those of the own data: of other folders all cases are tested on. */
const labelsOfTest = (said: LabelOptions, file: string, own: readonly string[]): LabelOptions =>
  said.folder?.fold === undefined || own.includes(file)
    ? said
    : { ...said, folder: { ...said.folder, fold: undefined } };

/** A test set, by the name and the file that were given. */
interface TestData extends NamedFile {
  readonly data: LabelledData;
}

/** What is done with a run when it is trained. */
interface Following {
  readonly asked: FollowUp;
  readonly choosable: LabelledData;
  readonly stress: readonly StressSet[];
  readonly tests: readonly TestData[];
}

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

/**
 * Scores the positions, compares what can be made of the networks, exports the best, evaluates and reports. Scores that are there already
 * are not computed again.
 */
async function follow(
  execution: TrainingExecution,
  { run, summary }: TrainedRun,
  { asked, choosable, stress, tests }: Following,
): Promise<RunResult> {
  const { directory, parents } = run;
  let swept = await directory.readJson('sweep', sweepSchema);
  // A sweep of another kind may have been made in between.
  const { name } = choosable.metricFor(parents[0]);
  if (swept?.data.source !== choosable.dataset.source || swept.metric !== name) {
    swept = await sweepPositions(execution, run, choosable);
    await directory.writeJson('sweep', swept);
  }
  const selection = chooseBy(swept, run.network, asked);
  const { gate, gateOver, budget } = asked;
  const position = asked.position ?? selection.position;
  const students = asked.distill === undefined ? [] : [await studentOf(execution, run, asked, choosable)];
  const candidates = Candidates.of(run, choosable.dataset, { position, gate, gateOver, budget, students });
  let verdict = await directory.readJson('verdict', verdictSchema);
  if (!verdict) {
    verdict = await contest(execution, candidates, { own: choosable, stress, budget });
    await directory.writeJson('verdict', verdict);
  }
  const chosen = asked.position === undefined ? chosenOf(candidates, verdict) : candidates.stitched;
  const file = directory.file('model');
  const { exported, graph } = await exportCandidate(run, chosen, {
    ...{ verdict, file, gateOver },
    ...(asked.position === undefined && chosen.positions.includes(position) && { rule: selection.rule }),
  });
  const half = asked.half
    ? await writeHalf(execution, run, { graph, file, to: directory.file('half'), own: choosable, stress })
    : undefined;

  const results: TestResult[] = [];
  const shown = rowsOf(verdict, chosen);
  const hidden = new Set(candidates.all.map(candidate => candidate.name).filter(network => !shown.includes(network)));
  const onTests = await candidates.measure(execution, tests, hidden);
  for (const [set, { name, file: source, data }] of tests.entries()) {
    const metricOf = (network: string): Metric => onTests[set].get(network)!;
    const groups = groupsOf(data.dataset);
    // What costs no training, and the own network.
    const rivals = [ensembleName, parentName('a')].filter(rival => rival !== chosen.name);
    results.push({
      name,
      data: source,
      images: data.dataset.count,
      metric: metricOf(chosen.name).name,
      rows: shown.map(network => ({ network, score: metricOf(network).score() })),
      comparisons: rivals.map(against => ({
        network: chosen.name,
        against,
        ...differenceOf(metricOf(chosen.name), metricOf(against), groups),
      })),
    });
  }
  await writeCases(directory, chosen.name, tests, onTests);
  const front =
    tests.length < 2
      ? undefined
      : await frontOf(execution, run, { tests, measured: onTests, networks: shown, chosen: chosen.name });
  const grids: OnOwnGrid[] = [];
  const ownScores = new Map(verdict.standings.map(({ name, own }) => [name, own]));
  const own = { name: 'own', file: choosable.dataset.source, data: choosable };
  for (const [i, { name, file: source, data }] of [own, ...tests].entries()) {
    const sharedOf = (network: string) =>
      i === 0 ? ownScores.get(network) : onTests[i - 1].get(network)?.score().value;
    grids.push(...(await scoresOnOwnGrids(execution, run, { name, file: source, metric: data.metric, sharedOf })));
  }
  const { executor } = execution;
  const agreement =
    'network' in chosen
      ? await compareNetworkWithFile(executor, chosen.network, file, choosable.dataset)
      : await compareWithFile(
          executor,
          { network: chosen.joined, parameters: run.parameters },
          { file, setting: chosen.setting, gated: chosen.blend.gated, gateOver },
          choosable.dataset,
        );
  const { reading: labels } = choosable.labelsFor(parents[0]);
  const validation = { ...swept.data, labels };
  const sharedData = sharedDataTexts(directory.config, asked);
  const report: Report = {
    ...{ summary, validation, selection, verdict, exported, half, tests: results },
    ...(sharedData.length > 0 && { sharedData }),
    front,
    ...(grids.length > 0 && { grids }),
    agreement,
  };
  await directory.write('reportJson', jsonText(report));
  const casesOn = ({ name, data }: TestData, i: number): CaseSet =>
    scoresByCase(
      name,
      data.dataset,
      shownNames(parents.length, chosen.name).map(network => ({ network, metric: onTests[i].get(network)! })),
    );
  const given = new Map(tests.map((test, i) => [test.name, { data: test.data, set: casesOn(test, i) }]));
  const { text } = await pageOf(execution, run, {
    given: tests.length > 0 ? given : new Map([[validationName, { data: choosable }]]),
    keep: true,
  });
  await directory.write('page', text);
  await directory.write('reportText', reportText(report));
  const losses = asked.position === undefined ? [] : lossTexts(verdict, chosen.name);
  return { ...report, sweep: swept, warnings: [...sharedData, ...losses] };
}

/**
 * Lists every class of every case of the test sets, of the exported network, the parents and the plain ensemble, and counts the exported network's
 * as nnU-Net does, a file for each test set. Scores that are not of pixels have neither.
 */
async function writeCases(
  directory: RunDirectory,
  chosen: string,
  tests: readonly TestData[],
  measured: readonly ReadonlyMap<string, Metric>[],
): Promise<void> {
  const shown = [...new Set([chosen, ...Object.keys(directory.config.parents).map(parentName), ensembleName])];
  const rows: ListedCase[] = [];
  const folder = directory.file('summaries');
  const files = fileNames(tests.map(({ name }) => name));
  for (const [i, { name, data }] of tests.entries()) {
    const metricOf = (network: string): Metric => measured[i].get(network)!;
    const cases = metricOf(chosen).cases();
    if (cases.length === 0) continue;
    rows.push(...shown.flatMap(model => listedCases({ set: name, model, metric: metricOf(model) }, data.dataset)));
    const summary = summaryOfScores(cases, key => caseName(data.dataset, key));
    await makeFolder(folder);
    await writeOutput(join(folder, `${files[i]}.json`), summaryText(summary), { force: true });
  }
  if (rows.length > 0) await directory.write('cases', caseTable(rows));
}

/** Names for files, each once, whatever test sets are called: what is no letter, number, hyphen or underscore becomes one. */
function fileNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map(name => {
    const stem = name.replace(/[^\p{L}\p{N}_-]+/gu, '_');
    let free = stem;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${stem}_${i}`;
    taken.add(free.toLowerCase());
    return free;
  });
}

/** What was measured on each test set, of which networks, the exported one among them. */
interface MeasuredTests {
  readonly tests: readonly TestData[];
  readonly measured: readonly ReadonlyMap<string, Metric>[];
  readonly networks: readonly string[];
  readonly chosen: string;
}

/** How far networks lie beyond the output ensembles, by what was measured on each test set. */
async function frontOf(
  execution: Execution,
  run: LoadedRun,
  { tests, measured, networks, chosen }: MeasuredTests,
): Promise<FrontResult> {
  const rivals = await Rivals.measure(execution, run, tests);
  const metricsOf = (network: string): readonly Metric[] => measured.map(metrics => metrics.get(network)!);
  return {
    sets: tests.map(({ name }) => name),
    rows: networks.map(network => ({ network, beyond: rivals.beyond(metricsOf(network)) })),
    exported: {
      network: chosen,
      ...rivals.interval(
        metricsOf(chosen),
        tests.map(({ data }) => groupsOf(data.dataset)),
      ),
    },
  };
}

/** What a student may cost where ensembles may be had, as a share of all parents: see `docs/experiments/distill.md`. */
const usualStudentCost = 0.65;

/** The student of a run: what there is of it, gone on with, or a new one. */
async function studentOf(
  execution: TrainingExecution,
  run: LoadedRun,
  { distill: steps, budget, gate = isGateable(run.network), gateOver }: Following['asked'],
  choosable: LabelledData,
): Promise<Distilled> {
  const { config } = run.directory;
  const output = run.directory.file('student');
  if (!(await isThere(join(output, 'config.json')))) {
    const { data, training } = config;
    // What may be spent beyond one parent pays for branches on a shared trunk; they are for networks that may be gated.
    const isGated = gate && gateOver !== 'case';
    const spent = budget !== undefined && budget < 1 ? budget : usualStudentCost;
    const within = isGated && trunkWithin(run.network, spent, costsOf(run, choosable.dataset));
    const student = within ? `${spent * 100}%` : undefined;
    const teacher = isGated || !isGateable(run.network) ? undefined : 'gated';
    const options = { data: data.source, validation: choosable.dataset.source, output, steps, seed: training.seed };
    await distillLoaded(execution, run, { ...options, student, teacher, metric: choosable.metric });
  }
  const student = await WholeDirectory.open(students, output);
  if (!(await student.trained())) await resumeDistill(output, execution);
  const network = (await student.trained())!;
  return { network, joined: await joinStudent(run, network) };
}

/** The networks of a report, in the verdict's order. */
const rowsOf = ({ standings }: StoredVerdict, chosen: Pick<Blueprint, 'name'>): readonly string[] => [
  ...new Set([...standings.map(({ name }) => name), chosen.name]),
];
