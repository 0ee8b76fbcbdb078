/** Networks that are found to fit each other and the images, and joined. */
import { printable, SutureError } from '../../ir/index.ts';
import {
  type ClassMap,
  checkPairs,
  type FeaturePair,
  type MatchWith,
  matchParents,
  type OutputOptions,
  type ParentsMatching,
  type SuperNetwork,
  stitch,
  type Tag,
  type TaggedGraph,
  type Task,
} from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Opening, WorkOptions } from '../execution/progress.ts';
import { compareAnswers, disagreementTexts } from './agreement.ts';
import { gateScopeOf } from './gate.ts';
import { requireFittingImages, spatialExtents } from './interface.ts';
import type { MeaningOptions } from './meaning.ts';
import { type Model, roleOf } from './model.ts';
import { classWarnings, type Parent, parentOf, withClasses } from './parent.ts';
import { graphForImages, networkForImages } from './sizes.ts';
import { byTag, tagged, tagOf } from './tags.ts';

/** How networks are joined. */
export interface JoinRequest extends MeaningOptions {
  /** Of more than two, which are matched with each other. Default `backbone`: the first with every other one. */
  readonly matchWith?: MatchWith | undefined;
  /** Default: they are matched. */
  readonly pairs?: readonly FeaturePair[] | undefined;
  readonly outputMean: NonNullable<OutputOptions['outputMean']>;
  /** Data whose labels tell what outputs mean, where neither the networks nor the request say. Default: the data that are joined on. */
  readonly labelled?: Dataset | undefined;
  /** Which of the own network's classes (or regions) a partner's channels are. Default: the same in the same order. */
  readonly classesOf?: ((partner: Parent, own: Parent, role: string, tag: Tag) => Promise<PartnerClasses>) | undefined;
}

/** A map of classes, what the own ones are called where that is known, and what is to be said. */
export interface PartnerClasses {
  readonly map: ClassMap | undefined;
  readonly own?: readonly string[];
  readonly warnings: readonly string[];
}

export interface Joined {
  readonly parents: readonly Parent[];
  readonly pairs: readonly FeaturePair[];
  readonly network: SuperNetwork;
  readonly task: Task;
  /** What is to be said of layers that were left out, and of classes that a partner has not. */
  readonly warnings: readonly string[];
}

/** Whether a network answers for every place, and not once for an image. */
export const isDense = ({ graph }: Model): boolean => graph.outputs.some(({ value }) => value.type.shape.length > 2);

/** What a network does where nobody says. */
export const taskOf = ({ graph, meaning }: Parent): Task =>
  meaning.kind === 'values'
    ? 'regression'
    : spatialExtents(graph.outputs[0].value.type, meaning).length > 0
      ? 'segmentation'
      : 'classification';

/** @throws SutureError `model-unsupported` for a network whose answers depend on which images come together. */
export function requireApart(models: readonly Model[]): void {
  const mixing = models.find(({ graph }) => gateScopeOf(graph) === 'case');
  if (!mixing) return;
  throw new SutureError(
    'model-unsupported',
    `${printable(mixing.path)} is gated over cases, so its answers depend on which images come together: export it without --gate-over to stitch it.`,
  );
}

/** @throws SutureError `data-invalid` where the images do not fit a network. */
export function requireImages(models: readonly Model[], dataset: Dataset): void {
  for (const { graph, path } of models) {
    requireFittingImages(dataset, graph, path);
    graphForImages(graph, dataset, path);
  }
}

/** Checks pairs that are given against the networks, before data are read. @throws SutureError `pairs-invalid`. */
export const requirePairs = (models: readonly Model[], pairs: readonly FeaturePair[]): void =>
  checkPairs(tagged(models), pairs);

/** Pairs of networks whose outputs need not be understood, for images of some size. */
const matchModels = (
  models: readonly Model[],
  { imageShape }: Pick<Dataset, 'imageShape'>,
  matchWith?: MatchWith,
): ParentsMatching =>
  matchParents(tagged(models), {
    names: byTag(models, roleOf),
    imageShape,
    with: matchWith,
  });

/**
 * Joins parents at pairs that are known.
 *
 * @param besides networks without positions, whose answers meet the parents' at the output, behind them.
 */
export const joinParents = (
  parents: readonly Parent[],
  pairs: readonly FeaturePair[],
  { task, outputMean }: Pick<JoinRequest, 'task' | 'outputMean'>,
  besides: readonly TaggedGraph[] = [],
): SuperNetwork => stitch([...tagged(parents), ...besides], pairs, { task, outputMean });

/**
 * Matches networks, finds out what their outputs mean, and joins them.
 *
 * @param open what answers are computed with where a file leaves open what its output means.
 * @param dataset images that fit (`requireImages`).
 * @throws SutureError whatever is wrong with the networks, or does not go together.
 */
export async function joinModels(
  open: Opening,
  models: readonly Model[],
  dataset: Dataset,
  request: JoinRequest,
): Promise<Joined> {
  const { labelled = dataset } = request;
  const matching = request.pairs ? undefined : matchModels(models, dataset, request.matchWith);
  const pairs = request.pairs ?? matching!.pairs;
  const classed: string[] = [];
  const parents: Parent[] = [];
  for (const [i, model] of models.entries()) {
    const parent = await parentOf(open, model, labelled, request);
    const [own = parent] = parents;
    const role = roleOf(model, tagOf(i));
    const classes = await request.classesOf?.(parent, own, role, tagOf(i));
    const { channels } = own.meaning;
    parents.push(withClasses(parent, classes?.map, channels, role));
    classed.push(...(classes?.warnings ?? []), ...classWarnings(parents[i], channels, role, classes?.own));
  }
  const task = request.task ?? taskOf(parents[0]);
  const network = joinParents(parents, pairs, { task, outputMean: request.outputMean });
  networkForImages(network, dataset);
  const matched = matching?.matched.flatMap(({ warnings = [] }) => warnings.map(w => w.message)) ?? [];
  return { parents, pairs, network, task, warnings: [...matched, ...classed] };
}

/** What seems wrong with the first parent and each partner together, in sentences. @throws SutureError as {@link compareAnswers}. */
export const disagreementsOf = async (
  open: Opening,
  parents: readonly Parent[],
  dataset: Dataset,
  work?: WorkOptions,
): Promise<readonly string[]> => (await compareAnswers(open, parents, dataset, work)).flatMap(disagreementTexts);
