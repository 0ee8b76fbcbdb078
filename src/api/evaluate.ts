/** Networks scored on labelled data. */
import { printable, SutureError } from '../../ir/index.ts';
import { meaningText } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { batchesOf, batchSizes } from '../data/batches.ts';
import { type Dataset, type LabelOptions, loadDataset } from '../data/dataset.ts';
import { type Labels, requireForeground } from '../data/labels.ts';
import { Runnable, withExecutor } from '../execution/execute.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { type MetricName, metricFor, type Score } from '../metrics/metric.ts';
import { ensembleOutput, labelsOf, type MeantOutput, score } from '../metrics/scoring.ts';
import { interfaceOf, requireFittingImages } from '../network/interface.ts';
import type { MeaningOptions, NamedGraph } from '../network/meaning.ts';
import { loadModel, type Model } from '../network/model.ts';
import { named, type Parent, parentOf } from '../network/parent.ts';
import { graphForImages } from '../network/sizes.ts';

export interface EvaluateOptions extends WorkOptions, ExecutorOptions, MeaningOptions {
  /** Also score the mean of all the networks' outputs (of their probabilities, where they are classifiers). */
  readonly ensemble?: boolean;
  /** Images at a time. Default 16. */
  readonly batch?: number;
  /** What is said of the labels. */
  readonly labels?: LabelOptions;
}

export interface Evaluation {
  readonly data: string;
  readonly images: number;
  readonly metric: MetricName;
  readonly executor: string;
  /** One row for each network in the order given, then the ensemble where it was asked for. */
  readonly rows: readonly EvaluationRow[];
}

export interface EvaluationRow {
  /** The path as given, or `ensemble`. */
  readonly model: string;
  readonly score: Score;
}

export const defaultBatch = 16;

/** Networks that are averaged must say the same kind of thing. */
function requireSameOutputs(networks: readonly NamedGraph[]): void {
  const [first, ...others] = networks;
  const differing = others.find(
    ({ meaning: { channels, activation } }) =>
      channels !== first?.meaning.channels || activation !== first.meaning.activation,
  );
  if (first && differing) {
    throw new SutureError(
      'parents-incompatible',
      `The outputs do not fit together: ${printable(first.name)} gives ${meaningText(first.meaning)} and ` +
        `${printable(differing.name)} ${meaningText(differing.meaning)}; an ensemble needs the same classes.`,
    );
  }
}

/**
 * Checks that networks can be scored on data, before anything is computed.
 *
 * @returns what the labels are to each network.
 * @throws SutureError `data-invalid`.
 */
export function requireScorable(networks: readonly NamedGraph[], dataset: Dataset): readonly Labels[] {
  return networks.map(network => {
    const { graph, name } = network;
    requireFittingImages(dataset, graph, name);
    return labelsOf(dataset, { ...network, graph: graphForImages(graph, dataset, name) });
  });
}

/** Checks that data can tell networks apart, before anything is computed: see `requireForeground`. @throws SutureError `data-invalid`. */
export function requireChoosable(networks: readonly NamedGraph[], dataset: Dataset): void {
  for (const labels of requireScorable(networks, dataset)) requireForeground(labels, dataset.source);
}

/**
 * Scores networks on a data set with an executor that is open already.
 *
 * @throws SutureError `data-invalid` when images or labels do not fit a network, `parents-incompatible` when the outputs of
 * an ensemble do not fit together.
 */
export async function scoreNetworks(
  executor: Executor,
  networks: readonly NamedGraph[],
  dataset: Dataset,
  options: Omit<EvaluateOptions, keyof ExecutorOptions> = {},
): Promise<readonly EvaluationRow[]> {
  const { ensemble = false, batch = defaultBatch, onProgress, signal } = options;
  requireScorable(networks, dataset);
  if (ensemble) requireSameOutputs(networks);
  const scored = networks.map(network => ({
    ...network,
    facts: interfaceOf(network.graph, network.name),
    metric: metricFor(labelsOf(dataset, network)),
    runnable: new Runnable(executor, network.graph),
  }));
  const together = ensemble ? metricFor(labelsOf(dataset, networks[0]!)) : undefined;
  const stage = `scoring on ${printable(dataset.source, 40)}`;
  let done = 0;
  const total = batchSizes(dataset.count, batch).length * networks.length;
  onProgress?.({ stage, done, total });
  try {
    for (const { first, images } of batchesOf(dataset, batch)) {
      const outputs: MeantOutput[] = [];
      for (const { name, facts, meaning, metric, runnable } of scored) {
        throwIfInterrupted(signal, 'Scoring');
        const output = (await runnable.run({ [facts.input]: images }, [facts.output]))[facts.output]!;
        about(name, () => score(metric, output, meaning, first));
        outputs.push({ output, meaning });
        onProgress?.({ stage, done: ++done, total });
      }
      if (together) {
        const { output, meaning } = ensembleOutput(outputs);
        score(together, output, meaning, first);
      }
    }
  } finally {
    for (const { runnable } of scored) runnable.dispose();
  }
  const rows = scored.map(({ name, metric }) => ({ model: name, score: metric.score() }));
  return together ? [...rows, { model: 'ensemble', score: together.score() }] : rows;
}

/** Says which of several networks an error is about. */
function about(name: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SutureError) || error.code !== 'output-not-finite') throw error;
    throw new SutureError(error.code, `${printable(name)}: ${error.message}`, { cause: error });
  }
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
  const networks = loaded.map(named);
  requireScorable(networks, dataset);
  return withExecutor(options, async executor => {
    const rows = await scoreNetworks(executor, networks, dataset, options);
    return {
      data,
      images: dataset.count,
      metric: rows[0]!.score.metric,
      executor: executor.describe(),
      rows,
      models: loaded,
    };
  });
}
