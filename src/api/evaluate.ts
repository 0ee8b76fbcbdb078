/** Network files scored on a data file. */
import { SutureError } from '../../ir/errors.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { onProcessor, withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { type CaseScore, isPooled, type MetricName } from '../metrics/metric.ts';
import {
  type MeasuredNetwork,
  measureNetworks,
  type NetworkScore,
  networkScore,
  type ScoreOptions,
} from '../metrics/score-networks.ts';
import { stressFacts, stressScore } from '../metrics/stress.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import type { SurfaceCase } from '../metrics/surface.ts';
import { loadModel } from '../network/load.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import type { Model } from '../network/model.ts';
import type { OutputNames } from '../network/one-output.ts';
import { type Parent, parentOf } from '../network/parent.ts';
import { requireTags, tagOf, tagsOf } from '../network/tags.ts';
import { csvText } from '../report/csv.ts';

export interface EvaluateOptions extends WorkOptions, ExecutorOptions, MeaningOptions, ScoreOptions {
  /** By the networks' order, `a`, `b`, …. Default: of several outputs the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  /** What is said of the labels. */
  readonly labels?: LabelOptions;
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
  /** Also list every class of every case, for {@link caseTable}. */
  readonly cases?: boolean | undefined;
  /** What networks are also scored on. */
  readonly stress?: StressRequest | undefined;
}

/** One class of one case, as a network answers it. */
export interface EvaluatedCase extends CaseScore, Partial<SurfaceCase> {
  readonly model: string;
}

export interface Evaluation {
  readonly data: string;
  readonly images: number;
  /** How the labels were read, in words. */
  readonly labels: string;
  readonly metric: MetricName;
  readonly executor: string;
  /** The stress sets that scores under shift are of. */
  readonly stress?: ReturnType<typeof stressFacts>;
  /** One row for each network in the order given, under its path; then the ensemble where it was asked for. */
  readonly rows: readonly NetworkScore[];
  /** Where they were asked for: network by network, case by case, class by class. */
  readonly cases?: readonly EvaluatedCase[];
}

/**
 * Scores network files on a data file; those of 16 bits with every feature rounded as it is stored.
 *
 * @throws SutureError as `loadModel`, `loadDataset`, `scoreNetworks`.
 */
export async function evaluate(
  models: readonly string[],
  data: string,
  options: EvaluateOptions = {},
): Promise<Evaluation & { readonly models: readonly Parent[] }> {
  const read: Model[] = [];
  const { outputs = {} } = options;
  requireTags(outputs, 'outputs', tagsOf(models));
  for (const [i, path] of models.entries()) read.push(await loadModel(path, outputs[tagOf(i)], { rounds: true }));
  const dataset = await loadDataset(data, options.labels);
  const loaded: Parent[] = [];
  for (const model of read) loaded.push(await parentOf(onProcessor, model, dataset, options));
  const scorable = LabelledData.for(loaded, dataset, options.metric);
  const { name: metric } = scorable.metricFor(loaded[0]);
  if (options.cases && !isPooled(metric)) {
    throw new SutureError('option-invalid', `Cases are listed with their Dice, and the score here is ${metric}.`);
  }
  const stress = options.stress && (await stressSets(scorable, loaded, options.stress, options.labels));
  return withExecutor(options, async executor => {
    const execution = { executor, ...workOptions(options) };
    const measured = await measureNetworks(execution, loaded, scorable, options);
    const stressed: (readonly MeasuredNetwork[])[] = [];
    const { ensemble, batch } = options;
    for (const set of stress ?? [])
      stressed.push(await measureNetworks(execution, loaded, set.data, { ensemble, batch }));
    const shiftOf = (row: number) => stressScore(stressed.map(networks => networks[row].metric.score().value));
    return {
      data,
      images: dataset.count,
      labels: scorable.labelsFor(loaded[0]).reading,
      metric,
      executor: executor.describe(),
      ...(stress && { stress: stressFacts(stress) }),
      rows: measured.map((network, row) => ({ ...networkScore(network), ...(stress && { shift: shiftOf(row) }) })),
      ...(options.cases && { cases: measured.flatMap(casesOf) }),
      models: loaded,
    };
  });
}

function casesOf({ model, metric, surfaces }: MeasuredNetwork): readonly EvaluatedCase[] {
  const known = surfaces?.cases();
  return metric.cases().map(found => ({ model, ...found, ...known?.get(found.case)?.[found.class - 1] }));
}

/** Cases as CSV: a row for each network, case and class; numbers that are not defined are left empty, infinite ones `inf`. */
export const caseTable = (cases: readonly EvaluatedCase[]): string =>
  csvText(
    cases.map(({ model, case: id, class: _, name, ...counts }) => ({
      network: model,
      case: id,
      class: name,
      ...counts,
    })),
  );
