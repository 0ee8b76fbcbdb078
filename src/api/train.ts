/** Whole networks trained on labels: `suture train`. */
import { type Graph, SutureError } from '../../ir/index.ts';
import { closeWeights, freshWeights, openWeights, type Task } from '../../passes/index.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { joined } from '../data/join.ts';
import { loadDataset } from '../data/load.ts';
import { Random } from '../data/random.ts';
import { hashData } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { fixedBatch, stepBatch } from '../execution/fixed-batch.ts';
import { onProcessor, withExecutor } from '../execution/open.ts';
import type { TrainingExecution, TrainingWork } from '../execution/progress.ts';
import { computedBy } from '../execution/version.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { validationScores } from '../metrics/validation.ts';
import { undescribed } from '../network/deployable.ts';
import { requireFittingImages } from '../network/interface.ts';
import { taskOf } from '../network/join.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { withMetadata } from '../network/metadata.ts';
import { loadModels } from '../network/models.ts';
import { needsMetadata } from '../network/needs.ts';
import { type Network, networkOf } from '../network/network.ts';
import type { OutputNames } from '../network/one-output.ts';
import { parentOf } from '../network/parent.ts';
import { firstOutput, withCoarserOutputs } from '../network/supervision.ts';
import type { NamedFile } from '../options/kinds.ts';
import type { GivenOf } from '../options/option.ts';
import { namesOfFolder } from '../preprocessing/dataset-json.ts';
import { keptLabels, labelsOfRun } from '../run/config.ts';
import { withNewLock } from '../run/lock.ts';
import {
  outcomeOf,
  requireTrainable,
  resumeWhole,
  trainWhole,
  type WholeData,
  type WholeOutcome,
  wholeTraining,
} from '../run/train-whole.ts';
import { type TrainedConfig, type TrainedDirectory, trainedNetworks } from '../run/trained.ts';
import { checkWholeOutput, WholeDirectory } from '../run/whole.ts';
import { requireBudgetSupport } from '../training/memory.ts';
import { networkOptions, networkTraining } from '../training/network.ts';
import { usualBatch } from '../training/options.ts';
import { type WholeJob, wholeJob } from '../training/whole.ts';

export interface TrainOptions extends GivenOf<typeof networkOptions>, Pick<MeaningOptions, 'activation'> {
  /** Images with labels to train on. */
  readonly data?: string | undefined;
  /** The same of several sites, instead: one data set together, or federated. */
  readonly sites?: readonly NamedFile[] | undefined;
  /** Images with labels that the network is scored on. */
  readonly validation: string;
  /** The directory to make. */
  readonly output: string;
  /** Replace a network that is there, when the training of this one has ended. */
  readonly force?: boolean | undefined;
  /** Of several outputs the one that is used. Default: the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  readonly task?: Task | undefined;
  readonly metric?: MetricName | undefined;
  readonly labels?: LabelOptions | undefined;
}

/** What `suture train` shows. */
export interface TrainSummary extends WholeOutcome<TrainedConfig['training']> {
  readonly directory: string;
  /** The network. */
  readonly file: string;
  /** The file that was begun with. */
  readonly from: string;
  readonly sites: readonly { readonly name: string; readonly source: string; readonly images: number }[];
  /** The outputs that are trained, the network's own first, where there are several. */
  readonly outputs?: readonly string[] | undefined;
}

/** What the data of one site is called where nobody names it. */
const onlySite = 'data';

function sitesOf({ data, sites }: TrainOptions): readonly NamedFile[] {
  if (data !== undefined && sites) {
    throw new SutureError('option-invalid', 'Name --data, or the data of several sites by --site: not both.');
  }
  if (data !== undefined) return [{ name: onlySite, file: data }];
  if (sites && sites.length > 0) return sites;
  throw new SutureError('option-invalid', 'Name the labelled images to train on, --data TRAIN.npz.');
}

/**
 * Trains a network on labels and keeps it in a directory of its own, as `network.onnx`, with the names of inputs and outputs that the file
 * has, and the plans that its folders of images were prepared by: those that are said, or else the file's own. What was interrupted goes on
 * with {@link resumeTrain}. The weights of the last step are kept.
 *
 * @param path an ONNX file: trained, or with `fresh` any that has the layers.
 * @throws SutureError `model-unreadable`, `option-invalid`, `data-invalid`, `output-exists`, `adjoint-missing`, `loss-not-finite`,
 * `interrupted`.
 */
export const train = (
  path: string,
  options: TrainOptions & ExecutorOptions,
  work: TrainingWork = {},
): Promise<TrainSummary> =>
  withNewLock(options.output, async () => {
    await checkWholeOutput(trainedNetworks, options.output, options.force);
    return withExecutor(options, executor => trainLocked({ ...work, executor }, path, options));
  });

async function trainLocked(execution: TrainingExecution, path: string, options: TrainOptions): Promise<TrainSummary> {
  const { executor } = execution;
  const named = sitesOf(options);
  const files = named.map(({ file }) => file);
  const {
    models: [model],
    shared,
    folder,
  } = await loadModels({
    networks: [path],
    outputs: options.outputs,
    folder: options.labels?.folder,
    data: [...files, options.validation],
    apart: true,
  });
  const said = { ...options.labels, ...(folder && { folder }), ...(options.task && { task: options.task }) };
  const datasets = await Promise.all(files.map(file => loadDataset(file, said, 'training')));
  const dataset = joined(datasets);
  const validation = await loadDataset(options.validation, said);
  const parent = await parentOf(onProcessor, model, validation, options);
  for (const data of datasets) requireFittingImages(data, parent.graph, path);
  const task = options.task ?? taskOf(parent);
  const labels = labelsOfRun({ task }, said);
  const training = networkTraining(options, stepBatch(fixedBatch(parent.graph), options.batch, usualBatch));
  requireBudgetSupport(executor, training);
  const { deepSupervision = networkOptions.deepSupervision.standard } = options;
  const deep = deepSupervision && task === 'segmentation';
  const given = undescribed((deep ? withCoarserOutputs(model, parent.meaning, dataset) : undefined) ?? parent.graph);
  const names = await namesOfFolder(files[0]);
  const known = shared ? withMetadata(given, needsMetadata({ plans: shared.plans, names })) : given;
  const graph = training.fresh ? withFreshWeights(known, training.seed) : known;
  const start = networkOf(firstOutput(graph), 'start', parent.meaning);
  const labelled = LabelledData.for([{ ...start, name: path }], validation, options.metric);
  requireTrainable(execution, jobOf({ task, labels: keptLabels(labels).labels }, { start, graph }, dataset), training);
  const scores = training.fresh ? [] : await validationScores(execution, [start], labelled, training.seed);
  const outputs = graph.outputs.map(({ name }) => name);
  const kept = { ...(outputs.length > 1 && { outputs }), task, ...keptLabels(labels) };
  const sites: TrainedConfig['sites'] = [];
  for (const [i, { name, file }] of named.entries()) {
    sites.push({ name, source: file, sha256: await hashData(file, labels), images: datasets[i].count });
  }
  const rest = {
    ...kept,
    training,
    sites,
    validation: { source: validation.source, sha256: await hashData(options.validation, labels) },
    metric: labelled.metricFor(start).name,
    scores,
    ...computedBy(executor),
  };
  const directory = await WholeDirectory.create<TrainedConfig, never>(trainedNetworks, options.output, {
    networks: { start: { graph, of: path, meaning: parent.meaning } },
    config: ({ start: stored }) => ({ format: 'suture-network', version: 1, start: stored, ...rest }),
    force: options.force,
  });
  return trainIn(execution, directory, { datasets, validation });
}

/** A network as it would be before any training. */
function withFreshWeights(graph: Graph, seed: number): Graph {
  const open = openWeights(graph, { statistics: true });
  const random = Random.seeded(seed, 'weights');
  return closeWeights(
    open,
    freshWeights(open, () => random.normal()),
  );
}

const jobOf = (
  { task, labels }: Pick<TrainedConfig, 'task' | 'labels'>,
  { start, graph }: { readonly start: Network; readonly graph: Graph },
  dataset: Dataset,
): WholeJob =>
  wholeJob({ student: start, supervised: graph, dataset, task, ignore: labels?.ignoreLabel !== undefined });

/** Goes on with a training that was interrupted: see `resumeWhole`. @throws SutureError `run-invalid`, `run-locked`, `data-invalid`. */
export const resumeTrain = (path: string, work: TrainingWork = {}): Promise<TrainSummary> =>
  resumeWhole(path, work, { kind: trainedNetworks, sources: ({ sites }) => sites, train: trainIn });

const kind = wholeTraining<TrainedConfig, never>(
  'training the network',
  ({ sites }) => sites.map(({ images }) => images),
  'suture train',
);

/** Trains what the directory says, from its checkpoint if there is one, and writes what comes out of it. */
async function trainIn(
  execution: TrainingExecution,
  directory: TrainedDirectory,
  { datasets, validation }: WholeData,
): Promise<TrainSummary> {
  const { config } = directory;
  const { training, sites, start } = config;
  const begun = { start: await directory.network('start'), graph: await directory.graph('start') };
  const job = jobOf(config, begun, joined(datasets));
  const how = training.rounds === undefined ? 'trained' : 'trained in rounds';
  const origin = `${start.of}, ${training.fresh ? 'fresh, ' : ''}${how} on ${sites.map(({ name }) => name).join(', ')}`;
  const federated = training.rounds !== undefined && { sites: datasets };
  await trainWhole(execution, directory, { kind, job, ...federated, validation, name: 'network', origin });
  return summaryOf(directory);
}

async function summaryOf(directory: TrainedDirectory): Promise<TrainSummary> {
  const { config, path } = directory;
  return {
    directory: path,
    file: directory.file('model'),
    from: config.start.of,
    sites: config.sites.map(({ name, source, images }) => ({ name, source, images })),
    ...(config.outputs && { outputs: config.outputs }),
    ...(await outcomeOf(directory)),
  };
}
