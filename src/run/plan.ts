/** A run before anything is written: all that it needs, read and found to fit. */
import { printable, SutureError } from '../../ir/index.ts';
import type { FeaturePair, MatchWith, SuperNetwork, Task } from '../../passes/index.ts';
import { requireBatch } from '../data/batches.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData, unpreparedTexts } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { onProcessor } from '../execution/open.ts';
import type { WorkOptions } from '../execution/progress.ts';
import { isFolder } from '../files/there.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { type ClassesSaid, classesByName, leftOutTexts, readClassNames } from '../network/class-names.ts';
import {
  disagreementsOf,
  joinModels,
  type PartnerClasses,
  requireApart,
  requireImages,
  requirePairs,
} from '../network/join.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { roleOf, warningsOf } from '../network/model.ts';
import { loadModels, type SharedModels } from '../network/models.ts';
import { needsOf } from '../network/needs.ts';
import type { OutputNames } from '../network/one-output.ts';
import { readPairs } from '../network/pairs.ts';
import type { Parent } from '../network/parent.ts';
import { requireSeveral, requireTags, tagOf, tagsOf } from '../network/tags.ts';
import { channelNames, type DatasetNames, datasetDocument, namesOfFolder } from '../preprocessing/dataset-json.ts';
import { type Plans, plansDocument } from '../preprocessing/plans.ts';
import { checkPositions } from '../selection/combination.ts';
import { trainingFor } from '../training/begin.ts';
import type { BegunTraining, Training, TrainingRequest } from '../training/options.ts';
import { requireRoom } from '../training/room.ts';
import { checkRunOutput } from './access.ts';
import type { RunConfig } from './config.ts';

export interface StitchRequest extends ExecutorOptions, Pick<MeaningOptions, 'activation'> {
  /** The parents' files, two or more; the first is the own one. */
  readonly networks: readonly string[];
  /** Default: of several outputs the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  /** Of more than two, which are matched with each other. Default `backbone`: the first with every other one. */
  readonly matchWith?: MatchWith | undefined;
  /** The images that the stitches are trained on. */
  readonly data: string;
  /** The run directory to make. */
  readonly output: string;
  readonly force?: boolean | undefined;
  /** A file of pairs; without one the parents are matched. */
  readonly pairs?: string;
  /** What is not given is as `withDefaults` says. */
  readonly training?: TrainingRequest;
  /** Default: what outputs and labels tell. */
  readonly task?: Task;
  /** What is said of labels; the run keeps it. */
  readonly labels?: LabelOptions;
  readonly outputMean?: RunConfig['outputMean'];
  /**
   * By tags, which of the own network's classes (or regions) a partner's channels are, or the `dataset.json` that names them, to be found
   * by name. Default: the same in the same order.
   */
  readonly classes?: Readonly<Record<string, ClassesSaid>>;
}

/** A run whose inputs are read and found to fit, before anything is written. */
export interface RunPlan<S extends Training = Training> {
  readonly output: string;
  readonly force: boolean;
  readonly parents: readonly Parent[];
  readonly pairs: readonly FeaturePair[];
  readonly network: SuperNetwork;
  readonly dataset: Dataset;
  readonly dataHash: string;
  readonly training: S;
  readonly task: Task;
  readonly labels: LabelOptions;
  readonly outputMean: RunConfig['outputMean'];
  readonly input: RunConfig['input'];
  readonly warnings: readonly string[];
}

/** The networks of a request, and what is said of data, with what follows from the networks. */
export interface OpenedRequest extends Pick<SharedModels, 'models' | 'shared'> {
  readonly labels: LabelOptions;
}

/**
 * Reads the networks of a request, before any data.
 *
 * @param data all that the networks are to be used on.
 * @throws SutureError as `checkRunOutput`, `requireSeveral`, {@link loadModels}.
 */
export async function openRequest(request: StitchRequest, data: readonly string[]): Promise<OpenedRequest> {
  const { output, force = false, networks, outputs, classes = {}, labels = {} } = request;
  await checkRunOutput(output, { force });
  requireSeveral(networks);
  requireTags(classes, 'classes', tagsOf(networks).slice(1));
  const { models, shared, folder } = await loadModels({ networks, outputs, folder: labels.folder, data });
  return { models, shared, labels: folder ? { ...labels, folder } : labels };
}

/**
 * Reads and checks everything that a run needs.
 *
 * @param known `opened`: the request's networks, where they are read already; `labelled`: data whose labels tell the task and what outputs mean,
 * where neither the networks nor the request say. Default: those that are trained on.
 * @throws SutureError whatever is wrong with the parents, the pairs, the data, the options or the output path.
 */
export async function planRun(
  request: StitchRequest,
  { opened: given, labelled }: { readonly opened?: OpenedRequest; readonly labelled?: Dataset } = {},
  work: WorkOptions = {},
): Promise<RunPlan<BegunTraining>> {
  const { output, force = false, outputMean = 'probabilities' } = request;
  const { models, shared, labels } = given ?? (await openRequest(request, [request.data]));
  requireApart(models);
  const training = trainingFor(models, request.training);
  const said = request.pairs === undefined ? undefined : await readPairs(request.pairs);
  if (said) requirePairs(models, said);
  const dataset = await loadDataset(request.data, { ...labels, task: request.task }, 'training');
  if (training.steps > 0) requireBatch(training.batch, dataset);
  requireImages(models, dataset);
  const names = await namesOfFolder(request.data);
  const joined = await joinModels(onProcessor, models, dataset, {
    ...request,
    pairs: said,
    outputMean,
    labelled,
    classesOf: (parent, own, role, tag) => partnerClasses(request.classes?.[tag], { own, names, parent, role }),
  });
  const { parents, network } = joined;
  checkPositions(network, training.positions ?? []);
  requireRoom(network, training, dataset);
  const disagreements = await disagreementsOf(onProcessor, parents, dataset, work);
  if (training.method === 'task') LabelledData.for(parents, dataset);
  return {
    output,
    force,
    parents,
    pairs: joined.pairs,
    network,
    dataset,
    dataHash: await hashData(request.data, labels),
    training,
    task: joined.task,
    labels,
    outputMean,
    input: inputOf(shared?.plans, names),
    warnings: [
      ...warningsOf(models),
      ...joined.warnings,
      ...(await unpreparedTexts([request.data], labels)),
      ...((await isCutNarrowly(request.data, shared)) ? [narrowText(request.data)] : []),
      ...disagreements,
    ],
  };
}

/** Whether data were cut at the own bounds, as far as one can know, and another network looks beyond them: arrays were prepared before. */
const isCutNarrowly = async (data: string, shared: SharedModels['shared']): Promise<boolean> =>
  shared?.widened === true && !(await isFolder(data));

const narrowText = (data: string): string =>
  `${printable(data)} holds intensities as they were prepared before: if they were cut at the bounds of the own plans, what lies beyond is lost ` +
  'to networks whose bounds are wider; a raw data set in its place is cut at the widest.';

/** @param names what the data call the own classes; else the own network's file may. @throws SutureError as {@link classesByName}. */
async function partnerClasses(
  said: ClassesSaid | undefined,
  {
    own,
    names,
    parent,
    role,
  }: {
    readonly own: Parent;
    readonly names: DatasetNames | undefined;
    readonly parent: Parent;
    readonly role: string;
  },
): Promise<PartnerClasses> {
  const known = names ?? needsOf(own.file, own.path).names;
  if (typeof said !== 'string') {
    return { map: said, warnings: [], ...(known && { own: channelNames(known, own.meaning) }) };
  }
  if (!known) {
    throw new SutureError(
      'option-invalid',
      `${printable(said)} names the classes of ${role}, and nothing names the own ones: train on a raw data set with a dataset.json, or say the ` +
        'classes by numbers, as in 0,2,1,-.',
    );
  }
  const ours = { names: known, meaning: own.meaning, role: roleOf(own, tagOf(0)) };
  const theirs = { names: await readClassNames(said), meaning: parent.meaning, role };
  const map = classesByName(ours, theirs);
  return { map, own: channelNames(known, own.meaning), warnings: leftOutTexts(map, theirs) };
}

function inputOf(plans: Plans | undefined, names: DatasetNames | undefined): RunConfig['input'] {
  if (!plans && !names) return undefined;
  return { ...(plans && { plans: plansDocument(plans) }), ...(names && { dataset: datasetDocument(names) }) };
}
