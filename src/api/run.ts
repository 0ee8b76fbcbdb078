/** Two networks in, one out: match, stitch, sweep, select, export, evaluate, report, check. */
import { averagedAt, isGateable, original, settledMeaning } from '../../passes/index.ts';
import { loadDataset } from '../data/dataset.ts';
import { withExecutor } from '../execution/execute.ts';
import { type Execution, workOptions } from '../execution/progress.ts';
import { jsonText } from '../files/output.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { scoreNetworks } from '../metrics/score-networks.ts';
import { networkOf } from '../network/network.ts';
import { type Report, reportText, type TestResult } from '../report/report.ts';
import { deployed, type ExportedNetwork } from '../run/deployed.ts';
import { withNewLock } from '../run/lock.ts';
import { type Agreement, compareWithFile } from '../run/verify.ts';
import { possibleRules, type Selection, select } from '../selection/select.ts';
import { type Sweep, sweepPositions } from '../selection/sweep.ts';
import { exportPosition } from './export.ts';
import { planRun, type StitchRequest, type TrainingWork, trainLocked } from './stitch.ts';

export interface RunRequest extends Omit<StitchRequest, 'data'> {
  /** Images that the stitches are trained on. */
  readonly train: string;
  /** Labelled images that the position is chosen by. */
  readonly validation: string;
  readonly tests: readonly { readonly name: string; readonly file: string }[];
  /** Whether outputs are weighed on each image by how sure the parents are (`settleGated`). Default: wherever a gate can act. */
  readonly gate?: boolean | undefined;
}

export interface RunResult extends Report {
  readonly sweep: Sweep;
  readonly warnings: readonly string[];
}

/** Rule 2 where there are folds to rank in, else rule 1. */
const chooseBy = ({ positions, higherIsBetter }: Sweep): Selection =>
  select(positions, possibleRules(positions).at(-1) ?? 1, higherIsBetter);

/**
 * Does everything in a row and leaves it in a run directory. All inputs are read and checked before anything is written.
 *
 * @throws SutureError whatever is wrong with the files, the options or the output.
 */
export async function run(request: RunRequest, work: TrainingWork = {}): Promise<RunResult> {
  const { train, validation, tests, gate, ...rest } = request;
  const said = { ...rest.labels, task: rest.task };
  const validationData = await loadDataset(validation, said);
  const plan = await planRun({ ...rest, data: train }, validationData, workOptions(work));
  const parents = [plan.parents.a, plan.parents.b];
  const choosable = LabelledData.toChooseBy(parents, validationData);
  const testData: { readonly name: string; readonly file: string; readonly data: LabelledData }[] = [];
  for (const test of tests)
    testData.push({ ...test, data: LabelledData.for(parents, await loadDataset(test.file, said)) });

  const everything = async (execution: Execution): Promise<RunResult> => {
    const { run, summary } = await trainLocked(plan, execution, work);
    const swept = await sweepPositions(execution, run, choosable);
    await run.directory.writeJson('sweep', swept);
    const selection = chooseBy(swept);
    const { position, rule } = selection;

    const file = run.directory.file('model');
    const gated = gate ?? isGateable(run.network);
    const exported: ExportedNetwork = await exportPosition(run, file, position, { rule, gated }, { force: true });
    const setting = averagedAt(run.network, position);
    const meaning = settledMeaning(run.network.outputs[0]!, setting);
    const networks = [
      networkOf(deployed(run, setting, ''), 'stitched', meaning),
      ...(gated
        ? [
            networkOf(deployed(run, original(run.network), '', true), 'output ensemble, gated', meaning),
            networkOf(deployed(run, setting, '', true), 'stitched, gated', meaning),
          ]
        : []),
    ];
    const results: TestResult[] = [];
    for (const { name, file: source, data } of testData) {
      const rows = await scoreNetworks(execution, parents, data, { ensemble: true });
      const ours = await scoreNetworks(execution, networks, data);
      const all = [
        ...rows.map(({ score }, i) => ({ network: rivalNames[i]!, score })),
        ...ours.map(({ score }, i) => ({ network: networks[i]!.name, score })),
      ];
      results.push({ name, data: source, images: data.dataset.count, metric: all[0]!.score.metric, rows: all });
    }
    const agreement: Agreement = await compareWithFile(
      execution.executor,
      run,
      { file, setting, gated },
      validationData,
    );
    const report: Report = {
      summary,
      validation: swept.data,
      selection,
      exported,
      tests: results,
      agreement,
    };
    await run.directory.write('reportJson', jsonText(report));
    await run.directory.write('reportText', reportText(report));
    return { ...report, sweep: swept, warnings: plan.warnings };
  };
  return withExecutor(request, executor =>
    withNewLock(request.output, () => everything({ executor, ...workOptions(work) })),
  );
}

const rivalNames = ['parent a', 'parent b', 'output ensemble'] as const;
