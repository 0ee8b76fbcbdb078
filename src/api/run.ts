/** Two networks in, one out: match, stitch, sweep, select, export, evaluate, report, check. */

import { printable, SutureError } from '../../ir/index.ts';
import {
  averagedAt,
  type GateScope,
  isGateable,
  original,
  requireGateable,
  settledMeaning,
} from '../../passes/index.ts';
import { casesAtATime } from '../data/batches.ts';
import { loadDataset } from '../data/dataset.ts';
import { withExecutor } from '../execution/execute.ts';
import { type Execution, workOptions } from '../execution/progress.ts';
import { hashFile } from '../files/hash.ts';
import { jsonText } from '../files/output.ts';
import { differenceOf, groupsOf } from '../metrics/bootstrap.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { measureNetworks } from '../metrics/score-networks.ts';
import { networkOf } from '../network/network.ts';
import { networkForImages } from '../network/sizes.ts';
import { tagOf } from '../network/tags.ts';
import { type Report, reportText, type TestResult } from '../report/report.ts';
import { withLockedRun } from '../run/access.ts';
import { type FollowUp, labelsOfRun, requestSchema } from '../run/config.ts';
import { deployed, type ExportedNetwork } from '../run/deployed.ts';
import { sameData, type TrainingWork } from '../run/lifecycle.ts';
import { withNewLock } from '../run/lock.ts';
import { planRun, type StitchRequest } from '../run/plan.ts';
import { compareWithFile } from '../run/verify.ts';
import { possibleRules, type Selection, select } from '../selection/select.ts';
import { type Sweep, sweepPositions, sweepSchema } from '../selection/sweep.ts';
import { exportPosition } from './export.ts';
import { openBegun, resumeLocked, type TrainedRun, trainLocked } from './stitch.ts';

export interface RunRequest extends Omit<StitchRequest, 'data'> {
  /** Images that the stitches are trained on. */
  readonly train: string;
  /** Labelled images that the position is chosen by. */
  readonly validation: string;
  readonly tests: readonly { readonly name: string; readonly file: string }[];
  /** Whether outputs are weighed on each image by how sure the parents are (`settleGated`). Default: wherever a gate can act. */
  readonly gate?: boolean | undefined;
  /** What positions are chosen by and networks reported with. Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
  /** What has shares of its own with a gate: each image (default), or each case. */
  readonly gateOver?: GateScope | undefined;
}

export interface RunResult extends Report {
  readonly sweep: Sweep;
  readonly warnings: readonly string[];
}

/** Rule 2 where there are folds to rank in, else rule 1. */
const chooseBy = ({ positions, higherIsBetter }: Sweep): Selection =>
  select(positions, possibleRules(positions).at(-1) ?? 1, higherIsBetter);

/** A test set, by the name and the file that were given. */
interface TestData {
  readonly name: string;
  readonly file: string;
  readonly data: LabelledData;
}

/** What is done with a run when it is trained. */
interface Following {
  readonly choosable: LabelledData;
  readonly tests: readonly TestData[];
  readonly gate: boolean | undefined;
  readonly gateOver: GateScope | undefined;
}

const followUpOf = async ({ validation, tests, gate, gateOver, metric }: RunRequest): Promise<FollowUp> => ({
  validation: { source: validation, sha256: await hashFile(validation) },
  tests: await Promise.all(tests.map(async ({ name, file }) => ({ name, source: file, sha256: await hashFile(file) }))),
  ...(gate !== undefined && { gate }),
  ...(gateOver && { gateOver }),
  ...(metric && { metric }),
});

/**
 * Does everything in a row and leaves it in a run directory. All inputs are read and checked before anything is written. What was
 * interrupted goes on with {@link resumeRun}.
 *
 * @throws SutureError whatever is wrong with the files, the options or the output.
 */
export async function run(request: RunRequest, work: TrainingWork = {}): Promise<RunResult> {
  const { train, validation, tests, gate, gateOver, metric, ...rest } = request;
  const said = { ...rest.labels, task: rest.task };
  const validationData = await loadDataset(validation, said);
  const plan = await planRun({ ...rest, data: train }, validationData, workOptions(work));
  const { parents } = plan;
  const choosable = LabelledData.toChooseBy(parents, validationData, metric);
  const data: TestData[] = [];
  for (const test of tests) {
    data.push({ ...test, data: LabelledData.for(parents, await loadDataset(test.file, said), metric) });
  }
  if (gateOver === 'case') {
    requireGateable(plan.network, gateOver);
    for (const { data: test } of data) casesAtATime(test.dataset);
  }
  for (const { dataset } of [choosable, ...data.map(test => test.data)]) networkForImages(plan.network, dataset);
  const followUp = await followUpOf(request);
  const result = await withExecutor(request, executor =>
    withNewLock(request.output, async () => {
      const execution = { executor, ...workOptions(work) };
      const trained = await trainLocked(plan, execution, work, followUp);
      return afterTraining(execution, trained, { choosable, tests: data, gate, gateOver });
    }),
  );
  return { ...result, warnings: plan.warnings };
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
    const read = (file: { readonly source: string; readonly sha256: string }) =>
      sameData(file, labelsOfRun(directory.config), 'the run was started');
    const choosable = LabelledData.toChooseBy(parents, await read(followUp.validation), followUp.metric);
    const tests: TestData[] = [];
    for (const test of followUp.tests) {
      tests.push({
        name: test.name,
        file: test.source,
        data: LabelledData.for(parents, await read(test), followUp.metric),
      });
    }
    const trained = await resumeLocked(run, work);
    return withExecutor({ executor: directory.config.executor.name }, executor =>
      afterTraining({ executor, ...workOptions(work) }, trained, {
        choosable,
        tests,
        gate: followUp.gate,
        gateOver: followUp.gateOver,
      }),
    );
  });

/** What follows a training; an error that ends it says how to go on. */
async function afterTraining(execution: Execution, trained: TrainedRun, following: Following): Promise<RunResult> {
  try {
    return await follow(execution, trained, following);
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
    const resume = `suture run --resume ${printable(trained.run.directory.path)}`;
    const text = `${error.message.replace(/\.$/, '')}; the stitches are trained: go on with \`${resume}\`.`;
    throw new SutureError(error.code, text, { details: error.details, cause: error });
  }
}

/** Scores the positions, chooses, exports, evaluates and reports. Scores that are there already are not computed again. */
async function follow(
  execution: Execution,
  { run, summary }: TrainedRun,
  { choosable, tests, gate, gateOver }: Following,
): Promise<RunResult> {
  const { directory, network, parents } = run;
  let swept = await directory.readJson('sweep', sweepSchema);
  // A sweep of another kind may have been made in between.
  const { name } = choosable.metricFor(parents[0]!);
  if (swept?.data.source !== choosable.dataset.source || swept.metric !== name) {
    swept = await sweepPositions(execution, run, choosable);
    await directory.writeJson('sweep', swept);
  }
  const selection = chooseBy(swept);
  const { position, rule } = selection;

  const file = directory.file('model');
  const gated = gate ?? isGateable(network);
  const exported: ExportedNetwork = await exportPosition(
    run,
    file,
    position,
    { rule, gated, gateOver },
    { force: true },
  );
  const setting = averagedAt(network, position);
  const meaning = settledMeaning(network.outputs[0]!, setting);
  const networks = [
    networkOf(deployed(run, setting, ''), 'stitched', meaning),
    ...(gated
      ? [
          networkOf(deployed(run, original(network), '', true, gateOver), 'output ensemble, gated', meaning),
          networkOf(deployed(run, setting, '', true, gateOver), 'stitched, gated', meaning),
        ]
      : []),
  ];
  const results: TestResult[] = [];
  for (const { name, file: source, data } of tests) {
    const rivals = await measureNetworks(execution, parents, data, { ensemble: true });
    const ours = await measureNetworks(execution, networks, data);
    const rival = (i: number): string => (i < parents.length ? `parent ${tagOf(i)}` : 'output ensemble');
    const rows = [
      ...rivals.map(({ metric }, i) => ({ network: rival(i), score: metric.score() })),
      ...ours.map(({ model, metric }) => ({ network: model, score: metric.score() })),
    ];
    // The exported network is the last, and the questions are whether it beats the own one and what costs no training.
    const groups = groupsOf(data.dataset);
    const exportedMetric = ours.at(-1)!;
    const comparisons = [rivals.length - 1, 0].map(i => ({
      network: exportedMetric.model,
      against: rival(i),
      ...differenceOf(exportedMetric.metric, rivals[i]!.metric, groups),
    }));
    results.push({
      name,
      data: source,
      images: data.dataset.count,
      metric: rows[0]!.score.metric,
      rows,
      comparisons,
    });
  }
  const agreement = await compareWithFile(
    execution.executor,
    run,
    { file, setting, gated, gateOver },
    choosable.dataset,
  );
  const { reading: labels } = choosable.labelsFor(parents[0]!);
  const validation = { ...swept.data, labels };
  const report: Report = { summary, validation, selection, exported, tests: results, agreement };
  await directory.write('reportJson', jsonText(report));
  await directory.write('reportText', reportText(report));
  return { ...report, sweep: swept, warnings: [] };
}
