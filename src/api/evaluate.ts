/** Network files scored on a data file. */
import { type LabelOptions, loadDataset } from '../data/dataset.ts';
import { withExecutor } from '../execution/execute.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { type NetworkScore, type ScoreOptions, scoreNetworks } from '../metrics/score-networks.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { loadModel, type Model } from '../network/model.ts';
import { type Parent, parentOf } from '../network/parent.ts';

export interface EvaluateOptions extends WorkOptions, ExecutorOptions, MeaningOptions, ScoreOptions {
  /** What is said of the labels. */
  readonly labels?: LabelOptions;
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
}

export interface Evaluation {
  readonly data: string;
  readonly images: number;
  /** How the labels were read, in words. */
  readonly labels: string;
  readonly metric: MetricName;
  readonly executor: string;
  /** One row for each network in the order given, under its path; then the ensemble where it was asked for. */
  readonly rows: readonly NetworkScore[];
}

/**
 * Scores network files on a data file.
 *
 * @throws SutureError as `loadModel`, `loadDataset`, `scoreNetworks`.
 */
export async function evaluate(
  models: readonly string[],
  data: string,
  options: EvaluateOptions = {},
): Promise<Evaluation & { readonly models: readonly Parent[] }> {
  const read: Model[] = [];
  for (const path of models) read.push(await loadModel(path));
  const dataset = await loadDataset(data, options.labels);
  const loaded: Parent[] = [];
  for (const model of read) loaded.push(await parentOf(model, dataset, options));
  const scorable = LabelledData.for(loaded, dataset, options.metric);
  return withExecutor(options, async executor => {
    const rows = await scoreNetworks({ executor, ...workOptions(options) }, loaded, scorable, options);
    return {
      data,
      images: dataset.count,
      labels: scorable.labelsFor(loaded[0]!).reading,
      metric: rows[0]!.score.metric,
      executor: executor.describe(),
      rows,
      models: loaded,
    };
  });
}
