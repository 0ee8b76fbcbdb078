/** What a network's output means, established once: from its graph, the file's metadata, the options, and from data. */
import * as v from 'valibot';
import {
  type Graph,
  isFloat,
  numbersOf,
  printable,
  type Shape,
  SutureError,
  type Tensor,
  typeText,
} from '../../ir/index.ts';
import {
  type Activation,
  activations,
  type Content,
  meaningOf,
  type OutputMeaning,
  outputKinds,
  readContent,
  type Task,
} from '../../passes/index.ts';
import type { Dataset, LabelArray } from '../data/dataset.ts';
import { areTargets, impliedActivation } from '../data/labels.ts';
import type { Opening } from '../execution/progress.ts';
import { answersOf } from './answers.ts';
import { interfaceOf, requireFittingImages, spatialExtents } from './interface.ts';
import { argmax, channelsFirst } from './outputs.ts';
import { graphForImages } from './sizes.ts';

export interface MeaningOptions {
  readonly task?: Task | undefined;
  /** What makes probabilities of logits, where the network does not say. */
  readonly activation?: Activation | undefined;
}

export const meaningSchema = v.object({
  kind: v.picklist(outputKinds),
  activation: v.optional(v.picklist(activations)),
  channelAxis: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  channels: v.pipe(v.number(), v.integer(), v.minValue(1)),
});

/** A meaning as a file of a run keeps it. */
export const fromStored = ({
  kind,
  activation,
  channelAxis,
  channels,
}: v.InferOutput<typeof meaningSchema>): OutputMeaning => ({
  kind,
  activation,
  channelAxis,
  channels,
});

const keys = {
  kind: 'suture.output.kind',
  activation: 'suture.output.activation',
  channelAxis: 'suture.output.channel_axis',
} as const;

/** A meaning as the metadata of a file that is exported. */
export const meaningMetadata = ({
  kind,
  activation,
  channelAxis,
}: OutputMeaning): Readonly<Record<string, string>> => ({
  [keys.kind]: kind,
  ...(activation !== undefined && { [keys.activation]: activation }),
  ...(channelAxis !== undefined && { [keys.channelAxis]: String(channelAxis) }),
});

/** As a content, but perhaps real values. */
type Stated = Omit<Content, 'kind'> & { readonly kind: OutputMeaning['kind'] | undefined };

/** What the metadata of a file that was exported here say; undefined where they say nothing, or what the output cannot be. */
function fromMetadata(graph: Graph): Stated | undefined {
  const { metadata = {} } = graph.info;
  const kind = outputKinds.find(k => k === metadata[keys.kind]);
  if (kind === undefined) return undefined;
  const activation = activations.find(a => a === metadata[keys.activation]);
  const stated = metadata[keys.channelAxis];
  const rank = graph.outputs[0].value.type.shape.length;
  const axis = stated === undefined ? 'none' : Number(stated);
  if (axis !== 'none' && !(Number.isInteger(axis) && axis >= 1 && axis < rank)) return undefined;
  return { kind, activation, axis };
}

/** What the file says, without data: its graph first, then its metadata, then what is usual. */
export function statedMeaning(graph: Graph, options: MeaningOptions = {}): OutputMeaning {
  const output = graph.outputs[0].value;
  return completed(graph, readContent(graph, output), fromMetadata(graph), options);
}

/** As {@link statedMeaning}; undefined for outputs that no data could be compared with. */
export function knownMeaning(graph: Graph): OutputMeaning | undefined {
  const { type } = graph.outputs[0].value;
  if (!isFloat(type.dtype) || type.shape.length < 2) return undefined;
  try {
    return statedMeaning(graph);
  } catch (error) {
    if (error instanceof SutureError && error.code === 'model-unsupported') return undefined;
    throw error;
  }
}

/** Facts from several sources put together, the graph's first. */
function completed(
  graph: Graph,
  content: Content,
  found: Partial<Stated> | undefined,
  { task: given, activation }: MeaningOptions,
): OutputMeaning {
  const task = found?.kind === 'values' ? 'regression' : given;
  const meaning = meaningOf(graph, graph.outputs[0].value, {
    task,
    activation: activation ?? (content.activation ? undefined : found?.activation),
    channelAxis: found?.axis === 'none' ? null : found?.axis,
  });
  return meaning.kind === 'values' ? meaning : { ...meaning, kind: content.kind ?? found?.kind ?? meaning.kind };
}

/**
 * What the output of a network means, with answers of the network on the data where its file leaves it open.
 *
 * @param open what answers are computed with.
 * @throws SutureError `option-invalid` where the activation cannot be known, or contradicts the graph.
 */
export async function establishMeaning(
  open: Opening,
  { graph: network, path: name }: { readonly graph: Graph; readonly path: string },
  dataset: Dataset,
  options: MeaningOptions = {},
): Promise<OutputMeaning> {
  requireFittingImages(dataset, network, name);
  const graph = graphForImages(network, dataset, name);
  const { outputType: type } = interfaceOf(graph, name);
  const content = readContent(graph, graph.outputs[0].value);
  const stated = fromMetadata(graph);
  const known = stated ?? { axis: content.axis ?? axisByLabels(type.shape, dataset.labels) };
  const meaning = completed(graph, content, known, options);
  const task = options.task ?? dataset.labels?.task;
  if (task === 'regression' || (meaning.channels === 1 && areTargets(dataset))) {
    return completed(graph, content, known, { task: 'regression' });
  }
  if (content.kind !== undefined || stated) return meaning;

  const answers = await answersOf(open, graph, dataset);
  const probed = contentOfAnswers(answers.output, known.axis);
  if (probed) return completed(graph, content, probed, options);
  if (meaning.channels === 1 || options.activation !== undefined || content.activation !== undefined) return meaning;
  const output = channelsFirst(answers.output, meaning);
  const implied = impliedActivation(dataset, { meaning, spatial: spatialExtents(type, meaning), name });
  if (implied === undefined && !looksLikeRegions(output)) return meaning;
  const activation = implied ?? activationByForeground(output, answers.images, dataset);
  if (activation !== undefined) return { ...meaning, activation };
  throw new SutureError(
    'option-invalid',
    `The output of ${printable(name)} is ${typeText(type)}, and whether its ${meaning.channels} channels are classes that exclude each ` +
      'other or regions that may overlap cannot be told from its numbers: say --activation softmax or --activation sigmoid.',
  );
}

/** Where labels [N, spatial...] leave one axis of the output over, it is that of the channels. */
function axisByLabels(output: Shape, labels: LabelArray | undefined): Content['axis'] {
  if (!labels || labels.shape.length === 0) return undefined;
  const fits = (shape: Shape): boolean =>
    shape.length === labels.shape.length && shape.every((d, i) => d === labels.shape[i]);
  if (fits(output.slice(1))) return 'none';
  const [first, last] = [fits(output.slice(2)), fits(output.slice(1, -1))];
  if (first === last) return undefined;
  return first ? 1 : output.length - 1;
}

/** How far sums of probabilities may be from 1: what float16 leaves of them. */
const tolerance = 4e-3;

/** A yes that a trained network gives somewhere on some images. */
const sure = 0.95;

/** What numbers show that are probabilities or their logarithms; undefined where they are neither. */
function contentOfAnswers(answers: Tensor, known: Content['axis']): Content | undefined {
  const values = numbersOf(answers);
  const { shape } = answers;
  const axes = known === undefined ? [...new Set([1, shape.length - 1])] : known === 'none' ? [] : [known];
  const among = axes.filter(axis => axis > 0 && shape[axis] > 1);
  let [lowest, highest] = [Infinity, -Infinity];
  for (const value of values) {
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  const sumsToOne = (of: (value: number) => number) => among.find(axis => sumsAreOne(values, shape, axis, of));
  if (lowest >= -tolerance && highest <= 1 + tolerance) {
    const axis = sumsToOne(value => value);
    if (axis !== undefined) return { kind: 'probabilities', activation: 'softmax', axis };
    // Small logits lie between 0 and 1 by chance; a network that is trained is sure of something, one way and the other.
    const decided = lowest < 1 - sure && highest > sure;
    return decided ? { kind: 'probabilities', activation: 'sigmoid', axis: known } : undefined;
  }
  const axis = highest <= tolerance ? sumsToOne(Math.exp) : undefined;
  return axis === undefined ? undefined : { kind: 'log-probabilities', activation: 'softmax', axis };
}

function sumsAreOne(
  values: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  of: (value: number) => number,
): boolean {
  const channels = shape[axis];
  const step = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  for (let at = 0; at < values.length; at++) {
    if (Math.floor(at / step) % channels !== 0) continue;
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += of(values[at + k * step]);
    if (!(Math.abs(sum - 1) <= tolerance)) return false;
  }
  return true;
}

/** Dice with the labelled foreground from which on sigmoids explain it, where a softmax explains less than half as much. */
const explained = 0.5;

/**
 * Which of a softmax (a class other than the first wins) and sigmoids (any channel says yes) explains the foreground that is labelled,
 * class numbers [N, spatial...]. Undefined where that is not clear.
 *
 * @param output logits [n, C, spatial...] of the images.
 */
function activationByForeground(
  output: Tensor,
  images: readonly number[],
  { labels }: Dataset,
): Activation | undefined {
  const [, channels, ...spatial] = output.shape as [number, number, ...number[]];
  if (!labels || spatial.length === 0 || String(labels.shape) !== String(spatial)) return undefined;
  const values = numbersOf(output);
  const pixels = spatial.reduce((product, dim) => product * dim, 1);
  const counts = { softmax: [0, 0], sigmoid: [0, 0] } satisfies Record<Activation, number[]>;
  for (const [row, image] of images.entries()) {
    for (let p = 0; p < pixels; p++) {
      const label = labels.data[image * pixels + p];
      if (label === labels.ignore) continue;
      const start = row * channels * pixels + p;
      const highest = argmax(values, start, pixels, channels);
      const found = { softmax: highest > 0, sigmoid: values[start + highest * pixels] > 0 };
      for (const activation of activations) {
        const yes = found[activation] ? 1 : 0;
        counts[activation][0] += label > 0 ? 2 * yes : 0;
        counts[activation][1] += yes + (label > 0 ? 1 : 0);
      }
    }
  }
  const [softmax, sigmoid] = activations.map(a => counts[a][0] / Math.max(1, counts[a][1])) as [number, number];
  if (softmax >= sigmoid) return 'softmax';
  return sigmoid >= explained && softmax < sigmoid / 2 ? 'sigmoid' : undefined;
}

/** Logits that are rather no: probabilities below 0.27. */
const rather = -1;

/** Of the places, the share at which classes may look like regions. */
const mostUnlike = 0.3;

/**
 * Whether at many places every channel says no. Trained by a softmax, logits keep the sum that they had before the training, about 0,
 * and one of them is positive.
 */
function looksLikeRegions(output: Tensor): boolean {
  const [count, channels, ...spatial] = output.shape as [number, number, ...number[]];
  const values = numbersOf(output);
  const pixels = spatial.reduce((product, dim) => product * dim, 1);
  let none = 0;
  for (let row = 0; row < count; row++) {
    for (let p = 0; p < pixels; p++) {
      let highest = -Infinity;
      for (let k = 0; k < channels; k++) highest = Math.max(highest, values[(row * channels + k) * pixels + p]);
      if (highest < rather) none++;
    }
  }
  return none > mostUnlike * count * pixels;
}
