/** What follows the training of a run: its best position, the verdict, the exported network, its scores, the report and the page. */
import { join } from 'node:path';
import { isGateable, type SuperNetwork } from '../../passes/index.ts';
import type { Execution, TrainingExecution } from '../execution/progress.ts';
import { jsonText } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { differenceOf, groupsOf } from '../metrics/bootstrap.ts';
import { scoresByCase } from '../metrics/by-case.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import type { Metric } from '../metrics/metric.ts';
import type { StressSet } from '../metrics/stress.ts';
import { placedPositions } from '../network/depth.ts';
import { ensembleName, parentName } from '../network/names.ts';
import type { NamedFile } from '../options/kinds.ts';
import { writeCaseFiles } from '../report/case-files.ts';
import { type FrontResult, type Report, reportText, type TestResult } from '../report/report.ts';
import { lossTexts } from '../report/verdict.ts';
import type { FollowUp } from '../run/config.ts';
import { writeHalf } from '../run/half.ts';
import { joinStudent, type LoadedRun } from '../run/load.ts';
import { type OnOwnGrid, scoresOnOwnGrids } from '../run/own-grid.ts';
import { sharedDataTexts } from '../run/shared-data.ts';
import { students } from '../run/student.ts';
import { type Agreement, compareNetworkWithFile, compareWithFile } from '../run/verify.ts';
import { WholeDirectory } from '../run/whole.ts';
import { type Blueprint, Candidates, type Distilled, type Student } from '../selection/candidates.ts';
import { chosenOf, contest } from '../selection/contest.ts';
import { Rivals } from '../selection/rivals.ts';
import { costsOf } from '../selection/search/cost.ts';
import { trunkWithin } from '../selection/search/trunks.ts';
import { type Selection, select, selectBest, selectByDepth } from '../selection/select.ts';
import { type Sweep, sweepPositions, sweepSchema } from '../selection/sweep.ts';
import { type StoredVerdict, verdictSchema } from '../selection/verdict.ts';
import { distillLoaded, resumeDistill } from './distill.ts';
import { exportCandidate } from './export.ts';
import { pageOf, shownNames, validationName } from './report.ts';
import type { TrainedRun } from './stitch.ts';

/** A test set, by the name and the file that were given. */
export interface TestData extends NamedFile {
  readonly data: LabelledData;
}

/** What is done with a run when it is trained. */
export interface Following {
  readonly asked: FollowUp;
  readonly choosable: LabelledData;
  readonly stress: readonly StressSet[];
  readonly tests: readonly TestData[];
}

export interface RunResult extends Report {
  readonly sweep: Sweep;
  readonly warnings: readonly string[];
}

/**
 * Scores the positions, compares what can be made of the networks, exports the best, evaluates and reports. Scores that are there already
 * are not computed again.
 */
export async function follow(
  execution: TrainingExecution,
  { run, summary }: TrainedRun,
  following: Following,
): Promise<RunResult> {
  const { directory, parents } = run;
  const { asked, choosable, stress } = following;
  const sweep = await sweptBy(execution, run, choosable);
  const selection = chooseBy(sweep, run.network, asked);
  const { candidates, verdict, chosen } = await choose(execution, run, following, selection);
  const file = directory.file('model');
  const { exported, graph } = await exportCandidate(run, chosen, {
    ...{ verdict, file, gateOver: asked.gateOver },
    ...(asked.position === undefined && chosen.positions.includes(selection.position) && { rule: selection.rule }),
  });
  const half = asked.half
    ? await writeHalf(execution, run, { graph, file, to: directory.file('half'), own: choosable, stress })
    : undefined;

  const shown = [...new Set([...verdict.standings.map(({ name }) => name), chosen.name])];
  const hidden = new Set(candidates.all.map(({ name }) => name).filter(network => !shown.includes(network)));
  const onTests = await candidates.measure(execution, following.tests, hidden);
  const tests = following.tests.map((test, i) => ({ ...test, metrics: onTests[i] }));
  const ofCases = tests.map(({ name, data: { dataset }, metrics }) => ({ name, dataset, metrics }));
  await writeCaseFiles(directory, chosen.name, ofCases);
  const front = tests.length < 2 ? undefined : await frontOf(execution, run, tests, { shown, exported: chosen.name });
  const grids = await gridsOf(execution, run, following, [ownScores(verdict), ...tests.map(testScores)]);
  const sharedData = sharedDataTexts(directory.config, asked);
  const report: Report = {
    summary,
    validation: { ...sweep.data, labels: choosable.labelsFor(parents[0]).reading },
    ...{ selection, verdict, exported, half },
    tests: tests.map(test => testResult(test, shown, chosen.name)),
    ...(sharedData.length > 0 && { sharedData }),
    front,
    ...(grids.length > 0 && { grids }),
    agreement: await agreementOf(execution, run, { chosen, file }, following),
  };
  await directory.write('reportJson', jsonText(report));
  const pictured = shownNames(parents.length, chosen.name);
  const given = tests.map(({ name, data, metrics }) => {
    const networks = pictured.map(network => ({ network, metric: metrics.get(network)! }));
    return [name, { data, set: scoresByCase(name, data.dataset, networks) }] as const;
  });
  const { text } = await pageOf(execution, run, {
    given: given.length > 0 ? new Map(given) : new Map([[validationName, { data: choosable }]]),
    keep: true,
  });
  await directory.write('page', text);
  await directory.write('reportText', reportText(report));
  const losses = asked.position === undefined ? [] : lossTexts(verdict, chosen.name);
  return { ...report, sweep, warnings: [...sharedData, ...losses] };
}

/** The positions' scores: those that are there, unless a sweep of another kind was made in between. */
async function sweptBy(execution: Execution, run: LoadedRun, choosable: LabelledData): Promise<Sweep> {
  const swept = await run.directory.readJson('sweep', sweepSchema);
  const { name } = choosable.metricFor(run.parents[0]);
  if (swept?.data.source === choosable.dataset.source && swept.metric === name) return swept;
  const sweep = await sweepPositions(execution, run, choosable);
  await run.directory.writeJson('sweep', sweep);
  return sweep;
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

/** What is exported, and of which candidates. */
interface Choice {
  readonly candidates: Candidates;
  readonly verdict: StoredVerdict;
  readonly chosen: Blueprint | Student;
}

/** What the verdict is for, unless a position was asked for. A student that is to compete is trained first. */
async function choose(
  execution: TrainingExecution,
  run: LoadedRun,
  { asked, choosable, stress }: Following,
  selection: Selection,
): Promise<Choice> {
  const { gate, gateOver, budget, position = selection.position } = asked;
  const distilled = asked.distill === undefined ? [] : [await studentOf(execution, run, asked, choosable)];
  const candidates = Candidates.of(run, choosable.dataset, { position, gate, gateOver, budget, students: distilled });
  let verdict = await run.directory.readJson('verdict', verdictSchema);
  if (!verdict) {
    verdict = await contest(execution, candidates, { own: choosable, stress, budget });
    await run.directory.writeJson('verdict', verdict);
  }
  const chosen = asked.position === undefined ? chosenOf(candidates, verdict) : candidates.stitched;
  return { candidates, verdict, chosen };
}

/** What a student may cost where ensembles may be had, as a share of all parents: see `docs/experiments/distill.md`. */
const usualStudentCost = 0.65;

/** The student of a run: what there is of it, gone on with, or a new one. */
async function studentOf(
  execution: TrainingExecution,
  run: LoadedRun,
  { distill: steps, budget, gate = isGateable(run.network), gateOver }: FollowUp,
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

/** A test set with what networks answer on it, by their names. */
interface MeasuredTest extends TestData {
  readonly metrics: ReadonlyMap<string, Metric>;
}

/** Networks on a test set, and the exported one against what costs no training and against the own network. */
function testResult(
  { name, file, data, metrics }: MeasuredTest,
  shown: readonly string[],
  exported: string,
): TestResult {
  const metricOf = (network: string): Metric => metrics.get(network)!;
  const rivals = [ensembleName, parentName('a')].filter(rival => rival !== exported);
  const groups = groupsOf(data.dataset);
  return {
    name,
    data: file,
    images: data.dataset.count,
    metric: metricOf(exported).name,
    rows: shown.map(network => ({ network, score: metricOf(network).score() })),
    comparisons: rivals.map(against => ({
      network: exported,
      against,
      ...differenceOf(metricOf(exported), metricOf(against), groups),
    })),
  };
}

/** How far networks lie beyond the output ensembles, by what was measured on each test set. */
async function frontOf(
  execution: Execution,
  run: LoadedRun,
  tests: readonly MeasuredTest[],
  { shown, exported }: { readonly shown: readonly string[]; readonly exported: string },
): Promise<FrontResult> {
  const rivals = await Rivals.measure(execution, run, tests);
  const metricsOf = (network: string): readonly Metric[] => tests.map(({ metrics }) => metrics.get(network)!);
  const groups = tests.map(({ data }) => groupsOf(data.dataset));
  return {
    sets: tests.map(({ name }) => name),
    rows: shown.map(network => ({ network, beyond: rivals.beyond(metricsOf(network)) })),
    exported: { network: exported, ...rivals.interval(metricsOf(exported), groups) },
  };
}

/** A network's score on the grid that all share, by its name. */
type SharedScores = (network: string) => number | undefined;

const ownScores = ({ standings }: StoredVerdict): SharedScores => {
  const scores = new Map(standings.map(({ name, own }) => [name, own]));
  return network => scores.get(network);
};

const testScores =
  ({ metrics }: MeasuredTest): SharedScores =>
  network =>
    metrics.get(network)?.score().value;

/** Parents on grids of their own, on the own data and on the test sets. @param shared of each of these. */
async function gridsOf(
  execution: Execution,
  run: LoadedRun,
  { choosable, tests }: Following,
  shared: readonly SharedScores[],
): Promise<readonly OnOwnGrid[]> {
  const own = { name: 'own', file: choosable.dataset.source, data: choosable };
  const found: OnOwnGrid[] = [];
  for (const [i, { name, file, data }] of [own, ...tests].entries()) {
    found.push(...(await scoresOnOwnGrids(execution, run, { name, file, metric: data.metric, sharedOf: shared[i] })));
  }
  return found;
}

/** Whether the exported file computes what was scored. */
function agreementOf(
  { executor }: Execution,
  { parameters }: LoadedRun,
  { chosen, file }: { readonly chosen: Blueprint | Student; readonly file: string },
  { asked: { gateOver }, choosable: { dataset } }: Following,
): Promise<Agreement> {
  if ('network' in chosen) return compareNetworkWithFile(executor, chosen.network, file, dataset);
  const { joined, setting, blend } = chosen;
  return compareWithFile(
    executor,
    { network: joined, parameters },
    { file, setting, gated: blend.gated, gateOver },
    dataset,
  );
}
