/** Network files scored on a data file. */
import { SutureError } from '../../ir/errors.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { unpreparedTexts } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { onProcessor, withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { caseName } from '../metrics/by-case.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { isPooled, type MetricName } from '../metrics/metric.ts';
import {
  type MeasuredNetwork,
  measureOnSets,
  type NetworkScore,
  networkScore,
  type ScoreOptions,
} from '../metrics/score-networks.ts';
import { dataFacts, stressScore } from '../metrics/stress.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import { type Summary, summaryOfScores } from '../metrics/summary.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { warningsOf } from '../network/model.ts';
import { loadModels } from '../network/models.ts';
import type { OutputNames } from '../network/one-output.ts';
import { type Parent, parentOf } from '../network/parent.ts';
import { type ListedCase, listedCases } from '../report/cases.ts';

export interface EvaluateOptions extends WorkOptions, ExecutorOptions, MeaningOptions, ScoreOptions {
  /** By the networks' order, `a`, `b`, …. Default: of several outputs the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  /** What is said of the labels. */
  readonly labels?: LabelOptions;
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
  /** Also list every class of every case. */
  readonly cases?: boolean | undefined;
  /** Also count them as nnU-Net does, for its `summary.json`: of one network. */
  readonly summary?: boolean | undefined;
  /** What networks are also scored on. */
  readonly stress?: StressRequest | undefined;
}

export interface Evaluation {
  readonly data: string;
  readonly images: number;
  /** How the labels were read, in words. */
  readonly labels: string;
  readonly metric: MetricName;
  readonly executor: string;
  /** The stress sets that scores under shift are of. */
  readonly stress?: ReturnType<typeof dataFacts>;
  /** One row for each network in the order given, under its path; then the ensemble where it was asked for. */
  readonly rows: readonly NetworkScore[];
  /** Where they were asked for: network by network, case by case, class by class. */
  readonly cases?: readonly ListedCase[];
  /** Where it was asked for, of the one network. */
  readonly summary?: Summary;
}

/**
 * Scores network files on a data file; those of 16 bits with every feature rounded as it is stored.
 *
 * Networks with plans of their own (`labels.folder.partners`) see the images of the first one's as they would in a joined network.
 *
 * @throws SutureError as `loadModels`, `loadDataset`, `scoreNetworks`.
 */
export async function evaluate(
  models: readonly string[],
  data: string,
  options: EvaluateOptions = {},
): Promise<Evaluation & { readonly warnings: readonly string[] }> {
  const { outputs, labels = {}, stress: asked } = options;
  const files = asked?.files?.map(({ file }) => file) ?? [];
  const request = { networks: models, outputs, folder: labels.folder, data: [data, ...files], rounds: true };
  const opened = await loadModels(request);
  const said = opened.folder ? { ...labels, folder: opened.folder } : labels;
  const dataset = await loadDataset(data, said);
  const loaded: Parent[] = [];
  for (const model of opened.models) loaded.push(await parentOf(onProcessor, model, dataset, options));
  const scorable = LabelledData.for(loaded, dataset, options.metric);
  const { name: metric } = scorable.metricFor(loaded[0]);
  if (options.summary && (models.length > 1 || options.ensemble)) {
    throw new SutureError('option-invalid', "nnU-Net's summary is of one network: name one, without --ensemble.");
  }
  if ((options.cases || options.summary) && !isPooled(metric)) {
    throw new SutureError('option-invalid', `Cases are listed with their Dice, and the score here is ${metric}.`);
  }
  const stress = asked && (await stressSets(scorable, loaded, asked, said));
  return withExecutor(options, async executor => {
    const execution = { executor, ...workOptions(options) };
    const sets = [scorable, ...(stress ?? []).map(({ data: shifted }) => shifted)];
    const [measured, ...stressed] = await measureOnSets(execution, loaded, sets, options);
    const shiftOf = (row: number) => stressScore(stressed.map(networks => networks[row].metric.score().value));
    return {
      data,
      images: dataset.count,
      labels: scorable.labelsFor(loaded[0]).reading,
      metric,
      executor: executor.describe(),
      ...(stress && { stress: dataFacts(stress) }),
      rows: measured.map((network, row) => ({ ...networkScore(network), ...(stress && { shift: shiftOf(row) }) })),
      ...(options.cases && { cases: measured.flatMap(network => casesOf(network, dataset)) }),
      ...(options.summary && {
        summary: summaryOfScores(measured[0].metric.cases(), key => caseName(dataset, key)),
      }),
      warnings: [...warningsOf(loaded), ...(await unpreparedTexts([data, ...files], said))],
    };
  });
}

function casesOf({ model, metric, surfaces }: MeasuredNetwork, dataset: Dataset): readonly ListedCase[] {
  const known = surfaces?.cases();
  const listed = listedCases({ model, metric }, dataset);
  return metric.cases().map((found, i) => ({ ...listed[i], ...known?.get(found.case)?.[found.class - 1] }));
}
