/** A run before anything is written: all that it needs, read and found to fit. */
import { printable, SutureError } from '../../ir/index.ts';
import {
  type ClassMap,
  checkPairs,
  type FeaturePair,
  type MatchWith,
  matchParents,
  type SuperNetwork,
  type Task,
} from '../../passes/index.ts';
import { requireBatch } from '../data/batches.ts';
import { type Dataset, type LabelOptions, loadDataset } from '../data/dataset.ts';
import { hashData } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { stepBatch } from '../execution/fixed-batch.ts';
import type { WorkOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { compareAnswers, disagreementTexts } from '../network/agreement.ts';
import { type ClassesSaid, classesByName, leftOutTexts, readClassNames } from '../network/class-names.ts';
import { gateScopeOf } from '../network/gate.ts';
import { requireFittingImages, spatialExtents } from '../network/interface.ts';
import type { MeaningOptions } from '../network/meaning.ts';
import { fronted, loadModel, type Model, roleOf, sharedBatch, warningsOf } from '../network/model.ts';
import { needsOf } from '../network/needs.ts';
import type { OutputNames } from '../network/one-output.ts';
import { readPairs } from '../network/pairs.ts';
import { classWarnings, type Parent, parentOf, withClasses } from '../network/parent.ts';
import { graphForImages, networkForImages } from '../network/sizes.ts';
import { byTag, requireSeveral, requireTags, tagOf, tagsOf } from '../network/tags.ts';
import { channelNames, type DatasetNames, datasetDocument, namesOfFolder } from '../preprocessing/dataset-json.ts';
import { type Plans, plansDocument } from '../preprocessing/plans.ts';
import { readShared } from '../preprocessing/shared-input.ts';
import { checkPositions } from '../selection/combination.ts';
import { requireRoom } from '../training/room.ts';
import {
  type BegunSettings,
  type TrainingRequest,
  type TrainingSettings,
  usualBatch,
  withDefaults,
} from '../training/settings.ts';
import { checkRunOutput } from './access.ts';
import type { RunConfig } from './config.ts';
import { joinParents } from './load.ts';

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
  readonly force?: boolean;
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
export interface RunPlan<S extends TrainingSettings = TrainingSettings> {
  readonly output: string;
  readonly force: boolean;
  readonly parents: readonly Parent[];
  readonly pairs: readonly FeaturePair[];
  readonly network: SuperNetwork;
  readonly dataset: Dataset;
  readonly dataHash: string;
  readonly settings: S;
  readonly task: Task;
  readonly labels: LabelOptions;
  readonly outputMean: RunConfig['outputMean'];
  readonly input: RunConfig['input'];
  readonly warnings: readonly string[];
}

/** Whether a network answers for every place, and not once for an image. */
export const isDense = ({ graph }: Model): boolean => graph.outputs.some(({ value }) => value.type.shape.length > 2);

/** What a network does where nobody says. */
const taskOf = ({ graph, meaning }: Parent): Task =>
  meaning.kind === 'values'
    ? 'regression'
    : spatialExtents(graph.outputs[0].value.type, meaning).length > 0
      ? 'segmentation'
      : 'classification';

/**
 * Reads and checks everything that a run needs.
 *
 * @param labelled data whose labels tell the task and what outputs mean, where neither the networks nor the request say. Default: those that are trained on.
 * @throws SutureError whatever is wrong with the parents, the pairs, the data, the options or the output path.
 */
export async function planRun(
  request: StitchRequest,
  labelled?: Dataset,
  work: WorkOptions = {},
): Promise<RunPlan<BegunSettings>> {
  const { output, force = false, labels = {}, outputMean = 'probabilities', outputs = {} } = request;
  await checkRunOutput(output, { force });
  requireSeveral(request.networks);
  const tags = tagsOf(request.networks);
  requireTags(outputs, 'outputs', tags);
  requireTags(request.classes ?? {}, 'classes', tags.slice(1));
  const shared = await sharedBy(request);
  const models: Model[] = [];
  for (const [i, path] of request.networks.entries()) {
    models.push(fronted(await loadModel(path, outputs[tagOf(i)]), shared?.fronts[tagOf(i)]));
  }
  const mixing = models.find(({ graph }) => gateScopeOf(graph) === 'case');
  if (mixing) {
    throw new SutureError(
      'model-unsupported',
      `${printable(mixing.path)} is gated over cases, so its answers depend on which images come together: export it without --gate-over to stitch it.`,
    );
  }
  const batch = stepBatch(sharedBatch(models), request.training?.batch, usualBatch);
  const settings = withDefaults({ ...request.training, batch }, { dense: isDense(models[0]) });
  const said = request.pairs === undefined ? undefined : await saidPairs(request.pairs, models);
  const dataset = await loadDataset(request.data, { ...labels, task: request.task }, 'training');
  if (settings.steps > 0) requireBatch(settings.batch, dataset);
  for (const { graph, path } of models) {
    requireFittingImages(dataset, graph, path);
    graphForImages(graph, dataset, path);
  }
  const { pairs, warnings } = said ?? matchedPairs(request, models, dataset);
  const names = await namesOfFolder(request.data);
  const classed: string[] = [];
  const parents: Parent[] = [];
  for (const [i, model] of models.entries()) {
    const parent = await parentOf(model, labelled ?? dataset, request);
    const [own = parent] = parents;
    const role = roleOf(model, tagOf(i));
    const classes = await partnerClasses(request.classes?.[tagOf(i)], { own, names, parent, role });
    const { channels } = own.meaning;
    parents.push(withClasses(parent, classes.map, channels, role));
    classed.push(...classes.warnings, ...classWarnings(parents[i], channels, role, classes.own));
  }
  const [first, ...partners] = parents as [Parent, ...Parent[]];
  const task = request.task ?? taskOf(first);
  const network = joinParents(parents, pairs, { task, outputMean });
  networkForImages(network, dataset);
  checkPositions(network, settings.positions ?? []);
  requireRoom(network, settings, dataset);
  const disagreements: string[] = [];
  for (const [i, partner] of partners.entries()) {
    const agreement = await compareAnswers(first, partner, dataset, work);
    if (agreement) disagreements.push(...disagreementTexts(agreement, tagOf(i + 1)));
  }
  if (settings.method === 'task') LabelledData.for(parents, dataset);
  return {
    output,
    force,
    parents,
    pairs,
    network,
    dataset,
    dataHash: await hashData(request.data, labels),
    settings,
    task,
    labels,
    outputMean,
    input: inputOf(shared?.plans, names),
    warnings: [...warningsOf(models), ...warnings, ...classed, ...disagreements],
  };
}

/** What the networks see by their plans. @throws SutureError `option-invalid` for plans of a network that is not there. */
async function sharedBy({ labels, networks }: StitchRequest): ReturnType<typeof readShared> {
  const { folder = {} } = labels ?? {};
  requireTags(folder.partners ?? {}, 'plans', tagsOf(networks).slice(1));
  return readShared(folder, folder.tile?.length);
}

/** A map of classes, what the own ones are called where that is known, and what is to be said. */
interface PartnerClasses {
  readonly map: ClassMap | undefined;
  readonly own?: readonly string[];
  readonly warnings: readonly string[];
}

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

interface PlannedPairs {
  readonly pairs: readonly FeaturePair[];
  readonly warnings: readonly string[];
}

const taggedGraphs = (models: readonly Model[]) => models.map(({ graph }, i) => ({ tag: tagOf(i), graph }));

/** The pairs that a file names, found to fit before data are read. */
async function saidPairs(file: string, models: readonly Model[]): Promise<PlannedPairs> {
  const pairs = await readPairs(file);
  checkPairs(taggedGraphs(models), pairs);
  return { pairs, warnings: [] };
}

function matchedPairs({ matchWith }: StitchRequest, models: readonly Model[], { imageShape }: Dataset): PlannedPairs {
  const names = byTag(models, roleOf);
  const { pairs, matched } = matchParents(taggedGraphs(models), {
    names,
    imageShape,
    ...(matchWith && { with: matchWith }),
  });
  return { pairs, warnings: matched.flatMap(({ warnings = [] }) => warnings.map(w => w.message)) };
}
